// The last day of single series for small pictures: asked for one after the other, kept for a while,
// shared by everything that shows the same series.
import type { HistoryAnswer } from './model';

export interface Trend { points: readonly (readonly [ms: number, value: number])[]; from: number; to: number }
export interface TrendHost {
  read: (q: { device: string; property: string; from: number; to: number; step: number }) => Promise<HistoryAnswer>;
  now: () => number;
  /** Something more urgent is being read, or nobody looks: later. */
  busy: () => boolean;
  /** Who looks: another one may see another part of the city. */
  who: () => string;
}

const TREND_MS = 24 * 3_600_000;
export const TREND_STEP_MS = 30 * 60_000;
/** A trend is read again after so long. */
export const TREND_KEPT_MS = 5 * 60_000;
/** Between two requests, and until it is looked again whether there may be one. */
const PAUSE_MS = 200;
const MOST = 300;

const keyOf = (device: string, property: string) => `${device}:${property}`;

export class Trends {
  private known = $state.raw<ReadonlyMap<string, { trend: Trend | null; at: number }>>(new Map());
  private readonly queue = new Map<string, { device: string; property: string }>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private who = '';
  private readonly host: TrendHost;

  constructor(host: TrendHost) {
    this.host = host;
  }

  /** What is known of a series: undefined while it is being read, null when it could not be. */
  get(device: string, property: string): Trend | null | undefined {
    return this.known.get(keyOf(device, property))?.trend;
  }

  /** Asks for a series unless it is known and young. */
  want(device: string, property: string): void {
    const who = this.host.who();
    if (who !== this.who) this.forget();
    this.who = who;
    const key = keyOf(device, property);
    const have = this.known.get(key);
    if (have !== undefined && this.host.now() - have.at < TREND_KEPT_MS) return;
    this.queue.set(key, { device, property });
    this.timer ??= setTimeout(() => void this.next(), PAUSE_MS);
  }

  private forget(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.queue.clear();
    this.known = new Map();
  }

  private async next(): Promise<void> {
    const [first] = this.queue;
    if (first !== undefined && !this.host.busy()) {
      const [key, series] = first;
      this.queue.delete(key);
      const at = this.host.now();
      // Windows are whole: the same for everybody who asks within one of them.
      const to = Math.floor(at / TREND_STEP_MS) * TREND_STEP_MS + TREND_STEP_MS;
      const from = to - TREND_MS;
      const before = this.known;
      const trend = await this.host.read({ ...series, from, to, step: TREND_STEP_MS }).then(
        (got) => ({ points: got.points.map(([ms, v]) => [ms, v] as const), from, to }),
        () => null,
      );
      if (this.known === before) this.keep(key, trend, at);
    }
    this.timer = this.queue.size > 0 ? setTimeout(() => void this.next(), PAUSE_MS) : undefined;
  }

  private keep(key: string, trend: Trend | null, at: number): void {
    const known = new Map(this.known);
    known.delete(key);
    known.set(key, { trend, at });
    for (const old of known.keys()) {
      if (known.size <= MOST) break;
      known.delete(old);
    }
    this.known = known;
  }
}
