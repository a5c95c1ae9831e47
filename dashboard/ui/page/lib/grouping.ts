// Groups of alerts on the list: by incident, or by ward and service in a flood.
import type { Alert } from './life';
import { level, type Level } from './model';

export type GroupBy = 'none' | 'incident' | 'place';

/** One line of the list. */
export type Line =
  | { kind: 'alert'; key: string; id: string; member: boolean }
  | { kind: 'group'; key: string; root: string; members: readonly string[]; worst: Level; unacked: number; overdue: number; open: boolean };

/** What a group is called: two alerts of the same key belong together. */
export function keyOf(a: Alert, by: GroupBy): string {
  if (by === 'incident') return a.incident ? `i:${a.incident}` : `a:${a.id}`;
  return `p:${a.area}/${a.service}`;
}

/**
 * The lines of a sorted list. A group stands where its first alert would; of an incident its root
 * comes first, if it is in the list. A group of one is that alert.
 */
export function lines(
  sorted: readonly Alert[], by: GroupBy, expanded: ReadonlySet<string>, rootOf: (key: string) => string | undefined,
): Line[] {
  if (by === 'none') return sorted.map((a) => ({ kind: 'alert', key: a.id, id: a.id, member: false }));
  const groups = new Map<string, Alert[]>();
  for (const a of sorted) {
    const key = keyOf(a, by);
    const have = groups.get(key);
    if (have === undefined) groups.set(key, [a]);
    else have.push(a);
  }
  const out: Line[] = [];
  for (const [key, members] of groups) {
    const first = members[0] as Alert;
    if (members.length === 1) {
      out.push({ kind: 'alert', key: first.id, id: first.id, member: false });
      continue;
    }
    const rootId = rootOf(key);
    const root = members.find((a) => a.id === rootId) ?? first;
    const ordered = [root, ...members.filter((a) => a !== root)].map((a) => a.id);
    const open = expanded.has(key);
    out.push({
      kind: 'group', key, root: root.id, members: ordered, open,
      worst: members.reduce<Level>((w, a) => Math.max(w, level(a.severity)) as Level, 0),
      unacked: members.filter((a) => !a.acknowledged).length,
      overdue: members.filter((a) => a.overdue).length,
    });
    if (open) for (const id of ordered) out.push({ kind: 'alert', key: `${key}|${id}`, id, member: true });
  }
  return out;
}
