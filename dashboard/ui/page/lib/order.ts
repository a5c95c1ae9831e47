// The order of the alert list. Rows never move under a reader (console.md C1): while the list is
// frozen, what is shown stays where it is and new rows wait behind a counter.
import type { Alert } from './life';
import { level } from './model';

export type Sort = 'severity' | 'time';

/**
 * Most severe first, then newest; ties by id, so the order is total. Acknowledging or the return
 * to normal does not move a row: it changes its looks where the operator's eyes already are.
 */
export function compare(a: Alert, b: Alert, sort: Sort): number {
  if (sort === 'severity') {
    const d = level(b.severity) - level(a.severity);
    if (d !== 0) return d;
  }
  return b.raised_at - a.raised_at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

export interface Shown {
  /** Ids on screen, in order. */
  ids: readonly string[];
  /** Ids that wait for the list to be released. */
  waiting: readonly string[];
}

/**
 * The next thing to show. Not frozen: what is wanted. Frozen: what was shown, unmoved and with
 * nothing taken away, and the new ids waiting.
 */
export function next(shown: readonly string[], wanted: readonly string[], frozen: boolean): Shown {
  if (!frozen || shown.length === 0) return { ids: wanted, waiting: [] };
  const have = new Set(shown);
  return { ids: shown, waiting: wanted.filter((id) => !have.has(id)) };
}
