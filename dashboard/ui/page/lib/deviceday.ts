// How well a device kept its word over a day. Pure.
import type { Sample } from './columns';

export interface Kept {
  readings: number;
  /** Share of them of good quality, 0 to 1. */
  good: number;
  /** Median of the times between two readings, ms; null with fewer than two. */
  every: number | null;
  /** The longest time without a reading within the stretch, ms. */
  silence: number;
}

/** Over a stretch; null when nothing came. */
export function kept(points: readonly Sample[], from: number, to: number): Kept | null {
  const inside = points.filter(([ms]) => ms >= from && ms <= to);
  if (inside.length === 0) return null;
  const gaps: number[] = [];
  let [silence, seen] = [0, from];
  inside.forEach(([ms], i) => {
    if (i > 0) gaps.push(ms - seen);
    silence = Math.max(silence, ms - seen);
    seen = ms;
  });
  gaps.sort((a, b) => a - b);
  return { readings: inside.length, good: inside.filter(([, , quality]) => quality === 0).length / inside.length, every: gaps[gaps.length >> 1] ?? null, silence: Math.max(silence, to - seen) };
}
