// Figures of the alarm system as texts and as the shape of a chart. Pure.
import * as fmt from './fmt';
import type { Lang, SeverityName } from './model';
import type { KpiFigure, KpiPeriod } from './reports';

/** A figure with its unit: `4,2`, `12,5%`, `3 phút`. */
export function value(n: number | null, unit: string, lang: Lang): string {
  if (n === null) return '—';
  if (unit === 's') return fmt.age(n * 1000, lang);
  const text = fmt.number(n, Number.isInteger(n) || Math.abs(n) >= 100 ? 0 : 1, lang);
  return unit === '%' ? `${text}%` : text;
}

/** A span of time in seconds; a dash for none. */
export const span = (s: number | null, lang: Lang): string => (s === null ? '—' : fmt.age(s * 1000, lang));

export interface Bar { period: KpiPeriod; x: number; width: number; alarms: number; incidents: number }
export interface Load { bars: Bar[]; floods: { x: number; width: number }[]; top: number; ticks: number[]; limit: number }

/**
 * The load chart in a box of 1 × 1, heights from the bottom. `limit` is the height of the flood limit
 * of one step: ten per 10 min and position, as long as a step is 10 min long.
 */
export function load(periods: readonly KpiPeriod[], stepMs: number, positions: number): Load {
  const most = periods.reduce((m, p) => Math.max(m, p.alarms, p.incidents), 0);
  const limitAt = stepMs === 600_000 ? 10 * Math.max(1, positions) : 0;
  const top = nice(Math.max(most, most > limitAt / 3 ? limitAt : 0, 4));
  const width = 1 / Math.max(1, periods.length);
  const bars = periods.map((period, i) => ({ period, x: i * width, width, alarms: period.alarms / top, incidents: period.incidents / top }));
  const floods: Load['floods'] = [];
  for (const [i, p] of periods.entries()) {
    const last = floods.at(-1);
    if (!p.flood) continue;
    if (last !== undefined && periods[i - 1]?.flood) last.width += width;
    else floods.push({ x: i * width, width });
  }
  return { bars, floods, top, ticks: [0, top / 4, top / 2, (3 * top) / 4, top], limit: limitAt > 0 && limitAt <= top ? limitAt / top : 0 };
}

/** The next round number that four lines divide well. */
function nice(n: number): number {
  const power = 10 ** Math.floor(Math.log10(n));
  return ([1, 2, 4, 6, 8, 10].find((k) => k * power >= n) ?? 10) * power;
}

export interface Priority { key: 'low' | 'medium' | 'high' | 'highest'; severities: SeverityName[]; n: number; share: number; target: number }

/** Four classes of priority with their shares in %, and what ISA-18.2 expects (about 80 / 15 / 5 / 1). */
export function priorities(counts: readonly [SeverityName, number][], figures: readonly KpiFigure[]): Priority[] {
  const of = new Map(counts);
  const all = counts.reduce((sum, [, n]) => sum + n, 0);
  const target = (id: string, otherwise: number) => figures.find((f) => f.id === id)?.target ?? otherwise;
  const one = (key: Priority['key'], severities: SeverityName[], expected: number): Priority => {
    const n = severities.reduce((sum, s) => sum + (of.get(s) ?? 0), 0);
    return { key, severities, n, share: all === 0 ? 0 : (100 * n) / all, target: expected };
  };
  return [
    one('low', ['info', 'minor'], target('priority_low', 80)),
    one('medium', ['major'], target('priority_medium', 15)),
    one('high', ['critical'], target('priority_high', 5)),
    one('highest', ['emergency'], target('priority_highest', 1)),
  ];
}
