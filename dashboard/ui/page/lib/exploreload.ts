// The readings of the explorer, all in one resolution so that they can be compared.
import { client } from './client';
import type { Sample } from './columns';
import type { Series } from './explore';
import type { Counted } from './explorestats';
import type { Span } from './explorespan';
import { banded, plan, widest, windowsFor, type Windows } from './plan';

const RAW_LIMIT = 5000;
const WINDOW_LIMIT = 2000;

export interface Got { points: Counted[]; /** Of the windows, ms; 0: single readings. */ window: number; truncated: boolean; short: boolean }
export interface Asked extends Series { cadence: number }

/** One resolution for all: single readings only when all are shown by them. */
export function common(all: readonly Asked[], span: number): Windows | null {
  return all.every((s) => plan(span, s.cadence) === null) ? null : windowsFor(span);
}

async function one(s: Series, span: Span, windows: Windows | null): Promise<Got> {
  const asking = { device: s.device, property: s.property, from: Math.floor(span.from), to: Math.ceil(span.to), step: windows?.step ?? null, offset: windows?.offset || null };
  if (windows === null) {
    const got = await client.history({ ...asking, agg: null, limit: RAW_LIMIT });
    const points = got.points.map(([t, v, q]) => ({ sample: [t, v, q] as Sample, n: 1 }));
    return { points, window: 0, truncated: got.truncated, short: got.truncated || (got.raw_from != null && got.raw_from > span.from) };
  }
  const [mean, min, max, count] = await Promise.all((['mean', 'min', 'max', 'count'] as const).map((agg) => client.history({ ...asking, agg, limit: WINDOW_LIMIT })));
  if (!mean || !min || !max || !count) throw new Error('four answers');
  const n = new Map(count.points.map(([t, v]) => [t, v]));
  return { points: banded(mean, min, max).map((sample) => ({ sample, n: n.get(sample[0]) ?? 1 })), window: widest(windows, mean.tier), truncated: mean.truncated, short: false };
}

/** What is known of a series; `failed` says why nothing is. */
export interface Known { now: Got | null; before: Got | null; failed: unknown }
export interface All { windows: Windows | null; series: Known[] }

/** Every series over the span and, with a shift, over the same span before; in the order asked. */
export async function fetchAll(all: readonly Asked[], span: Span, shift: number): Promise<All> {
  const read = (windows: Windows | null) => Promise.all(all.map(async (s) => {
    try {
      const [now, before] = await Promise.all([one(s, span, windows), shift === 0 ? null : one(s, { from: span.from - shift, to: span.to - shift }, windows)]);
      return { now, before, failed: null };
    } catch (failed) {
      return { now: null, before: null, failed };
    }
  }));
  const windows = common(all, span.to - span.from);
  const series = await read(windows);
  // More readings than their cadence promised, or older than single readings are kept.
  if (windows !== null || !series.some((s) => s.now?.short || s.before?.short)) return { windows, series };
  const coarse = windowsFor(span.to - span.from);
  return { windows: coarse, series: await read(coarse) };
}
