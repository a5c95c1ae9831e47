// The order of a list whose rows keep their places while somebody reads them.

/** What is shown next: as wanted, or held: what was shown without what is gone, and what is new behind it. */
export function order<T>(shown: readonly T[], wanted: readonly T[], held: boolean): readonly T[] {
  if (!held || shown.length === 0) return wanted;
  const there = new Set(wanted);
  const kept = shown.filter((x) => there.has(x));
  const have = new Set(kept);
  return [...kept, ...wanted.filter((x) => !have.has(x))];
}
