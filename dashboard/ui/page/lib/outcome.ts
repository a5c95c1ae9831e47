// What became of a request over many alerts, in one sentence and as lists.
import type { RefusedCode, RowResult } from './life';

export interface Reason { code: RefusedCode; n: number; by: string | null; at: number | null }
export interface Summary {
  done: number;
  /** Most frequent first; `by` and `at` of the newest of them. */
  reasons: Reason[];
  /** In the order of the request. */
  refused: string[];
  /** Those that would go through with the state as it is now. */
  retry: string[];
}

export function summarise(results: readonly RowResult[]): Summary {
  const reasons = new Map<RefusedCode, Reason>();
  const summary: Summary = { done: 0, reasons: [], refused: [], retry: [] };
  for (const { alert, refused } of results) {
    if (refused === null) {
      summary.done += 1;
      continue;
    }
    summary.refused.push(alert);
    if (refused.code === 'conflict') summary.retry.push(alert);
    const r = reasons.get(refused.code) ?? { code: refused.code, n: 0, by: null, at: null };
    r.n += 1;
    if (refused.at !== null && (r.at === null || refused.at > r.at)) {
      r.at = refused.at;
      r.by = refused.by;
    } else r.by ??= refused.by;
    reasons.set(refused.code, r);
  }
  summary.reasons = [...reasons.values()].sort((a, b) => b.n - a.n);
  return summary;
}
