// How much of the past a chart asks for, and in which resolution. Pure.
import type { HistoryAnswer } from './model';
import type { Sample } from './columns';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** Days of the city begin at 17:00 UTC. */
const LOCAL_DAYS_MS = -7 * HOUR_MS;

/** Hours that the chart of a device can show. */
export const RANGES = [6, 24, 168, 720, 8760] as const;

/** All but the first ones divide by an hour or a minute: those are the tiers that the server keeps. */
const STEPS_MS = [1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440, 10_080].map((m) => m * MINUTE_MS);
/** More readings than this are not drawn one by one. */
const RAW_POINTS = 1500;
const WINDOWS = 600;
/** Longer stretches may lie beyond what is kept of single readings. */
const RAW_SPAN_MS = 31 * DAY_MS;

export interface Windows { step: number; offset: number }

/** Offset of windows of this length that begin with the hours and days of the city. */
export const offsetOf = (step: number): number => (LOCAL_DAYS_MS % step === 0 ? 0 : LOCAL_DAYS_MS);

/** The finest windows that leave at most `most` of them in a span. */
export function windowsFor(span: number, most = WINDOWS): Windows {
  const step = STEPS_MS.find((s) => span / s <= most) ?? (STEPS_MS.at(-1) as number);
  return { step, offset: offsetOf(step) };
}

/** Windows for a span, or null for the single readings. `cadence` in s, 0 when irregular. */
export function plan(span: number, cadence: number): Windows | null {
  const every = cadence > 0 ? cadence * 1000 : 15_000;
  return span <= RAW_SPAN_MS && span / every <= RAW_POINTS ? null : windowsFor(span);
}

/** Begin of the window that holds a moment. */
export const beginOf = (ms: number, w: Windows): number => Math.floor((ms - w.offset) / w.step) * w.step + w.offset;

const TIER_MS = { raw: 0, minute: MINUTE_MS, hour: HOUR_MS } as const;
export type Tier = keyof typeof TIER_MS;

/** Length of the longest windows in an answer: old parts may be kept in coarser ones than asked for. */
export const widest = (w: Windows | null, tier: Tier | undefined): number => Math.max(w?.step ?? 0, TIER_MS[tier ?? 'raw'] ?? 0);

/** A stretch without readings longer than this is a gap: three cadences beyond one window. */
export function gapOf(window: number, cadence: number): number {
  const silence = 3 * cadence * 1000;
  return window === 0 ? Math.max(silence, 30_000) : window + Math.max(silence, 1);
}

/** Means with the least and greatest of their windows, joined by time; a bound that is missing is the mean. */
export function banded(mean: HistoryAnswer, min: HistoryAnswer, max: HistoryAnswer): Sample[] {
  const lows = new Map(min.points.map(([t, v]) => [t, v]));
  const highs = new Map(max.points.map(([t, v]) => [t, v]));
  return mean.points.map(([t, v, q]) => [t, v, q, lows.get(t) ?? v, highs.get(t) ?? v] as const);
}

/** `old` with everything from `from` on replaced. */
export function spliced(old: readonly Sample[], fresh: readonly Sample[], from: number): Sample[] {
  return [...old.filter((s) => s[0] < from), ...fresh.filter((s) => s[0] >= from)];
}
