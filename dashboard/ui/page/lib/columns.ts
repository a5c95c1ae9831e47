// Readings as uPlot wants them.
/** A reading, or the mean of a window with its least and greatest. */
export type Sample = readonly [ms: number, value: number, quality: number, low?: number, high?: number];
type Column = (number | null)[];

/** Columns for uPlot: seconds, values of good quality, other values, bounds; null breaks the line at gaps. */
export function columns(points: readonly Sample[], gap: number): [number[], Column, Column, Column, Column] {
  const x: number[] = [];
  const [good, other, low, high]: [Column, Column, Column, Column] = [[], [], [], []];
  let last = -Infinity;
  for (const [ms, value, quality, lo, hi] of points) {
    if (ms - last > gap && last !== -Infinity) {
      x.push((last + ms) / 2000);
      for (const column of [good, other, low, high]) column.push(null);
    }
    x.push(ms / 1000);
    good.push(quality === 2 ? null : value);
    // A window says uncertain as soon as one of its readings is: no mark for each of those.
    other.push(quality === 0 || lo !== undefined ? null : value);
    low.push(lo ?? null);
    high.push(hi ?? null);
    last = ms;
  }
  return [x, good, other, low, high];
}

/** Indexes of values without a neighbour: no line shows them. */
export function alone(values: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (values[i] != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
  }
  return found;
}
