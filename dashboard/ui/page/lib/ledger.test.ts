import { describe, expect, it } from 'vitest';
import { lags, reasons, total, type Door } from './ledger';

const door = (source: string, received: number, by: Record<string, number>): Door => ({
  source, received, accepted: received - 3, quarantined: 2, quarantined_by_reason: by, duplicate: 1, shed: 0, difference: 0, partly: 0, records: received, evaluated: received - 1,
  late: 1, stored: received, dead_lettered: 0,
});

describe('ledger', () => {
  it('adds up the doors', () => {
    const sum = total([door('a', 10, {}), door('b', 20, {})]);
    expect([sum.received, sum.accepted, sum.quarantined, sum.duplicate, sum.late]).toEqual([30, 24, 4, 2, 2]);
    expect(sum.received - sum.accepted - sum.quarantined - sum.duplicate - sum.shed).toBe(0);
    expect(total([]).received).toBe(0);
  });
  it('sums the reasons, the most frequent first', () => {
    expect(reasons([door('a', 1, { malformed: 1, not_allowed: 4 }), door('b', 1, { malformed: 2 })])).toEqual([['not_allowed', 4], ['malformed', 3]]);
  });
  it('says how far a reader is behind, never less than nothing', () => {
    const status = { version: '', clock: 'wall', started: 0, journal: { first: 0, next: 10, bytes: 0, corrupt: 0 }, readers: { rules: 4, live: 12 } };
    expect(lags(status)).toEqual([['rules', 6], ['live', 0]]);
  });
});
