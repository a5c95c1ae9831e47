// Live state of all devices: plain typed arrays outside reactivity (console.md §2.4).
import { DT_SATURATED, LIVE, severityOf, SNAPSHOT, stateOf, type StateFrame } from './wire';
import type { Device } from './model';
import { fold } from './fold';

const TILE = 256;

/** Web Mercator at zoom 0: pixels of one 256 px world. */
export function project(lon: number, lat: number): [number, number] {
  const s = Math.sin((lat * Math.PI) / 180);
  const y = 0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI);
  return [(lon / 360 + 0.5) * TILE, y * TILE];
}

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
  epoch = 0;
  seq = 0;
  rev = -1;
  private readonly byId = new Map<string, number>();
  private readonly listeners = new Set<Listener>();

  /** Takes a (longer) device list; state of known indexes stays. */
  setList(list: Device[], rev: number, areaName: (id: string) => string): void {
    const n = list.length;
    const grow = <T extends { set(a: T): void; length: number }>(old: T, fresh: T): T => {
      if (old.length <= fresh.length) fresh.set(old);
      return fresh;
    };
    this.value = grow(this.value, new Float32Array(n).fill(NaN));
    this.time = grow(this.time, new Float64Array(n));
    this.status = grow(this.status, new Uint8Array(n));
    this.quality = grow(this.quality, new Uint8Array(n));
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
    this.tell(null);
  }

  indexOf(id: string): number | undefined {
    return this.byId.get(id);
  }

  /** Applies a frame. Rows of devices not in the list yet are skipped: a `rev` follows. */
  apply(frame: StateFrame): boolean {
    const n = this.list.length;
    let unknown = false;
    if (frame.kind === SNAPSHOT) {
      this.value.fill(NaN);
      this.time.fill(0);
      this.status.fill(0);
      this.quality.fill(0);
    }
    for (let k = 0; k < frame.n; k++) {
      const i = frame.idx[k] as number;
      if (i >= n) {
        unknown = true;
        continue;
      }
      const v = frame.value[k] as number;
      const status = frame.status[k] as number;
      const dt = frame.dt10[k] as number;
      this.value[i] = v;
      this.status[i] = status;
      this.quality[i] = frame.quality[k] as number;
      // A saturated age says only "older": what was known before is more exact, if it fits.
      const at = frame.baseMs - dt * 10;
      if (stateOf(status) === 0 && Number.isNaN(v)) this.time[i] = 0;
      else if (dt < DT_SATURATED || (this.time[i] as number) === 0 || (this.time[i] as number) > at) this.time[i] = at;
    }
    this.epoch = frame.epoch;
    this.seq = frame.seq;
    this.tell(frame.kind === SNAPSHOT ? null : frame.idx);
    return !unknown;
  }

  /** How many devices send, of those that are known. */
  fresh(): { live: number; all: number } {
    let live = 0;
    for (let i = 0; i < this.list.length; i++) {
      if (stateOf(this.status[i] as number) === LIVE) live += 1;
    }
    return { live, all: this.list.length };
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
