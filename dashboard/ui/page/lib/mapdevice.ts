// What a popover tells of a device, from what is live on the page.
import type { Row } from './alerts.svelte';
import type { DeviceTable } from './devices';
import type { Level } from './model';
import { severityOf, stateOf } from './wire';

export interface Told {
  state: number;
  level: Level;
  /** The main property and its value; NaN before the first reading. */
  property: string | undefined;
  value: number;
  quality: number;
  /** Time of the newest reading, ms; 0 when none. */
  time: number;
  /** Open alerts by severity, the worst first; none of 0. */
  alerts: { level: Level; n: number }[];
}

export function tell(table: DeviceTable, i: number, open: readonly Row[]): Told {
  const d = table.list[i];
  const status = table.status[i] as number;
  const counts = [0, 0, 0, 0, 0, 0];
  for (const r of open) if (r.alert.device === d?.id) counts[r.level] = (counts[r.level] as number) + 1;
  return {
    state: stateOf(status), level: severityOf(status) as Level, property: d?.properties[0], value: table.value[i] as number,
    quality: table.quality[i] as number, time: table.time[i] as number,
    alerts: ([5, 4, 3, 2, 1] as const).flatMap((level) => ((counts[level] as number) > 0 ? [{ level, n: counts[level] as number }] : [])),
  };
}
