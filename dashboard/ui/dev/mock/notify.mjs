// Receivers of notifications and what was sent to them.
const now = Date.now();
const receivers = [
  { id: 'duty-mail', kind: 'email', target: 'truc-ban@danang.example', waiting: 1, dead: 0, delivered_at: now - 60_000, trouble: null },
  { id: 'fire-112', kind: 'webhook', target: 'https://112.example/hook', waiting: 0, dead: 1, delivered_at: null, trouble: 'HTTP 503 after 8 attempts' },
];
const log = Array.from({ length: 60 }, (_, i) => ({
  id: `d-${60 - i}`, seq: 60 - i, receiver: i % 3 ? 'duty-mail' : 'fire-112', route: 'all', alerts: [], reasons: ['raise'], state: i === 3 ? 'dead' : i === 0 ? 'waiting' : 'delivered',
  attempts: i === 3 ? 8 : 1, created_at: now - i * 240_000, next_at: null, ended_at: i === 0 ? null : now - i * 240_000 + 900, answer: i === 3 ? 'HTTP 503' : null,
}));

export async function routes({ me, path, query, req, error }) {
  const may = me?.can.includes('notify');
  if (path === 'notifications/receivers') return may ? [200, { receivers }] : [403, error('not_permitted', 'this needs the permission `notify`')];
  let m = /^notifications\/receivers\/([^/]+)\/test$/.exec(path);
  if (m && req.method === 'POST') {
    const delivery = { ...log[0], id: `d-${log.length + 1}`, seq: log.length + 1, receiver: decodeURIComponent(m[1]), reasons: ['test'], state: 'delivered', ended_at: Date.now(), created_at: Date.now() };
    log.unshift(delivery);
    return [202, { delivery }];
  }
  m = /^notifications\/deliveries\/([^/]+)\/retry$/.exec(path);
  if (m && req.method === 'POST') {
    const delivery = log.find((d) => d.id === m[1] && d.state === 'dead');
    if (!delivery) return [400, error('bad_request', 'there is no such dead delivery')];
    Object.assign(delivery, { state: 'waiting', ended_at: null });
    return [200, { delivery }];
  }
  // What belongs to one alert is the desk's.
  if (path === 'notifications/deliveries' && !query.get('alert')) {
    const before = Number(query.get('before')) || Infinity;
    const fits = log.filter((d) => d.seq < before && (!query.get('state') || d.state === query.get('state')) && (!query.get('receiver') || d.receiver === query.get('receiver')));
    const limit = Number(query.get('limit') ?? 100);
    return [200, { deliveries: fits.slice(0, limit), next: fits.length > limit ? fits[limit - 1].seq : null }];
  }
  return null;
}
