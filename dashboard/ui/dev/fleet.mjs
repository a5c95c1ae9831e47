// The mock's device registry: the city's devices, some that wait for approval, tokens, and what was received.
const TOKEN = 'iocd_' + 'x'.repeat(43);

export class Fleet {
  constructor(city) {
    this.city = city;
    this.devices = new Map(city.devices.map((d) => [d.meta.id, this.#known(d.meta)]));
    const now = Date.now();
    const extra = { kind: '', place: null, properties: [], cadence_s: 0, segment: null, bridge: false, topics: [], aliases: [], fields: [], contact: null, tags: {}, changed: now };
    const service = [...this.devices.values()][0].service;
    this.put({ ...extra, id: 'lora-gw', name: { vi: 'Máy chủ LoRaWAN', en: 'LoRaWAN server' }, service, area: 'unassigned', bridge: true, topics: ['application/#'], state: 'approved', origin: 'people', since: now - 9e8, contact: 'iot@example.vn' });
    this.put({ ...extra, id: '0101010101010101', name: { vi: '0101010101010101', en: '0101010101010101' }, service, area: 'unassigned', parent: 'lora-gw', state: 'pending', origin: 'auto', since: now - 3.6e6 });
    this.put({ ...extra, id: 'x<img src=x>', name: { vi: '<b>lạ</b>', en: '<b>odd</b>' }, service, area: 'unassigned', state: 'blocked', origin: 'auto', since: now - 8e6 });
    this.tokens = new Map();
    this.acts = [];
    this.reruns = 0;
  }

  #known(m) {
    return { id: m.id, name: m.name, kind: m.kind, service: m.service, area: m.area, place: m.lat == null ? null : { lat: m.lat, lon: m.lon }, properties: m.properties, cadence_s: m.cadence_s,
      parent: null, segment: null, bridge: false, topics: [], aliases: [], fields: [], contact: null, tags: {}, state: 'approved', origin: 'config', since: 0, changed: 0 };
  }

  put(device) {
    this.devices.set(device.id, device);
    return device;
  }

  received(id) {
    const d = this.city.devices.find((x) => x.meta.id === id);
    if (!d || d.silent) return { messages: 0, accepted: 0, duplicates: 0, refused: 0, refused_by: {}, last: null, rate_per_min: null, cadence_s: null, skew_ms: null, clock: 'good', properties: [], recent: [] };
    const now = Date.now();
    const topic = `ioc/v1/${d.meta.area}/${d.meta.service}/${id}/obs`;
    const prop = d.meta.properties[0] ?? 'pm25';
    const message = (ago, more) => ({ at: now - ago, source: 'gateway', topic, payload: `{"time":${now - ago},"values":{"${prop}":12.5}}`, bytes: 46, format: 'native', outcome: 'accepted', records: [{ device: id, time: now - ago, quality: 'good', values: { [prop]: 12.5 } }], ignored: [], ...more });
    return { messages: 1284, accepted: 1279, duplicates: 3, refused: 2, refused_by: { bad_time: 1, out_of_range: 1 }, last: now - 4000, rate_per_min: 2, cadence_s: 30, skew_ms: 412, clock: 'good', properties: d.meta.properties,
      recent: [message(4000, {}), message(34_000, { outcome: 'warned', reason: 'clock_ahead', detail: 'the clock is 400 s ahead of ours' }),
        message(64_000, { outcome: 'refused', reason: 'bad_time', detail: 'time `2026-11-22T08:00:00` has no offset', records: [], payload: '{"time":"2026-11-22T08:00:00","note":"<img src=x onerror=alert(1)>"}' }), message(94_000, { outcome: 'duplicate', ignored: ['rssi', 'snr'] })] };
  }
}

/** The answer to a request, or null when it is not one of these. */
export async function fleet({ fleet: f, me, path, query, req, body, error }) {
  const may = (role) => me.can.includes(role === 'operator' ? 'technical' : 'devices');
  const refuse = () => [403, error('not_permitted', 'this needs another permission')];
  let m = /^devices\/([^/]+)\/received$/.exec(path);
  if (m) return may('operator') ? [200, f.received(decodeURIComponent(m[1]))] : refuse();
  if (path === 'quarantine/rerun') {
    f.reruns += 1;
    return [200, { tried: 2, accepted: 1, duplicates: 0, refused: 1, masked: 0 }];
  }
  if (path === 'registry') {
    if (!may('operator')) return refuse();
    const all = [...f.devices.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    const count = (s) => all.filter((d) => d.state === s).length;
    const state = query.get('state');
    return [200, { devices: all.filter((d) => !state || d.state === state), counts: { approved: count('approved'), pending: count('pending'), blocked: count('blocked') }, next: null }];
  }
  if (!path.startsWith('registry/')) return null;
  if (!may('administrator')) return refuse();
  if (path === 'registry/import') {
    const b = await body();
    const bad = b.text.split('\n').findIndex((l) => l.includes('nowhere'));
    if (bad >= 0) return [422, error('invalid', '1 mistakes; nothing changed', { mistakes: [{ file: b.file, line: bad + 1, column: 5, message: 'area `nowhere` is not in the city', hint: 'did you mean `hai_chau`?' }] })];
    const added = b.text.trim().split('\n').length - 1;
    f.acts.push(b.dry_run ? 'look' : 'import');
    return [200, { done: !b.dry_run, import: { added, changed: 0, same: 0 } }];
  }
  m = /^registry\/([^/]+)(\/state|\/tokens)?$/.exec(path);
  const id = decodeURIComponent(m?.[1] ?? '');
  const device = f.devices.get(id);
  if (m?.[2] === '/state') return device ? [200, f.put({ ...device, state: (await body()).state })] : [404, error('not_found', 'no such device')];
  if (m?.[2] === '/tokens') {
    const list = f.tokens.get(id) ?? [];
    if (req.method === 'GET') return [200, { tokens: list }];
    if (req.method === 'DELETE') {
      f.tokens.set(id, list.filter((t) => t.id !== Number(query.get('token'))));
      return [204, null];
    }
    const info = { id: list.length + 1, label: (await body()).label, created: Date.now(), created_by: me.user, last_used: null };
    f.tokens.set(id, [...list, info]);
    return [200, { device: id, token: TOKEN, info }];
  }
  if (req.method === 'PUT') {
    const b = await body();
    if (b.fields.some((x) => x.property === 'none')) return [422, error('invalid', '1 mistakes', { mistakes: [{ file: 'device', line: 0, column: 0, message: 'property `none` is not in the catalogue', hint: null }] })];
    return [200, f.put({ ...b, since: Date.now() })];
  }
  if (req.method === 'DELETE') return f.devices.delete(id) ? [204, null] : [404, error('not_found', 'no such device')];
  return device ? [200, device] : [404, error('not_found', 'no such device')];
}
