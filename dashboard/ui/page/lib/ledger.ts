// Where every message went: the counters of the doors, and whether they add up.
export interface Door {
  source: string; received: number; accepted: number; quarantined: number; quarantined_by_reason: Record<string, number>; duplicate: number;
  shed: number; difference: number; partly: number; records: number; evaluated: number; late: number; stored: number; dead_lettered: number;
}
export interface Ledger { difference: number; difference_rules: number; difference_history: number; sources: Door[] }
export interface Refused { at: number; source: string; topic: string; device: string | null; reason: string; detail: string; payload: string }
export interface Status {
  version: string; clock: string; started: number;
  journal: { first: number; next: number; bytes: number; corrupt: number };
  readers: Record<string, number>;
}

const COUNTED = ['received', 'accepted', 'quarantined', 'duplicate', 'shed', 'difference', 'partly', 'records', 'evaluated', 'late', 'stored', 'dead_lettered'] as const;
export type Counted = (typeof COUNTED)[number];

/** All doors together. */
export function total(doors: readonly Door[]): Record<Counted, number> {
  const sum = Object.fromEntries(COUNTED.map((f) => [f, 0])) as Record<Counted, number>;
  for (const door of doors) for (const f of COUNTED) sum[f] += door[f];
  return sum;
}

/** Reasons of refusal of all doors, the most frequent first. */
export function reasons(doors: readonly Door[]): [string, number][] {
  const sum = new Map<string, number>();
  for (const door of doors) for (const [reason, n] of Object.entries(door.quarantined_by_reason)) sum.set(reason, (sum.get(reason) ?? 0) + n);
  return [...sum].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

/** How far the readers are behind the end of the journal, in entries. */
export const lags = (s: Status): [string, number][] => Object.entries(s.readers).map(([name, at]) => [name, Math.max(0, s.journal.next - at)]);
