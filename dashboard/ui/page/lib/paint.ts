// What the map draws over its wards: names, badges with counts, and the frame for the far islands.
import type { AreaAlerts } from './alerts.svelte';
import type { Ward } from './geo';
import { inside } from './polygon';
import type { Lang, Level } from './model';
import { alpha, COLOR, exclaim, SEVERITY, shape } from './theme';

/** Left, top, right, bottom in map pixels. */
export type Box = [number, number, number, number];

/** A canvas and how world pixels at zoom 0 become its pixels: x·k + ox. */
export interface Paint {
  c: CanvasRenderingContext2D;
  k: number;
  ox: number;
  oy: number;
  /** Root font size over 14 px. */
  scale: number;
  lang: Lang;
}

const hits = (a: Box, b: Box) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/** On the map the kind of unit is left out: it is in every popover. */
function short(name: string): string {
  return name.replace(/^(Phường|Xã|Đặc khu)\s+/u, '').replace(/\s+(Ward|Commune|Special Zone)$/u, '');
}

/** Zones of geofence rules: a dashed outline that no severity has, and the name where there is room. */
export function outlines(p: Paint, zones: readonly Ward[], taken: Box[]): void {
  const { c, k, ox, oy, scale: s } = p;
  const dpr = c.getTransform().a;
  c.save();
  c.setTransform(k * dpr, 0, 0, k * dpr, ox * dpr, oy * dpr);
  for (const zone of zones) {
    c.fillStyle = alpha(COLOR.series, 0.07);
    c.fill(zone.path);
    c.lineWidth = (1.5 * s) / k;
    c.setLineDash([(6 * s) / k, (4 * s) / k]);
    c.strokeStyle = alpha(COLOR.series, 0.9);
    c.stroke(zone.path);
  }
  c.restore();
  c.font = `500 ${11 * s}px "Inter Variable", sans-serif`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.lineJoin = 'round';
  for (const zone of zones) {
    const name = p.lang === 'vi' ? zone.vi : zone.en;
    const half = c.measureText(name).width / 2;
    const x = zone.cx * k + ox;
    // Above the outline: inside are the devices.
    const y = zone.box[1] * k + oy - 9 * s;
    const box: Box = [x - half - 3, y - 8 * s, x + half + 3, y + 8 * s];
    // A zone that is a speck has no name yet.
    if ((zone.box[2] - zone.box[0]) * k < 14 * s || taken.some((t) => hits(t, box))) continue;
    taken.push(box);
    c.lineWidth = 3 * s;
    c.strokeStyle = alpha(COLOR.labelHalo, 0.75);
    c.strokeText(name, x, y);
    c.fillStyle = COLOR.series;
    c.fillText(name, x, y);
  }
}

/** Names of wards that are wide enough for them, where nothing is yet. */
export function labels(p: Paint, seen: readonly Ward[], taken: Box[]): void {
  const { c, k, ox, oy } = p;
  const size = 11 * p.scale;
  c.font = `500 ${size}px "Inter Variable", sans-serif`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.lineJoin = 'round';
  const bySize = [...seen].sort((a, b) => b.box[2] - b.box[0] - (a.box[2] - a.box[0]));
  for (const ward of bySize) {
    const name = short(p.lang === 'vi' ? ward.vi : ward.en);
    const width = c.measureText(name).width;
    if ((ward.box[2] - ward.box[0]) * k < width * 1.15) continue;
    const x = ward.cx * k + ox;
    let y = ward.cy * k + oy;
    // Below the badge of the same ward, if it has one.
    if (taken.some((t) => hits(t, [x - width / 2, y - size, x + width / 2, y + size]))) y += 20 * p.scale;
    const box: Box = [x - width / 2 - 3, y - size * 0.7, x + width / 2 + 3, y + size * 0.7];
    if (taken.some((t) => hits(t, box))) continue;
    taken.push(box);
    c.lineWidth = 3 * p.scale;
    c.strokeStyle = alpha(COLOR.labelHalo, 0.75);
    c.strokeText(name, x, y);
    c.fillStyle = COLOR.label;
    c.fillText(name, x, y);
  }
}

/** Where the badge of a ward is: at its middle, or if that is out of sight, at what is seen of the ward. */
export function badgeAt({ c, k, ox, oy, scale: s }: Paint, ward: Ward): { x: number; y: number } | null {
  const dpr = c.getTransform().a;
  const [w, h] = [c.canvas.width / dpr, c.canvas.height / dpr];
  const middle = { x: ward.cx * k + ox, y: ward.cy * k + oy };
  const [edgeX, edgeY] = [28 * s, 18 * s];
  if (middle.x >= edgeX && middle.x <= w - edgeX && middle.y >= edgeY && middle.y <= h - edgeY) return middle;
  const [left, right] = [Math.max(edgeX, ward.box[0] * k + ox), Math.min(w - edgeX, ward.box[2] * k + ox)];
  const [top, bottom] = [Math.max(edgeY, ward.box[1] * k + oy), Math.min(h - edgeY, ward.box[3] * k + oy)];
  if (left > right || top > bottom) return null;
  let best: { x: number; y: number } | null = null;
  let least = Infinity;
  for (let i = 0; i <= 6; i++) {
    for (let j = 0; j <= 6; j++) {
      const [x, y] = [left + ((right - left) * i) / 6, top + ((bottom - top) * j) / 6];
      const far = Math.hypot(x - middle.x, y - middle.y);
      if (far < least && inside(ward.rings, (x - ox) / k, (y - oy) / k)) [best, least] = [{ x, y }, far];
    }
  }
  return best;
}

/** Shape and count for wards with alerts; badges that would touch become one. */
export function badges(p: Paint, seen: readonly Ward[], byArea: ReadonlyMap<string, AreaAlerts>): Box[] {
  const { c, scale: s } = p;
  const list = seen
    .flatMap((ward) => {
      const a = byArea.get(ward.id);
      const at = a === undefined ? null : badgeAt(p, ward);
      return a === undefined || at === null ? [] : [{ ...at, worst: a.worst, count: a.count }];
    })
    .sort((a, b) => b.worst - a.worst || b.count - a.count);
  const kept: typeof list = [];
  for (const b of list) {
    const near = kept.find((o) => Math.abs(o.x - b.x) < 44 * s && Math.abs(o.y - b.y) < 24 * s);
    if (near) near.count += b.count;
    else kept.push({ ...b });
  }
  const boxes: Box[] = [];
  c.font = `650 ${12 * s}px "Inter Variable", sans-serif`;
  c.textAlign = 'left';
  c.textBaseline = 'middle';
  // The most urgent is drawn last, on top.
  for (const b of kept.reverse()) {
    const label = String(b.count);
    const tw = c.measureText(label).width;
    const wide = tw + 27 * s;
    const x0 = b.x - wide / 2;
    const y0 = b.y - 10 * s;
    c.beginPath();
    c.roundRect(x0, y0, wide, 20 * s, 4 * s);
    c.fillStyle = COLOR.ground;
    c.fill();
    c.lineWidth = 1.25 * s;
    c.strokeStyle = SEVERITY[b.worst] as string;
    c.stroke();
    glyph(c, s, b.worst, x0 + 11 * s, b.y, 5.2 * s);
    c.fillStyle = COLOR.text;
    c.fillText(label, x0 + 20 * s, b.y + 0.5 * s);
    boxes.push([x0 - 2, y0 - 2, x0 + wide + 2, y0 + 22 * s]);
  }
  return boxes;
}

function glyph(c: CanvasRenderingContext2D, scale: number, l: Level, x: number, y: number, r: number): void {
  c.beginPath();
  shape(c, l, x, y, r);
  c.fillStyle = SEVERITY[l] as string;
  c.fill();
  if (l === 5) {
    c.lineWidth = 1.5 * scale;
    c.strokeStyle = COLOR.rim;
    c.stroke();
    exclaim(c, x, y, r);
  }
}

/** The special zone of Hoàng Sa lies 300 km off shore: it has a frame of its own. */
export function drawInset(canvas: HTMLCanvasElement, ward: Ward, worst: Level): void {
  const c = canvas.getContext('2d');
  const w = canvas.clientWidth;
  const h = canvas.clientHeight;
  if (c === null || w === 0) return;
  const dpr = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(w * dpr);
  canvas.height = Math.round(h * dpr);
  const [x0, y0, x1, y1] = ward.box;
  const k = Math.min((w - 12) / (x1 - x0), (h - 12) / (y1 - y0));
  c.setTransform(k * dpr, 0, 0, k * dpr, ((w - (x1 - x0) * k) / 2 - x0 * k) * dpr, ((h - (y1 - y0) * k) / 2 - y0 * k) * dpr);
  c.fillStyle = worst > 0 ? (SEVERITY[worst] as string) : COLOR.normal;
  c.fill(ward.path);
  c.lineWidth = 1 / k;
  c.strokeStyle = worst > 0 ? (SEVERITY[worst] as string) : COLOR.normal;
  c.stroke(ward.path);
}
