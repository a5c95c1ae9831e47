// Binary frames of /ws (docs/protocol.md): little-endian columns, 12 bytes a row.

export const SNAPSHOT = 0;
export const DELTA = 1;
export const HEARTBEAT = 2;
const HEADER_BYTES = 24;

export interface StateFrame {
  kind: typeof SNAPSHOT | typeof DELTA;
  n: number;
  epoch: number;
  seq: number;
  baseMs: number;
  /** Columns; views into the frame, so copy what is kept. */
  idx: Uint32Array;
  value: Float32Array;
  dt10: Uint16Array;
  status: Uint8Array;
  quality: Uint8Array;
}

export interface HeartbeatFrame {
  kind: typeof HEARTBEAT;
  epoch: number;
  seq: number;
  baseMs: number;
  watermarkMs: number;
  serverMs: number;
}

export type Frame = StateFrame | HeartbeatFrame;

/** A frame that breaks the contract. */
export class WireError extends Error {}

const pad4 = (bytes: number) => (bytes + 3) & ~3;

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}

/** Decodes one frame; null for a kind that this page does not know. Throws WireError. */
export function decode(buffer: ArrayBuffer): Frame | null {
  if (buffer.byteLength < HEADER_BYTES) throw new WireError(`frame of ${buffer.byteLength} bytes`);
  const view = new DataView(buffer);
  const version = view.getUint8(0);
  if (version !== 1) throw new WireError(`frame version ${version}`);
  const kind = view.getUint8(1);
  const n = view.getUint32(4, true);
  const epoch = view.getUint32(8, true);
  const seq = view.getUint32(12, true);
  const baseMs = u64(view, 16);
  if (kind === HEARTBEAT) {
    if (buffer.byteLength < HEADER_BYTES + 16) throw new WireError('short heartbeat');
    return { kind, epoch, seq, baseMs, watermarkMs: u64(view, 24), serverMs: u64(view, 32) };
  }
  if (kind !== SNAPSHOT && kind !== DELTA) return null;
  const value = HEADER_BYTES + 4 * n;
  const dt = value + 4 * n;
  const status = dt + pad4(2 * n);
  const quality = status + pad4(n);
  const end = quality + pad4(n);
  if (buffer.byteLength !== end) {
    throw new WireError(`${n} rows need ${end} bytes, the frame has ${buffer.byteLength}`);
  }
  return {
    kind, n, epoch, seq, baseMs,
    idx: new Uint32Array(buffer, HEADER_BYTES, n),
    value: new Float32Array(buffer, value, n),
    dt10: new Uint16Array(buffer, dt, n),
    status: new Uint8Array(buffer, status, n),
    quality: new Uint8Array(buffer, quality, n),
  };
}

/** What the three low bits of a status say. */
export const NEVER = 0;
export const LIVE = 1;
export const STALE = 2;
export const OFFLINE = 3;

export const stateOf = (status: number) => status & 7;
export const severityOf = (status: number) => (status >> 3) & 7;

/** Age (10 ms steps) at which `dt10` saturates: the reading is at least this old. */
export const DT_SATURATED = 65535;
