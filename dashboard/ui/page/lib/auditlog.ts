// Reading the audit log from its end: the server gives it from the beginning, so its length is
// found first by asking in growing steps. Pure, but for `read`.
import type { AuditEntry } from './people';

type Read = (after: number, limit: number) => Promise<{ lines: AuditEntry[] }>;

/** The number of the last line: doubling, then halving; 0 when there is none. */
export async function lastSeq(read: Read): Promise<number> {
  const after = async (n: number) => (await read(n, 1)).lines[0]?.seq ?? null;
  let low = (await after(0)) ?? 0;
  if (low === 0) return 0;
  let step = 1024;
  for (let next = await after(low + step); next !== null; next = await after(low + step)) {
    low = next;
    step *= 4;
  }
  // A line exists at `low`, none after `high`.
  let high = low + step;
  while (high - low > 1) {
    const middle: number = low + Math.floor((high - low) / 2);
    const next = await after(middle);
    if (next === null) high = middle;
    else low = next;
  }
  return (await after(low)) ?? low;
}

/** The page of `size` lines that ends with `last`, newest first. */
export async function pageBefore(read: Read, last: number, size: number): Promise<AuditEntry[]> {
  const { lines } = await read(Math.max(0, last - size), size);
  return lines.filter((l) => l.seq <= last).reverse();
}

/** Only lines of a kind and of an actor (part of a name). */
export const auditFits = (l: AuditEntry, kind: string, who: string): boolean =>
  (kind === '' || l.action === kind) && (who === '' || l.actor.toLowerCase().includes(who.toLowerCase()));
