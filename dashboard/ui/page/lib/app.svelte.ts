// What the screens share: session, city, live state. Wires the link to the stores.
import { ApiError, del, get, post, query, why } from './api';
import { AlertBook, Row } from './alerts.svelte';
import { DeviceTable } from './devices';
import { Link, type Hello } from './link';
import { HEARTBEAT, type Frame } from './wire';
import { Route } from './route.svelte';
import { text, type Key } from './dict';
import { type Alert, type Area, type City, type Device, type Property, type Rule, type Service, type Session, type Text, type Tile } from './model';
import * as fmt from './fmt';

export type LinkState = 'connecting' | 'live' | 'slow' | 'stale' | 'down';

const STALE_MS = 3000;
const OLD_MS = 10_000;
const HZ = 5;

class App {
  readonly route = new Route();
  readonly devices = new DeviceTable();
  readonly alerts = new AlertBook();

  /** undefined: not known yet; null: nobody is signed in. */
  session = $state.raw<Session | null | undefined>(undefined);
  ended = $state(false);
  city = $state.raw<City | null>(null);
  /** GeoJSON of the areas, or why it is missing. */
  map = $state.raw<GeoJSON.FeatureCollection | null>(null);
  mapFailed = $state('');
  loadFailed = $state('');
  tiles = $state.raw<ReadonlyMap<string, Tile>>(new Map());
  rules = $state.raw<ReadonlyMap<string, Rule>>(new Map());
  /** Grows with each new device list. */
  rev = $state(0);

  /** Client clock, each second; read by what shows ages. */
  now = $state(Date.now());
  link = $state<LinkState>('connecting');
  /** Ages in ms, for the header; null when not known. */
  linkAge = $state<number | null>(null);
  pipelineAge = $state<number | null>(null);
  watermark = $state<number | null>(null);
  /** Data area is older than ten seconds: client time of the newest frame. */
  oldSince = $state<number | null>(null);
  hz = $state(HZ);
  /** After a reconnect until the missed changes are applied: nothing may be clicked. */
  resuming = $state(true);
  /** The engine runs on the time of the data (a replay), not on the wall clock. */
  eventClock = $state(false);
  newBuild = $state(false);
  fresh = $state.raw({ live: 0, all: 0 });
  /** What the live regions say. */
  sayPolite = $state('');
  sayUrgent = $state('');

  /** What the map was asked to show; a new object each time. */
  wish = $state.raw<{ device: string; area: string } | null>(null);

  private connection: Link | null = null;
  private build = '';
  /** server clock − client clock. */
  private skew = 0;
  private beat: { watermark: number; server: number; at: number } | null = null;
  /** The next alerts message holds (the first part of) all open alerts: it replaces what is there. */
  private replaceAlerts = true;
  private gotState = false;
  private gotAlerts = false;
  private resumeTimer: ReturnType<typeof setTimeout> | undefined;
  private fetchingDevices: Promise<void> | null = null;
  private saidUrgentAt = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  areas: ReadonlyMap<string, Area> = new Map();
  services: ReadonlyMap<string, Service> = new Map();
  properties: ReadonlyMap<string, Property> = new Map();

  get lang() {
    return this.route.view.lang;
  }
  t = (key: Key, with_?: Record<string, string | number>): string => text(this.lang, key, with_);
  pick = (t: Text | undefined, otherwise = ''): string => (t ? t[this.lang] || t.vi : '') || otherwise;

  get mayAcknowledge(): boolean {
    return this.session?.role === 'operator' || this.session?.role === 'administrator';
  }

  /** The present as the server knows it, ms. */
  serverNow = (): number => this.now + this.skew;

  /** The present of the data: the wall, or in a replay the watermark. */
  dataNow = (): number => {
    return this.eventClock && this.watermark !== null ? this.watermark : this.serverNow();
  };

  areaName = (id: string): string => {
    if (id === 'unassigned') return this.t('unassigned');
    return this.pick(this.areas.get(id)?.name, id);
  };
  serviceName = (id: string): string => this.pick(this.services.get(id)?.name, id);
  propertyName = (id: string): string => this.pick(this.properties.get(id)?.name, id);
  deviceName = (id: string): string => {
    const i = this.devices.indexOf(id);
    return i === undefined ? id : this.pick(this.devices.list[i]?.name, id);
  };
  quantity = (property: string, value: number | null | undefined): string => {
    const p = this.properties.get(property);
    return fmt.quantity(value, p?.digits ?? 1, p?.unit ?? '', this.lang);
  };
  severityName = (l: number): string =>
    this.t((['sev_none', 'sev_info', 'sev_minor', 'sev_major', 'sev_critical', 'sev_emergency'] as const)[l] ?? 'sev_none');

  /** Brings a device, else an area, into sight on the map. */
  show = (device: string, area: string): void => {
    this.wish = { device, area };
  };

  openDevice = (id: string): void => {
    const i = this.devices.indexOf(id);
    this.route.set({ device: id, alert: '', prop: '', q: '' }, true);
    this.show(id, i === undefined ? '' : (this.devices.list[i]?.area ?? ''));
  };

  clearFilters = (): void => {
    this.route.set({ sev: 1, service: '', area: '', unacked: false, q: '' });
  };

  async start(): Promise<void> {
    this.route.start();
    this.alerts.places = (a) => {
      const area = this.areas.get(a.area)?.name;
      const i = a.device === null ? undefined : this.devices.indexOf(a.device);
      const device = i === undefined ? undefined : this.devices.list[i]?.name;
      const service = this.services.get(a.service)?.name;
      return [area, device, service].map((t) => (t ? `${t.vi} ${t.en}` : '')).join(' ');
    };
    try {
      this.session = await get<Session>('/api/v1/session');
    } catch (e) {
      this.session = null;
      if (!(e instanceof ApiError && e.status === 401)) this.loadFailed = why(e);
      return;
    }
    await this.enter();
  }

  async signIn(user: string, password: string): Promise<void> {
    this.session = await post<Session>('/api/v1/session', { user, password });
    this.ended = false;
    await this.enter();
  }

  async signOut(): Promise<void> {
    try {
      await del('/api/v1/session');
    } finally {
      this.leave(false);
    }
  }

  private leave(ended: boolean): void {
    this.connection?.stop();
    this.connection = null;
    clearInterval(this.timer);
    this.session = null;
    this.ended = ended;
    this.alerts.change = 0;
    this.resuming = true;
    this.oldSince = null;
    this.link = 'connecting';
  }

  /** Loads what rarely changes, then goes live. */
  async enter(): Promise<void> {
    this.loadFailed = '';
    try {
      const city = await get<City>('/api/v1/city');
      this.areas = new Map(city.areas.map((a) => [a.id, a]));
      this.services = new Map(city.services.map((s) => [s.id, s]));
      this.properties = new Map(city.properties.map((p) => [p.id, p]));
      city.services.sort((a, b) => a.order - b.order);
      await this.loadDevices();
      this.city = city;
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) this.leave(true);
      else this.loadFailed = why(e);
      return;
    }
    this.connect();
    void this.loadLater();
  }

  private async loadLater(): Promise<void> {
    const jobs = [
      get<GeoJSON.FeatureCollection>('/api/v1/map').then(
        (m) => { this.map = m; this.mapFailed = ''; },
        (e) => { this.mapFailed = why(e); },
      ),
      get<{ rules: Rule[] }>('/api/v1/rules').then((r) => {
        this.rules = new Map(r.rules.map((x) => [x.id, x]));
      }),
      this.loadClock(),
    ];
    await Promise.allSettled(jobs);
  }

  private async loadClock(): Promise<void> {
    const s = await get<{ clock: string }>('/api/v1/status');
    this.eventClock = s.clock === 'event';
  }

  private loadDevices(): Promise<void> {
    this.fetchingDevices ??= get<{ rev: number; devices: Device[] }>('/api/v1/devices')
      .then((d) => {
        this.devices.setList(d.devices, d.rev, (id) => {
          const a = this.areas.get(id);
          return a ? `${a.name.vi} ${a.name.en}` : id;
        });
        this.rev += 1;
        this.alerts.refold();
      })
      .finally(() => {
        this.fetchingDevices = null;
      });
    return this.fetchingDevices;
  }

  private connect(): void {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const link = new Link({
      open: () => new WebSocket(`${scheme}://${location.host}/ws`) as never,
      handlers: {
        hello: (h) => this.onHello(h),
        frame: (f) => this.onFrame(f),
        json: (m) => this.onJson(m),
        closed: (opened) => this.onClosed(opened),
        resume: () =>
          // Before the first complete list of alerts there is nothing to resume. Epoch 0 is no
          // server's: it asks for the whole state, but only for new alert changes.
          this.alerts.change === 0
            ? null
            : { epoch: this.devices.epoch, seq: this.devices.seq, change: this.alerts.change },
      },
    });
    this.connection?.stop();
    this.connection = link;
    link.start();
    clearInterval(this.timer);
    this.timer = setInterval(() => this.tick(), 250);
    const nudge = () => this.connection?.nudge();
    addEventListener('online', nudge);
    addEventListener('pageshow', nudge);
    document.addEventListener('visibilitychange', () => {
      this.connection?.rate(document.hidden ? 1 : HZ);
      if (!document.hidden) nudge();
    });
  }

  private onHello(h: Hello): void {
    this.skew = h.server_ms - Date.now();
    if (this.build !== '' && h.build !== this.build) this.newBuild = true;
    this.build = h.build;
    this.session = { user: h.user, role: h.role };
    this.resuming = true;
    this.gotState = false;
    this.gotAlerts = false;
    this.replaceAlerts = this.alerts.change === 0;
    this.hz = HZ;
    if (h.rev !== this.devices.rev) void this.loadDevices();
    void this.loadClock();
  }

  private onFrame(f: Frame): void {
    if (f.kind === HEARTBEAT) {
      this.skew = f.serverMs - Date.now();
      this.beat = { watermark: f.watermarkMs, server: f.serverMs, at: Date.now() };
      this.settle(false);
      return;
    }
    if (!this.devices.apply(f) && this.fetchingDevices === null) void this.loadDevices().then(() => this.resync());
    this.gotState = true;
    this.settle(false);
  }

  /** Rows came for devices that were not in the list yet: ask for the whole state again. */
  private resync(): void {
    this.devices.epoch = 0;
    this.connection?.resubscribe();
  }

  private onJson(m: { t: string } & Record<string, unknown>): void {
    switch (m.t) {
      case 'alerts': {
        const raised = this.alerts.apply(m.rows as Alert[], m.change as number, this.replaceAlerts);
        this.replaceAlerts = false;
        // A long list comes in parts: only the last one carries a number.
        this.gotAlerts = true;
        if (!this.resuming) this.announce(raised);
        this.settle(false);
        break;
      }
      case 'alerts_reset':
        void this.refetchAlerts();
        break;
      case 'tiles': {
        const tiles = new Map(this.tiles);
        for (const tile of m.tiles as Tile[]) tiles.set(tile.id, tile);
        this.tiles = tiles;
        break;
      }
      case 'rev':
        if (m.rev !== this.devices.rev) void this.loadDevices();
        break;
      case 'slow':
        this.hz = Number(m.hz) || 0;
        break;
      default:
        break;
    }
  }

  private async refetchAlerts(): Promise<void> {
    const all: Alert[] = [];
    let cursor: string | null = null;
    let change = 0;
    do {
      const page: { alerts: Alert[]; change: number; next: string | null } = await get(
        `/api/v1/alerts${query({ open: 1, limit: 500, cursor })}`,
      );
      all.push(...page.alerts);
      change = change === 0 ? page.change : change;
      cursor = page.next;
    } while (cursor !== null);
    this.alerts.apply(all, change, true);
    this.replaceAlerts = false;
    this.gotAlerts = true;
    this.settle(false);
  }

  /** Ends the freeze after a reconnect once both streams have been applied, or after a while. */
  private settle(force: boolean): void {
    if (!this.resuming) return;
    if (force || (this.gotState && this.gotAlerts)) {
      clearTimeout(this.resumeTimer);
      this.resumeTimer = undefined;
      this.resuming = false;
    } else if (this.resumeTimer === undefined && this.beat !== null) {
      // A server with nothing to tell may send no delta and no alerts: its next beats tell so.
      this.resumeTimer = setTimeout(() => {
        this.resumeTimer = undefined;
        if (this.connection?.connected) this.settle(true);
      }, 2000);
    }
  }

  private onClosed(opened: boolean): void {
    this.resuming = true;
    this.tick();
    if (opened) return;
    // The handshake may have been refused because the session is over: HTTP tells.
    get('/api/v1/session').catch((e) => {
      if (e instanceof ApiError && e.status === 401) this.leave(true);
    });
  }

  private tick(): void {
    const link = this.connection;
    if (link === null) return;
    link.tick();
    const now = Date.now();
    if (Math.floor(now / 1000) !== Math.floor(this.now / 1000)) {
      this.now = now;
      this.fresh = this.devices.fresh();
    }
    if (link.lastHeard === 0) {
      this.link = link.connected ? 'live' : 'connecting';
      return;
    }
    const age = now - link.lastHeard;
    this.linkAge = age;
    this.link =
      age > OLD_MS || (!link.connected && age > STALE_MS) ? 'down'
      : age > STALE_MS ? 'stale'
      : this.hz < HZ - 1 ? 'slow'
      : 'live';
    this.oldSince = age > OLD_MS ? link.lastHeard + this.skew : null;
    if (this.beat !== null) {
      this.watermark = this.beat.watermark;
      this.pipelineAge = this.eventClock || this.beat.watermark === 0
        ? null
        // Between two beats the age stands still; only missing beats let it grow.
        : Math.max(0, this.beat.server - this.beat.watermark + Math.max(0, now - this.beat.at - 1500));
    }
  }

  private announce(raised: readonly Row[]): void {
    if (raised.length === 0) return;
    this.sayPolite = this.t('announce_new', { n: raised.length });
    const urgent = raised.filter((r) => r.level >= 4);
    if (urgent.length > 0 && Date.now() - this.saidUrgentAt > 10_000) {
      this.saidUrgentAt = Date.now();
      const first = urgent[0] as Row;
      const more = urgent.length > 1 ? ` (+${urgent.length - 1})` : '';
      this.sayUrgent = `${this.severityName(first.level)}: ${this.pick(first.alert.message)}${more}`;
    }
  }

  /** Acknowledges one alert: shown at once, taken back when the server refuses. */
  async acknowledge(row: Row, note: string): Promise<void> {
    const before = row.alert;
    const key = crypto.randomUUID?.() ?? `${before.id}-${Date.now()}-${Math.random()}`;
    row.sending = true;
    row.alert = { ...before, acknowledged: true, acknowledged_by: this.session?.user ?? null, note: note || null };
    try {
      const answer = await post<{ alert: Alert }>(
        `/api/v1/alerts/${encodeURIComponent(before.id)}/acknowledge`,
        note === '' ? {} : { note },
        { 'idempotency-key': key },
      );
      this.alerts.apply([answer.alert], null, false);
    } catch (e) {
      // Unless the stream has brought a newer state meanwhile, the row is as it was.
      if (row.alert.ver === before.ver) row.alert = before;
      if (e instanceof ApiError && e.status === 401) this.leave(true);
      throw e;
    } finally {
      row.sending = false;
    }
  }
}

export const app = new App();
