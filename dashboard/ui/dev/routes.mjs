// The mock's routes of alerts, incidents, holds, figures, shifts and notifications.
const mayAct = (me) => me.can.includes('act');

export async function alerts({ city, me, path, query, req, body, error }) {
  const { register, desk } = city;
  const posts = req.method === 'POST';
  if (posts && !path.startsWith('rules/') && !mayAct(me)) return [403, error('not_permitted', 'this needs the permission `act`')];
  const key = req.headers['idempotency-key'];
  const now = Date.now();
  const from = Number(query.get('from')) || now - 86_400_000;
  const to = Number(query.get('to')) || now;
  let m;

  if (path === 'alerts') return [200, register.list(query)];
  if (path === 'alerts/actions' && posts) {
    const { alerts: targets, ...action } = await body();
    const bad = register.bad(action);
    if (bad) return [400, error('bad_request', bad)];
    const outcome = register.do(targets, action, me.user, key);
    return outcome.key_reused ? [409, error('key_reused', 'this key was used for another request')] : [200, outcome];
  }
  if ((m = /^alerts\/actions\/(\d+)\/undo$/.exec(path)) && posts) {
    const outcome = register.undo(Number(m[1]), me.user);
    return outcome ? [200, outcome] : [409, error('cannot_undo', 'cannot undo: too late')];
  }
  if ((m = /^alerts\/([^/]+)\/(acknowledge|actions)$/.exec(path)) && posts) {
    const sent = await body();
    const action = m[2] === 'acknowledge' ? { action: 'acknowledge', ...sent } : sent;
    const bad = register.bad(action);
    if (bad) return [400, error('bad_request', bad)];
    const row = city.alerts.get(m[1])?.row;
    const named = /^"(\d+)"$/.exec(req.headers['if-match'] ?? '')?.[1];
    const known = key !== undefined && register.keys.has(key);
    if (row && named !== undefined && Number(named) !== row.ver && !known) return [412, error('outdated', 'the alert has changed', { alert: row, version: row.ver })];
    const outcome = register.do([{ id: m[1] }], action, me.user, key);
    if (outcome.key_reused) return [409, error('key_reused', 'this key was used for another request')];
    const [r] = outcome.results;
    if (r.refused?.code === 'not_found') return [404, error('not_found', 'no such alert')];
    return r.refused ? [409, error(r.refused.code, r.refused.message, { by: r.refused.by, at: r.refused.at, alert: r.row })] : [200, { alert: r.row, act: outcome.act, undo_until: outcome.undo_until }];
  }
  if ((m = /^alerts\/([^/]+)$/.exec(path))) {
    const a = city.alerts.get(m[1]);
    return a ? [200, { alert: a.row, allowed: register.allowed(a.row), audit: a.audit }] : [404, error('not_found', 'no such alert')];
  }

  if (path === 'incidents') return [200, { incidents: register.incidents().filter((i) => query.get('open') !== '1' || i.open > 0), next: null }];
  if ((m = /^incidents\/([^/]+)$/.exec(path))) {
    const found = register.incident(decodeURIComponent(m[1]));
    return found ? [200, { ...found, alerts: found.alerts.slice(0, Number(query.get('limit')) || 100) }] : [404, error('not_found', 'no such incident')];
  }

  if (path === 'holds' && !posts) return [200, { holds: register.holds.filter((h) => query.get('ended') === '1' || (h.ended === null && (h.until === null || h.until > now))) }];
  if (path === 'holds') {
    const request = await body();
    if (!request.reason?.trim() || Object.keys(request.scope ?? {}).length === 0) return [400, error('bad_request', 'a reason and a scope are required')];
    return [201, { hold: register.hold(request, me.user) }];
  }
  if ((m = /^holds\/(\d+)\/end$/.exec(path)) && posts) {
    const hold = register.endHold(m[1], me.user, (await body()).note);
    return hold ? [200, { hold }] : [404, error('not_found', 'no such hold')];
  }

  if (path === 'kpi') return [200, desk.kpi(from, to)];
  if ((m = /^rules\/([^/]+)$/.exec(path)) && !posts && m[1] !== 'backtest') {
    const rule = city.rules.find((r) => r.id === decodeURIComponent(m[1]));
    return rule ? [200, { ...rule, canonical: `id: ${rule.id}\nkind: threshold\nfor: 1m\n` }] : [404, error('not_found', 'no such rule')];
  }
  if (path === 'rules/backtest' && posts) {
    if (!me.can.includes('rules')) return [403, error('not_permitted', 'this needs the permission `rules`')];
    desk.asked = await body();
    return [200, { job: ++desk.job }];
  }
  if ((m = /^rules\/backtest\/(\d+)$/.exec(path))) return [200, { job: Number(m[1]), state: 'done', entries: 10, of: 10, result: { report: { raised: 32 }, against: { raised: 41 } } }];

  if (path === 'shifts' && !posts) return [200, { on_duty: desk.shifts.filter((s) => s.until === null), user: me.user }];
  if (path === 'shifts') return [201, { shift: desk.take((await body()).position, me.user) }];
  if ((m = /^shifts\/(\d+)\/end$/.exec(path)) && posts) return [200, { shift: desk.leave(Number(m[1]), (await body()).handover) }];
  if (path === 'shifts/log' && !posts) return [200, { entries: desk.log.filter((e) => e.at >= from && e.at < to).toReversed() }];
  if (path === 'shifts/log') return [201, { entry: desk.write(await body(), me.user) }];
  if ((m = /^shifts\/log\/(\d+)\/done$/.exec(path)) && posts) return [200, { entry: desk.tick(Number(m[1]), me.user) }];
  if (path === 'shifts/handover') return [200, desk.handover(from, to)];

  if (path === 'notifications/deliveries') return [200, { deliveries: desk.deliveries(query.get('alert')), next: null }];
  return null;
}
