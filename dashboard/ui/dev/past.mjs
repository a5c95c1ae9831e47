// The mock's history: readings and windows of its synthetic devices, their export, and personal data
// of its cameras.
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
/** Windows are made of so many samples at most. */
const SAMPLES = 12;
const LIMIT = 20_000;

export class Past {
  constructor(city) {
    this.city = city;
    /** Single readings are kept so long. */
    this.rawMs = 90 * DAY;
    this.openData = true;
    this.keepsPersonal = true;
    /** What was looked at: who, what, why. */
    this.looks = [];
    /** Exports that were asked for. */
    this.exports = [];
    this.asked = [];
    this.plates = this.#plates();
  }

  device(id) {
    return this.city.devices.find((d) => d.meta.id === id);
  }

  /** Every device was away for a while now and then, and for three days some weeks ago. */
  #away(d, t) {
    const age = Date.now() - t;
    return Math.sin(t / 5_400_000 + d.phase * 3) > 0.985 || (age > 18 * DAY && age < 21 * DAY) || (age > 150 * DAY && age < 190 * DAY);
  }

  value(d, property, t) {
    return this.city.round(property, this.city.reading(d, property, t));
  }

  range({ device, property, from, to, step, offset, agg, limit }) {
    const d = this.device(device);
    const now = Date.now();
    const tier = step === null ? 'raw' : step % HOUR === 0 && offset % HOUR === 0 ? 'hour' : step % MINUTE === 0 ? 'minute' : 'raw';
    const unit = this.city.city().properties.find((p) => p.id === property)?.unit ?? '';
    const rawFrom = now - this.rawMs;
    const answer = { device, property, unit, step, offset: step === null ? null : offset, tier, raw_from: rawFrom > from ? rawFrom : null, agg: step === null ? null : agg, truncated: false, points: [] };
    if (!d?.model[property]) return answer;
    const end = Math.min(to, d.silent ? d.time : now);
    const every = step ?? d.meta.cadence_s * 1000;
    const first = step === null ? Math.ceil(Math.max(from, rawFrom) / every) * every : Math.floor((from - offset) / every) * every + offset;
    for (let t = first; t < end; t += every) {
      if (answer.points.length >= Math.min(limit, LIMIT)) {
        answer.truncated = true;
        break;
      }
      const point = step === null ? this.#single(d, property, t) : this.#window(d, property, t, step, agg, end);
      if (point) answer.points.push(point);
    }
    return answer;
  }

  #single(d, property, t) {
    return this.#away(d, t) ? null : [t, this.value(d, property, t), Math.sin(t / 600_000 + d.phase) > 0.998 ? 1 : 0];
  }

  #window(d, property, begin, step, agg, end) {
    const every = Math.max(d.meta.cadence_s * 1000, Math.floor(step / SAMPLES));
    const values = [];
    for (let t = begin; t < begin + step && t < end; t += every) if (!this.#away(d, t)) values.push(this.value(d, property, t));
    if (values.length === 0) return null;
    const made = { min: Math.min(...values), max: Math.max(...values), mean: values.reduce((a, b) => a + b, 0) / values.length, count: values.length, last: values.at(-1), sum: values.reduce((a, b) => a + b, 0) };
    return [begin, Number(made[agg].toFixed(4)), 0];
  }

  /** CSV as the server writes it: BOM, times of the city; the first hundred rows are enough here. */
  csv(query) {
    const ids = (query.get('device') ?? '').split(',').filter(Boolean);
    const names = (query.get('property') ?? '').split(',').filter(Boolean);
    const fits = (d) => (ids.length === 0 || ids.includes(d.meta.id)) && (!query.get('service') || d.meta.service === query.get('service')) && (!query.get('area') || d.meta.area === query.get('area'));
    const [from, to, step, offset] = ['from', 'to', 'step', 'offset'].map((k) => Number(query.get(k)) || 0);
    const rows = ['time,device,property,value,unit,quality'];
    for (const d of this.city.devices.filter(fits)) {
      for (const property of d.meta.properties.filter((p) => names.length === 0 || names.includes(p))) {
        const got = this.range({ device: d.meta.id, property, from, to, step: step || null, offset, agg: 'mean', limit: 100 });
        for (const [t, v, q] of got.points) rows.push([`${new Date(t + 7 * HOUR).toISOString().slice(0, 19)}+07:00`, d.meta.id, property, v, got.unit, q].join(','));
      }
    }
    return `\uFEFF${rows.join('\r\n')}\r\n`;
  }

  #plates() {
    const cameras = this.city.devices.filter((d) => d.meta.kind === 'camera').slice(0, 6);
    const now = Date.now();
    const rows = [];
    for (let k = 0; k < 140; k++) {
      const d = cameras[k % cameras.length].meta;
      const digits = String(10_000 + ((k * 7919) % 89_999));
      const [head, plate] = [['43A', '51F', '92C', '43D'][k % 4], `${['43A', '51F', '92C', '43D'][k % 4]}-${digits.slice(0, 3)}.${digits.slice(3)}`];
      const time = now - k * 97_000 - 40_000;
      rows.push({
        secret: { plate: k % 11 === 7 ? null : plate, snapshot: k % 3 === 0 ? `https://camera.danang.example/${d.id}/${time}.jpg` : k === 4 ? 'javascript:alert(1)' : null },
        row: { id: 9000 - k, device: d.id, area: d.area, service: d.service, kind: k % 5 === 2 ? 'wrong_way' : 'vehicle', time, mask: k % 11 === 7 ? '' : `${head}-***.${digits.slice(3)}`, pseudonym: (0x9e3779b97f4a7c15n * BigInt(k % 40 + 1) & 0xffffffffffffffffn).toString(16).padStart(16, '0'), has_snapshot: k % 3 === 0 || k === 4, expires: time + 30 * DAY },
      });
    }
    return rows;
  }
}

export async function past({ city, me, path, query, req, body, error }) {
  const self = city.past;
  const number = (name) => (query.get(name) === null ? null : Number(query.get(name)));
  if (path === 'history') {
    const asked = { device: query.get('device'), property: query.get('property'), from: number('from'), to: number('to'), step: number('step'), offset: number('offset') ?? 0, agg: query.get('agg') ?? 'mean', limit: number('limit') ?? 5000 };
    self.asked.push(asked);
    return [200, self.range(asked)];
  }
  if (path === 'history/series') {
    const d = self.device(query.get('device'));
    return [200, { series: (d && d.time > 0 ? d.meta.properties : []).map((property) => ({ device: d.meta.id, property })) }];
  }
  if (path === 'export') {
    self.exports.push(Object.fromEntries(query));
    if (query.get('format') !== 'csv') return [200, 'not made by the mock', { 'content-type': 'application/octet-stream', 'content-disposition': `attachment; filename="ioc.${query.get('format')}"` }];
    return [200, self.csv(query), { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': 'attachment; filename="ioc.csv"' }];
  }
  if (!path.startsWith('personal')) return null;
  if (!self.keepsPersonal) return [404, error('not_found', 'no such route')];
  if (!me.can.includes('masked')) return [403, error('not_permitted', 'this needs the permission `masked`')];
  if (path === 'personal') {
    const before = number('before') ?? Infinity;
    const all = self.plates.map((p) => p.row).filter((r) => r.device === query.get('device') && r.id < before);
    const page = all.slice(0, number('limit') ?? 50);
    return [200, { rows: page, next: all.length > page.length ? page.at(-1).id : null }];
  }
  const m = /^personal\/(\d+)\/reveal$/.exec(path);
  if (!m || req.method !== 'POST') return [404, error('not_found', 'no such route')];
  if (!me.can.includes('reveal')) return [403, error('not_permitted', 'this needs the permission `reveal`')];
  const { reason } = await body();
  if (typeof reason !== 'string' || reason.length < 10 || reason.length > 500) return [400, error('bad_request', 'a reason of 10 to 500 characters is required')];
  const found = self.plates.find((p) => p.row.id === Number(m[1]));
  if (!found) return [404, error('not_found', 'no such detection')];
  self.looks.push({ user: me.user, id: found.row.id, reason });
  return [200, found.secret, { 'cache-control': 'no-store' }];
}
