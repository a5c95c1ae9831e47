// How a device looks on the map, drawn once for all that look alike and then stamped: ten thousand
// copies of a small picture cost a tenth of ten thousand paths.
import { alpha, COLOR, exclaim, SEVERITY, shape } from './theme';
import type { Level } from './model';

/** In the order of drawing: the worst lies on top. Kinds of alerts are `LOUD + 2 · level`, one more when the device is silent. */
export const [DIM, NORMAL, QUIET, NEVER_SEEN, OFF, LOUD] = [0, 1, 2, 3, 4, 4];
export const KINDS = LOUD + 2 * 6;

/** What all stamps of a drawing have in common. */
export interface Ink {
  /** Shapes with edges; from afar mere dots. */
  near: boolean;
  /** Radius of a normal device, CSS pixels. */
  r: number;
  /** Size of the type against the standard. */
  scale: number;
  /** Device pixels of a CSS pixel. */
  dpr: number;
}

type Pen = CanvasRenderingContext2D;

function dot(c: Pen, r: number, fill: string, edge: string | null): void {
  c.beginPath();
  c.arc(0, 0, r, 0, Math.PI * 2);
  c.fillStyle = fill;
  c.fill();
  if (edge === null) return;
  c.strokeStyle = edge;
  c.stroke();
}

function quiet(c: Pen, r: number, s: number): void {
  c.setLineDash([2.2 * s, 1.8 * s]);
  dot(c, r, COLOR.ground, COLOR.normal);
}

function offline(c: Pen, r: number): void {
  dot(c, r, COLOR.ground, COLOR.normal);
  c.beginPath();
  c.moveTo(-r * 1.3, r * 1.3);
  c.lineTo(r * 1.3, -r * 1.3);
  c.stroke();
}

function loud(c: Pen, level: Level, live: boolean, r: number, s: number): void {
  const size = r * (level >= 4 ? 1.75 : 1.5);
  c.beginPath();
  shape(c, level, 0, 0, size + 1.6 * s);
  c.fillStyle = COLOR.ground;
  c.fill();
  c.beginPath();
  shape(c, level, 0, 0, size);
  if (!live) {
    // The cause was seen, but the device is silent now: hollow.
    c.lineWidth = 1.8 * s;
    c.strokeStyle = SEVERITY[level] as string;
    c.stroke();
    return;
  }
  c.fillStyle = SEVERITY[level] as string;
  c.fill();
  if (level < 5) return;
  c.lineWidth = 1.6 * s;
  c.strokeStyle = COLOR.rim;
  c.stroke();
  exclaim(c, 0, 0, size);
}

function draw(c: Pen, kind: number, { near, r, scale }: Ink): void {
  c.lineWidth = 1.2 * scale;
  if (kind === DIM) dot(c, r, alpha(COLOR.dim, 0.6), null);
  else if (kind === NORMAL) dot(c, r, near ? COLOR.normal : alpha(COLOR.normal, 0.8), near ? COLOR.ground : null);
  else if (kind > LOUD) loud(c, ((kind - LOUD) >> 1) as Level, kind % 2 === 0, r, scale);
  else if (!near) dot(c, r, alpha(COLOR.normal, 0.32), null);
  else if (kind === OFF) offline(c, r);
  else quiet(c, kind === NEVER_SEEN ? r * 0.7 : r, scale);
}

export class Stamps {
  private readonly made = new Map<string, HTMLCanvasElement>();

  /** Other colours. */
  clear(): void {
    this.made.clear();
  }

  /** Stamps one kind on all of its places: x, y, x, y … in CSS pixels. Whole device pixels keep edges sharp. */
  put(c: Pen, kind: number, places: readonly number[], ink: Ink): void {
    if (places.length === 0) return;
    const stamp = this.of(kind, ink);
    const half = stamp.width / 2;
    const before = c.getTransform();
    c.setTransform(1, 0, 0, 1, 0, 0);
    for (let i = 0; i < places.length; i += 2) {
      c.drawImage(stamp, Math.round((places[i] as number) * ink.dpr) - half, Math.round((places[i + 1] as number) * ink.dpr) - half);
    }
    c.setTransform(before);
  }

  private of(kind: number, ink: Ink): HTMLCanvasElement {
    const key = `${kind} ${ink.near} ${ink.r} ${ink.scale} ${ink.dpr}`;
    const known = this.made.get(key);
    if (known !== undefined) return known;
    // Zooming makes a radius each time: only those of the last ones are worth keeping.
    if (this.made.size >= 4 * KINDS) this.made.clear();
    const stamp = document.createElement('canvas');
    stamp.width = stamp.height = 2 * Math.ceil((ink.r * 1.75 * 1.3 + 3 * ink.scale) * ink.dpr);
    const c = stamp.getContext('2d');
    if (c !== null) {
      c.setTransform(ink.dpr, 0, 0, ink.dpr, stamp.width / 2, stamp.height / 2);
      draw(c, kind, ink);
    }
    this.made.set(key, stamp);
    return stamp;
  }
}
