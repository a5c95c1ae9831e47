// What belongs to one service, counted from what is live.
import type { DeviceTable } from './devices';
import type { Row } from './alerts.svelte';
import type { Property, Threshold } from './model';
import type { KpiPeriod } from './reports';
import { LIVE, NEVER, OFFLINE, severityOf, STALE, stateOf } from './wire';

export interface Devices { live: number; stale: number; offline: number; never: number; worst: number[] }

/** How far a value is outside of its normal band, in widths of the band; 0 inside. */
export function outside(value: number, normal: Property['normal'] | undefined): number {
  if (!normal || Number.isNaN(value)) return 0;
  const width = normal[1] - normal[0] || 1;
  return value > normal[1] ? (value - normal[1]) / width : value < normal[0] ? (normal[0] - value) / width : 0;
}

/**
 * States of a service's devices, and the places in the list of all of them, the worst first: those in
 * alarm, those that went silent, those outside of their band, the others, those never heard.
 */
export function devicesOf(table: DeviceTable, service: string, normal: (property: string) => Property['normal'] | undefined): Devices {
  const out: Devices = { live: 0, stale: 0, offline: 0, never: 0, worst: [] };
  const rank = new Map<number, number>();
  table.list.forEach((d, i) => {
    if (d.service !== service) return;
    const status = table.status[i] as number;
    const state = stateOf(status);
    if (state === LIVE) out.live += 1;
    else if (state === STALE) out.stale += 1;
    else if (state === OFFLINE) out.offline += 1;
    else if (state === NEVER) out.never += 1;
    out.worst.push(i);
    const quiet = state === STALE || state === OFFLINE ? 10 : state === NEVER ? -10 : 0;
    const off = state === LIVE && d.properties[0] !== undefined ? Math.min(9, outside(table.value[i] as number, normal(d.properties[0]))) : 0;
    rank.set(i, severityOf(status) * 100 + quiet + off);
  });
  out.worst.sort((a, b) => (rank.get(b) as number) - (rank.get(a) as number) || a - b);
  return out;
}

export interface Ward { area: string; devices: number; live: number; alerts: number; worst: number; mean: number | null }

/** Wards with a device or an alert of a service, the worst first; the mean is of `property` where it is the main one. */
export function wardsOf(table: DeviceTable, service: string, property: string | undefined, open: readonly Row[]): Ward[] {
  const wards = new Map<string, Ward & { sum: number; values: number }>();
  const of = (area: string) => {
    let ward = wards.get(area);
    if (ward === undefined) wards.set(area, (ward = { area, devices: 0, live: 0, alerts: 0, worst: 0, mean: null, sum: 0, values: 0 }));
    return ward;
  };
  table.list.forEach((d, i) => {
    if (d.service !== service) return;
    const ward = of(d.area);
    ward.devices += 1;
    if (stateOf(table.status[i] as number) !== LIVE) return;
    ward.live += 1;
    const value = table.value[i] as number;
    if (d.properties[0] === property && !Number.isNaN(value) && table.quality[i] === 0) {
      ward.sum += value;
      ward.values += 1;
    }
  });
  for (const row of open) {
    if (row.alert.service !== service) continue;
    const ward = of(row.alert.area);
    ward.alerts += 1;
    ward.worst = Math.max(ward.worst, row.level);
  }
  return [...wards.values()]
    .map(({ sum, values, ...w }) => ({ ...w, mean: values > 0 ? sum / values : null }))
    .sort((a, b) => b.worst - a.worst || b.alerts - a.alerts || a.area.localeCompare(b.area));
}

const HOUR_MS = 3_600_000;
export interface Hour { at: number; alarms: number }

/** Alarms of each hour from the hour of `from` to that of `to`; hours without any are there too. */
export function byHour(periods: readonly KpiPeriod[], from: number, to: number): Hour[] {
  const begin = (ms: number) => Math.floor(ms / HOUR_MS) * HOUR_MS;
  const hours = new Map<number, number>();
  for (let at = begin(from); at < to; at += HOUR_MS) hours.set(at, 0);
  for (const p of periods) {
    const at = begin(p.at);
    if (hours.has(at)) hours.set(at, (hours.get(at) as number) + p.alarms);
  }
  return [...hours].map(([at, alarms]) => ({ at, alarms }));
}

/** The thresholds that the text of a rule names. */
export function named(source: string, thresholds: readonly Threshold[]): Threshold[] {
  const words = new Set(source.match(/[a-z0-9_]+(?:\.[a-z0-9_]+)+/gi) ?? []);
  return thresholds.filter((t) => words.has(t.id));
}
