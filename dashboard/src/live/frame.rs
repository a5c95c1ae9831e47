//! The binary frames of `/ws`, as `docs/protocol.md` lays them out (little-endian).

/// Version of the layout, the first byte of every frame.
pub(crate) const VERSION: u8 = 1;
/// All devices.
pub(crate) const SNAPSHOT: u8 = 0;
/// Devices changed since the number the client has.
pub(crate) const DELTA: u8 = 1;
/// A sign of life.
pub(crate) const HEARTBEAT: u8 = 2;

const HEADER_BYTES: usize = 24;

/// What a frame says in its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub kind: u8,
    pub epoch: u32,
    pub seq: u32,
    pub base_ms: i64,
}

/// One device of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    pub idx: u32,
    pub value: f32,
    pub dt10ms: u16,
    pub status: u8,
    pub quality: u8,
}

/// `(base − time) / 10 ms`, 0 for the future, saturating at 65535.
pub(crate) fn dt10ms(base_ms: i64, time_ms: i64) -> u16 {
    let dt = base_ms.saturating_sub(time_ms) / 10;
    dt.clamp(0, i64::from(u16::MAX)) as u16
}

/// A snapshot or a delta.
pub(crate) fn encode(header: Header, rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + rows.len() * 12 + 12);
    put_header(&mut out, header, rows.len() as u32);
    for row in rows {
        out.extend_from_slice(&row.idx.to_le_bytes());
    }
    for row in rows {
        // One bit pattern for "no value", so that equal states are equal bytes.
        let value = if row.value.is_nan() { f32::NAN } else { row.value };
        out.extend_from_slice(&value.to_le_bytes());
    }
    for row in rows {
        out.extend_from_slice(&row.dt10ms.to_le_bytes());
    }
    pad(&mut out);
    out.extend(rows.iter().map(|r| r.status));
    pad(&mut out);
    out.extend(rows.iter().map(|r| r.quality));
    pad(&mut out);
    out
}

/// The sign of life: how far the pipeline is, and the server's clock.
pub(crate) fn heartbeat(header: Header, watermark_ms: i64, server_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + 16);
    put_header(&mut out, Header { kind: HEARTBEAT, ..header }, 1);
    out.extend_from_slice(&(watermark_ms.max(0) as u64).to_le_bytes());
    out.extend_from_slice(&(server_ms.max(0) as u64).to_le_bytes());
    out
}

fn put_header(out: &mut Vec<u8>, header: Header, n: u32) {
    out.push(VERSION);
    out.push(header.kind);
    out.extend_from_slice(&0u16.to_le_bytes());
    out.extend_from_slice(&n.to_le_bytes());
    out.extend_from_slice(&header.epoch.to_le_bytes());
    out.extend_from_slice(&header.seq.to_le_bytes());
    out.extend_from_slice(&(header.base_ms.max(0) as u64).to_le_bytes());
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The vectors were written by another program (Python's `struct`), and the page's tests read
    /// the same file.
    fn golden() -> Vec<Value> {
        let file: Value = serde_json::from_str(include_str!("../../golden/frames.json"))
            .expect("golden/frames.json is JSON");
        file["frames"].as_array().expect("has frames").clone()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn int(v: &Value, key: &str) -> u64 {
        v[key].as_u64().expect("an unsigned integer")
    }

    #[test]
    fn encodes_the_golden_vectors() {
        let mut checked = 0;
        for vector in golden() {
            let d = &vector["decoded"];
            let header = Header {
                kind: int(d, "kind") as u8,
                epoch: int(d, "epoch") as u32,
                seq: int(d, "seq") as u32,
                base_ms: int(d, "base_ms") as i64,
            };
            let bytes = match header.kind {
                SNAPSHOT | DELTA => {
                    let rows: Vec<Row> = d["rows"]
                        .as_array()
                        .expect("rows")
                        .iter()
                        .map(|r| Row {
                            idx: int(r, "idx") as u32,
                            value: r["value"].as_f64().map_or(f32::NAN, |v| v as f32),
                            dt10ms: int(r, "dt10ms") as u16,
                            status: int(r, "status") as u8,
                            quality: int(r, "quality") as u8,
                        })
                        .collect();
                    encode(header, &rows)
                }
                HEARTBEAT => {
                    heartbeat(header, int(d, "watermark_ms") as i64, int(d, "server_ms") as i64)
                }
                _ => continue,
            };
            assert_eq!(hex(&bytes), vector["hex"].as_str().expect("hex"), "{}", vector["name"]);
            checked += 1;
        }
        assert_eq!(checked, 5);
    }

    #[test]
    fn age_saturates_and_is_never_negative() {
        assert_eq!(dt10ms(1_000, 1_000), 0);
        assert_eq!(dt10ms(1_000, 2_000), 0);
        assert_eq!(dt10ms(655_350, 0), 65_535);
        assert_eq!(dt10ms(i64::MAX, i64::MIN), 65_535);
        assert_eq!(dt10ms(129, 0), 12);
    }
}
