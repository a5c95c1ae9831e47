// What belongs to one service, counted from what is live.
import type { DeviceTable } from './devices';
import type { Row } from './alerts.svelte';
import { LIVE, NEVER, OFFLINE, severityOf, STALE, stateOf } from './wire';

export interface Devices { live: number; stale: number; offline: number; never: number; worst: number[] }

/** States of a service's devices, and the places in the list of all of them, the worst first. */
export function devicesOf(table: DeviceTable, service: string): Devices {
  const out: Devices = { live: 0, stale: 0, offline: 0, never: 0, worst: [] };
  table.list.forEach((d, i) => {
    if (d.service !== service) return;
    const state = stateOf(table.status[i] as number);
    if (state === LIVE) out.live += 1;
    else if (state === STALE) out.stale += 1;
    else if (state === OFFLINE) out.offline += 1;
    else if (state === NEVER) out.never += 1;
    out.worst.push(i);
  });
  // First those in alarm, then those that are silent.
  const rank = (i: number) => severityOf(table.status[i] as number) * 4 + (stateOf(table.status[i] as number) === LIVE ? 0 : 1);
  out.worst.sort((a, b) => rank(b) - rank(a) || a - b);
  return out;
}

export interface Ward { area: string; devices: number; alerts: number; worst: number; mean: number | null }

/** Wards with a device or an alert of a service, the worst first. */
export function wardsOf(table: DeviceTable, service: string, open: readonly Row[]): Ward[] {
  const wards = new Map<string, Ward & { sum: number; values: number }>();
  const of = (area: string) => {
    let ward = wards.get(area);
    if (ward === undefined) wards.set(area, (ward = { area, devices: 0, alerts: 0, worst: 0, mean: null, sum: 0, values: 0 }));
    return ward;
  };
  table.list.forEach((d, i) => {
    if (d.service !== service) return;
    const ward = of(d.area);
    ward.devices += 1;
    const value = table.value[i] as number;
    if (stateOf(table.status[i] as number) === LIVE && !Number.isNaN(value)) {
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
