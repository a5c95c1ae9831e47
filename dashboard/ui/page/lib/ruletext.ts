// A rule with one field changed, for a backtest. Nothing is saved: its own tests, which speak of the
// old value, are left out.

/** Sets `field` at the top level of a rule's YAML; null when the text is not one mapping. */
export function withField(yaml: string, field: string, value: string): string | null {
  if (!/^[a-z_]+$/.test(field) || !/^[\w.%+ -]+$/.test(value)) return null;
  const all = yaml.replace(/^- /, '  ').split('\n');
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
