// The list of alerts as a sheet. The server makes it when it knows the whole filter; what only the page
// knows (search, states of ISA-18.2, "mine") is made here in the same form (alerts/src/sheet.rs).
import type { Alert, Work } from './life';
import { WORKS } from './life';
import { SEVERITIES, type Lang } from './model';
import type { View } from './route.svelte';

type Filtered = Pick<View, 'tab' | 'sev' | 'service' | 'area' | 'unacked' | 'state' | 'mine' | 'overdue' | 'q' | 'lang'>;
export type ServerFilter = Record<string, string | number | null>;

/** The filter as the server's sheet takes it; null when it cannot say all of it. */
export function serverFilter(v: Filtered): ServerFilter | null {
  const work = (WORKS as readonly string[]).includes(v.state) ? (v.state as Work) : null;
  // Closed and rejected ones are two states of the work, and the sheet takes one.
  if (v.tab === 'closed' || v.q.trim() !== '' || v.mine || (v.state !== '' && work === null)) return null;
  return {
    open: 1, held: v.tab === 'held' ? 1 : 0, acknowledged: v.unacked ? 0 : null, overdue: v.overdue ? 1 : null, work,
    service: v.service, area: v.area, min_severity: v.sev > 1 ? (SEVERITIES[v.sev - 1] ?? null) : null, lang: v.lang,
  };
}

/** The filter in words of the address, for the head of a sheet. */
export function filterText(v: Filtered): string {
  const said: string[] = [`tab=${v.tab}`];
  if (v.sev > 1) said.push(`min_severity=${SEVERITIES[v.sev - 1]}`);
  for (const word of ['service', 'area'] as const) if (v[word] !== '') said.push(`${word}=${v[word]}`);
  if (v.q.trim() !== '') said.push(`q=${v.q.trim()}`);
  if (v.tab !== 'closed') {
    if (v.state !== '') said.push(`state=${v.state}`);
    for (const word of ['unacked', 'mine', 'overdue'] as const) if (v[word]) said.push(`${word}=1`);
  }
  return said.join('&');
}

const HEADINGS: Record<Lang, readonly string[]> = {
  vi: ['Mã', 'Mức độ', 'Trạng thái', 'Xử lý', 'Phát sinh', 'Hết', 'Nhận lúc', 'Người nhận', 'Giao cho', 'Địa bàn', 'Dịch vụ', 'Thiết bị', 'Quy tắc', 'Nội dung', 'Giá trị', 'Ngưỡng', 'Đơn vị', 'Ghi chú'],
  en: ['id', 'severity', 'state', 'work', 'raised', 'cleared', 'acknowledged at', 'acknowledged by', 'assigned to', 'area', 'service', 'device', 'rule', 'what', 'value', 'limit', 'unit', 'note'],
};
const HEAD: Record<Lang, readonly [at: string, by: string, filter: string, n: string]> = {
  vi: ['Lúc', 'Người xuất', 'Bộ lọc', 'Số cảnh báo'], en: ['at', 'by', 'filter', 'alerts'],
};

/** What a spreadsheet takes for a formula begins with one of these, after any blanks. */
const FORMULA = /^[\s\p{Cc}]*[=+\-@|%＝＋－＠]|^[\t\r\n]/u;

/** One cell (RFC 4180); a formula becomes a text. */
export function cell(text: string): string {
  const formula = FORMULA.test(text);
  if (!formula && !/[,";\t\r\n]/.test(text)) return text;
  return `"${formula ? "'" : ''}${text.replaceAll('"', '""').replaceAll('\0', '\uFFFD')}"`;
}

export interface SheetNames {
  lang: Lang;
  time: (ms: number) => string;
  severity: (a: Alert) => string; state: (a: Alert) => string; work: (a: Alert) => string;
  area: (id: string) => string; service: (id: string) => string;
}
export interface SheetHead { at: string; by: string; filter: string; more: boolean }

/** UTF-8 with a byte order mark, what it is of above the table. */
export function sheet(alerts: readonly Alert[], head: SheetHead, names: SheetNames): string {
  const [at, by, filter, n] = HEAD[names.lang];
  const when = (ms: number | null) => (ms === null ? '' : names.time(ms));
  const number = (x: number | null) => (x === null ? '' : String(x));
  const rows: readonly (readonly string[])[] = [
    [at, head.at], [by, head.by], [filter, head.filter], [n, `${alerts.length}${head.more ? '+' : ''}`], [''], HEADINGS[names.lang],
    ...alerts.map((a) => [
      a.id, names.severity(a), names.state(a), names.work(a), when(a.raised_at), when(a.cleared_at), when(a.acknowledged_at), a.acknowledged_by ?? '', a.assignee?.name ?? '',
      names.area(a.area), names.service(a.service), a.device ?? '', a.rule, a.message[names.lang] || a.message.vi, number(a.value), number(a.limit), a.unit, a.note ?? '',
    ]),
  ];
  return `\uFEFF${rows.map((r) => `${r.map(cell).join(',')}\r\n`).join('')}`;
}
