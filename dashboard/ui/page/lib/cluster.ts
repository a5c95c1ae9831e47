// Devices that would lie on each other on the map become one mark. Who is with whom depends on the
// zoom and on what is shown, never on states: marks do not jump when an alarm comes.
import { LIVE, severityOf, stateOf } from './wire';
import type { Level } from './model';

export interface Group {
  /** Position in the list of the device whose place the mark takes. */
  at: number;
  members: number[];
}

/**
 * Groups the shown devices: each joins the nearest mark within `radius` (the unit of x and y), or
 * makes one. Places of marks are at least `radius` apart. Devices without a place are left out.
 */
export function group(x: Float64Array, y: Float64Array, radius: number, shown: (i: number) => boolean): Group[] {
  const groups: Group[] = [];
  const cells = new Map<string, Group[]>();
  const cell = (v: number) => Math.floor(v / radius);
  for (let i = 0; i < x.length; i++) {
    const px = x[i] as number;
    const py = y[i] as number;
    if (Number.isNaN(px) || !shown(i)) continue;
    const cx = cell(px);
    const cy = cell(py);
    let best: Group | undefined;
    let least = radius;
    for (let a = cx - 1; a <= cx + 1; a++) {
      for (let b = cy - 1; b <= cy + 1; b++) {
        for (const g of cells.get(`${a},${b}`) ?? []) {
          const d = Math.hypot((x[g.at] as number) - px, (y[g.at] as number) - py);
          if (d < least) {
            least = d;
            best = g;
          }
        }
      }
    }
    if (best !== undefined) {
      best.members.push(i);
      continue;
    }
    const g = { at: i, members: [i] };
    groups.push(g);
    const key = `${cx},${cy}`;
    const there = cells.get(key);
    if (there) there.push(g);
    else cells.set(key, [g]);
  }
  return groups;
}

export interface Sum { worst: Level; alarms: number; live: number }

/** The worst state of some devices, how many have an alarm and how many send. */
export function sum(status: Uint8Array, members: readonly number[]): Sum {
  let worst = 0;
  let alarms = 0;
  let live = 0;
  for (const i of members) {
    const word = status[i] as number;
    const l = severityOf(word);
    if (l > 0) alarms += 1;
    if (l > worst && l <= 5) worst = l;
    if (stateOf(word) === LIVE) live += 1;
  }
  return { worst: worst as Level, alarms, live };
}
