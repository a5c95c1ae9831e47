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

/** Names of timers and facts that rules speak of often, Vietnamese and English; others stand as they are. */
const WORDS: Record<string, readonly [vi: string, en: string]> = {
  for: ['Giữ đủ', 'Held for'],
  clear_for: ['Bình thường đủ', 'Normal for'],
  within: ['Trong khoảng', 'Within'],
  quiet: ['Chờ yên', 'Quiet for'],
  window: ['Cửa sổ đang mở', 'Open window'],
  hold: ['Giữ cảnh báo', 'Alert held'],
  dwell: ['Lưu lại', 'Stays for'],
  silence: ['Im lặng', 'Silence'],
  over: ['Xét trong', 'Over'],
  fresh: ['Còn mới', 'Fresh'],
  warm_up: ['Đang học', 'Learning'],
  learning: ['Đang học', 'Learning'],
  awaited: ['Đang chờ', 'Awaited'],
  awaited_step: ['Bước đang chờ', 'Awaited step'],
  count: ['Số lần', 'Count'],
  events: ['Số sự kiện', 'Events'],
  objects: ['Đối tượng', 'Objects'],
  zones: ['Vùng', 'Zones'],
  aggregate: ['Phép tính', 'Aggregate'],
  open: ['Số liệu đang chờ', 'Readings waiting'],
  limit_s: ['Giới hạn im lặng (s)', 'Limit of silence (s)'],
  cadence_s: ['Chu kỳ gửi (s)', 'Cadence (s)'],
  status: ['Trạng thái', 'Status'],
  last: ['Lần cuối', 'Last heard'],
  expected: ['Thường lệ', 'Usual'],
  actual: ['Thực tế', 'Actual'],
  change: ['Thay đổi', 'Change'],
  score: ['Điểm bất thường', 'Anomaly score'],
  agreeing: ['Số điểm đồng thuận', 'Agreeing'],
  fresh_members: ['Số điểm còn mới', 'Fresh members'],
  active_rules: ['Luật đang báo', 'Rules alerting'],
  median: ['Trung vị', 'Median'],
  rate: ['Tốc độ thay đổi', 'Rate'],
};

function word(name: string, lang: Lang): string {
  const both = Object.hasOwn(WORDS, name) ? WORDS[name] : undefined;
  return both === undefined ? name.replaceAll('_', ' ') : both[lang === 'vi' ? 0 : 1];
}

/** As many digits as the number has, three at most: 1, not 1,000. */
function short(n: number, lang: Lang): string {
  const digits = [0, 1, 2].find((d) => Number(n.toFixed(d)) === Number(n.toFixed(3)));
  return fmt.number(n, digits ?? 3, lang);
}

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
    lines.push({ label: word(name, lang), text: `${fmt.age(until - since, lang)} (${at(since)} – ${at(until)})` });
  }
  for (const rule of e.inhibited_by ?? []) lines.push({ label: t('why_inhibited'), text: rule });
  for (const f of e.facts ?? []) {
    const said = [f.value === null ? null : short(f.value, lang), f.text].filter((s) => s !== null);
    lines.push({ label: word(f.name, lang), text: said.join(' ') });
  }
  for (const [i, r] of (e.readings ?? []).entries()) {
    const p = names.property(r.property);
    const value = fmt.quantity(r.value, p?.digits ?? 2, p?.unit ?? '', lang);
    lines.push({ label: i === 0 ? t('why_readings') : '', text: `${at(r.time)} ${names.device(r.device)}: ${p?.name ?? r.property} ${value}` });
  }
  return lines;
}
