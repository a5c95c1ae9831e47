// Several series on one time axis, as uPlot wants them. Pure.
import type { Sample } from './columns';

/** `shift`: how much later than measured they are drawn, ms. */
export interface Curve { points: readonly Sample[]; gap: number; shift: number }
/** null breaks a line; undefined is another series' time and breaks nothing. */
export type Aligned = (number | null | undefined)[];

export function aligned(curves: readonly Curve[]): [number[], ...Aligned[]] {
  const own = curves.map(({ points, gap, shift }) => {
    const at = new Map<number, number | null>();
    const gaps: [number, number][] = [];
    let last = -Infinity;
    for (const [ms, value, quality] of points) {
      const t = ms + shift;
      if (t - last > gap && last !== -Infinity) {
        at.set((last + t) / 2, null);
        gaps.push([last, t]);
      }
      // A bad reading is no value; the line does not go on behind it.
      at.set(t, quality === 2 ? null : value);
      last = t;
    }
    return { at, gaps };
  });
  const x = [...new Set(own.flatMap(({ at }) => [...at.keys()]))].sort((a, b) => a - b);
  return [x.map((ms) => ms / 1000), ...own.map(({ at, gaps }) => {
    // uPlot cuts a line only as far as nulls reach: the times of other series in a gap are null too.
    let g = 0;
    return x.map((ms) => {
      while (g < gaps.length && ms >= (gaps[g] as [number, number])[1]) g += 1;
      const inGap = g < gaps.length && ms > (gaps[g] as [number, number])[0];
      return inGap ? null : at.get(ms);
    });
  })];
}

/** Indexes of values that have no neighbour in their own series: no line shows them. */
export function lonely(values: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  let [before, here] = [false, -1];
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (v === undefined) continue;
    if (v === null) {
      if (here >= 0 && !before) found.push(here);
      [before, here] = [false, -1];
    } else {
      before = here >= 0;
      here = i;
    }
  }
  if (here >= 0 && !before) found.push(here);
  return found;
}
