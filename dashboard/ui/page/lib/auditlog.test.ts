import { describe, expect, it } from 'vitest';
import { auditFits, lastSeq, pageBefore } from './auditlog';
import type { AuditEntry } from './people';

const line = (seq: number): AuditEntry => ({ seq, action: seq % 2 ? 'raised' : 'signed_in', actor: 'Lan', origin: null, at: seq, note: null, detail: null });
function log(n: number) {
  let asked = 0;
  const read = async (after: number, limit: number) => {
    asked += 1;
    const lines: AuditEntry[] = [];
    for (let s = after + 1; s <= n && lines.length < limit; s++) lines.push(line(s));
    return { lines };
  };
  return { read, asked: () => asked };
}

describe('the audit log from its end', () => {
  it('finds the last line of a log of any length in few questions', async () => {
    for (const n of [0, 1, 2, 3, 1023, 1024, 1025, 1026, 5000, 1_000_003]) {
      const { read, asked } = log(n);
      expect(await lastSeq(read), String(n)).toBe(n);
      expect(asked()).toBeLessThan(50);
    }
  });
  it('gives pages newest first, without a line twice or left out', async () => {
    const { read } = log(25);
    const seen: number[] = [];
    for (let last = await lastSeq(read); last > 0;) {
      const page = await pageBefore(read, last, 10);
      seen.push(...page.map((l) => l.seq));
      last = (page.at(-1)?.seq ?? 1) - 1;
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => 25 - i));
  });
  it('filters by kind and by a part of the name', () => {
    expect(auditFits(line(2), 'signed_in', 'la')).toBe(true);
    expect(auditFits(line(2), 'raised', '')).toBe(false);
    expect(auditFits(line(2), '', 'minh')).toBe(false);
  });
});
