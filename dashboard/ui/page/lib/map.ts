// The map: Leaflet does panning, zooming, touch and keyboard; everything seen is drawn here on
// two canvases, wards below and devices above. Imperative: create, update, destroy.
import type * as L from 'leaflet';
import { latLng, latLngBounds } from 'leaflet/src/geo/index.js';
import { point } from 'leaflet/src/geometry/index.js';
// With the map's own methods for layers, without which it cannot be made.
import { tileLayer } from 'leaflet/src/layer/tile/TileLayer.js';
import { map as leafletMap } from 'leaflet/src/map/index.js';
import 'leaflet/dist/leaflet.css';
import type { AreaAlerts } from './alerts.svelte';
import { Pace } from './beat';
import { group, sum, type Group } from './cluster';
import type { DeviceTable } from './devices';
import type { Lang } from './model';
import { ANCHOR, wards, zonesOf, type Ward } from './geo';
import { hatch } from './hatch';
import { parseLayers, type Layers } from './layers';
import { grains, groupRadius, marks, others, ring, type Dots } from './mapdots';
import { inside } from './polygon';
import { badges, drawInset, labels, outlines, type Box, type Paint } from './paint';
import { schedule, unschedule } from './raf';
import { alpha, COLOR, onTheme, SEVERITY, tone } from './theme';
import type { Tiles } from './tiles';
import { OFFLINE, STALE, stateOf } from './wire';

/** From this zoom on devices are shapes; below it wards carry the alerts. */
const NEAR_ZOOM = 11.75;
/** From here on only devices at nearly the same place share a mark. */
const DEEP_ZOOM = 16;
const MAX_ZOOM = 17;
const INSET = 'hoang_sa';
/** Opacity of a ward's fill by severity: what is not urgent stays near grey. */
const TINT: readonly number[] = [0, 0.1, 0.13, 0.24, 0.34, 0.42];

export interface Hit {
  kind: 'device' | 'group' | 'area' | 'zone';
  /** Of the device, area or zone; of a group, that of the device whose place it has. */
  id: string;
  /** Devices of a group: positions in the list. */
  members?: readonly number[];
  /** Pixels from the top left corner of the map. */
  x: number;
  y: number;
}

export interface Seen { devices: number; alarms: number; groups: number }

export interface MapEvents {
  hover(hit: Hit | null): void;
  pick(hit: Hit | null): void;
  moved(lat: number, lon: number, zoom: number): void;
  /** Enter on the map: what is nearest to its middle. */
  enter(): void;
  /** After each drawing of devices: what is in sight. */
  drawn(seen: Seen): void;
  /** A tile of the background came, or did not. */
  tile(came: boolean): void;
}

export class CityMap {
  private readonly map: L.Map;
  private readonly base: HTMLCanvasElement;
  private readonly dots: HTMLCanvasElement;
  private wards: Ward[] = [];
  private zones: Ward[] = [];
  private byArea: ReadonlyMap<string, AreaAlerts> = new Map();
  private lang: Lang = 'vi';
  private selected = '';
  private area = '';
  private service = '';
  private layers: Layers = parseLayers('');
  private tiles: L.TileLayer | null = null;
  private groups: Group[] = [];
  /** What the groups depend on. */
  private grouped = '';
  /** What the devices looked like when they were drawn: see `looked`. */
  private looks = -1;
  private readonly unlisten: () => void;
  private readonly unthemed: () => void;
  private readonly resize: ResizeObserver;
  private scale = 1;
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
      inertia: false, zoomSnap: 0.25, zoomDelta: 0.75, wheelPxPerZoomLevel: 110, minZoom: 7, maxZoom: MAX_ZOOM,
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
    box.addEventListener('keydown', this.onkey);
    // New values alone change nothing here.
    this.unlisten = table.listen(() => { if (this.looked() !== this.looks) this.news.ask(); });
    this.unthemed = onTheme(() => this.all());
    this.resize = new ResizeObserver(() => {
      this.map.invalidateSize({ animate: false, pan: false });
      this.all();
    });
    this.resize.observe(box);
  }

  setWards(map: GeoJSON.FeatureCollection): void {
    this.wards = wards(map);
    // The smallest first: of nested zones the inner one is meant.
    const size = ({ box }: Ward) => (box[2] - box[0]) * (box[3] - box[1]);
    this.zones = wards(zonesOf(map)).sort((a, b) => size(a) - size(b));
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

  setLayers(layers: Layers): void {
    this.layers = layers;
    this.all();
  }

  /** The configured background, or none. */
  setTiles(tiles: Tiles | null): void {
    this.tiles?.remove();
    this.tiles = null;
    if (tiles !== null) {
      // Anonymous: the page takes nothing from elsewhere that does not offer itself to it (COEP).
      this.tiles = tileLayer(tiles.raster, {
        minZoom: 0, maxZoom: MAX_ZOOM, maxNativeZoom: tiles.max_zoom, crossOrigin: 'anonymous', referrerPolicy: 'no-referrer', keepBuffer: 1, updateWhenZooming: false, className: 'map-tiles',
      });
      this.tiles.on('tileload', () => this.events.tile(true)).on('tileerror', () => this.events.tile(false));
      this.tiles.addTo(this.map);
    }
    this.all();
  }

  redraw(): void {
    this.all();
  }

  /** Moves what is seen down by so many pixels. */
  lower(by: number): void {
    this.map.panBy([0, -by]);
  }

  zoomBy(step: number): void {
    this.map.setZoom(this.map.getZoom() + step);
  }

  private readonly onkey = (e: KeyboardEvent): void => {
    if (e.key !== 'Enter' || e.target !== this.box) return;
    e.preventDefault();
    e.stopPropagation();
    this.events.enter();
  };

  /** Where a device is now, px; null outside of the map. */
  where(id: string): { x: number; y: number } | null {
    const i = this.table.indexOf(id);
    if (i === undefined) return null;
    const { x, y } = this.pixel(i);
    return x >= 0 && y >= 0 && x <= this.box.clientWidth && y <= this.box.clientHeight ? { x, y } : null;
  }

  /** What is drawn nearest to the middle. */
  middle(): Hit | null {
    return this.hit(this.box.clientWidth / 2, this.box.clientHeight / 2, Math.min(this.box.clientWidth, this.box.clientHeight) / 2);
  }

  /** Degrees of the middle. */
  centre(): { lat: number; lon: number } {
    const c = this.map.getCenter();
    return { lat: c.lat, lon: c.lng };
  }

  /** Goes nearer until a group falls apart; false when it does not, all being at one place. */
  open(members: readonly number[]): boolean {
    const now = this.map.getZoom();
    const places = members.map((i) => this.table.list[i]).flatMap((d) => (d?.lat == null || d.lon == null ? [] : [latLng(d.lat, d.lon)]));
    if (places.length === 0 || now > MAX_ZOOM - 0.25) return false;
    const bounds = latLngBounds(places);
    const span = this.map.project(bounds.getNorthWest(), MAX_ZOOM).distanceTo(this.map.project(bounds.getSouthEast(), MAX_ZOOM));
    if (span < this.reach(MAX_ZOOM)) return false;
    this.map.setView(bounds.getCenter(), Math.min(MAX_ZOOM, Math.max(now + 1, this.map.getBoundsZoom(bounds, false, point(48, 48)))), { animate: false });
    return true;
  }

  /** Within so many pixels devices share a mark. */
  private reach(zoom: number): number {
    return (zoom >= DEEP_ZOOM ? 12 : 27) * this.scale;
  }

  private pixel(i: number): { x: number; y: number } {
    const { k, ox, oy } = this.frame();
    return { x: ((this.table.x[i] as number) - ANCHOR[0]) * k + ox, y: ((this.table.y[i] as number) - ANCHOR[1]) * k + oy };
  }

  private readonly shown = (i: number): boolean => {
    const l = this.layers;
    if (l.stale) {
      const state = stateOf(this.table.status[i] as number);
      if (state !== STALE && state !== OFFLINE) return false;
    }
    return l.services.length === 0 || l.services.includes(this.table.list[i]?.service ?? '');
  };

  /** In the service of the filter, if there is one. */
  private readonly meant = (i: number): boolean => this.service === '' || this.table.list[i]?.service === this.service;

  private regroup(): void {
    const zoom = this.map.getZoom();
    const key = [zoom, this.scale, this.table.rev, this.service, this.layers.services, this.layers.stale ? this.table.looks : ''].join();
    if (key === this.grouped) return;
    this.grouped = key;
    this.groups = group(this.table.x, this.table.y, this.reach(zoom) / 2 ** zoom, (i) => this.meant(i) && this.shown(i));
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
    const w = this.wards.find((x) => x.id === id) ?? this.zones.find((x) => x.id === id);
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
  private looked(): number {
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
      if (this.tiles === null) {
        c.fillStyle = COLOR.land;
        c.fill(ward.path);
      }
      const worst = this.byArea.get(ward.id)?.worst ?? 0;
      if (worst > 0 && this.layers.wards) {
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
      if (far && worst > 0 && this.layers.wards) {
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
    const taken = [...this.covered];
    if (!far) {
      this.regroup();
      for (const g of this.groups) {
        if (g.members.length === 1) continue;
        const x = ((this.table.x[g.at] as number) - ANCHOR[0]) * k + ox;
        const y = ((this.table.y[g.at] as number) - ANCHOR[1]) * k + oy;
        const r = groupRadius(g.members.length, this.scale) * 1.2;
        if (x > -r && y > -r && x < w + r && y < h + r) taken.push([x - r, y - r, x + r, y + r]);
      }
    }
    if (this.layers.zones) outlines(paint, this.zones, taken);
    labels(paint, seen, taken);
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
    this.looks = this.looked();
    const zoom = this.map.getZoom();
    const near = zoom >= NEAR_ZOOM;
    const s = this.scale;
    const dots: Dots = { c, w, h, k, ox, oy, scale: s, table: t, r: (near ? 3.6 + Math.min(2, (zoom - NEAR_ZOOM) * 0.6) : 1.5) * s };
    if (near) {
      this.regroup();
      if (this.service !== '') others(dots, t.list.flatMap((_, i) => (!this.meant(i) && this.shown(i) ? [i] : [])));
      marks(dots, this.groups);
    } else grains(dots, (i) => this.meant(i) && this.shown(i), this.covered);
    const selected = this.selected === '' ? undefined : t.indexOf(this.selected);
    if (selected !== undefined) {
      const home = near ? this.groups.find((g) => g.members.length > 1 && g.members.includes(selected)) : undefined;
      if (home) ring(dots, home.at, groupRadius(home.members.length, s) * 1.2 + 5 * s);
      else ring(dots, selected, dots.r * 1.8 + 7 * s);
    }
    this.events.drawn(this.seen(w, h, near));
  };

  private seen(w: number, h: number, near: boolean): Seen {
    const { k, ox, oy } = this.frame();
    const inView = (i: number) => {
      const x = ((this.table.x[i] as number) - ANCHOR[0]) * k + ox;
      const y = ((this.table.y[i] as number) - ANCHOR[1]) * k + oy;
      return x >= 0 && x <= w && y >= 0 && y <= h;
    };
    const seen: Seen = { devices: 0, alarms: 0, groups: near ? this.groups.filter((g) => g.members.length > 1 && inView(g.at)).length : 0 };
    for (let i = 0; i < this.table.list.length; i++) {
      if (!inView(i) || !this.meant(i) || !this.shown(i)) continue;
      seen.devices += 1;
      if (this.table.severity(i) > 0) seen.alarms += 1;
    }
    return seen;
  }

  /** What lies under a pixel: the nearest device or group, else the zone, else the ward. */
  private hit(px: number, py: number, within = 0): Hit | null {
    const { k, ox, oy } = this.frame();
    const near = this.map.getZoom() >= NEAR_ZOOM;
    const t = this.table;
    let best = -1;
    let members: readonly number[] = [];
    let least = Infinity;
    const look = (at: number, reach: number, alarm: boolean, of: readonly number[]) => {
      const dx = ((t.x[at] as number) - ANCHOR[0]) * k + ox - px;
      const dy = ((t.y[at] as number) - ANCHOR[1]) * k + oy - py;
      const d = Math.hypot(dx, dy);
      // An alert wins over a quiet neighbour.
      const weighed = d - (alarm ? 3 : 0);
      if (d >= Math.max(within, reach) || weighed >= least) return;
      least = weighed;
      best = at;
      members = of;
    };
    const one: readonly number[] = [];
    const single = (near ? 12 : 5) * this.scale;
    if (near) for (const g of this.groups) look(g.at, g.members.length > 1 ? groupRadius(g.members.length, this.scale) + 3 : single, sum(t.status, g.members).alarms > 0, g.members);
    if (!near || this.service !== '') {
      for (let i = 0; i < t.list.length; i++) if (this.shown(i) && (!near || !this.meant(i))) look(i, single, t.severity(i) > 0, one);
    }
    if (best >= 0) {
      const at = this.pixel(best);
      const id = t.list[best]?.id ?? '';
      return members.length > 1 ? { kind: 'group', id, members, ...at } : { kind: 'device', id, ...at };
    }
    const wx = (px - ox) / k;
    const wy = (py - oy) / k;
    const over = ({ box: [x0, y0, x1, y1], rings }: Ward) => wx >= x0 && wx <= x1 && wy >= y0 && wy <= y1 && inside(rings, wx, wy);
    const zone = this.layers.zones ? this.zones.find(over) : undefined;
    if (zone) return { kind: 'zone', id: zone.id, x: px, y: py };
    const ward = this.wards.find(over);
    return ward ? { kind: 'area', id: ward.id, x: px, y: py } : null;
  }
}
