// Readings as uPlot wants them.
export type Sample = readonly [ms: number, value: number, quality: number];

/** Columns for uPlot: seconds, values of good quality, other values; null breaks the line at gaps. */
export function columns(points: readonly Sample[], gap: number): [number[], (number | null)[], (number | null)[]] {
  const x: number[] = [];
  const good: (number | null)[] = [];
  const other: (number | null)[] = [];
  let last = -Infinity;
  for (const [ms, value, quality] of points) {
    if (ms - last > gap && last !== -Infinity) {
      x.push((last + ms) / 2000);
      good.push(null);
      other.push(null);
    }
    x.push(ms / 1000);
    good.push(quality === 2 ? null : value);
    other.push(quality === 0 ? null : value);
    last = ms;
  }
  return [x, good, other];
}
