// All open alerts, listed and held back, as the server's stream of changes leaves them.
import { Pace } from './beat';
import { isHeld, isOpen, type Alert } from './life';
import { level, type Level } from './model';
import { fold } from './fold';

/** One row: the object stays, its fields change in place. */
export class Row {
  readonly id: string;
  alert = $state.raw<Alert>() as Alert;
  /** An action is on its way. */
  sending = $state(false);
  /** Folded text for search. */
  folded = '';

  constructor(alert: Alert, places: (a: Alert) => string) {
    this.id = alert.id;
    this.set(alert, places);
  }

  set(alert: Alert, places: (a: Alert) => string): void {
    this.alert = alert;
    this.folded = fold(
      `${alert.message.vi} ${alert.message.en} ${alert.name.vi} ${alert.device ?? ''} ${alert.assignee?.name ?? ''} ${places(alert)}`,
    );
  }

  get level(): Level {
    return level(this.alert.severity);
  }
}

export interface AreaAlerts { count: number; worst: Level }

const CLOSED_KEPT = 200;

export class AlertBook {
  readonly rows = new Map<string, Row>();
  /** Rows on the operators' list: open, and nothing holds them back; replaced when anything changed. */
  open = $state.raw<readonly Row[]>([]);
  /** Open rows that are held back: shelved, suppressed by design, out of service. */
  held = $state.raw<readonly Row[]>([]);
  /** Rows that were closed since the page was opened. */
  closedSince = $state(0);
  /** Listed rows that passed a due time. */
  overdue = $state(0);
  /** Listed and unacknowledged rows by severity level. */
  unacked = $state.raw<readonly number[]>([0, 0, 0, 0, 0, 0]);
  byLevel = $state.raw<readonly number[]>([0, 0, 0, 0, 0, 0]);
  /** Alerts whose cause holds, by area. */
  byArea = $state.raw<ReadonlyMap<string, AreaAlerts>>(new Map());
  /** Position in the stream of changes, for resume. */
  change = 0;
  /** False until the first full answer. */
  ready = $state(false);
  /** Names of places and devices of an alert, for search. */
  places: (a: Alert) => string = () => '';
  private readonly pace = new Pace(() => this.recount());
  private closing = 0;

  /** Upserts by (id, ver). `full` rows are the whole open list: what is not in it is gone. */
  apply(alerts: readonly Alert[], change: number | null, full: boolean): Row[] {
    const raised: Row[] = [];
    if (full) {
      const named = new Set(alerts.map((a) => a.id));
      for (const id of [...this.rows.keys()]) if (!named.has(id)) this.rows.delete(id);
    }
    for (const a of alerts) {
      const row = this.rows.get(a.id);
      if (row === undefined) {
        const fresh = new Row(a, this.places);
        this.rows.set(a.id, fresh);
        if (!full && isOpen(a) && !isHeld(a) && !a.acknowledged) raised.push(fresh);
      } else if (a.ver >= row.alert.ver) {
        if (isOpen(row.alert) && !isOpen(a)) this.closing += 1;
        row.set(a, this.places);
      }
    }
    if (change !== null) this.change = full ? change : Math.max(this.change, change);
    if (full) this.ready = true;
    // A single change is seen at once. In a storm of them lists and counts follow twice a second:
    // sorting and drawing for each would be all that the page does.
    if (full) this.recount();
    else this.pace.ask();
    return raised;
  }

  /** Names changed (the city or the devices were loaded). */
  refold(): void {
    for (const row of this.rows.values()) row.set(row.alert, this.places);
  }

  private recount(): void {
    this.pace.stop();
    const open: Row[] = [];
    const held: Row[] = [];
    let overdue = 0;
    const unacked = [0, 0, 0, 0, 0, 0];
    const byLevel = [0, 0, 0, 0, 0, 0];
    const byArea = new Map<string, AreaAlerts>();
    const closed: string[] = [];
    for (const row of this.rows.values()) {
      const a = row.alert;
      if (!isOpen(a)) {
        closed.push(row.id);
        continue;
      }
      if (isHeld(a)) {
        held.push(row);
        continue;
      }
      open.push(row);
      if (a.overdue) overdue += 1;
      const l = row.level;
      byLevel[l] = (byLevel[l] ?? 0) + 1;
      if (!a.acknowledged) unacked[l] = (unacked[l] ?? 0) + 1;
      if (a.condition === 'active') {
        const was = byArea.get(a.area);
        if (was === undefined) byArea.set(a.area, { count: 1, worst: l });
        else {
          was.count += 1;
          if (l > was.worst) was.worst = l;
        }
      }
    }
    // Closed rows stay a while for rows that are still on a frozen screen; the oldest go first.
    for (const id of closed.slice(0, Math.max(0, closed.length - CLOSED_KEPT))) this.rows.delete(id);
    this.closedSince += this.closing;
    this.closing = 0;
    this.open = open;
    this.held = held;
    this.overdue = overdue;
    this.unacked = unacked;
    this.byLevel = byLevel;
    this.byArea = byArea;
  }
}
