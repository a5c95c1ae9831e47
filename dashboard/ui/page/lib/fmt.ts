// All times and numbers on the page. One zone, Asia/Ho_Chi_Minh, which has been UTC+7 without
// daylight saving since 1975: so a shift and the UTC getters do, whatever the browser's zone.
import type { Lang } from './model';

export const ZONE = 'Asia/Ho_Chi_Minh';
const OFFSET_MS = 7 * 3_600_000;

const two = (n: number) => (n < 10 ? `0${n}` : `${n}`);

function at(ms: number): Date {
  return new Date(ms + OFFSET_MS);
}

/** `08:05:09` */
export function time(ms: number): string {
  const d = at(ms);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}

/** `08:05` */
export function hourMinute(ms: number): string {
  const d = at(ms);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
}

/** `22/11/2026` */
export function date(ms: number): string {
  const d = at(ms);
  return `${two(d.getUTCDate())}/${two(d.getUTCMonth() + 1)}/${d.getUTCFullYear()}`;
}

/** `22/11` */
export function dayMonth(ms: number): string {
  return date(ms).slice(0, 5);
}

/** `08:05:09 22/11/2026` */
export function dateTime(ms: number): string {
  return `${time(ms)} ${date(ms)}`;
}

/** The time alone on the day of `now`, else with its date. */
export function timeNear(ms: number, now: number): string {
  return date(ms) === date(now) ? time(ms) : dateTime(ms);
}

/** `2026-11-22T08:05:09+07:00` */
export function iso(ms: number): string {
  return `${at(ms).toISOString().slice(0, 19)}+07:00`;
}

const formats = new Map<string, Intl.NumberFormat>();

/** `1.234,5` or `1,234.5`; an em dash for no value. */
export function number(value: number | null | undefined, digits: number, lang: Lang): string {
  if (value == null || !Number.isFinite(value)) return '—';
  const key = `${lang}${digits}`;
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(lang === 'vi' ? 'vi-VN' : 'en-GB', {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    formats.set(key, format);
  }
  const text = format.format(value);
  return /^-[0.,]+$/.test(text) ? text.slice(1) : text;
}

/** `35,1 µg/m³`; an angle unit sticks to its number. */
export function quantity(value: number | null | undefined, digits: number, unit: string, lang: Lang): string {
  const text = number(value, digits, lang);
  if (unit === '' || text === '—') return text;
  return unit === '%' ? `${text}%` : `${text} ${unit}`;
}

const WORDS = {
  vi: { s: 'giây', m: 'phút', h: 'giờ', d: 'ngày' },
  en: { s: 's', m: 'min', h: 'h', d: 'd' },
} as const;

/** How long, for reading at a glance: `12 giây`, `5 phút`, `2 giờ 05`, `3 ngày`. */
export function age(ms: number, lang: Lang): string {
  const w = WORDS[lang];
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} ${w.s}`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} ${w.m}`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h} ${w.h} ${two(m % 60)}`;
  return `${Math.floor(h / 24)} ${w.d}`;
}

/** A short age with a tenth of a second below ten seconds: `0,4 s`. */
export function seconds(ms: number, lang: Lang): string {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${number(s, 1, lang)} s`;
  if (s < 100) return `${Math.floor(s)} s`;
  return age(ms, lang);
}
