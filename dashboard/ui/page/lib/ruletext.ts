// The text of one rule, and the same with one field changed for a backtest. Nothing is saved: its own tests, which speak of the
// old value, are left out.

/**
 * One rule as a mapping at the margin, whether it came as a file (`rules:`), an item of a list or a
 * mapping; the server puts it back to where it stood, byte for byte.
 */
export function plain(source: string): string {
  const lines = source.replace(/^rules:\n/, '').trimEnd().split('\n');
  const head = lines.findIndex((l) => l.trim() !== '' && !l.trimStart().startsWith('#'));
  const first = lines[head];
  if (first === undefined) return '';
  const dash = /^(\s*)- +/.exec(first);
  const inner = dash?.[0].length ?? /^\s*/.exec(first)?.[0].length ?? 0;
  const cut = (line: string) => line.slice(Math.min(inner, /^ */.exec(line)?.[0].length ?? 0));
  return `${lines.map((l, i) => (i === head ? l.slice(inner) : cut(l))).join('\n')}\n`;
}

/** Sets `field` at the top level of a rule's YAML; null when the text is not one mapping. */
export function withField(yaml: string, field: string, value: string): string | null {
  if (!/^[a-z_]+$/.test(field) || !/^[\w.%+ -]+$/.test(value)) return null;
  const all = plain(yaml).split('\n');
  const first = all.find((l) => /^\s*id:/.test(l));
  if (first === undefined) return null;
  const indent = /^\s*/.exec(first)?.[0] ?? '';
  const top = new RegExp(`^${indent}([A-Za-z_]+):`);
  const out: string[] = [];
  let skip = false;
  let set = false;
  for (const line of all) {
    const key = top.exec(line)?.[1];
    if (key !== undefined) skip = key === 'tests' || key === field;
    if (key === field) {
      out.push(`${indent}${field}: ${value}`);
      set = true;
    } else if (!skip) out.push(line);
  }
  while (out.at(-1)?.trim() === '') out.pop();
  if (!set) out.push(`${indent}${field}: ${value}`);
  return `${out.map((l) => (l.startsWith(indent) ? l.slice(indent.length) : l)).join('\n')}\n`;
}
