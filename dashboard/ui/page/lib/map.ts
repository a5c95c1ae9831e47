// The map: Leaflet does panning, zooming, touch and keyboard; everything seen is drawn here on
// two canvases, wards below and devices above. Imperative: create, update, destroy.
import type * as L from 'leaflet';
import { latLng } from 'leaflet/src/geo/index.js';
import { map as leafletMap } from 'leaflet/src/map/index.js';
// A map without the methods for layers cannot be made.
import 'leaflet/src/layer/Layer.js';
import 'leaflet/dist/leaflet.css';
import type { AreaAlerts } from './alerts.svelte';
import { Pace } from './beat';
import type { DeviceTable } from './devices';
import type { Lang } from './model';
import { ANCHOR, wards, type Ward } from './geo';
import { hatch } from './hatch';
import { inside } from './polygon';
import { badges, drawInset, labels, type Box, type Paint } from './paint';
import { schedule, unschedule } from './raf';
import { DIM, KINDS, LOUD, NEVER_SEEN, NORMAL, OFF, QUIET, Stamps } from './stamps';
import { alpha, COLOR, onTheme, SEVERITY, tone } from './theme';
import { LIVE, NEVER, OFFLINE, stateOf } from './wire';

/** From this zoom on devices are shapes; below it wards carry the alerts. */
export const NEAR_ZOOM = 11.75;
const INSET = 'hoang_sa';
/** Opacity of a ward's fill by severity: what is not urgent stays near grey. */
const TINT: readonly number[] = [0, 0.1, 0.13, 0.24, 0.34, 0.42];

export interface Hit {
  kind: 'device' | 'area';
  id: string;
  /** Pixels from the top left corner of the map. */
  x: number;
  y: number;
}

export interface MapEvents {
  hover(hit: Hit | null): void;
  pick(hit: Hit | null): void;
  moved(lat: number, lon: number, zoom: number): void;
}

export class CityMap {
  private readonly map: L.Map;
  private readonly base: HTMLCanvasElement;
  private readonly dots: HTMLCanvasElement;
  private wards: Ward[] = [];
  private byArea: ReadonlyMap<string, AreaAlerts> = new Map();
  private lang: Lang = 'vi';
  private selected = '';
  private area = '';
  private service = '';
  /** What the devices looked like when they were drawn: see `shown`. */
  private looks = -1;
  private readonly unlisten: () => void;
  private readonly unthemed: () => void;
  private readonly resize: ResizeObserver;
  private scale = 1;
  private readonly stamps = new Stamps();
  /** What comes from devices. */
  private readonly news = new Pace(() => schedule(this.drawDots));
  /** What the inset shows. */
  private islands = '';
  /** Where badges are: no dot is drawn over a count. */
  private covered: Box[] = [];
  private readonly box: HTMLElement;
  private readonly inset: HTMLCanvasElement;
  private readonly table: DeviceTable;
  private readonly events: MapEvents;

  constructor(box: HTMLElement, inset: HTMLCanvasElement, table: DeviceTable, events: MapEvents) {
    this.box = box;
    this.inset = inset;
    this.table = table;
    this.events = events;
    this.map = leafletMap(box, {
      zoomControl: false, attributionControl: false, zoomAnimation: false, fadeAnimation: false,
      inertia: false, zoomSnap: 0.25, zoomDelta: 0.75, wheelPxPerZoomLevel: 110, minZoom: 7, maxZoom: 17,
      boxZoom: false, keyboardPanDelta: 120, bounceAtZoomLimits: false,
      maxBounds: [[13.8, 105.5], [17.6, 113.6]], maxBoundsViscosity: 0.6,
    });
    // By keys too it moves at once, as everything here.
    const pan = this.map.panBy.bind(this.map);
    this.map.panBy = (by, options) => pan(by, { ...options, animate: false });
    this.base = this.canvas('map-base');
    this.dots = this.canvas('map-dots');
    this.map.setView([16.05, 108.2], 11);
    this.map.on('move zoom resize', () => this.all());
    this.map.on('moveend', () => {
      const c = this.map.getCenter();
      this.events.moved(c.lat, c.lng, this.map.getZoom());
    });
    this.map.on('mousemove', (e: L.LeafletMouseEvent) => {
      const hit = this.hit(e.containerPoint.x, e.containerPoint.y);
      box.classList.toggle('pointing', hit !== null);
      this.events.hover(hit);
    });
    this.map.on('mouseout movestart', () => this.events.hover(null));
    this.map.on('click', (e: L.LeafletMouseEvent) => {
      this.events.pick(this.hit(e.containerPoint.x, e.containerPoint.y));
    });
    // New values alone change nothing here.
    this.unlisten = table.listen(() => { if (this.shown() !== this.looks) this.news.ask(); });
    this.unthemed = onTheme(() => {
      this.stamps.clear();
      this.all();
    });
    this.resize = new ResizeObserver(() => {
      this.map.invalidateSize({ animate: false, pan: false });
      this.all();
    });
    this.resize.observe(box);
  }

  setWards(map: GeoJSON.FeatureCollection): void {
    this.wards = wards(map);
    this.all();
  }

  setAlerts(byArea: ReadonlyMap<string, AreaAlerts>): void {
    const before = this.byArea;
    this.byArea = byArea;
    // Counts are shown from afar only.
    const far = this.map.getZoom() < NEAR_ZOOM;
    const same = before.size === byArea.size && [...byArea].every(([id, a]) => before.get(id)?.worst === a.worst && (!far || before.get(id)?.count === a.count));
    if (!same) schedule(this.drawBase);
  }

  setView(lat: number, lon: number, zoom: number): void {
    this.map.setView([lat, lon], zoom, { animate: false });
  }

  /** The city's own view, meant for a map of about 700 px: a larger one shows more detail, not more sea. */
  setHome(view: readonly [number, number, number] | undefined): void {
    if (view === undefined) return;
    const room = Math.log2(Math.min(this.box.clientWidth, this.box.clientHeight) / 700);
    this.setView(view[1], view[0], view[2] + Math.max(0, Math.round(room * 4) / 4));
  }

  /** What is emphasised: language, selected device, area and service of the filter. */
  setFocus(lang: Lang, selected: string, area: string, service: string): void {
    if (lang === this.lang && selected === this.selected && area === this.area && service === this.service) return;
    this.lang = lang;
    this.selected = selected;
    this.area = area;
    this.service = service;
    this.all();
  }

  redraw(): void {
    this.all();
  }

  zoomBy(step: number): void {
    this.map.setZoom(this.map.getZoom() + step);
  }

  /** Brings a device into sight without moving more than needed. */
  showDevice(id: string): boolean {
    const i = this.table.indexOf(id);
    const d = i === undefined ? undefined : this.table.list[i];
    if (d?.lat == null || d.lon == null) return false;
    const at = latLng(d.lat, d.lon);
    const inner = this.map.getBounds().pad(-0.15);
    if (this.map.getZoom() < NEAR_ZOOM + 1 || !inner.contains(at)) {
      this.map.setView(at, Math.max(this.map.getZoom(), NEAR_ZOOM + 1.25), { animate: false });
    }
    return true;
  }

  showArea(id: string): boolean {
    const w = this.wards.find((x) => x.id === id);
    if (w === undefined) return false;
    const [s, west, n, e] = w.bounds;
    this.map.fitBounds([[s, west], [n, e]], { animate: false, padding: [24, 24], maxZoom: 14 });
    return true;
  }

  /** All wards but the far islands. */
  showCity(): void {
    const near = this.wards.filter((w) => w.id !== INSET);
    if (near.length === 0) return;
    const s = Math.min(...near.map((w) => w.bounds[0]));
    const west = Math.min(...near.map((w) => w.bounds[1]));
    const n = Math.max(...near.map((w) => w.bounds[2]));
    const e = Math.max(...near.map((w) => w.bounds[3]));
    this.map.fitBounds([[s, west], [n, e]], { animate: false, padding: [12, 12] });
  }

  destroy(): void {
    this.unlisten();
    this.news.stop();
    this.unthemed();
    this.resize.disconnect();
    unschedule(this.drawBase);
    unschedule(this.drawDots);
    this.map.remove();
    this.base.remove();
    this.dots.remove();
  }

  /** Changes when what is drawn of the devices does: from afar their alerts are in the wards' badges. */
  private shown(): number {
    return this.map.getZoom() < NEAR_ZOOM ? this.table.states : this.table.looks;
  }

  private canvas(name: string): HTMLCanvasElement {
    const c = document.createElement('canvas');
    c.className = name;
    c.setAttribute('aria-hidden', 'true');
    this.box.append(c);
    return c;
  }

  private all(): void {
    schedule(this.drawBase);
    schedule(this.drawDots);
  }

  /** Prepares a canvas of the box's size; drawing is in CSS pixels. */
  private begin(canvas: HTMLCanvasElement): { c: CanvasRenderingContext2D; w: number; h: number } | null {
    const w = this.box.clientWidth;
    const h = this.box.clientHeight;
    const c = canvas.getContext('2d');
    if (c === null || w === 0 || h === 0) return null;
    const dpr = Math.min(devicePixelRatio || 1, 2);
    if (canvas.width !== Math.round(w * dpr) || canvas.height !== Math.round(h * dpr)) {
      canvas.width = Math.round(w * dpr);
      canvas.height = Math.round(h * dpr);
      canvas.style.width = `${w}px`;
      canvas.style.height = `${h}px`;
    }
    c.setTransform(dpr, 0, 0, dpr, 0, 0);
    c.clearRect(0, 0, w, h);
    this.scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 14;
    return { c, w, h };
  }

  /** World pixels at zoom 0 (relative to the anchor) to map pixels: x·k + ox. */
  private frame(): { k: number; ox: number; oy: number } {
    const k = 2 ** this.map.getZoom();
    const min = this.map.getPixelBounds().min as L.Point;
    return { k, ox: ANCHOR[0] * k - min.x, oy: ANCHOR[1] * k - min.y };
  }

  private readonly drawBase = (): void => {
    const b = this.begin(this.base);
    if (b === null) return;
    const { c, w, h } = b;
    const { k, ox, oy } = this.frame();
    const far = this.map.getZoom() < NEAR_ZOOM;
    const dpr = c.getTransform().a;
    const seen = this.wards.filter(
      ({ box }) => box[2] * k + ox > 0 && box[0] * k + ox < w && box[3] * k + oy > 0 && box[1] * k + oy < h,
    );
    c.save();
    c.setTransform(k * dpr, 0, 0, k * dpr, ox * dpr, oy * dpr);
    c.lineJoin = 'round';
    for (const ward of seen) {
      c.fillStyle = COLOR.land;
      c.fill(ward.path);
      const worst = this.byArea.get(ward.id)?.worst ?? 0;
      if (worst > 0) {
        c.fillStyle = alpha(SEVERITY[worst] as string, far ? (TINT[worst] as number) * tone() : 0.05);
        c.fill(ward.path);
        const pattern = far ? hatch(c, worst, k, dpr, 0.14 + 0.05 * worst) : null;
        if (pattern !== null) {
          c.fillStyle = pattern;
          c.fill(ward.path);
        }
      }
    }
    c.lineWidth = 1 / k;
    c.strokeStyle = COLOR.landEdge;
    for (const ward of seen) c.stroke(ward.path);
    for (const ward of seen) {
      const worst = this.byArea.get(ward.id)?.worst ?? 0;
      if (far && worst > 0) {
        c.lineWidth = 1.25 / k;
        c.strokeStyle = alpha(SEVERITY[worst] as string, 0.25 + 0.12 * worst);
        c.stroke(ward.path);
      }
    }
    const chosen = seen.find((x) => x.id === this.area);
    if (chosen) {
      c.lineWidth = 2 / k;
      c.strokeStyle = COLOR.focus;
      c.stroke(chosen.path);
    }
    c.restore();
    const paint: Paint = { c, k, ox, oy, scale: this.scale, lang: this.lang };
    const covered = far ? badges(paint, seen, this.byArea) : [];
    // A dot hidden by a badge comes back where the badge is gone.
    if (String(covered) !== String(this.covered)) schedule(this.drawDots);
    this.covered = covered;
    labels(paint, seen, [...this.covered]);
    const islands = this.wards.find((x) => x.id === INSET);
    const worst = this.byArea.get(INSET)?.worst ?? 0;
    const look = `${worst} ${COLOR.normal} ${this.inset.clientWidth}×${this.inset.clientHeight}`;
    if (islands && look !== this.islands) {
      this.islands = look;
      drawInset(this.inset, islands, worst);
    }
  };

  private readonly drawDots = (): void => {
    const b = this.begin(this.dots);
    if (b === null) return;
    const { c, w, h } = b;
    const { k, ox, oy } = this.frame();
    const t = this.table;
    this.looks = this.shown();
    const zoom = this.map.getZoom();
    const near = zoom >= NEAR_ZOOM;
    const s = this.scale;
    const n = t.list.length;
    const places: number[][] = Array.from({ length: KINDS }, () => []);
    const r = (near ? 3.6 + Math.min(2, (zoom - NEAR_ZOOM) * 0.6) : 1.5) * s;
    for (let i = 0; i < n; i++) {
      const x = ((t.x[i] as number) - ANCHOR[0]) * k + ox;
      const y = ((t.y[i] as number) - ANCHOR[1]) * k + oy;
      if (!(x > -12 && x < w + 12 && y > -12 && y < h + 12)) continue;
      if (!near && this.covered.some(([x0, y0, x1, y1]) => x > x0 && x < x1 && y > y0 && y < y1)) continue;
      const state = stateOf(t.status[i] as number);
      const l = t.severity(i);
      const kind = near && l > 0 ? LOUD + 2 * Math.min(l, 5) + (state === LIVE ? 0 : 1)
        : this.service !== '' && t.list[i]?.service !== this.service ? DIM
        : state === LIVE ? NORMAL : state === OFFLINE ? OFF : state === NEVER ? NEVER_SEEN : QUIET;
      (places[kind] as number[]).push(x, y);
    }
    const ink = { near, r, scale: s, dpr: c.getTransform().a };
    places.forEach((list, kind) => this.stamps.put(c, kind, list, ink));
    this.ring(c, k, ox, oy, r);
  };

  /** The selected device. */
  private ring(c: CanvasRenderingContext2D, k: number, ox: number, oy: number, r: number): void {
    const i = this.selected === '' ? undefined : this.table.indexOf(this.selected);
    if (i === undefined) return;
    const x = ((this.table.x[i] as number) - ANCHOR[0]) * k + ox;
    const y = ((this.table.y[i] as number) - ANCHOR[1]) * k + oy;
    if (Number.isNaN(x)) return;
    c.beginPath();
    c.arc(x, y, r * 1.8 + 7 * this.scale, 0, Math.PI * 2);
    c.lineWidth = 2 * this.scale;
    c.strokeStyle = COLOR.focus;
    c.stroke();
  }

  /** What lies under a pixel: the nearest device, else the ward. */
  private hit(px: number, py: number): Hit | null {
    const { k, ox, oy } = this.frame();
    const near = this.map.getZoom() >= NEAR_ZOOM;
    const t = this.table;
    let best = -1;
    let least = (near ? 12 : 5) * this.scale;
    for (let i = 0; i < t.list.length; i++) {
      const dx = ((t.x[i] as number) - ANCHOR[0]) * k + ox - px;
      const dy = ((t.y[i] as number) - ANCHOR[1]) * k + oy - py;
      // An alert wins over a quiet neighbour.
      const d = Math.hypot(dx, dy) - (t.severity(i) > 0 ? 3 : 0);
      if (d < least) {
        least = d;
        best = i;
      }
    }
    if (best >= 0) {
      const x = ((t.x[best] as number) - ANCHOR[0]) * k + ox;
      const y = ((t.y[best] as number) - ANCHOR[1]) * k + oy;
      return { kind: 'device', id: (t.list[best] as { id: string }).id, x, y };
    }
    const wx = (px - ox) / k;
    const wy = (py - oy) / k;
    for (const ward of this.wards) {
      const [x0, y0, x1, y1] = ward.box;
      if (wx >= x0 && wx <= x1 && wy >= y0 && wy <= y1 && inside(ward.rings, wx, wy)) {
        return { kind: 'area', id: ward.id, x: px, y: py };
      }
    }
    return null;
  }
}
