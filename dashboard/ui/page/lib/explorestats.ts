// Figures of a series over a span, and the series side by side. Pure.
import type { Sample } from './columns';
import type { Span } from './explorespan';

export interface Stats {
  min: number | null; mean: number | null; max: number | null; last: number | null; lastAt: number | null;
  /** Readings that the figures are of. */
  count: number;
  /** Share of the span without readings, 0 to 1. */
  gaps: number;
}

/** One point of what is shown: a reading, or a window with the number of readings in it. */
export interface Counted { sample: Sample; n: number }

/**
 * `window`: length of windows, 0 for readings; `gap`: longer silences than this are gaps. Readings of bad
 * quality are none. The time after now is no gap.
 */
export function stats(points: readonly Counted[], span: Span, window: number, gap: number, now: number): Stats {
  const inside = points.filter(({ sample: [t, , q] }) => q !== 2 && t + window > span.from && t < span.to);
  const end = Math.min(span.to, now);
  if (inside.length === 0) return { min: null, mean: null, max: null, last: null, lastAt: null, count: 0, gaps: end > span.from ? 1 : 0 };
  let [min, max, sum, count, silent] = [Infinity, -Infinity, 0, 0, 0];
  let heard = span.from;
  const rest = (until: number) => { if (until - heard > gap - window) silent += until - heard; };
  for (const { sample: [t, value, , low, high], n } of inside) {
    min = Math.min(min, low ?? value);
    max = Math.max(max, high ?? value);
    sum += value * n;
    count += n;
    rest(t);
    heard = Math.max(heard, t + window);
  }
  rest(end);
  const last = inside.at(-1)?.sample as Sample;
  return { min, max, mean: sum / count, last: last[1], lastAt: last[0], count, gaps: Math.min(1, Math.max(0, silent / Math.max(1, end - span.from))) };
}

/** The value that is drawn at a moment: the nearest not farther away than half a gap; null when none is. */
export function valueAt(points: readonly Counted[], at: number, gap: number): Sample | null {
  let best: Sample | null = null;
  for (const { sample } of points) {
    if (sample[2] === 2 || Math.abs(sample[0] - at) > gap / 2) continue;
    if (best === null || Math.abs(sample[0] - at) < Math.abs(best[0] - at)) best = sample;
  }
  return best;
}

export interface Line { at: number; values: (Sample | null)[] }
/** All times of all series, newest first, with the value of each there. */
export function sideBySide(series: readonly (readonly Counted[])[], span: Span): Line[] {
  const rows = new Map<number, Line>();
  series.forEach((points, i) => {
    for (const { sample } of points) {
      if (sample[0] < span.from || sample[0] >= span.to) continue;
      let row = rows.get(sample[0]);
      if (row === undefined) rows.set(sample[0], (row = { at: sample[0], values: series.map(() => null) }));
      row.values[i] = sample;
    }
  });
  return [...rows.values()].sort((a, b) => b.at - a.at);
}
