// What operators do to alerts: the selection, requests with their keys, results row by row, undo.
import { ApiError, newKey, resend } from './api';
import type { AlertBook, Row } from './alerts.svelte';
import { client } from './client';
import * as fmt from './fmt';
import { DO, DONE, refusedKey } from './labels';
import { namesVersion, type Action, type ActionWord, type Alert, type Audit, type Outcome, type Refused, type RowResult } from './life';
import type { Live } from './live.svelte';
import { summarise, type Reason, type Summary } from './outcome';
import { screen } from './screen.svelte';
import { NONE, only, type Selection } from './selection';
import type { Words } from './words.svelte';

const UNDO_MS = 10_000;

/** What the dialog is open for; the alerts as they stood then. */
export interface Ask { word: ActionWord; alerts: readonly Alert[] }

/** Somebody else was faster: the state as it is now, and what happened since. */
export interface Conflict { alert: Alert; by: string | null; at: number | null; since: Audit[] }

/** Result of a request over many alerts of which some were refused. */
export interface Result { action: Action; total: number; summary: Summary; refused: RowResult[] }

export interface ActHost { words: Words; alerts: AlertBook; live: Live; user: () => string; ended: () => void }

/** The server refused for a reason that is no conflict. */
export class RefusedError extends Error {
  readonly refused: Refused;
  constructor(refused: Refused) {
    super(refused.message);
    this.refused = refused;
  }
}

export class Acts {
  selection = $state.raw<Selection>(NONE);
  ask = $state.raw<Ask | null>(null);
  result = $state.raw<Result | null>(null);
  private readonly host: ActHost;

  constructor(host: ActHost) {
    this.host = host;
  }

  /** Opens the dialog; alerts that nobody knows any more are left out. */
  open(word: ActionWord, alerts: readonly (Alert | undefined)[]): void {
    const known = alerts.filter((a) => a !== undefined);
    if (known.length > 0 && !this.host.live.resuming) this.ask = { word, alerts: known };
  }

  openSelected(word: ActionWord): void {
    this.open(word, [...this.selection.ids].map((id) => this.host.alerts.rows.get(id)?.alert));
  }

  forgetSelection(): void {
    this.selection = NONE;
  }

  forget(): void {
    this.forgetSelection();
    this.ask = null;
    this.result = null;
  }

  /** Acknowledges one alert: shown at once, taken back when the server refuses. */
  async acknowledge(alert: Alert, action: Action, key: string): Promise<void> {
    const row = this.host.alerts.rows.get(alert.id);
    const before = row?.alert;
    if (row && before) row.alert = { ...before, acknowledged: true, acknowledged_by: this.host.user() };
    try {
      const conflict = await this.one(alert, action, key);
      if (conflict !== null) throw new RefusedError({ code: 'conflict', message: '', by: conflict.by, at: conflict.at });
    } catch (e) {
      // Unless the stream has brought a newer state meanwhile, the row is as it was.
      if (row && before && row.alert.ver === before.ver) row.alert = before;
      throw e;
    }
  }

  /** Does one thing to one alert. A conflict comes back, anything else that went wrong is thrown. */
  async one(alert: Alert, action: Action, key: string): Promise<Conflict | null> {
    const stop = this.sending([alert.id]);
    try {
      const done = await resend(() => client.act(alert.id, action, key, namesVersion(action.action) ? alert.ver : undefined));
      this.host.alerts.apply([done.alert], null, false);
      this.sayDone(action.action, 1, done.act, done.undo_until);
      return null;
    } catch (e) {
      return await this.refusal(alert, e);
    } finally {
      stop();
    }
  }

  private async refusal(alert: Alert, e: unknown): Promise<Conflict | null> {
    if (!(e instanceof ApiError)) throw e;
    if (e.status === 401) this.host.ended();
    if (e.status !== 409 && e.status !== 412) throw e;
    const stands = e.body.alert as Alert | undefined;
    if (stands) this.host.alerts.apply([stands], null, false);
    const by = typeof e.body.by === 'string' ? e.body.by : null;
    const at = Number(e.body.at) > 0 ? Number(e.body.at) : null;
    if (e.status !== 412 && e.code !== 'conflict') throw new RefusedError({ code: e.code as Refused['code'], message: e.message, by, at });
    const now = await client.alert(alert.id);
    this.host.alerts.apply([now.alert], null, false);
    // Each version has about one line in the log.
    const since = now.audit.slice(-Math.min(5, Math.max(1, now.alert.ver - alert.ver)));
    return { alert: now.alert, by, at, since };
  }

  /** Does one thing to many alerts; what was refused stays selected and is listed. */
  async many(alerts: readonly Alert[], action: Action, key: string): Promise<void> {
    const stop = this.sending(alerts.map((a) => a.id));
    try {
      const versioned = namesVersion(action.action);
      const targets = alerts.map((a) => (versioned ? { id: a.id, version: a.ver } : { id: a.id }));
      this.take(await resend(() => client.actAll(targets, action, key)), action);
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) this.host.ended();
      throw e;
    } finally {
      stop();
    }
  }

  private take(outcome: Outcome, action: Action): void {
    this.apply(outcome.results);
    const summary = summarise(outcome.results);
    if (summary.done > 0) this.sayDone(action.action, summary.done, outcome.act, outcome.undo_until, summary);
    const refused = outcome.results.filter((r) => r.refused !== null);
    this.result = refused.length === 0 ? null : { action, total: outcome.results.length, summary, refused };
    this.selection = only(summary.refused.filter((id) => this.host.alerts.rows.has(id)));
  }

  /** Sends what met a conflict once more, with the state as it is now. */
  async retry(): Promise<void> {
    const { result } = this;
    if (result === null) return;
    const alerts = result.summary.retry.map((id) => this.host.alerts.rows.get(id)?.alert).filter((a) => a !== undefined);
    await this.many(alerts, result.action, newKey());
  }

  async undo(act: number): Promise<void> {
    const { words } = this.host;
    try {
      const outcome = await resend(() => client.undo(act, `undo-${act}`));
      this.apply(outcome.results);
      const s = summarise(outcome.results);
      this.result = null;
      if (s.refused.length === 0) screen.say('ok', words.t('undone', { n: s.done }));
      else screen.say('problem', words.t('undone_partly', { n: s.done, m: s.refused.length }));
    } catch (e) {
      const late = e instanceof ApiError && e.code === 'cannot_undo';
      screen.say('problem', words.t(late ? 'undo_late' : 'undo_failed', { why: this.why(e) }));
    }
  }

  /** Why it did not work, in the operator's language. */
  why = (e: unknown, word?: ActionWord): string => {
    if (e instanceof RefusedError) return this.reason(e.refused, word);
    return e instanceof Error ? e.message : String(e);
  };

  /** `đã nhận trước (lan, 10:31)` */
  reason = (r: Pick<Reason, 'code' | 'by' | 'at'>, word?: ActionWord): string => {
    const who = [r.by, r.at === null ? null : fmt.timeNear(r.at, this.host.live.serverNow())].filter((x) => x !== null && x !== '');
    return `${this.host.words.t(refusedKey(r.code, word))}${who.length === 0 ? '' : ` (${who.join(', ')})`}`;
  };

  /** `12 xong, 2 đã nhận trước (lan, 10:31)` */
  sentence = (s: Summary, word: ActionWord): string =>
    [this.host.words.t('bulk_done', { n: fmt.number(s.done, 0, this.host.words.lang) }), ...s.reasons.map((r) => `${fmt.number(r.n, 0, this.host.words.lang)} ${this.reason(r, word)}`)].join(', ');

  private sayDone(word: ActionWord, n: number, act: number, undoUntil: number, summary?: Summary): void {
    const { words, live } = this.host;
    const said = summary && summary.refused.length > 0
      ? `${words.t(DO[word])}: ${this.sentence(summary, word)}`
      : n === 1 ? words.t(DONE[word]) : words.t('done_many', { what: words.t(DO[word]), n: fmt.number(n, 0, words.lang) });
    const left = Math.min(UNDO_MS, live.here(undoUntil) - Date.now());
    screen.say('ok', said, act > 0 && left > 0 ? { deadline: Date.now() + left, run: () => void this.undo(act) } : undefined);
  }

  private apply(results: readonly RowResult[]): void {
    this.host.alerts.apply(results.map((r) => r.row).filter((a): a is Alert => a !== null), null, false);
  }

  private sending(ids: readonly string[]): () => void {
    const rows = ids.map((id) => this.host.alerts.rows.get(id)).filter((r): r is Row => r !== undefined);
    for (const row of rows) row.sending = true;
    return () => { for (const row of rows) row.sending = false; };
  }
}
