// What is downloaded of the measurements, and the address that says so. Pure.
import { query } from './api';
import type { Device, Lang } from './model';
import { beginOf, DAY_MS, HOUR_MS, MINUTE_MS, offsetOf } from './plan';
import { fromLocal } from './shelf';

export const FORMATS = ['csv', 'parquet', 'geojson', 'lp'] as const;
export type Format = (typeof FORMATS)[number];
/** Lengths of windows that are offered, ms; 0: single readings. */
export const STEPS = [0, MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, DAY_MS] as const;
/** Hours back that are offered; 0: own dates. */
export const SPANS = [24, 168, 720, 8760, 0] as const;
/** More devices than this make too long an address; without devices all are meant. */
export const MAX_DEVICES = 50;

export interface Wanted {
  service: string; area: string; devices: string[]; properties: string[];
  hours: (typeof SPANS)[number]; from: string; to: string; step: (typeof STEPS)[number]; format: Format;
}
export type Fault = 'range_missing' | 'range_order';

export const wanted = (more: Partial<Wanted> = {}): Wanted => ({
  service: '', area: '', devices: [], properties: [], hours: 24, from: '', to: '', step: 0, format: 'csv', ...more,
});

/** The stretch that is meant; windows at its begin are whole. */
export function stretch(w: Wanted, now: number): { from: number; to: number } | Fault {
  const to = w.hours > 0 ? Math.ceil(now / MINUTE_MS) * MINUTE_MS : fromLocal(w.to);
  const from = w.hours > 0 ? (to as number) - w.hours * HOUR_MS : fromLocal(w.from);
  if (from === null || to === null) return 'range_missing';
  if (from >= to) return 'range_order';
  return { from: w.step === 0 ? from : beginOf(from, { step: w.step, offset: offsetOf(w.step) }), to };
}

/** Path and query of the download. */
export function address(w: Wanted, range: { from: number; to: number }, lang: Lang): string {
  const many = (ids: readonly string[]) => ids.map(encodeURIComponent).join(',');
  const list = (name: string, ids: readonly string[]) => (ids.length === 0 ? '' : `&${name}=${many(ids)}`);
  return `/api/v1/export${query({ format: w.format, service: w.service, area: w.area })}${list('device', w.devices)}${list('property', w.properties)}`
    + query({ from: range.from, to: range.to, step: w.step || null, offset: w.step === 0 ? null : offsetOf(w.step) || null, lang }).replace('?', '&');
}

/** The devices that are meant. */
export const meant = (all: readonly Device[], w: Wanted): Device[] => {
  const ids = new Set(w.devices);
  return all.filter((d) => (w.service === '' || d.service === w.service) && (w.area === '' || d.area === w.area) && (ids.size === 0 || ids.has(d.id)));
};

/** How many series those devices have, and of which properties. */
export function tally(devices: readonly Device[], properties: readonly string[]): { series: number; offered: string[] } {
  const offered = new Set<string>();
  let series = 0;
  for (const d of devices) {
    for (const p of d.properties) {
      offered.add(p);
      if (properties.length === 0 || properties.includes(p)) series += 1;
    }
  }
  return { series, offered: [...offered] };
}

/** Text for a shell: single quotes keep everything as it is. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
