// The live link: state frames, alerts, tiles, the three clocks, and the freeze after a reconnect.
import type { Permission } from './access';
import { every } from './beat';
import { client, type AlertPage } from './client';
import type { AlertBook, Row } from './alerts.svelte';
import type { Alert } from './life';
import { Link, type Hello } from './link';
import type { Tile } from './model';
import type { Places } from './places.svelte';
import { HEARTBEAT, type Frame } from './wire';
import type { Words } from './words.svelte';
import { ApiError } from './api';

export type LinkState = 'connecting' | 'live' | 'slow' | 'stale' | 'down';
export interface Flood { on: boolean; raised: number; positions: number }

const STALE_MS = 3000;
const OLD_MS = 10_000;
const TICK_MS = 250;
const HZ = 5;
/** Nobody looks: one frame in five seconds. Alerts come at once all the same. */
const HIDDEN_HZ = 0.2;

export interface Host {
  words: Words;
  places: Places;
  alerts: AlertBook;
  /** The server has greeted us: who we are may have changed. */
  greeted: () => void;
  may: (permission: Permission) => boolean;
  /** The session is over. */
  ended: () => void;
}

export class Live {
  tiles = $state.raw<ReadonlyMap<string, Tile>>(new Map());
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
  flood = $state.raw<Flood | null>(null);
  /** What the live regions say. */
  sayPolite = $state('');
  sayUrgent = $state('');

  private readonly host: Host;
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
  private saidUrgentAt = 0;
  private endTicks = (): void => {};

  constructor(host: Host) {
    this.host = host;
  }

  /** The present as the server knows it, ms. */
  serverNow = (): number => this.now + this.skew;

  /** A moment of the server's clock on the clock of this machine. */
  here = (serverMs: number): number => serverMs - this.skew;

  /** The present of the data: the wall, or in a replay the watermark. */
  dataNow = (): number => (this.eventClock && this.watermark !== null ? this.watermark : this.serverNow());

  get started(): boolean {
    return this.connection !== null;
  }

  stop(): void {
    this.connection?.stop();
    this.connection = null;
    this.endTicks();
    this.host.alerts.change = 0;
    this.resuming = true;
    this.oldSince = null;
    this.flood = null;
    this.link = 'connecting';
  }

  async loadClock(): Promise<void> {
    if (!this.host.may('read')) return;
    const s = await client.status();
    this.eventClock = s.clock === 'event';
  }

  connect(): void {
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
          this.host.alerts.change === 0
            ? null
            : { epoch: this.host.places.devices.epoch, seq: this.host.places.devices.seq, change: this.host.alerts.change },
      },
    });
    this.connection?.stop();
    this.connection = link;
    link.rate(document.hidden ? HIDDEN_HZ : HZ);
    link.start();
    this.endTicks();
    this.endTicks = every(TICK_MS, () => this.tick());
    // Each time the same functions: an event is heard once, however often one signs in.
    addEventListener('online', this.nudge);
    addEventListener('pageshow', this.nudge);
    document.addEventListener('visibilitychange', this.seen);
  }

  private readonly nudge = (): void => this.connection?.nudge();
  private readonly seen = (): void => {
    this.connection?.rate(document.hidden ? HIDDEN_HZ : HZ);
    if (!document.hidden) this.nudge();
  };

  private onHello(h: Hello): void {
    this.skew = h.server_ms - Date.now();
    if (this.build !== '' && h.build !== this.build) this.newBuild = true;
    this.build = h.build;
    this.host.greeted();
    // A flood is told anew at each subscription, and only while there is one.
    this.flood = null;
    this.resuming = true;
    this.gotState = false;
    this.gotAlerts = false;
    this.replaceAlerts = this.host.alerts.change === 0;
    this.hz = HZ;
    if (h.rev !== this.host.places.devices.rev) void this.host.places.loadDevices();
    void this.loadClock().catch(() => {});
  }

  private onFrame(f: Frame): void {
    if (f.kind === HEARTBEAT) {
      this.skew = f.serverMs - Date.now();
      this.beat = { watermark: f.watermarkMs, server: f.serverMs, at: Date.now() };
      this.settle(false);
      return;
    }
    if (!this.host.places.devices.apply(f) && this.host.places.fetching === null) void this.host.places.loadDevices().then(() => this.resync());
    this.gotState = true;
    this.settle(false);
  }

  /** Rows came for devices that were not in the list yet: ask for the whole state again. */
  private resync(): void {
    this.host.places.devices.epoch = 0;
    this.connection?.resubscribe();
  }

  private onJson(m: { t: string } & Record<string, unknown>): void {
    switch (m.t) {
      case 'alerts': {
        const raised = this.host.alerts.apply(m.rows as Alert[], m.change as number, this.replaceAlerts);
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
      case 'flood':
        this.flood = m.on === true ? { on: true, raised: Number(m.raised) || 0, positions: Number(m.positions) || 1 } : null;
        break;
      case 'rev':
        if (m.rev !== this.host.places.devices.rev) void this.host.places.loadDevices();
        break;
      case 'rights':
        this.host.greeted();
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
      const page: AlertPage = await client.alerts({ open: 1, limit: 500, cursor });
      all.push(...page.alerts);
      change = change === 0 ? page.change : change;
      cursor = page.next;
    } while (cursor !== null);
    this.host.alerts.apply(all, change, true);
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
    client.session().catch((e) => {
      if (e instanceof ApiError && e.status === 401) this.host.ended();
    });
  }

  private tick(): void {
    const link = this.connection;
    if (link === null) return;
    link.tick();
    const now = Date.now();
    if (Math.floor(now / 1000) !== Math.floor(this.now / 1000)) {
      this.now = now;
      this.fresh = this.host.places.devices.fresh();
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
    const { words } = this.host;
    this.sayPolite = words.t('announce_new', { n: raised.length });
    const urgent = raised.filter((r) => r.level >= 4);
    if (urgent.length > 0 && Date.now() - this.saidUrgentAt > 10_000) {
      this.saidUrgentAt = Date.now();
      const first = urgent[0] as Row;
      const more = urgent.length > 1 ? ` (+${urgent.length - 1})` : '';
      this.sayUrgent = `${words.severityName(first.level)}: ${words.pick(first.alert.message)}${more}`;
    }
  }
}
