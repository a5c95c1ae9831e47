// Editing the text of one rule: where the server's mistakes stand in it, indenting, first texts.
import type { Mistake, RuleRow } from './rules';

export interface Placed extends Mistake {
  /** Line and column in the text that is edited, from 1; 0 when it is about something else. */
  row: number;
  col: number;
}

/** Where the text of a rule is put in its file: line of its first line, columns before its dash. */
export interface Home { file: string; line: number; indent: number }

export function homeOf(rule: RuleRow): Home {
  const head = rule.source.split('\n')[0] ?? '';
  const dash = /^( *)- /.exec(head);
  // The dash may stand alone on the line before.
  if (dash === null) return { file: rule.file, line: rule.line - 1, indent: Math.max(0, (/^ */.exec(head)?.[0].length ?? 0) - 2) };
  return { file: rule.file, line: rule.line, indent: dash[1]?.length ?? 0 };
}

/** Where a new rule would be put: behind what `rules/local.yaml` holds (app/src/rulebook/edit.rs). */
export function homeOfNew(files: Record<string, string>, rules: readonly RuleRow[]): Home {
  const file = 'rules/local.yaml';
  const last = rules.filter((r) => r.file === file).reduce<RuleRow | null>((a, b) => (a === null || b.line > a.line ? b : a), null);
  const held = (files[file] ?? '').trimEnd();
  let lines = held === '' ? [] : held.split('\n');
  if (last === null) lines = [...lines.filter((l) => !l.startsWith('rules:')), 'rules:'];
  return { file, line: lines.length + 1, indent: last === null ? 2 : homeOf(last).indent };
}

/** Mistakes with their place in the text; those in it first, from the top. */
export function place(mistakes: readonly Mistake[], text: string, home: Home | null): Placed[] {
  const lines = text.split('\n');
  const head = lines.findIndex((l) => l.trim() !== '' && !l.trim().startsWith('#'));
  const first = lines[head] ?? '';
  const base = /^ */.exec(first)?.[0].length ?? 0;
  const inner = (home?.indent ?? 0) + (first.trimStart().startsWith('- ') ? 0 : 2);
  // Blank lines before the rule are not taken into the file.
  const kept = [...lines.keys()].filter((i) => i >= head || lines[i]?.trim() !== '');
  const placed = mistakes.map((m): Placed => {
    const i = home === null || m.file !== home.file || m.line === 0 ? undefined : kept[m.line - home.line];
    return i === undefined ? { ...m, row: 0, col: 0 } : { ...m, row: i + 1, col: m.column === 0 ? 0 : Math.max(1, m.column - inner + base) };
  });
  return placed.sort((a, b) => Number(a.row === 0) - Number(b.row === 0) || a.row - b.row || a.col - b.col);
}

/** Offset of a line and column in a text, both from 1. */
export function offset(text: string, row: number, col: number): number {
  const lines = text.split('\n');
  const before = lines.slice(0, row - 1).reduce((n, l) => n + l.length + 1, 0);
  return before + Math.min(Math.max(0, col - 1), lines[row - 1]?.length ?? 0);
}

export interface Replacement { from: number; to: number; text: string; start: number; end: number }

/** Two spaces at the cursor, or the selected lines two further (or back). */
export function indent(text: string, start: number, end: number, back: boolean): Replacement | null {
  if (!back && start === end) return { from: start, to: end, text: '  ', start: start + 2, end: start + 2 };
  const from = text.lastIndexOf('\n', start - 1) + 1;
  // A selection that ends at the beginning of a line does not mean that line.
  const stop = text.indexOf('\n', end > from && text[end - 1] === '\n' ? end - 1 : end);
  const to = stop < 0 ? text.length : stop;
  const lines = text.slice(from, to).split('\n');
  const moved = lines.map((l) => (back ? l.replace(/^ {1,2}/, '') : l === '' ? l : `  ${l}`));
  const shift = (moved[0]?.length ?? 0) - (lines[0]?.length ?? 0);
  const all = moved.join('\n');
  if (all === lines.join('\n')) return null;
  return { from, to, text: all, start: Math.max(from, start + shift), end: Math.max(from, end + all.length - (to - from)) };
}

/** The id that a text gives its rule. */
export const idOf = (text: string): string => /^ *(?:- +)?id: *["']?([A-Za-z0-9_.:-]{1,64})["']? *(?:#.*)?$/m.exec(text)?.[1] ?? '';

const words = (vi: string, en: string, message: [string, string]) => `name: { vi: "${vi}", en: "${en}" }`.concat('\n', `message:\n  vi: "${message[0]}"\n  en: "${message[1]}"\n`);
const VALUE: [string, string] = ['{device}: {value} {unit}, {above} {limit} {unit}', '{device}: {value} {unit}, {above} {limit} {unit}'];
const first = (id: string, kind: string, body: string, text: [string, string], name: [string, string], service = 'rain_flood') =>
  `id: ${id}\nkind: ${kind}\nmode: shadow          # on | shadow | off\nservice: ${service}\n${words(name[0], name[1], text)}${body}`;

/** A first text for each kind that one begins with; in shadow mode, so that saving it raises nothing. */
export const TEMPLATES: Record<string, string> = {
  threshold: first('new.threshold', 'threshold', 'property: flood_depth\nlevels:\n  - severity: minor\n    raise: ">= street_flood.notice"\n    clear: "< street_flood.notice - 0.03"\nfor: 1m\n', VALUE, ['Vượt ngưỡng', 'Above the limit']),
  window: first('new.window', 'window', 'property: rain_intensity\naggregate: mean\nsize: 1h\nslide: 5m\nlevels:\n  - severity: minor\n    raise: ">= rain.heavy_1h"\n', VALUE, ['Trung bình trong 1 giờ', 'Mean of one hour']),
  rate: first('new.rate', 'rate', 'property: flood_depth\nover: 1h\nunit: per_hour\nlevels:\n  - severity: minor\n    raise: ">= 0.3 m/h"\n', VALUE, ['Tăng nhanh', 'Rises fast']),
  absence: first('new.absence', 'absence', 'after: 30m\nseverity: minor\n', ['{device}: {cause}', '{device}: {cause}'], ['Không có tín hiệu', 'No signal']),
  detection: first('new.detection', 'detection', 'detects: [person]\nraise: ">= 20"\nwithin: 5m\nseverity: minor\n', ['{device}: {value} người', '{device}: {value} people'], ['Đông người', 'Many people'], 'camera_analytics'),
  expression: first('new.expression', 'expression', 'properties: [pm25, humidity]\nraise: pm25 > threshold(\'qcvn05.pm25.24h\') && humidity < 80\nseverity: minor\n', ['{device}: {value} {unit}', '{device}: {value} {unit}'], ['Điều kiện tự viết', 'A condition of one\'s own'], 'air'),
};
