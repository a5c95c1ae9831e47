// Closed alerts by HTTP, page by page: the stream has open ones only.
import { Row } from './alerts.svelte';
import { why } from './api';
import { client } from './client';
import { behind, EMPTY, merge, type Source } from './closed';
import type { Alert } from './life';

const WORKS = ['closed', 'rejected'] as const;
const PAGE = 100;

export class ClosedBook {
  rows = $state.raw<readonly Row[]>([]);
  private byId = $derived(new Map(this.rows.map((r) => [r.id, r])));
  /** More can be loaded. */
  more = $state(false);
  ready = $state(false);
  busy = $state(false);
  failed = $state('');
  private sources: Source[] = WORKS.map(() => EMPTY);
  private from: number | null = null;
  private asked = 0;
  private readonly searchable: (a: Alert) => string;

  constructor(searchable: (a: Alert) => string) {
    this.searchable = searchable;
  }

  row(id: string): Row | undefined {
    return this.byId.get(id);
  }

  /** Begins anew with alerts raised after `from`; null: all there are. */
  async load(from: number | null): Promise<void> {
    const mine = ++this.asked;
    this.from = from;
    this.busy = true;
    try {
      const pages = await Promise.all(WORKS.map((work) => this.page(work, null)));
      if (mine !== this.asked) return;
      this.sources = pages;
      this.settle();
    } catch (e) {
      if (mine === this.asked) this.failed = why(e);
    } finally {
      if (mine === this.asked) this.busy = false;
    }
  }

  async loadMore(): Promise<void> {
    const i = behind(this.sources);
    const source = this.sources[i];
    if (source === undefined || this.busy) return;
    const mine = ++this.asked;
    this.busy = true;
    try {
      const page = await this.page(WORKS[i] ?? 'closed', source.next);
      if (mine !== this.asked) return;
      this.sources = this.sources.map((s, n) => (n === i ? { ...page, rows: [...s.rows, ...page.rows] } : s));
      this.settle();
    } catch (e) {
      if (mine === this.asked) this.failed = why(e);
    } finally {
      if (mine === this.asked) this.busy = false;
    }
  }

  private async page(work: string, cursor: string | null): Promise<Source> {
    const { alerts, next } = await client.alerts({ work, limit: PAGE, cursor, ...(this.from === null ? {} : { from: this.from }) });
    return { rows: alerts, next, done: next === null };
  }

  private settle(): void {
    this.rows = merge(this.sources).map((a) => new Row(a, this.searchable));
    this.more = behind(this.sources) >= 0;
    this.ready = true;
    this.failed = '';
  }
}
