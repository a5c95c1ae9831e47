// Live state of all devices: plain typed arrays outside reactivity (console.md §2.4).
import { DT_SATURATED, LIVE, NEVER, severityOf, SNAPSHOT, stateOf, type StateFrame } from './wire';
import type { Device } from './model';
import { fold } from './fold';

const TILE = 256;

/** Web Mercator at zoom 0: pixels of one 256 px world. */
export function project(lon: number, lat: number): [number, number] {
  const s = Math.sin((lat * Math.PI) / 180);
  const y = 0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI);
  return [(lon / 360 + 0.5) * TILE, y * TILE];
}

/** Value, time, status, quality. */
type Cells = [number, number, number, number];

export type Listener = (touched: Uint32Array | null) => void;

export class DeviceTable {
  list: Device[] = [];
  /** Folded name, id and area, for search. */
  folded: string[] = [];
  value = new Float32Array(0);
  /** Time of the newest reading, ms; 0 when none. */
  time = new Float64Array(0);
  status = new Uint8Array(0);
  quality = new Uint8Array(0);
  /** World pixels at zoom 0; NaN without a location. */
  x = new Float64Array(0);
  y = new Float64Array(0);
  /** Grows when a device is listed, or changes in more than its value and age: what a map shows of it. */
  looks = 0;
  /** Grows when a device is listed, or begins or ends to send: what a map from afar shows of it. */
  states = 0;
  epoch = 0;
  seq = 0;
  rev = -1;
  private readonly byId = new Map<string, number>();
  /** Position in the list by the server's index: who sees a part of the city has gaps. */
  private byIdx = new Map<number, number>();
  /** Rows of devices that are not in the list yet. */
  private readonly waiting = new Map<number, Cells>();
  private readonly listeners = new Set<Listener>();

  /** Takes a device list; devices that are still in it keep their state, others are forgotten. */
  setList(list: Device[], rev: number, areaName: (id: string) => string): void {
    const n = list.length;
    const held = new Map(this.waiting);
    for (const [idx, i] of this.byIdx) held.set(idx, this.cells(i));
    this.waiting.clear();
    this.value = new Float32Array(n).fill(NaN);
    this.time = new Float64Array(n);
    this.status = new Uint8Array(n);
    this.quality = new Uint8Array(n);
    this.byIdx = new Map(list.map((d, i) => [d.idx, i]));
    for (const [idx, i] of this.byIdx) {
      const cells = held.get(idx);
      if (cells !== undefined) this.put(i, cells);
    }
    this.x = new Float64Array(n).fill(NaN);
    this.y = new Float64Array(n).fill(NaN);
    this.byId.clear();
    this.list = list;
    this.rev = rev;
    this.folded = list.map((d) => fold(`${d.name.vi} ${d.name.en} ${d.id} ${areaName(d.area)}`));
    list.forEach((d, i) => {
      this.byId.set(d.id, i);
      if (d.lat != null && d.lon != null) {
        const [x, y] = project(d.lon, d.lat);
        this.x[i] = x;
        this.y[i] = y;
      }
    });
    this.looks += 1;
    this.states += 1;
    this.tell(null);
  }

  private cells(i: number): Cells {
    return [this.value[i] as number, this.time[i] as number, this.status[i] as number, this.quality[i] as number];
  }

  private put(i: number, [value, time, status, quality]: Cells): void {
    this.value[i] = value;
    this.time[i] = time;
    const before = this.status[i] as number;
    if (before !== status) {
      this.looks += 1;
      if (stateOf(before) !== stateOf(status)) this.states += 1;
    }
    this.status[i] = status;
    this.quality[i] = quality;
  }

  /** Position in the list by id. */
  indexOf(id: string): number | undefined {
    return this.byId.get(id);
  }

  /** Applies a frame. Rows of devices not in the list yet wait for it: a `rev` follows. */
  apply(frame: StateFrame): boolean {
    const touched = new Uint32Array(frame.n);
    let known = 0;
    if (frame.kind === SNAPSHOT) {
      this.waiting.clear();
      this.looks += 1;
      this.states += 1;
      this.value.fill(NaN);
      this.time.fill(0);
      this.status.fill(0);
      this.quality.fill(0);
    }
    for (let k = 0; k < frame.n; k++) {
      const idx = frame.idx[k] as number;
      const i = this.byIdx.get(idx);
      const v = frame.value[k] as number;
      const status = frame.status[k] as number;
      const dt = frame.dt10[k] as number;
      const before = i === undefined ? (this.waiting.get(idx)?.[1] ?? 0) : (this.time[i] as number);
      // A saturated age says only "older": what was known before is more exact, if it fits.
      const at = frame.baseMs - dt * 10;
      let time = before;
      if (stateOf(status) === 0 && Number.isNaN(v)) time = 0;
      else if (dt < DT_SATURATED || before === 0 || before > at) time = at;
      const cells: Cells = [v, time, status, frame.quality[k] as number];
      if (i === undefined) {
        this.waiting.set(idx, cells);
      } else {
        this.put(i, cells);
        touched[known++] = i;
      }
    }
    this.epoch = frame.epoch;
    this.seq = frame.seq;
    this.tell(frame.kind === SNAPSHOT ? null : touched.subarray(0, known));
    return known === frame.n;
  }

  /** How many devices send, of those that are known. */
  fresh(): { live: number; all: number } {
    let live = 0;
    for (let i = 0; i < this.list.length; i++) {
      if (stateOf(this.status[i] as number) === LIVE) live += 1;
    }
    return { live, all: this.list.length };
  }

  /** Nobody in the list has ever been heard. */
  silent(): boolean {
    return this.list.every((_, i) => stateOf(this.status[i] as number) === NEVER);
  }

  severity(i: number): number {
    return severityOf(this.status[i] as number);
  }

  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(touched: Uint32Array | null): void {
    for (const listener of this.listeners) listener(touched);
  }
}
