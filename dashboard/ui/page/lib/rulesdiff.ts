// Unified diffs, and the levels of a rule, as lists that a screen can show. Pure.
import type { Threshold } from './model';

export interface DiffLine { kind: 'file' | 'place' | 'add' | 'del' | 'same'; text: string }

/** The lines of a unified diff; the pairs of file names become one line each. */
export function diffLines(diff: string): DiffLine[] {
  const out: DiffLine[] = [];
  let from = '';
  for (const line of diff.replace(/\n$/, '').split('\n')) {
    if (line.startsWith('--- ')) from = line.slice(4);
    else if (line.startsWith('+++ ')) {
      const to = line.slice(4);
      out.push({ kind: 'file', text: (to === '/dev/null' ? from : to).replace(/^[ab]\//, '') });
    } else if (line.startsWith('@@')) out.push({ kind: 'place', text: line });
    else if (line.startsWith('+')) out.push({ kind: 'add', text: line.slice(1) });
    else if (line.startsWith('-')) out.push({ kind: 'del', text: line.slice(1) });
    else if (line !== '' && !line.startsWith('\\')) out.push({ kind: 'same', text: line.slice(1) });
  }
  return out;
}

/** How one text differs from another by lines: the shortest list of kept, removed and added ones. */
export function compareTexts(before: string, after: string): DiffLine[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  // Longest common subsequence; a rule has some dozens of lines.
  const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const row = (i: number): Uint16Array => best[i] ?? new Uint16Array(0);
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) row(i)[j] = a[i] === b[j] ? (row(i + 1)[j + 1] ?? 0) + 1 : Math.max(row(i + 1)[j] ?? 0, row(i)[j + 1] ?? 0);
  const out: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) [out.push({ kind: 'same', text: a[i] ?? '' }), i++, j++];
    else if (i < a.length && (j >= b.length || (row(i + 1)[j] ?? 0) >= (row(i)[j + 1] ?? 0))) out.push({ kind: 'del', text: a[i++] ?? '' });
    else out.push({ kind: 'add', text: b[j++] ?? '' });
  }
  return out;
}

export interface LevelLine { severity: string; raise: string; clear: string; vi: string; en: string }

const bare = (text: string) => text.trim().replace(/^"(.*)"$/, '$1');

/** The levels of a canonical text; of a rule that has one severity, that one. */
export function levelsOf(canonical: string): LevelLine[] {
  const lines = canonical.split('\n');
  const at = lines.findIndex((l) => /^ +levels:$/.test(l));
  const out: LevelLine[] = [];
  if (at >= 0) {
    const depth = /^ */.exec(lines[at] ?? '')?.[0].length ?? 0;
    for (const line of lines.slice(at + 1)) {
      if (line.trim() !== '' && (/^ */.exec(line)?.[0].length ?? 0) <= depth) break;
      const m = /^ +(- )?(\w+): (.+)$/.exec(line);
      if (m === null) continue;
      if (m[1] !== undefined) out.push({ severity: '', raise: '', clear: '', vi: '', en: '' });
      const level = out.at(-1);
      const name = m[2] ?? '';
      if (level !== undefined && name in level) level[name as keyof LevelLine] = bare(m[3] ?? '');
    }
    return out;
  }
  const field = (name: string) => bare(new RegExp(`^ +${name}: (.+)$`, 'm').exec(canonical)?.[1] ?? '');
  const severity = field('severity');
  return severity === '' ? [] : [{ severity, raise: field('raise'), clear: field('clear'), vi: '', en: '' }];
}

/** The named limits that a text speaks of, in the order of the text. */
export function named(text: string, thresholds: readonly Threshold[]): Threshold[] {
  const words = text.match(/[A-Za-z][\w-]*(?:\.[\w-]+)+/g) ?? [];
  const byId = new Map(thresholds.map((t) => [t.id, t]));
  return [...new Set(words)].map((w) => byId.get(w)).filter((t) => t !== undefined);
}
