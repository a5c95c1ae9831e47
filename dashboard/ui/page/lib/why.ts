// What a rule went by, as lines of a list. Names and texts come from devices and rules: the
// component prints them as text, never as markup.
import { text, type Key } from './dict';
import * as fmt from './fmt';
import type { Evidence, Lang } from './model';

export interface Why { label: string; text: string }
export interface Names {
  lang: Lang;
  unit: string;
  digits: number;
  device: (id: string) => string;
  property: (id: string) => { name: string; unit: string; digits: number } | undefined;
}

const TIMERS: Record<string, Key> = { for: 'why_held', clear_for: 'why_normal' };

/** Lines of the limit with its source, the window, timers, inhibitors, further facts, readings. */
export function why(e: Evidence, near: number, names: Names): Why[] {
  const { lang, unit, digits } = names;
  const t = (key: Key, holes: Record<string, string | number> = {}) => text(lang, key, holes);
  const at = (ms: number) => fmt.timeNear(ms, near);
  const number = (n: number | null) => (n === null ? '—' : fmt.number(n, digits, lang));
  const lines: Why[] = [];
  const { limit, window } = e;
  if (limit) {
    const named = limit.threshold === null ? '' : ` (${limit.threshold})`;
    lines.push({ label: t('limit'), text: `${limit.comparison} ${unit}`.trim() + named });
    if (limit.source !== null) {
      const { source, effective: day } = limit;
      lines.push({ label: t('why_source'), text: day === null ? source : t('why_source_since', { source, day }) });
    }
  }
  if (window) {
    const { from, to, count: n } = window;
    const [min, max, value] = [window.min, window.max, window.value].map(number) as [string, string, string];
    lines.push({ label: t('why_window'), text: t('why_window_text', { from: at(from), to: at(to), n, min, max, value }) });
  }
  for (const { name, since, until } of e.timers ?? []) {
    const key = TIMERS[name];
    lines.push({ label: key === undefined ? name : t(key), text: `${fmt.age(until - since, lang)} (${at(since)} – ${at(until)})` });
  }
  for (const rule of e.inhibited_by ?? []) lines.push({ label: t('why_inhibited'), text: rule });
  for (const f of e.facts ?? []) {
    const said = [f.value === null ? null : fmt.number(f.value, 3, lang), f.text].filter((s) => s !== null);
    lines.push({ label: f.name, text: said.join(' ') });
  }
  for (const [i, r] of (e.readings ?? []).entries()) {
    const p = names.property(r.property);
    const value = fmt.quantity(r.value, p?.digits ?? 2, p?.unit ?? '', lang);
    lines.push({ label: i === 0 ? t('why_readings') : '', text: `${at(r.time)} ${names.device(r.device)}: ${p?.name ?? r.property} ${value}` });
  }
  return lines;
}
