// A series as a small line without axes.
import type { Trend } from './trends.svelte';

export const SPARK_W = 100;
export const SPARK_H = 20;

/** A window is missing when two points are further apart than this many steps. */
const GAP_STEPS = 1.5;

export interface Spark { path: string; low: number; high: number; last: number }

/** The path of a trend; null when there are fewer than two points. Gaps stay gaps. */
export function spark(t: Trend, step: number): Spark | null {
  const points = t.points.filter(([, v]) => Number.isFinite(v));
  if (points.length < 2) return null;
  const values = points.map(([, v]) => v);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (ms: number) => ((ms - t.from) / (t.to - t.from)) * SPARK_W;
  // A flat line lies in the middle; the line keeps a margin of one so that it is not cut.
  const y = (v: number) => (high === low ? SPARK_H / 2 : SPARK_H - 1 - ((v - low) / (high - low)) * (SPARK_H - 2));
  let path = '';
  let before = -Infinity;
  for (const [ms, v] of points) {
    path += `${ms - before > step * GAP_STEPS ? 'M' : 'L'}${x(ms + step / 2).toFixed(1)} ${y(v).toFixed(1)}`;
    before = ms;
  }
  return { path, low, high, last: values.at(-1) as number };
}

/** Several series as one: the mean of those that have a value in a window. */
export function meanOf(trends: readonly Trend[]): Trend | null {
  const [first] = trends;
  if (first === undefined) return null;
  const sums = new Map<number, [sum: number, n: number]>();
  for (const t of trends) for (const [ms, v] of t.points) {
    const s = sums.get(ms) ?? [0, 0];
    sums.set(ms, [s[0] + v, s[1] + 1]);
  }
  return {
    points: [...sums].sort((a, b) => a[0] - b[0]).map(([ms, [sum, n]]) => [ms, sum / n] as const),
    from: Math.min(...trends.map((t) => t.from)), to: Math.max(...trends.map((t) => t.to)),
  };
}

/** At most `most` of a list, evenly spread over it and always the same. */
export function sample<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  return Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)] as T);
}
