import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decode, HEARTBEAT, SNAPSHOT, severityOf, stateOf, WireError, type StateFrame } from './wire';

interface Golden {
  frames: {
    name: string; hex: string;
    decoded: {
      kind: number; n: number; epoch: number; seq: number; base_ms: number; watermark_ms?: number; server_ms?: number;
      rows?: { idx: number; value: number | null; dt10ms: number; status: number; quality: number }[];
    };
  }[];
}

const bytes = (hex: string): ArrayBuffer => {
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return out.buffer;
};

const path = fileURLToPath(new URL('../../../golden/frames.json', import.meta.url));
if (!existsSync(path)) console.warn(`${path} is missing: the golden frames are not checked`);

describe.skipIf(!existsSync(path))('golden frames shared with the Rust tests', () => {
  const golden: Golden = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Golden) : { frames: [] };

  it('has frames of each kind', () => {
    expect(golden.frames.map((f) => f.decoded.kind)).toEqual(expect.arrayContaining([0, 1, 2]));
  });

  for (const { name, hex, decoded } of golden.frames) {
    it(name, () => {
      const frame = decode(bytes(hex));
      if (decoded.kind > HEARTBEAT) {
        expect(frame).toBeNull();
        return;
      }
      if (frame === null) throw new Error('the frame was skipped');
      expect(frame.kind).toBe(decoded.kind);
      expect([frame.epoch, frame.seq, frame.baseMs]).toEqual([decoded.epoch, decoded.seq, decoded.base_ms]);
      if (frame.kind === HEARTBEAT) {
        expect([frame.watermarkMs, frame.serverMs]).toEqual([decoded.watermark_ms, decoded.server_ms]);
        return;
      }
      const rows = decoded.rows ?? [];
      expect(frame.n).toBe(rows.length);
      expect([...frame.idx]).toEqual(rows.map((r) => r.idx));
      expect([...frame.value]).toEqual(rows.map((r) => (r.value === null ? NaN : Math.fround(r.value))));
      expect([...frame.dt10]).toEqual(rows.map((r) => r.dt10ms));
      expect([...frame.status]).toEqual(rows.map((r) => r.status));
      expect([...frame.quality]).toEqual(rows.map((r) => r.quality));
    });
  }
});

/** A snapshot of `n` rows whose columns can be told apart. */
function snapshot(n: number): Uint8Array {
  const pad = (x: number) => (x + 3) & ~3;
  const out = new Uint8Array(24 + 8 * n + pad(2 * n) + 2 * pad(n));
  const view = new DataView(out.buffer);
  view.setUint8(0, 1);
  view.setUint32(4, n, true);
  view.setUint32(8, 7, true);
  view.setUint32(12, 9, true);
  view.setBigUint64(16, 1_763_780_709_123n, true);
  for (let i = 0; i < n; i++) {
    view.setUint32(24 + 4 * i, 100 + i, true);
    view.setFloat32(24 + 4 * n + 4 * i, i / 2, true);
    view.setUint16(24 + 8 * n + 2 * i, 1000 + i, true);
    view.setUint8(24 + 8 * n + pad(2 * n) + i, 1 | (5 << 3));
    view.setUint8(24 + 8 * n + pad(2 * n) + pad(n) + i, 2);
  }
  return out;
}

describe('decode', () => {
  it('reads columns at every padding', () => {
    for (let n = 0; n <= 9; n++) {
      const f = decode(snapshot(n).buffer as ArrayBuffer) as StateFrame;
      expect([f.kind, f.n, f.epoch, f.seq, f.baseMs]).toEqual([SNAPSHOT, n, 7, 9, 1_763_780_709_123]);
      expect([...f.idx]).toEqual(Array.from({ length: n }, (_, i) => 100 + i));
      expect([...f.value]).toEqual(Array.from({ length: n }, (_, i) => i / 2));
      expect([...f.dt10]).toEqual(Array.from({ length: n }, (_, i) => 1000 + i));
      expect([...f.status].map((s) => [stateOf(s), severityOf(s)])).toEqual(Array.from({ length: n }, () => [1, 5]));
      expect([...f.quality]).toEqual(Array.from({ length: n }, () => 2));
    }
  });

  it('skips kinds of a later version', () => {
    const frame = snapshot(2);
    frame[1] = 9;
    expect(decode(frame.buffer as ArrayBuffer)).toBeNull();
  });

  it('refuses another version and every truncation', () => {
    const frame = snapshot(3);
    for (let cut = 0; cut < frame.length; cut++) expect(() => decode(frame.slice(0, cut).buffer)).toThrow(WireError);
    frame[0] = 2;
    expect(() => decode(frame.buffer as ArrayBuffer)).toThrow(WireError);
  });

  it('refuses a row count that lies', () => {
    const frame = snapshot(3);
    new DataView(frame.buffer).setUint32(4, 0xffffffff, true);
    expect(() => decode(frame.buffer as ArrayBuffer)).toThrow(WireError);
  });
});
