// The devices on the map: dots when far, shapes and groups when near. Drawing only.
import { sum, type Group } from './cluster';
import type { DeviceTable } from './devices';
import { ANCHOR } from './geo';
import type { Level } from './model';
import type { Box } from './paint';
import { alpha, COLOR, exclaim, SEVERITY, shape } from './theme';
import { LIVE, NEVER, OFFLINE, stateOf } from './wire';

export interface Dots {
  c: CanvasRenderingContext2D;
  w: number;
  h: number;
  /** World pixels at zoom 0 (relative to the anchor) to map pixels: x·k + ox. */
  k: number;
  ox: number;
  oy: number;
  scale: number;
  table: DeviceTable;
  /** Radius of a single device. */
  r: number;
}

/** Radius of a group's mark. */
export const groupRadius = (n: number, scale: number): number => (n > 99 ? 14 : n > 9 ? 12.5 : 11) * scale;

const place = (d: Dots, i: number): [number, number] => [
  ((d.table.x[i] as number) - ANCHOR[0]) * d.k + d.ox,
  ((d.table.y[i] as number) - ANCHOR[1]) * d.k + d.oy,
];
const inView = (d: Dots, x: number, y: number) => x > -16 && x < d.w + 16 && y > -16 && y < d.h + 16;

/** Far: a grain for each device; none over a badge. */
export function grains(d: Dots, shown: (i: number) => boolean, covered: readonly Box[]): void {
  const { c, table, r } = d;
  const normal = new Path2D();
  const quiet = new Path2D();
  for (let i = 0; i < table.list.length; i++) {
    const [x, y] = place(d, i);
    if (!inView(d, x, y) || !shown(i) || covered.some(([x0, y0, x1, y1]) => x > x0 && x < x1 && y > y0 && y < y1)) continue;
    const path = stateOf(table.status[i] as number) === LIVE ? normal : quiet;
    path.moveTo(x + r, y);
    path.arc(x, y, r, 0, Math.PI * 2);
  }
  c.fillStyle = alpha(COLOR.normal, 0.8);
  c.fill(normal);
  c.fillStyle = alpha(COLOR.normal, 0.32);
  c.fill(quiet);
}

/** Near: single devices as shapes, groups as larger ones with their count. The most urgent is on top. */
export function marks(d: Dots, groups: readonly Group[]): void {
  const singles: number[] = [];
  const many: { x: number; y: number; n: number; worst: Level; live: number }[] = [];
  for (const g of groups) {
    const [x, y] = place(d, g.at);
    if (!inView(d, x, y)) continue;
    if (g.members.length === 1) singles.push(g.at);
    else many.push({ x, y, n: g.members.length, ...sum(d.table.status, g.members) });
  }
  single(d, singles);
  for (const m of many.sort((a, b) => a.worst - b.worst)) counted(d, m);
}

/** Devices of other services than the chosen one: there, but not in the way; their alarms still count. */
export function others(d: Dots, list: readonly number[]): void {
  const dim = new Path2D();
  const loud: number[] = [];
  for (const i of list) {
    if (d.table.severity(i) > 0) {
      loud.push(i);
      continue;
    }
    const [x, y] = place(d, i);
    dim.moveTo(x + d.r * 0.7, y);
    dim.arc(x, y, d.r * 0.7, 0, Math.PI * 2);
  }
  d.c.fillStyle = alpha(COLOR.dim, 0.6);
  d.c.fill(dim);
  single(d, loud);
}

function single(d: Dots, list: readonly number[]): void {
  const { c, r, scale: s, table } = d;
  const normal = new Path2D();
  const quiet = new Path2D();
  const off = new Path2D();
  const loud: number[] = [];
  for (const i of list) {
    const l = table.severity(i);
    if (l > 0 && l <= 5) {
      loud.push(i);
      continue;
    }
    const [x, y] = place(d, i);
    const state = stateOf(table.status[i] as number);
    const path = state === LIVE ? normal : state === OFFLINE ? off : quiet;
    const size = state === NEVER ? r * 0.7 : r;
    path.moveTo(x + size, y);
    path.arc(x, y, size, 0, Math.PI * 2);
    if (path === off) {
      off.moveTo(x - r * 1.3, y + r * 1.3);
      off.lineTo(x + r * 1.3, y - r * 1.3);
    }
  }
  c.lineWidth = 1.2 * s;
  c.strokeStyle = COLOR.ground;
  c.fillStyle = COLOR.normal;
  c.fill(normal);
  c.stroke(normal);
  c.fillStyle = COLOR.ground;
  c.fill(quiet);
  c.fill(off);
  c.strokeStyle = COLOR.normal;
  c.stroke(off);
  c.setLineDash([2.2 * s, 1.8 * s]);
  c.stroke(quiet);
  c.setLineDash([]);
  for (const i of loud.sort((a, b) => table.severity(a) - table.severity(b))) {
    const l = table.severity(i) as Level;
    const [x, y] = place(d, i);
    const size = r * (l >= 4 ? 1.75 : 1.5);
    c.beginPath();
    shape(c, l, x, y, size + 1.6 * s);
    c.fillStyle = COLOR.ground;
    c.fill();
    c.beginPath();
    shape(c, l, x, y, size);
    if (stateOf(table.status[i] as number) === LIVE) {
      c.fillStyle = SEVERITY[l] as string;
      c.fill();
      if (l === 5) {
        c.lineWidth = 1.6 * s;
        c.strokeStyle = COLOR.rim;
        c.stroke();
        exclaim(c, x, y, size);
      }
    } else {
      // The cause was seen, but the device is silent now: hollow.
      c.lineWidth = 1.8 * s;
      c.strokeStyle = SEVERITY[l] as string;
      c.stroke();
    }
  }
}

/** A group: the outline of its worst alarm around the number of its devices; dashed when none of them sends. */
function counted(d: Dots, m: { x: number; y: number; n: number; worst: Level; live: number }): void {
  const { c, scale: s } = d;
  const r = groupRadius(m.n, s);
  const colour = m.worst > 0 ? (SEVERITY[m.worst] as string) : COLOR.normal;
  c.lineJoin = 'round';
  c.beginPath();
  shape(c, m.worst, m.x, m.y, r + 2 * s);
  c.fillStyle = COLOR.ground;
  c.fill();
  c.beginPath();
  shape(c, m.worst, m.x, m.y, r);
  if (m.worst > 0) {
    c.fillStyle = alpha(colour, 0.2);
    c.fill();
  }
  c.lineWidth = (m.worst > 0 ? 2.2 : 1.2) * s;
  c.strokeStyle = colour;
  if (m.live === 0) c.setLineDash([3 * s, 2.4 * s]);
  c.stroke();
  c.setLineDash([]);
  c.font = `650 ${(m.n > 99 ? 10 : 11) * s}px "Inter Variable", sans-serif`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.fillStyle = COLOR.text;
  // A triangle has its room below the middle.
  c.fillText(String(m.n), m.x, m.y + (m.worst === 4 ? 2.5 : 0.5) * s);
}

/** The selected device. */
export function ring(d: Dots, at: number, r: number): void {
  const [x, y] = place(d, at);
  if (Number.isNaN(x)) return;
  d.c.beginPath();
  d.c.arc(x, y, r, 0, Math.PI * 2);
  d.c.lineWidth = 2 * d.scale;
  d.c.strokeStyle = COLOR.focus;
  d.c.stroke();
}
