// A backtest as rows of a timeline and lines of a list. Pure.
import { level, type Entity, type Level } from './model';
import { entityKey, type Episode, type Span, type Tried } from './rules';

/** A bar: percent of the period. */
export interface Bar { left: number; width: number; open: boolean; severity: Level; span: Span; alert: string }
export interface Lane { rule: string; entity: Entity; key: string; running: Bar[]; proposed: Bar[] }
export type Change = 'added' | 'removed' | 'changed';
export interface ChangeLine { change: Change; rule: string; entity: Entity; before: Span | null; after: Span | null; alert: string }

const spanOf = (e: Episode): Span => ({ start: e.start, end: e.end, severity: e.severity });

function bar(e: Episode, from: number, to: number): Bar {
  const part = (t: number) => (100 * (Math.min(Math.max(t, from), to) - from)) / Math.max(1, to - from);
  const left = part(e.start);
  return { left, width: part(e.end ?? to) - left, open: e.end === null, severity: level(e.severity), span: spanOf(e), alert: e.alert };
}

/** One row for each entity of a rule, those that differ first, then by their first bar. `rule` '' is all. */
export function lanes(tried: Tried, rule: string): Lane[] {
  const { report, against } = tried;
  const rows = new Map<string, Lane>();
  const add = (side: 'running' | 'proposed', episodes: readonly Episode[]) => {
    for (const e of episodes) {
      if (rule !== '' && e.rule !== rule) continue;
      const key = `${e.rule} ${entityKey(e.entity)}`;
      const lane = rows.get(key) ?? { rule: e.rule, entity: e.entity, key, running: [], proposed: [] };
      lane[side].push(bar(e, report.from, report.to));
      rows.set(key, lane);
    }
  };
  add('proposed', report.episodes);
  add('running', against?.episodes ?? []);
  const same = (l: Lane) => Number(against === null || JSON.stringify(l.running.map((b) => b.span)) === JSON.stringify(l.proposed.map((b) => b.span)));
  const first = (l: Lane) => Math.min(...[...l.running, ...l.proposed].map((b) => b.span.start));
  return [...rows.values()].sort((a, b) => same(a) - same(b) || first(a) - first(b) || (a.key < b.key ? -1 : 1));
}

/** What the proposed set does otherwise, in the order of time. */
export function changes(tried: Tried, rule: string): ChangeLine[] {
  const d = tried.diff;
  if (d === null) return [];
  const mine = (x: { rule: string }) => rule === '' || x.rule === rule;
  const differs = (a: Span, b: Span) => a.start !== b.start || a.end !== b.end || a.severity !== b.severity;
  const lines: ChangeLine[] = [
    ...d.only_a.filter(mine).map((e) => ({ change: 'added' as const, rule: e.rule, entity: e.entity, before: null, after: spanOf(e), alert: '' })),
    ...d.only_b.filter(mine).map((e) => ({ change: 'removed' as const, rule: e.rule, entity: e.entity, before: spanOf(e), after: null, alert: e.alert })),
    ...d.both.filter((p) => mine(p) && differs(p.a, p.b)).map((p) => ({ change: 'changed' as const, rule: p.rule, entity: p.entity, before: p.b, after: p.a, alert: '' })),
  ];
  const time = (l: ChangeLine) => l.before?.start ?? l.after?.start ?? 0;
  return lines.sort((a, b) => time(a) - time(b));
}

/** Alarms an hour that one position can look after (ISA-18.2). */
const TARGET = 6;

export interface LoadLine { word: 'mean' | 'max' | 'over' | 'floods' | 'raised'; before: number | null; after: number; digits: number; target: number | null }

/** The alarm load of both sets; rates are per position. */
export function loads(tried: Tried, positions: number): LoadLine[] {
  const per = Math.max(1, positions);
  const { report: a, against: b } = tried;
  const line = (word: LoadLine['word'], of: (r: typeof a) => number, digits: number, target: number | null): LoadLine => ({ word, before: b === null ? null : of(b), after: of(a), digits, target });
  return [
    line('raised', (r) => r.raised, 0, null),
    // Of less than an hour a rate says nothing.
    ...(a.load.hours < 1 ? [] : [line('mean', (r) => r.load.mean_per_hour / per, 1, TARGET)]),
    line('max', (r) => r.load.max_per_hour / per, 1, 2 * TARGET),
    line('over', (r) => r.load.hours_over_6, 0, null),
    line('floods', (r) => r.load.floods, 0, 0),
  ];
}

/** Round moments that a time axis names, at most about eight. */
export function ticks(from: number, to: number): number[] {
  const hour = 3_600_000;
  const offset = 7 * hour;
  const step = [300_000, 900_000, 1_800_000, hour, 3 * hour, 6 * hour, 12 * hour, 24 * hour, 48 * hour, 7 * 24 * hour].find((s) => (to - from) / s <= 8) ?? 30 * 24 * hour;
  const out: number[] = [];
  for (let t = Math.ceil((from + offset) / step) * step - offset; t < to; t += step) out.push(t);
  return out;
}
