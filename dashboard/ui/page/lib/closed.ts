// Pages of closed and of rejected alerts, merged: the server keeps them as two states of the work.
import type { Alert } from './life';

export interface Source { rows: readonly Alert[]; next: string | null; done: boolean }

export const EMPTY: Source = { rows: [], next: null, done: false };

/** Newest raise first, down to where each unfinished source has been read. */
export function merge(sources: readonly Source[]): Alert[] {
  const floor = Math.max(...sources.map((s) => (s.done ? -Infinity : (s.rows.at(-1)?.raised_at ?? Infinity))));
  return sources
    .flatMap((s) => s.rows)
    .filter((a) => a.raised_at >= floor)
    .sort((a, b) => b.raised_at - a.raised_at || (a.id < b.id ? -1 : 1));
}

/** The source to read next: the one that holds the others back; -1 when all are read. */
export function behind(sources: readonly Source[]): number {
  let worst = -1;
  let at = -Infinity;
  sources.forEach((s, i) => {
    const floor = s.done ? -Infinity : (s.rows.at(-1)?.raised_at ?? Infinity);
    if (floor > at) {
      at = floor;
      worst = i;
    }
  });
  return worst;
}
