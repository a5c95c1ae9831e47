// What the rules screen shows, in the URL's `part`: words by comma, `edit,kind:window,sort:-cpu`.
import { fold, matches } from './fold';
import { MODES, type Mode, type RuleRow } from './rules';

const SORTS = ['id', 'kind', 'service', 'mode', 'open', 'entities', 'cpu', 'bytes', 'changed'] as const;
export type SortBy = (typeof SORTS)[number];

export interface RulesView {
  /** The rule's own page, its editor, a new rule, or the versions of all rules. */
  open: '' | 'edit' | 'new' | 'versions';
  /** Template of a new rule. */
  template: string;
  /** A backtest beside the editor. */
  job: number;
  /** A version whose diff is open. */
  version: number;
  /** The entity that is explained, `device:x`. */
  entity: string;
  kind: string;
  mode: Mode | '';
  sort: SortBy;
  down: boolean;
}
export const PLAIN: RulesView = { open: '', template: '', job: 0, version: 0, entity: '', kind: '', mode: '', sort: 'id', down: false };

const count = (word: string) => (/^\d{1,15}$/.test(word) ? Number(word) : 0);

export function readPart(part: string): RulesView {
  const v = { ...PLAIN };
  for (const word of part.split(',')) {
    const colon = word.indexOf(':');
    const [name, value] = colon < 0 ? [word, ''] : [word.slice(0, colon), word.slice(colon + 1)];
    if (name === 'edit') v.open = 'edit';
    else if (name === 'new') [v.open, v.template] = ['new', value];
    else if (name === 'versions') v.open = 'versions';
    else if (name === 'backtest') v.job = count(value);
    else if (name === 'version') v.version = count(value);
    else if (name === 'at') v.entity = value;
    else if (name === 'kind') v.kind = value;
    else if (name === 'mode') v.mode = MODES.find((m) => m === value) ?? '';
    else if (name === 'sort') {
      v.down = value.startsWith('-');
      v.sort = SORTS.find((s) => s === value.replace('-', '')) ?? 'id';
    }
  }
  // A backtest stands beside the editor.
  if (v.job > 0 && v.open === '') v.open = 'edit';
  return v;
}

export function printPart(v: RulesView): string {
  const words: string[] = [];
  if (v.open === 'new') words.push(`new:${v.template}`);
  else if (v.open === 'versions' || (v.open === 'edit' && v.job === 0)) words.push(v.open);
  if (v.job > 0) words.push(`backtest:${v.job}`);
  if (v.version > 0) words.push(`version:${v.version}`);
  if (v.entity !== '') words.push(`at:${v.entity}`);
  if (v.kind !== '') words.push(`kind:${v.kind}`);
  if (v.mode !== '') words.push(`mode:${v.mode}`);
  if (v.sort !== 'id' || v.down) words.push(`sort:${v.down ? '-' : ''}${v.sort}`);
  return words.join(',');
}

const collator = new Intl.Collator('vi', { numeric: true });
const VALUE: Record<SortBy, (r: RuleRow) => number | string> = {
  id: (r) => r.id,
  kind: (r) => r.kind,
  service: (r) => r.service,
  mode: (r) => MODES.indexOf(r.mode),
  open: (r) => r.cost.open_episodes,
  entities: (r) => r.cost.entities,
  cpu: (r) => r.cost.cpu_ns,
  bytes: (r) => r.cost.state_bytes,
  changed: (r) => r.changed?.at ?? 0,
};

/** Rules that fit, in order. `name` gives what else a search finds (names of services). */
export function select(rules: readonly RuleRow[], v: RulesView, service: string, q: string, name: (r: RuleRow) => string): RuleRow[] {
  const words = fold(q);
  const fit = rules.filter((r) => (service === '' || r.service === service) && (v.kind === '' || r.kind === v.kind) && (v.mode === '' || r.mode === v.mode)
    && (words === '' || matches(fold(`${r.id} ${r.name.vi} ${r.name.en} ${r.kind} ${r.file} ${name(r)}`), words)));
  const value = VALUE[v.sort];
  const sign = v.down ? -1 : 1;
  return fit.sort((x, y) => {
    const [a, b] = [value(x), value(y)];
    const by = typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
    return by !== 0 ? sign * by : collator.compare(x.id, y.id);
  });
}

/** The rows to draw of many of one height, a few more on either side. */
export function windowed(n: number, above: number, height: number, row: number): [first: number, end: number] {
  const first = Math.max(0, Math.min(n, Math.floor(above / row) - 8));
  return [first, Math.min(n, first + Math.ceil(height / row) + 16)];
}
