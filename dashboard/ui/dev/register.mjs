// The mock's alert register: the states of docs/protocol.md with its refusals, versions, keys and
// undo, so that the page's tests meet what the real server does. Follows alerts/src/lifecycle.
const MIN = 60_000;
const UNDONE = ['new', 'acknowledged', 'assigned', 'in_progress'];
const ACTIONS = ['acknowledge', 'assign', 'comment', 'link', 'shelve', 'unshelve', 'start', 'resolve', 'close', 'reject', 'merge', 'split'];
const ACK_WITHIN = { emergency: 5, critical: 5, major: 30, minor: 480, info: 480 };
const RANK = ['info', 'minor', 'major', 'critical', 'emergency'];

export const isOpen = (r) => r.work !== 'closed' && r.work !== 'rejected';
const has = (r, by) => (r.held ?? []).some((h) => h.by === by);

export function stateOf(r) {
  if (!isOpen(r)) return 'NORM';
  if (has(r, 'out_of_service')) return 'OOSRV';
  if (has(r, 'maintenance') || has(r, 'parent')) return 'DSUPR';
  if (has(r, 'shelf')) return 'SHLVD';
  const latched = r.latched && r.work !== 'resolved';
  if (r.condition === 'active') return r.acknowledged ? 'ACKED' : 'UNACK';
  return latched ? (r.acknowledged ? 'LATAK' : 'LATUN') : r.acknowledged ? 'NORM' : 'RTNUN';
}

/** What a person may do, or why not. */
function refusal(r, word) {
  const returned = r.condition === 'returned';
  const ok = {
    acknowledge: r.work === 'new' || (!r.acknowledged && ['assigned', 'in_progress'].includes(r.work)),
    assign: UNDONE.includes(r.work), start: ['new', 'acknowledged', 'assigned'].includes(r.work), resolve: UNDONE.includes(r.work),
    close: isOpen(r) && returned, reject: isOpen(r), shelve: UNDONE.includes(r.work), unshelve: isOpen(r) && has(r, 'shelf'),
    comment: true, link: true, merge: true, split: true,
  }[word];
  if (ok) return null;
  const done = { acknowledge: r.acknowledged, resolve: r.work === 'resolved', start: r.work === 'in_progress', unshelve: !has(r, 'shelf') }[word];
  if (!isOpen(r) || done) return 'already_done';
  return word === 'close' && !returned ? 'still_active' : 'not_allowed';
}

export class Register {
  constructor(city) {
    this.city = city;
    this.act = 0;
    this.acts = new Map();
    this.keys = new Map();
    this.holds = [];
    this.holdId = 0;
    this.seq = 1000;
    /** Requests to lose the answer of, for tests. */
    this.lose = 0;
  }

  allowed(row) {
    return ACTIONS.filter((w) => refusal(row, w) === null);
  }

  /** Gives a new row what the life cycle adds. */
  begin(row) {
    const same = [...this.city.alerts.values()].map((a) => a.row).find((r) => r.id !== row.id && r.cause === row.cause && r.area === row.area && isOpen(r));
    Object.assign(row, { latched: row.rule === 'flood.street', work: 'new', overdue: false, escalated: 0, comments: 0, incident: same?.incident ?? row.id, ack_due: row.raised_at + ACK_WITHIN[row.severity] * MIN });
    if (RANK.indexOf(row.severity) >= 2) row.resolve_due = row.raised_at + 8 * 60 * MIN;
    const holds = this.holds.filter((h) => this.running(h) && this.covers(h, row));
    if (holds.length > 0) row.held = holds.map((h) => this.heldBy(h));
    row.overdue = row.ack_due < Date.now();
    row.state = stateOf(row);
  }

  /** Writes a change of a row and its line of the log. */
  change(a, patch, line) {
    Object.assign(a.row, patch, { ver: a.row.ver + 1, change: ++this.city.change });
    for (const key of ['held', 'assignee', 'links']) if (a.row[key] === undefined || a.row[key] === null || a.row[key].length === 0) delete a.row[key];
    if (!isOpen(a.row)) delete a.row.held;
    a.row.state = stateOf(a.row);
    a.audit.push({ seq: ++this.seq, severity: a.row.severity, value: null, limit: null, note: null, message: null, evidence: null, detail: null, origin: null, ...line });
  }

  patchOf(row, action, user, now) {
    const seen = row.acknowledged ? {} : { acknowledged: true, acknowledged_at: now, acknowledged_by: user };
    switch (action.action) {
      case 'acknowledge': return { ...seen, note: action.note ?? null, ...(row.work !== 'new' ? {} : row.condition === 'returned' && !row.latched ? { work: 'closed', closed_at: now } : { work: 'acknowledged' }) };
      case 'assign': return { ...seen, work: 'assigned', assignee: action.to };
      case 'start': return { ...seen, work: 'in_progress' };
      case 'resolve': return { ...seen, work: 'resolved', resolved_at: now };
      case 'close': return { ...seen, work: 'closed', closed_at: now };
      case 'reject': return { ...seen, work: 'rejected', resolved_at: now, closed_at: now };
      case 'shelve': return { held: [...(row.held ?? []).filter((h) => h.by !== 'shelf'), { by: 'shelf', until: action.until, who: user, reason: action.reason }] };
      case 'unshelve': return { held: (row.held ?? []).filter((h) => h.by !== 'shelf') };
      case 'comment': return { comments: row.comments + 1 };
      case 'link': return { links: [...(row.links ?? []), action.link] };
      case 'merge': return { incident: action.into };
      default: return { incident: `${row.id}-1` };
    }
  }

  one(target, action, user, now) {
    const a = this.city.alerts.get(target.id);
    const refuse = (code, more = {}) => ({ alert: target.id, row: a?.row ?? null, refused: { code, message: code, by: null, at: null, ...more } });
    if (!a) return [refuse('not_found')];
    const last = a.audit.at(-1);
    if (target.version !== undefined && target.version !== a.row.ver) return [refuse('conflict', { by: last.actor, at: last.at })];
    const code = refusal(a.row, action.action);
    if (code !== null) {
      const who = a.audit.findLast((l) => l.action === action.action) ?? last;
      return [refuse(code, code === 'already_done' ? { by: who.actor, at: who.at } : {})];
    }
    const before = { ...a.row };
    const detail = action.action === 'assign' ? { to: action.to } : action.action === 'link' ? { link: action.link } : action.action === 'shelve' ? { until: action.until } : action.action === 'merge' || action.action === 'split' ? { into: action.into ?? `${a.row.id}-1`, from: a.row.incident } : null;
    this.change(a, this.patchOf(a.row, action, user, now), { action: action.action, actor: user, origin: '10.1.2.3', at: now, note: action.note ?? action.reason ?? action.text ?? null, detail });
    return [{ alert: target.id, row: { ...a.row }, refused: null }, before];
  }

  /** Checks what the server refuses as a whole. */
  bad(action) {
    if (!ACTIONS.includes(action.action)) return 'no such action';
    if (['shelve', 'reject'].includes(action.action) && !action.reason?.trim()) return 'a reason is required';
    if (action.action === 'shelve' && !(action.until > Date.now() && action.until <= Date.now() + 12 * 60 * MIN + MIN)) return 'at most 12 h';
    return null;
  }

  do(targets, action, user, key) {
    const said = JSON.stringify([targets, action]);
    const known = key && this.keys.get(key);
    if (known) return known.said === said ? { ...known.outcome, repeated: true } : { key_reused: true };
    const now = Date.now();
    const undo = [];
    const results = targets.map((t) => {
      const [result, before] = this.one(t, action, user, now);
      if (before) undo.push({ id: t.id, before, ver: result.row.ver });
      return result;
    });
    const act = undo.length > 0 ? ++this.act : 0;
    if (act > 0) this.acts.set(act, { undo, user, at: now });
    const outcome = { act, undo_until: now + 10_000, repeated: false, done: undo.length, results };
    if (key) this.keys.set(key, { said, outcome });
    for (const u of undo) this.city.onAlert(this.city.alerts.get(u.id).row);
    return outcome;
  }

  undo(act, user) {
    const found = this.acts.get(act);
    if (!found || found.user !== user || Date.now() > found.at + 10_000) return null;
    this.acts.delete(act);
    const results = found.undo.map(({ id, before, ver }) => {
      const a = this.city.alerts.get(id);
      if (a.row.ver !== ver) return { alert: id, row: a.row, refused: { code: 'changed_since', message: 'changed since', by: a.audit.at(-1).actor, at: a.audit.at(-1).at } };
      for (const key of Object.keys(a.row)) if (!(key in before)) delete a.row[key];
      this.change(a, { ...before, ver: a.row.ver, change: a.row.change }, { action: 'undo', actor: user, at: Date.now(), detail: { act } });
      this.city.onAlert(a.row);
      return { alert: id, row: { ...a.row }, refused: null };
    });
    return { act, undo_until: found.at + 10_000, repeated: false, done: results.filter((r) => r.row && !r.refused).length, results };
  }

  rows() {
    return [...this.city.alerts.values()].map((a) => a.row);
  }

  list(q) {
    const is = (name) => q.get(name) === '1';
    let rows = this.rows().filter((r) => (!is('open') || isOpen(r)) && (!q.get('work') || r.work === q.get('work')) && (!q.get('device') || r.device === q.get('device')) && (!q.get('from') || r.raised_at >= Number(q.get('from'))));
    rows.sort((a, b) => b.raised_at - a.raised_at || (a.id < b.id ? 1 : -1));
    const start = Number(q.get('cursor') ?? 0);
    const limit = Number(q.get('limit') ?? 100);
    const next = start + limit < rows.length ? `${start + limit}` : null;
    return { alerts: rows.slice(start, start + limit), change: this.city.change, next, counts: {} };
  }

  incidents() {
    const groups = new Map();
    for (const r of this.rows()) if (r.incident) groups.set(r.incident, [...(groups.get(r.incident) ?? []), r]);
    return [...groups].map(([id, rows]) => {
      const open = rows.filter(isOpen);
      const root = (open.length ? open : rows).toSorted((a, b) => RANK.indexOf(b.severity) - RANK.indexOf(a.severity) || a.raised_at - b.raised_at)[0];
      return {
        id, ver: 1, kind: 'cause', area: root.area, service: root.service, cause: root.cause, parent: null, root: root.id, name: root.name, severity: root.severity,
        opened_at: Math.min(...rows.map((r) => r.raised_at)), last_at: Math.max(...rows.map((r) => r.raised_at)), closed_at: open.length ? null : Math.max(...rows.map((r) => r.closed_at ?? 0)),
        alerts: rows.length, open: open.length, unacknowledged: open.filter((r) => !r.acknowledged && !r.held?.length).length,
      };
    }).sort((a, b) => b.opened_at - a.opened_at);
  }

  incident(id) {
    const incident = this.incidents().find((i) => i.id === id);
    if (!incident) return null;
    const rows = this.rows().filter((r) => r.incident === id);
    return { incident, alerts: rows.toSorted((a, b) => (b.id === incident.root) - (a.id === incident.root) || b.raised_at - a.raised_at) };
  }

  running(h) {
    const now = Date.now();
    return h.ended === null && h.from <= now && (h.until === null || h.until > now);
  }
  covers(h, r) {
    return (!h.scope.rule || h.scope.rule === r.rule) && (!h.scope.device || h.scope.device === r.device) && (!h.scope.area || h.scope.area === r.area) && (!h.scope.service || h.scope.service === r.service);
  }
  heldBy(h) {
    return { by: h.by, id: `${h.id}`, until: h.until, who: h.who, reason: h.reason };
  }

  hold(request, who) {
    const h = { id: ++this.holdId, from: Date.now(), until: null, ended: null, who, ...request };
    this.holds.unshift(h);
    if (this.running(h)) {
      for (const a of this.city.alerts.values()) {
        if (!isOpen(a.row) || !this.covers(h, a.row)) continue;
        this.change(a, { held: [...(a.row.held ?? []), this.heldBy(h)] }, { action: 'suppress', actor: 'system', at: Date.now(), note: h.reason });
        this.city.onAlert(a.row);
      }
    }
    return h;
  }

  endHold(id, who, note) {
    const h = this.holds.find((x) => `${x.id}` === id);
    if (!h) return null;
    h.ended = [Date.now(), who];
    for (const a of this.city.alerts.values()) {
      if (!(a.row.held ?? []).some((x) => x.id === id)) continue;
      this.change(a, { held: a.row.held.filter((x) => x.id !== id) }, { action: 'unsuppress', actor: 'system', at: Date.now(), note: note ?? null });
      this.city.onAlert(a.row);
    }
    return h;
  }
}
