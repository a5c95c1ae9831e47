// What stretch of time the explorer shows, and how it moves. Pure.
import { DAY_MS, MINUTE_MS } from './plan';

export interface Span { from: number; to: number }
/** Shorter than this there is nothing more to see; longer than this is not kept. */
export const SHORTEST = MINUTE_MS;
export const LONGEST = 400 * DAY_MS;

export const shiftOf = (compare: '' | 'day' | 'week'): number => (compare === 'day' ? DAY_MS : compare === 'week' ? 7 * DAY_MS : 0);

/** What an address asks for; null: the last hours, moving with the clock. */
export function fixed(from: number, to: number): Span | null {
  return from > 0 && to - from >= SHORTEST && to - from <= LONGEST ? { from, to } : null;
}

/** A span of this length around the middle of another, whole milliseconds, not beyond now. */
function placed(middle: number, length: number, now: number): Span {
  const most = Math.round(Math.min(LONGEST, Math.max(SHORTEST, length)));
  const to = Math.min(Math.ceil(now), Math.round(middle + most / 2));
  return { from: to - most, to };
}

/** `factor` 0.5 shows half as much, 2 twice as much. */
export const zoomed = (s: Span, factor: number, now: number): Span => placed((s.from + s.to) / 2, (s.to - s.from) * factor, now);
/** Moved by a share of its length; to the future only as far as now. */
export const panned = (s: Span, share: number, now: number): Span => placed((s.from + s.to) / 2 + share * (s.to - s.from), s.to - s.from, now);
/** What was drawn over with the pointer, in either direction; null: too little to be meant. */
export function drawn(a: number, b: number): Span | null {
  const [from, to] = [Math.round(Math.min(a, b)), Math.round(Math.max(a, b))];
  return to - from >= SHORTEST ? { from, to } : null;
}
