// The mock's city: real wards, synthetic devices and readings, a few rules. Deterministic but for
// the clock.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Desk } from './desk.mjs';
import { Past } from './past.mjs';
import { isOpen, Register } from './register.mjs';
import { thresholds } from './thresholds.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const CONFIG = process.env.IOC_CONFIG ?? join(here, '../../../config');

const read = (file) => readFileSync(join(CONFIG, file), 'utf8');

/** Rows of a shipped table without comments, heading, and rows with quoted cells. */
const rows = (file) =>
  read(file).trim().split('\n').filter((l) => !l.startsWith('#') && !l.includes('"')).slice(1).map((l) => l.split(','));

/** A seeded generator (mulberry32). */
function seeded(a) {
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const P = (id, vi, en, unit, digits, min, max, normal = null) => ({ id, name: { vi, en }, unit, digits, min, max, normal });
const PROPERTIES = [
  P('pm25', 'Bụi PM2,5', 'PM2.5', 'µg/m³', 1, 0, 1000, [0, 50]),
  P('temperature', 'Nhiệt độ', 'Temperature', '°C', 1, -20, 60, [15, 36]),
  P('noise_laeq', 'Mức ồn LAeq', 'Noise LAeq', 'dBA', 1, 20, 140, [40, 70]),
  P('flood_depth', 'Độ sâu ngập', 'Flood depth', 'm', 2, 0, 5, [0, 0.1]),
  P('rain_intensity', 'Cường độ mưa', 'Rain intensity', 'mm/h', 1, 0, 400, [0, 25]),
  P('water_level', 'Mực nước', 'Water level', 'm', 2, -2, 20),
  P('speed', 'Tốc độ', 'Speed', 'km/h', 0, 0, 200, [20, 60]),
  P('traffic_flow', 'Lưu lượng xe', 'Traffic flow', 'xe/h', 0, 0, 20000, [0, 3600]),
  P('people_count', 'Số người', 'People', '', 0, 0, 100000, [0, 80]),
  P('parking_free', 'Chỗ trống', 'Free spaces', '', 0, 0, 5000, [10, 200]),
  P('ph', 'Độ pH', 'pH', '', 1, 0, 14, [6, 8.5]),
  P('dissolved_oxygen', 'Oxy hoà tan', 'Dissolved oxygen', 'mg/L', 1, 0, 30, [4, 12]),
];
const S = (order, id, vi, en, indicators = []) => ({ id, order, group: order <= 6 ? 'basic' : 'additional', name: { vi, en }, indicators });
const SERVICES = [
  S(1, 'feedback', 'Phản ánh hiện trường', 'Field feedback'), S(2, 'traffic', 'Giao thông', 'Traffic', ['speed', 'traffic_flow']),
  S(3, 'security', 'An ninh trật tự', 'Public security'), S(4, 'online_info', 'Thông tin mạng', 'Online information'),
  S(5, 'infosec', 'An toàn thông tin', 'Information security'), S(6, 'public_service', 'Dịch vụ công', 'Public services'),
  S(7, 'air', 'Không khí', 'Air', ['pm25', 'temperature', 'noise_laeq']), S(8, 'water_quality', 'Chất lượng nước', 'Water quality', ['ph', 'dissolved_oxygen']),
  S(9, 'rain_flood', 'Mưa và ngập', 'Rain and flooding', ['flood_depth', 'rain_intensity']), S(10, 'river', 'Mực nước sông, hồ chứa', 'Rivers and reservoirs', ['water_level']),
  S(11, 'wastewater', 'Nước thải', 'Waste water'), S(12, 'ambulance', 'Xe cứu thương', 'Ambulances'), S(13, 'fire', 'Cứu hoả', 'Fire'),
  S(14, 'fishing_vessel', 'Tàu cá', 'Fishing vessels'), S(15, 'health', 'Y tế', 'Health'), S(16, 'bus_parking', 'Xe buýt, bãi đỗ', 'Buses, parking', ['parking_free']),
  S(17, 'camera_analytics', 'Camera, Flycam', 'Cameras', ['people_count']), S(18, 'kpi', 'Chỉ tiêu KT-XH', 'Social indicators'),
];
// service, kind, name, properties with [base, swing, noise], cadence in seconds, count
const KINDS = [
  ['traffic', 'traffic_counter', ['Đếm xe', 'Traffic counter'], { speed: [38, 14, 3], traffic_flow: [1400, 900, 120] }, 60, 44],
  ['air', 'air_station', ['Trạm không khí', 'Air station'], { pm25: [28, 14, 4], temperature: [27, 4, 0.3], noise_laeq: [62, 8, 2] }, 60, 36],
  ['rain_flood', 'flood_tower', ['Tháp báo ngập', 'Flood tower'], { flood_depth: [0.02, 0.02, 0.01], rain_intensity: [3, 3, 1] }, 30, 56],
  ['water_quality', 'water_station', ['Trạm nước', 'Water station'], { ph: [7.3, 0.3, 0.05], dissolved_oxygen: [6.2, 0.8, 0.1] }, 300, 8],
  ['bus_parking', 'parking', ['Bãi đỗ', 'Car park'], { parking_free: [60, 40, 4] }, 60, 6],
  ['camera_analytics', 'camera', ['Camera', 'Camera'], { people_count: [24, 20, 5] }, 10, 90],
];
const RIVERS = [
  ['river-cam-le', 'Cẩm Lệ', 'cam_le', 16.012, 108.206, 1.4], ['river-ai-nghia', 'Ái Nghĩa', 'dai_loc', 15.885, 108.115, 7.2],
  ['river-nong-son', 'Nông Sơn', 'nong_son', 15.705, 108.035, 12.4], ['river-giao-thuy', 'Giao Thuỷ', 'thu_bon', 15.845, 108.13, 7.0],
  ['river-cau-lau', 'Câu Lâu', 'dien_ban', 15.86, 108.283, 3.2], ['river-hoi-an', 'Hội An', 'hoi_an', 15.876, 108.327, 1.6],
  ['river-tam-ky', 'Tam Kỳ', 'tam_ky', 15.57, 108.48, 1.9], ['river-hoi-khach', 'Hội Khách', 'thuong_duc', 15.82, 107.91, 15.1],
];
const RULES = [
  ['flood.street', 'rain_flood', 'Ngập đường', 'Street flooding', 'rules/flood.yaml', 14], ['air.pm25', 'air', 'Bụi PM2,5 vượt ngưỡng', 'PM2.5 above the limit', 'rules/air.yaml', 9],
  ['traffic.congestion', 'traffic', 'Ùn tắc', 'Congestion', 'rules/traffic.yaml', 4], ['camera.crowd', 'camera_analytics', 'Tập trung đông người', 'Crowd', 'rules/camera.yaml', 22],
  ['river.bao_dong', 'river', 'Báo động lũ', 'Flood level', 'rules/river.yaml', 3], ['device.silent', 'camera_analytics', 'Camera mất tín hiệu', 'Camera silent', 'rules/health.yaml', 5],
].map(([id, service, vi, en, file, line]) => ({ id, kind: 'threshold', service, name: { vi, en }, file, line, source: '' }));

export function makeCity(scene) {
  const random = seeded(20251101);
  const geo = JSON.parse(read('boundaries.geojson'));
  const limits = thresholds(read('thresholds.yaml'));
  const areas = rows('areas.csv').map(([id, code, kind, vi, en, lat, lon, km2]) => ({
    id, code, name: { vi, en }, kind, lat: Number(lat), lon: Number(lon), area_km2: Number(km2),
  }));
  const byId = new Map(areas.map((a) => [a.id, a]));
  // Places with a camera: name, latitude, longitude, area.
  const pois = rows('devices.csv').filter((r) => r[3] === 'camera').map((r) => [r[1].replace(/^Camera /, ''), Number(r[6]), Number(r[7]), r[5]]);

  const devices = [];
  const add = (id, vi, en, kind, service, area, lat, lon, model, cadence) => {
    devices.push({
      meta: { idx: devices.length, id, name: { vi, en }, kind, service, area, lat, lon, properties: Object.keys(model), cadence_s: cadence, configured: true },
      model, phase: random() * 6.28, next: 0, time: 0, received: 0, value: NaN, status: 0, quality: 0, severity: 0, seq: 0, shift: 0, silent: false, boost: {},
    });
  };
  for (const [service, kind, [vi, en], model, cadence, count] of KINDS) {
    for (let k = 0; k < count; k++) {
      const poi = pois[(k * 7 + kind.length) % pois.length];
      const first = k < pois.length * 0.75;
      const area = first ? (byId.get(poi[3]) ?? areas[4]) : areas[Math.floor(random() * areas.length)];
      const outer = area.id === 'hoang_sa' ? areas[20] : area;
      const lat = first ? poi[1] + (random() - 0.5) * 0.008 : outer.lat + (random() - 0.5) * 0.03;
      const lon = first ? poi[2] + (random() - 0.5) * 0.008 : outer.lon + (random() - 0.5) * 0.03;
      const place = first ? poi[0] : outer.name.vi;
      add(`${kind.replaceAll('_', '-')}-${String(k + 1).padStart(2, '0')}`, `${vi} ${place}`, `${en} ${place}`, kind, service, outer.id, lat, lon, model, cadence);
    }
  }
  for (const [id, name, area, lat, lon, base] of RIVERS) add(id, `Trạm thuỷ văn ${name}`, `River gauge ${name}`, 'river_gauge', 'river', area, lat, lon, { water_level: [base, 0.3, 0.02] }, 600);

  const reading = (d, property, at) => {
    const [base, swing, noise] = d.model[property];
    const day = (at / 86_400_000) * 6.2832;
    const jitter = Math.sin(at / 7919 + d.phase * 31) * Math.sin(at / 1543 + d.phase * 17);
    return Math.max(property === 'temperature' ? -9 : 0, base + swing * Math.sin(day + d.phase) + noise * jitter + (d.boost[property]?.(at) ?? 0));
  };
  const round = (property, v) => Number(v.toFixed(PROPERTIES.find((p) => p.id === property)?.digits + 1));

  const self = {
    devices, areas, reading, round, alerts: new Map(), change: 100, seq: 1, rules: RULES, onAlert: () => {},
    city: () => ({ name: { vi: 'Đà Nẵng', en: 'Đà Nẵng' }, time_zone: 'Asia/Ho_Chi_Minh', view: [108.2, 16.045, 11.25], areas, services: SERVICES, properties: PROPERTIES, thresholds: limits, alerts: { shelve_max_ms: 12 * 3_600_000, agencies: ['Công an phường Hải Châu', 'Sở Xây dựng', 'Trung tâm 1022'], positions: ['desk-1', 'desk-2', 'supervisor'] } }),
    map: () => geo,
    open: () => [...self.alerts.values()].map((a) => a.row).filter(isOpen),
    listed: () => self.open().filter((r) => !r.held?.length),

    raise(d, rule, severity, value, limit, unit, vi, en, at) {
      const r = RULES.find((x) => x.id === rule);
      const id = [...`${rule}${d.meta.id}${at}`].reduce((h, c) => (Math.imul(h, 16777619) ^ c.charCodeAt(0)) >>> 0, 2166136261).toString(16).padStart(8, '0').repeat(4);
      const row = {
        id, ver: 1, change: ++self.change, rule, entity: { kind: 'device', id: d.meta.id }, device: d.meta.id, area: d.meta.area, service: r.service, severity, severity_max: severity,
        condition: 'active', acknowledged: false, raised_at: at, changed_at: at, cleared_at: null, acknowledged_at: null, acknowledged_by: null, note: null, value, limit, unit, name: r.name,
        message: { vi, en }, cause: rule.split('.')[0],
      };
      self.register.begin(row);
      const a = { row, audit: [{ seq: ++self.register.seq, action: 'raise', actor: `rule:${rule}`, at, severity, value, limit: row.limit, note: null, message: row.message, evidence: { readings: [{ device: row.device, property: rule === 'camera.crowd' ? 'people_count' : d.meta.properties[0], time: at, value }], timers: [{ name: 'for', since: at - 600_000, until: at }], limit: { comparison: `> ${row.limit}`, threshold: null, source: 'QCVN 05:2023/BTNMT', effective: '2023-09-12' } } }] };
      self.alerts.set(id, a);
      d.severity = Math.max(d.severity, ['info', 'minor', 'major', 'critical', 'emergency'].indexOf(severity) + 1);
      d.seq = ++self.seq;
      self.onAlert(row);
      return a;
    },
    clear(a, at, value) {
      self.register.change(a, { condition: 'returned', cleared_at: at, changed_at: at, value }, { action: 'clear', actor: `rule:${a.row.rule}`, at, value });
      const d = devices.find((x) => x.meta.id === a.row.device);
      if (d) { d.severity = 0; d.seq = ++self.seq; }
      self.onAlert(a.row);
    },
    escalate(a, severity, at, value) {
      self.register.change(a, { severity, severity_max: severity, changed_at: at, value }, { action: 'severity', actor: `rule:${a.row.rule}`, at, severity, value });
      self.onAlert(a.row);
    },
    /** As another operator does it. */
    acknowledge(a, user, note) {
      self.register.one({ id: a.row.id }, { action: 'acknowledge', note }, user, Date.now());
    },

    step(now) {
      for (const d of devices) {
        if (d.silent) {
          const age = now - d.time;
          const state = d.time === 0 ? 0 : age > Math.max(30, 3 * d.meta.cadence_s) * 1000 ? 2 : 1;
          if (state !== d.status) { d.status = state; d.seq = ++self.seq; }
          continue;
        }
        if (now < d.next) continue;
        d.next = now + Math.min(d.meta.cadence_s, 60) * 1000 * (0.9 + 0.2 * Math.random());
        const main = d.meta.properties[0];
        d.value = round(main, reading(d, main, now));
        d.time = now;
        d.received = now + 40;
        d.status = 1;
        d.seq = ++self.seq;
      }
    },

    frame(kind, epoch, rows) {
      const n = rows.length;
      const p4 = (x) => (x + 3) & ~3;
      const b = Buffer.alloc(24 + 8 * n + p4(2 * n) + 2 * p4(n));
      const base = Date.now();
      b.writeUInt8(1, 0); b.writeUInt8(kind, 1); b.writeUInt32LE(n, 4); b.writeUInt32LE(epoch, 8); b.writeUInt32LE(self.seq, 12); b.writeBigUInt64LE(BigInt(base), 16);
      rows.forEach((d, i) => {
        b.writeUInt32LE(d.meta.idx, 24 + 4 * i);
        b.writeFloatLE(d.value, 24 + 4 * n + 4 * i);
        b.writeUInt16LE(d.time === 0 ? 65535 : Math.min(65535, Math.max(0, Math.round((base - d.time) / 10))), 24 + 8 * n + 2 * i);
        b.writeUInt8(d.status | (d.severity << 3), 24 + 8 * n + p4(2 * n) + i);
        b.writeUInt8(d.quality, 24 + 8 * n + p4(2 * n) + p4(n) + i);
      });
      return b;
    },
    heartbeat(epoch) {
      const b = Buffer.alloc(40);
      const now = Date.now();
      b.writeUInt8(1, 0); b.writeUInt8(2, 1); b.writeUInt32LE(1, 4); b.writeUInt32LE(epoch, 8); b.writeUInt32LE(self.seq, 12); b.writeBigUInt64LE(BigInt(now), 16);
      b.writeBigUInt64LE(BigInt(now - 380), 24); b.writeBigUInt64LE(BigInt(now), 32);
      return b;
    },

    tiles() {
      return SERVICES.map((s) => {
        const mine = devices.filter((d) => d.meta.service === s.id);
        const heard = mine.filter((d) => d.time > 0);
        const fresh = mine.filter((d) => d.status === 1);
        const open = self.listed().filter((r) => r.service === s.id);
        const order = ['info', 'minor', 'major', 'critical', 'emergency'];
        return {
          id: s.id, feeds: heard.length > 0, devices: mine.length, fresh: fresh.length, newest: heard.length ? Math.max(...heard.map((d) => d.time)) : null,
          indicators: s.indicators.map((property) => {
            const v = fresh.filter((d) => d.model[property] && d.quality === 0).map((d) => (d.meta.properties[0] === property ? d.value : reading(d, property, d.time)));
            return { property, value: v.length ? v.reduce((a, b) => a + b, 0) / v.length : null, min: v.length ? Math.min(...v) : null, max: v.length ? Math.max(...v) : null, n: v.length };
          }),
          open_alerts: open.length, worst: open.length ? order[Math.max(...open.map((r) => order.indexOf(r.severity)))] : null,
        };
      });
    },

    detail(id) {
      const d = devices.find((x) => x.meta.id === id);
      if (!d) return null;
      return {
        ...d.meta, last_message: d.time || null,
        latest: d.time ? d.meta.properties.map((p) => ({ property: p, time: d.time, received: d.received, value: round(p, p === d.meta.properties[0] ? d.value : reading(d, p, d.time)), quality: d.quality })) : [],
        quarantined: d.refused ?? [],
      };
    },
  };

  self.register = new Register(self);

  // The scene.
  const now = Date.now();
  const pick = (kind, n) => devices.filter((d) => d.meta.kind === kind)[n];
  const ramp = (start, minutes, height) => (at) => (at < start ? 0 : height * Math.min(1, (at - start) / (minutes * 60_000)));
  devices.filter((d, i) => i % 23 === 5).forEach((d) => { d.silent = true; d.time = now - 3_600_000 * (1 + random() * 5); d.value = round(d.meta.properties[0], reading(d, d.meta.properties[0], d.time)); d.status = 2; });
  devices.filter((d, i) => i % 57 === 11).forEach((d) => { d.silent = true; d.status = 0; d.time = 0; });
  if (scene === 'busy') {
    const min = 60_000;
    const tower = pick('flood_tower', 1);
    tower.silent = false;
    tower.boost = { flood_depth: ramp(now - 70 * min, 60, 0.62), rain_intensity: ramp(now - 90 * min, 20, 68) };
    const a1 = self.raise(tower, 'flood.street', 'major', 0.31, 0.3, 'm', `Ngập 0,62 m tại ${tower.meta.name.vi.replace('Tháp báo ngập ', '')}: vượt ngưỡng 0,30 m`, `Flooded 0.62 m at ${tower.meta.name.vi.replace('Tháp báo ngập ', '')}: above 0.30 m`, now - 42 * min);
    self.escalate(a1, 'emergency', now - 12 * min, 0.62);
    tower.severity = 5;
    tower.refused = [
      { at: now - 7 * min, topic: `ioc/v1/${tower.meta.area}/rain_flood/${tower.meta.id}/obs`, reason: 'out_of_range', detail: 'flood_depth 62 m is above the possible 5 m', payload: '{"time":"2026-11-22T11:05:00+07:00","values":{"flood_depth":62}}' },
      { at: now - 31 * min, topic: `ioc/v1/${tower.meta.area}/rain_flood/${tower.meta.id}/obs`, reason: 'bad_time', detail: '`22/11/2026 10:41` is not an RFC 3339 time with an offset', payload: '{"time":"22/11/2026 10:41","values":{"flood_depth":0.41}}' },
    ];
    const gauge = devices.find((d) => d.meta.id === 'river-ai-nghia');
    gauge.silent = false;
    gauge.boost = { water_level: ramp(now - 300 * min, 280, 1.2) };
    self.raise(gauge, 'river.bao_dong', 'critical', 8.04, 8, 'm', 'Ái Nghĩa: mực nước 8,04 m, trên báo động II (8,00 m)', 'Ái Nghĩa: water level 8.04 m, above flood level II (8.00 m)', now - 95 * min);
    const hoi = devices.find((d) => d.meta.id === 'river-hoi-an');
    const b1 = self.raise(hoi, 'river.bao_dong', 'major', 1.72, 1.5, 'm', 'Hội An: mực nước 1,72 m, trên báo động II (1,50 m)', 'Hội An: water level 1.72 m, above flood level II (1.50 m)', now - 190 * min);
    self.acknowledge(b1, 'tran.b', 'Đã báo Ban chỉ huy PCTT phường Hội An');
    for (const [k, l, age] of [[2, 'minor', 8], [5, 'minor', 21], [9, 'major', 33], [13, 'minor', 3]]) {
      const d = pick('air_station', k);
      d.boost = { pm25: ramp(now - (age + 20) * min, 20, 48) };
      self.raise(d, 'air.pm25', l, 58.4 + k, 50, 'µg/m³', `PM2,5 trung bình 1 giờ ${58 + k},4 µg/m³, ngưỡng 50 µg/m³`, `PM2.5 1-hour mean ${58 + k}.4 µg/m³, limit 50 µg/m³`, now - age * min);
    }
    for (const [k, l, age] of [[0, 'major', 6], [3, 'minor', 14], [7, 'minor', 25], [12, 'critical', 2], [18, 'minor', 47]]) {
      const d = pick('traffic_counter', k);
      d.boost = { speed: ramp(now - (age + 10) * min, 10, -28) };
      self.raise(d, 'traffic.congestion', l, 9, 15, 'km/h', `Ùn tắc ${age + 10} phút: tốc độ trung bình 9 km/h tại ${d.meta.name.vi.replace('Đếm xe ', '')}`, `Congested for ${age + 10} min: mean speed 9 km/h at ${d.meta.name.vi.replace('Đếm xe ', '')}`, now - age * min);
    }
    const crowd = pick('camera', 4);
    const c1 = self.raise(crowd, 'camera.crowd', 'minor', 126, 100, '', `Tập trung đông người: 126 người tại ${crowd.meta.name.vi.replace('Camera ', '')}`, `Crowd: 126 people at ${crowd.meta.name.vi.replace('Camera ', '')}`, now - 55 * min);
    self.clear(c1, now - 30 * min, 61);
    for (let k = 0; k < 14; k++) {
      const d = pick('camera', 8 + k * 5);
      d.silent = true;
      d.time = now - (k + 1) * 9 * min;
      d.value = 11;
      d.status = 2;
      const a = self.raise(d, 'device.silent', 'info', (k + 1) * 540, 300, 's', `Camera im lặng ${(k + 1) * 9} phút: ${d.meta.name.vi.replace('Camera ', '')}`, `Camera silent for ${(k + 1) * 9} min: ${d.meta.name.vi.replace('Camera ', '')}`, now - (k + 1) * 8 * min);
      if (k % 4 === 3) self.acknowledge(a, 'le.c', null);
    }
    lifecycle(self);
  }
  self.desk = new Desk(self, self.register);
  self.past = new Past(self);
  return self;
}

/** Every state that the page can show, on the scene's alerts. */
function lifecycle(self) {
  const min = 60_000;
  const now = Date.now();
  const by = (rule, n = 0) => [...self.alerts.values()].filter((a) => a.row.rule === rule)[n];
  const act = (a, action, user = 'le.c', at = now - 9 * min) => self.register.one({ id: a.row.id }, action, user, at);
  const flood = by('flood.street');
  self.register.change(flood, { overdue: true, escalated: 1 }, { action: 'escalate', actor: 'system', at: now - 6 * min, detail: { step: 1, to: 'shift-lead' } });
  act(flood, { action: 'comment', text: 'Phường báo nước còn lên, đã đặt rào chắn.' }, 'tran.b', now - 5 * min);
  act(flood, { action: 'link', link: { url: 'https://camera.danang.example/ham-chui', title: 'Camera hầm chui' } }, 'tran.b', now - 4 * min);
  act(by('air.pm25', 0), { action: 'assign', to: { kind: 'agency', name: 'Sở Nông nghiệp và Môi trường' } });
  act(by('air.pm25', 1), { action: 'assign', to: { kind: 'person', name: 'operator' } });
  act(by('traffic.congestion', 2), { action: 'start', note: 'CSGT đang phân luồng' });
  act(by('traffic.congestion', 4), { action: 'resolve', note: 'Đã thông xe' });
  const silent = (n) => by('device.silent', n);
  act(silent(0), { action: 'shelve', until: now + 95 * min, reason: 'Nhà thầu đang thay nguồn' });
  act(silent(1), { action: 'shelve', until: now + 20 * min, reason: 'Chờ khởi động lại' });
  self.register.hold({ by: 'maintenance', scope: { device: silent(2).row.device }, from: now - 30 * min, until: now + 150 * min, reason: 'Bảo dưỡng tuyến cáp quang' }, 'tran.b');
  self.register.hold({ by: 'out_of_service', scope: { device: silent(4).row.device }, from: now - 50 * 60 * min, reason: 'Cột bị tháo, chờ lắp lại' }, 'admin');
  self.register.hold({ by: 'maintenance', scope: { service: 'traffic', area: 'hai_chau' }, from: now + 600 * min, until: now + 780 * min, reason: 'Nâng cấp tủ điều khiển đèn' }, 'tran.b');
  self.register.change(silent(5), { held: [{ by: 'parent', id: silent(0).row.id, until: null, who: 'system', reason: 'gateway-cam-02' }] }, { action: 'suppress', actor: 'system', at: now - 3 * min, note: 'gateway-cam-02' });
  // Returned and latched: seen, and not.
  const towers = self.devices.filter((d) => d.meta.kind === 'flood_tower');
  for (const [n, seen] of [[6, false], [9, true]]) {
    const d = towers[n];
    const a = self.raise(d, 'flood.street', 'major', 0.34, 0.3, 'm', `Ngập 0,34 m tại ${d.meta.name.vi.replace('Tháp báo ngập ', '')}`, `Flooded 0.34 m at ${d.meta.name.vi.replace('Tháp báo ngập ', '')}`, now - 130 * min);
    if (seen) act(a, { action: 'acknowledge' }, 'le.c', now - 100 * min);
    self.clear(a, now - 40 * min, 0.04);
  }
  // Done with: closed and rejected, more than a page of them.
  for (let k = 0; k < 130; k++) {
    const d = self.devices.filter((x) => x.meta.kind === 'traffic_counter')[k % 40];
    const at = now - (70 + k * 9) * min;
    const a = self.raise(d, 'traffic.congestion', ['info', 'minor', 'major'][k % 3], 9, 15, 'km/h', `Ùn tắc 15 phút tại ${d.meta.name.vi.replace('Đếm xe ', '')}`, `Congested for 15 min at ${d.meta.name.vi.replace('Đếm xe ', '')}`, at);
    if (k % 9 === 4) act(a, { action: 'reject', reason: 'Đầu dò bị che' }, 'le.c', at + 5 * min);
    else {
      self.clear(a, at + 10 * min, 31);
      act(a, { action: 'close' }, 'le.c', at + 20 * min);
    }
    d.severity = 0;
  }
}
