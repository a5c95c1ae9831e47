// Which rows are selected. Pure: each step gives a new selection, so that the list knows of it.

/** Most alerts of one request to the server. */
export const MOST = 10_000;

export interface Selection {
  ids: ReadonlySet<string>;
  /** Where a range starts: the row that was last selected by itself. */
  anchor: string;
}

export const NONE: Selection = { ids: new Set(), anchor: '' };

/** Selects a row, or takes it out. */
export function toggle(s: Selection, id: string): Selection {
  const ids = new Set(s.ids);
  if (!ids.delete(id) && ids.size < MOST) ids.add(id);
  return { ids, anchor: id };
}

/** Selects everything from the anchor to `id` in the order shown; without an anchor only `id`. */
export function range(s: Selection, id: string, shown: readonly string[]): Selection {
  const from = shown.indexOf(s.anchor);
  const to = shown.indexOf(id);
  if (to < 0) return s;
  if (from < 0) return { ids: new Set([...s.ids, id]), anchor: id };
  const part = shown.slice(Math.min(from, to), Math.max(from, to) + 1);
  return { ids: new Set([...new Set([...s.ids, ...part])].slice(0, MOST)), anchor: s.anchor };
}

/** Everything that is shown; once more: nothing. */
export function all(s: Selection, shown: readonly string[]): Selection {
  if (shown.length > 0 && shown.slice(0, MOST).every((id) => s.ids.has(id))) return NONE;
  return { ids: new Set(shown.slice(0, MOST)), anchor: shown[0] ?? '' };
}

/** Adds rows, or takes them out if all are in (the members of a group). */
export function group(s: Selection, members: readonly string[]): Selection {
  const ids = new Set(s.ids);
  if (members.every((id) => ids.has(id))) for (const id of members) ids.delete(id);
  else for (const id of members) if (ids.size < MOST) ids.add(id);
  return { ids, anchor: members[0] ?? s.anchor };
}

/** Only these, as after a request of which some rows were refused. */
export const only = (ids: readonly string[]): Selection => ({ ids: new Set(ids), anchor: ids[0] ?? '' });
