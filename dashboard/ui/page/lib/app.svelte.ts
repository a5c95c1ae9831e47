// What the screens share: session, city, live state, and what operators do.
import { ApiError, why } from './api';
import { Acts } from './acts.svelte';
import { AlertBook } from './alerts.svelte';
import { client } from './client';
import { IncidentBook } from './incidents.svelte';
import type { GroupBy } from './grouping';
import { Live } from './live.svelte';
import type { Session } from './model';
import { Places } from './places.svelte';
import { Words } from './words.svelte';

class App extends Words {
  readonly places = new Places(this);
  readonly alerts = new AlertBook();
  readonly incidents = new IncidentBook();
  readonly live = new Live({
    words: this, places: this.places, alerts: this.alerts,
    signedIn: (session) => { this.session = session; },
    ended: () => this.leave(true),
  });
  readonly acts = new Acts({ words: this, alerts: this.alerts, live: this.live, user: () => this.user, ended: () => this.leave(true) });

  /** undefined: not known yet; null: nobody is signed in. */
  session = $state.raw<Session | null | undefined>(undefined);
  ended = $state(false);
  loadFailed = $state('');
  /** What the map was asked to show; a new object each time. */
  wish = $state.raw<{ device: string; area: string } | null>(null);

  get mayAct(): boolean {
    return this.session?.role === 'operator' || this.session?.role === 'administrator';
  }
  get isAdministrator(): boolean {
    return this.session?.role === 'administrator';
  }
  get user(): string {
    return this.session?.user ?? '';
  }
  /** How the list is grouped now. */
  get groupBy(): GroupBy {
    const { group } = this.route.view;
    return group !== 'auto' ? group : this.live.flood !== null ? 'place' : 'none';
  }

  /** Brings a device, else an area, into sight on the map. */
  show = (device: string, area: string): void => {
    this.wish = { device, area };
  };

  openDevice = (id: string): void => {
    const i = this.places.devices.indexOf(id);
    this.route.set({ screen: '', device: id, alert: '', prop: '', q: '' }, true);
    this.show(id, i === undefined ? '' : (this.places.devices.list[i]?.area ?? ''));
  };

  openAlert = (id: string): void => {
    this.route.set({ screen: '', alert: id, device: '', prop: '' }, true);
  };

  clearFilters = (): void => {
    this.route.set({ sev: 1, service: '', area: '', unacked: false, state: '', mine: false, overdue: false, q: '' });
  };

  async start(): Promise<void> {
    this.route.start();
    this.alerts.places = this.places.searchable;
    this.places.renamed = () => this.alerts.refold();
    try {
      this.session = await client.session();
    } catch (e) {
      this.session = null;
      if (!(e instanceof ApiError && e.status === 401)) this.loadFailed = why(e);
      return;
    }
    await this.enter();
  }

  async signIn(user: string, password: string): Promise<void> {
    this.session = await client.signIn(user, password);
    this.ended = false;
    await this.enter();
  }

  async signOut(): Promise<void> {
    try {
      await client.signOut();
    } finally {
      this.leave(false);
    }
  }

  private leave(ended: boolean): void {
    this.live.stop();
    this.acts.forget();
    this.session = null;
    this.ended = ended;
  }

  /** Loads what rarely changes, then goes live. */
  async enter(): Promise<void> {
    this.loadFailed = '';
    try {
      await this.places.load();
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) this.leave(true);
      else this.loadFailed = why(e);
      return;
    }
    this.live.connect();
    void this.places.loadLater();
    void this.live.loadClock().catch(() => {});
  }
}

export const app = new App();
