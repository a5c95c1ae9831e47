// What the screens share: session, city, live state, and what operators do.
import { dutyOf, holdsInCity, wallQuery, wallToken, type Duty, type Permission, type Session } from './access';
import { ApiError, hooks, why } from './api';
import { Acts } from './acts.svelte';
import { AlertBook } from './alerts.svelte';
import { client } from './client';
import { confirm } from './confirm.svelte';
import { account } from './people';
import type { ScreenName } from './route.svelte';
import { REFUSED } from './refusals';
import { IncidentBook } from './incidents.svelte';
import type { GroupBy } from './grouping';
import { Live } from './live.svelte';
import { Places } from './places.svelte';
import { Words } from './words.svelte';

/** Screens that show an alert or a device themselves. */
const KEEPS: readonly ScreenName[] = ['map', 'alerts'];
/** The server did not say who is here, or what the city is: so long until it is asked again. */
const AGAIN_MS = 5000;

class App extends Words {
  readonly places = new Places(this);
  readonly alerts = new AlertBook();
  readonly incidents = new IncidentBook();
  readonly live = new Live({
    words: this, places: this.places, alerts: this.alerts,
    greeted: () => void this.reread(),
    may: (p) => this.can(p),
    ended: () => this.leave(true),
  });
  readonly acts = new Acts({ words: this, alerts: this.alerts, live: this.live, user: () => this.user, ended: () => this.leave(true) });

  /** undefined: not known yet; null: nobody is signed in. */
  session = $state.raw<Session | null | undefined>(undefined);
  ended = $state(false);
  loadFailed = $state('');
  /** What the map was asked to show; a new object each time. */
  wish = $state.raw<{ device: string; area: string; tell: boolean } | null>(null);

  /** Why a wall's link did not open. */
  wallFailed = $state('');

  /** A permission holds anywhere: the server keeps to where. */
  can = (p: Permission): boolean => this.session?.can.includes(p) ?? false;
  /** It holds for the whole city. */
  inCity = (p: Permission): boolean => (this.session ? holdsInCity(this.session, p) : false);
  /** Whether a screen has anything to show to who is here. */
  mayOpen = (s: ScreenName): boolean => {
    switch (s) {
      case '': case 'map': case 'alerts': case 'services': case 'device': case 'holds': return this.can('watch');
      case 'explore': case 'rules': return this.can('read');
      case 'ledger': return this.inCity('read');
      case 'notify': return this.inCity('notify');
      case 'shift': return this.inCity('read');
      case 'kpi': return this.can('read');
      case 'devices': return this.can('technical');
      case 'data': return this.can('export');
      case 'people': return this.inCity('people');
      case 'audit': return this.inCity('audit');
      case 'account': return this.session?.kind === 'person';
    }
  };
  get mayAct(): boolean {
    return this.can('act');
  }
  get duty(): Duty {
    return this.session ? dutyOf(this.session) : null;
  }
  get onWall(): boolean {
    return this.session?.kind === 'wall';
  }
  get user(): string {
    return this.session?.user ?? '';
  }
  /** How the list is grouped now. */
  get groupBy(): GroupBy {
    const { group } = this.route.view;
    return group !== 'auto' ? group : this.live.flood !== null ? 'place' : 'none';
  }

  /** Brings a device, else an area, into sight on the map; `tell`: with what is known of the device. */
  show = (device: string, area: string, tell = false): void => {
    this.wish = { device, area, tell };
  };

  openDevice = (id: string): void => {
    const i = this.places.devices.indexOf(id);
    this.route.set({ screen: KEEPS.includes(this.route.view.screen) ? this.route.view.screen : '', device: id, alert: '', prop: '', q: '' }, true);
    this.show(id, i === undefined ? '' : (this.places.devices.list[i]?.area ?? ''));
  };

  openAlert = (id: string): void => {
    this.route.set({ screen: KEEPS.includes(this.route.view.screen) ? this.route.view.screen : '', alert: id, device: '', prop: '' }, true);
  };

  clearFilters = (): void => {
    this.route.set({ sev: 1, service: '', area: '', unacked: false, state: '', mine: false, overdue: false, q: '' });
  };

  async start(): Promise<void> {
    this.route.start();
    this.alerts.places = this.places.searchable;
    this.places.renamed = () => this.alerts.refold();
    hooks.confirm = confirm.ask;
    hooks.explain = (e) => {
      const key = REFUSED.get(e.code);
      return key === undefined ? null : this.t(key, { n: e.retryAfter ?? 60 });
    };
    hooks.refused = (e) => {
      // Another 401 is about a password that was typed.
      if (e.code === 'sign_in') this.leave(true);
      else if (['not_permitted', 'scope_too_small', 'change_password', 'second_factor_needed'].includes(e.code)) void this.reread();
    };
    // A link that is opened in a page that is there already changes the fragment only.
    addEventListener('hashchange', () => { if (wallToken(location.hash) !== null) location.reload(); });
    const token = wallToken(location.hash);
    if (token !== null) {
      // The token stays in no history, no bookmark and no screenshot of the address bar.
      history.replaceState(null, '', `/${wallQuery(location.search, location.hash)}`);
      this.route.read();
    }
    await this.arrive(token);
  }

  /** Finds out who is here. Without an answer it asks again by itself: nobody stands at a wall at night. */
  private async arrive(token: string | null): Promise<void> {
    try {
      const session = token === null ? await client.session() : await account.wall(token);
      // Somebody may have signed in meanwhile.
      if (this.session) return;
      this.session = session;
    } catch (e) {
      if (this.session) return;
      const refused = e instanceof ApiError && e.status === 401;
      if (token !== null) this.wallFailed = refused ? this.t('wall_bad') : this.t('wall_failed', { why: why(e) });
      else if (!refused) this.loadFailed = why(e);
      this.session = null;
      if (!refused) setTimeout(() => { if (this.session === null) void this.arrive(token); }, AGAIN_MS);
      return;
    }
    this.wallFailed = '';
    await this.enter();
  }

  async signIn(user: string, password: string, code?: string): Promise<void> {
    this.session = await account.signIn(user, password, code);
    this.ended = false;
    await this.enter();
  }

  /** Asks who one is now: rights may have changed. */
  async reread(): Promise<void> {
    if (!this.session) return;
    try {
      const now = await client.session();
      const before = this.session;
      if (!before || JSON.stringify(now) === JSON.stringify(before)) return;
      this.session = now;
      // Another part of the city: everything is read anew.
      if (JSON.stringify([now.user, now.grants, now.can]) !== JSON.stringify([before.user, before.grants, before.can]) && this.live.started) {
        this.live.stop();
        this.alerts.apply([], null, true);
        await this.enter();
      }
    } catch {
      // Without an answer everything stays as it is; the next request tells.
    }
  }

  async signOut(): Promise<void> {
    try {
      await client.signOut();
    } finally {
      this.leave(false);
    }
  }

  private leave(ended: boolean): void {
    if (this.session === null) return;
    this.live.stop();
    confirm.answer(false);
    this.alerts.apply([], null, true);
    this.places.forget();
    this.acts.forget();
    this.session = null;
    this.ended = ended;
  }

  /** Loads what rarely changes, then goes live. */
  async enter(): Promise<void> {
    this.loadFailed = '';
    // First the password or the second factor; without rights there is nothing to load.
    if (this.duty !== null || !this.can('watch')) return;
    try {
      await this.places.load();
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) return this.leave(true);
      this.loadFailed = why(e);
      setTimeout(() => { if (this.session && !this.live.started) void this.enter(); }, AGAIN_MS);
      return;
    }
    this.live.connect();
    void this.places.loadLater(this.can('read'));
  }
}

export const app = new App();
