// The mock's figures, shifts and notifications: made up, but of the right shape and plausible.
import { isOpen } from './register.mjs';

const MIN = 60_000;
const HOUR = 60 * MIN;
const S = 'ISA-18.2 / IEC 62682 cl. 16';

export class Desk {
  constructor(city, register) {
    this.city = city;
    this.register = register;
    const now = Date.now();
    this.shifts = [
      { id: 1, user: 'tran.b', position: 'desk-1', from: now - 3 * HOUR, until: null, handover: null },
      { id: 2, user: 'le.c', position: 'desk-2', from: now - 11 * HOUR, until: now - 3 * HOUR, handover: 'Trạm Ái Nghĩa đang lên, theo dõi sát.\nCamera Nguyễn Văn Linh đã báo nhà thầu.' },
    ];
    this.log = [
      { id: 1, at: now - 5 * HOUR, user: 'le.c', text: 'Mưa lớn từ 03:30, mở sổ theo dõi ngập.', alert: null, open: false, done: null },
      { id: 2, at: now - 2 * HOUR, user: 'tran.b', text: 'Báo phường Hải Châu chuẩn bị bơm tại hầm chui.', alert: register.rows()[0]?.id ?? null, open: true, done: null },
      { id: 3, at: now - 90 * MIN, user: 'tran.b', text: 'Gọi nhà thầu camera, hẹn trước 11:00.', alert: null, open: true, done: [now - 30 * MIN, 'tran.b'] },
      { id: 4, at: now - 20 * MIN, user: 'tran.b', text: 'Hỏi lại Đài khí tượng về dự báo chiều <script>alert(1)</script>', alert: null, open: true, done: null },
    ];
    this.job = 0;
  }

  take(position, user) {
    for (const s of this.shifts) if (s.position === position && s.until === null) s.until = Date.now();
    const shift = { id: this.shifts.length + 1, user, position, from: Date.now(), until: null, handover: null };
    this.shifts.push(shift);
    return shift;
  }
  leave(id, handover) {
    const s = this.shifts.find((x) => x.id === id);
    if (s) Object.assign(s, { until: Date.now(), handover: handover ?? null });
    return s;
  }
  write(entry, user) {
    const e = { id: this.log.length + 1, at: Date.now(), user, text: entry.text, alert: entry.alert ?? null, open: entry.open ?? false, done: null };
    this.log.push(e);
    return e;
  }
  tick(id, user) {
    const e = this.log.find((x) => x.id === id);
    if (e) e.done = [Date.now(), user];
    return e;
  }
  handover(from, to) {
    const rows = this.register.rows();
    const rank = ['info', 'minor', 'major', 'critical', 'emergency'];
    const open = rows.filter((r) => isOpen(r)).toSorted((a, b) => rank.indexOf(b.severity) - rank.indexOf(a.severity));
    return {
      from, to, shifts: this.shifts.filter((s) => s.from < to && (s.until ?? to) > from), entries: this.log.filter((e) => e.at >= from && e.at < to), to_do: this.log.filter((e) => e.open && !e.done),
      open, open_total: open.length, held: open.filter((r) => r.held?.length), incidents: this.register.incidents().filter((i) => i.open > 1), raised: rows.length, closed: rows.filter((r) => !isOpen(r)).length, ack_p50_s: 214,
    };
  }

  kpi(from, to) {
    const span = to - from;
    const step = span <= 72 * HOUR ? 10 * MIN : HOUR;
    const wave = (t) => 0.5 + 0.5 * Math.sin(t / (7 * HOUR)) + 0.3 * Math.sin(t / (53 * MIN));
    const periods = [];
    for (let at = Math.ceil(from / step) * step; at < to; at += step) {
      const storm = Math.exp(-(((at - (to - span * 0.3)) / (span * 0.035)) ** 2)) * 34 + Math.exp(-(((at - (to - span * 0.72)) / (span * 0.012)) ** 2)) * 16;
      const alarms = Math.max(0, Math.round((wave(at) * 1.6 + storm) * (step === HOUR ? 4 : 1)));
      periods.push({ at, alarms, incidents: Math.min(alarms, Math.round(alarms ** 0.55)), flood: storm > 9 });
    }
    const alarms = periods.reduce((n, p) => n + p.alarms, 0);
    const incidents = periods.reduce((n, p) => n + p.incidents, 0);
    const f = (id, value, unit, target = null, limit = null, source = target === null ? null : S) => ({
      id, value, unit, target, limit, source, verdict: target === null || value === null ? null : value <= target ? 'good' : limit !== null && value <= limit ? 'manageable' : 'bad',
    });
    const per10 = alarms / (span / (10 * MIN));
    const group = (id, name, share, more = {}) => ({
      id, name, alarms: Math.round((alarms * share) / 100), share, standing: Math.round(share / 6), stale: 0, chattering: 0, fleeting: 0, ack_p50_s: 80 + share * 7, ack_p90_s: 400 + share * 20, resolve_p50_s: 1800 + share * 100, resolve_p90_s: 9000, false_share: share > 20 ? 12 : null, ...more,
    });
    const rules = this.city.rules;
    return {
      from, to, positions: 1, alarms, incidents, held: 14,
      figures: [
        f('per_10_min', per10, 'alarms', 1, 2), f('per_hour', per10 * 6, 'alarms', 6, 12), f('per_day', per10 * 144, 'alarms', 150, 300), f('hours_over_30', 8.3, '%', 1), f('periods_over_10', 6.9, '%', 1),
        f('max_10_min', Math.max(...periods.map((p) => p.alarms)), 'alarms', 10), f('time_in_flood', 7.6, '%', 1), f('top_ten_share', 71.4, '%', 1, 5), f('chattering', 2, 'alarms', 0), f('fleeting', 0, 'alarms', 0), f('stale', 3, 'alarms', 4), f('stale_max_day', 3, 'alarms', 4),
        f('standing', 26, 'alarms'), f('unacknowledged', 21, 'alarms'), f('priority_low', 71, '%'), f('priority_medium', 17, '%', 15), f('priority_high', 8, '%', 5), f('priority_highest', 4, '%', 1),
        f('ack_p50', 214, 's'), f('ack_p90', 1530, 's'), f('resolve_p50', 3900, 's'), f('resolve_p90', null, 's'), f('false_share', 4.2, '%'), f('incidents_per_10_min', incidents / (span / (10 * MIN)), 'incidents'), f('incidents_max_10_min', 7, 'incidents'), f('grouped', (100 * (alarms - incidents)) / Math.max(1, alarms), '%'),
      ],
      periods, step_ms: step, priorities: [['info', Math.round(alarms * 0.41)], ['minor', Math.round(alarms * 0.3)], ['major', Math.round(alarms * 0.17)], ['critical', Math.round(alarms * 0.08)], ['emergency', Math.round(alarms * 0.04)]],
      rules: [
        group(rules[0].id, rules[0].name, 34, { fleeting: 12, chattering: 4 }), group(rules[2].id, rules[2].name, 22, { chattering: 9 }), group(rules[5].id, rules[5].name, 19, { stale: 3 }), group(rules[1].id, rules[1].name, 14), group(rules[3].id, rules[3].name, 8), group(rules[4].id, rules[4].name, 3),
      ],
      areas: this.city.areas.slice(0, 14).map((a, i) => group(a.id, null, Math.max(1, 24 - 3 * i))), services: ['rain_flood', 'traffic', 'camera_analytics', 'air', 'river'].map((id, i) => group(id, null, 34 - 7 * i)),
      suggestions: [
        { rule: rules[2].id, why: { vi: '9 trong 41 cảnh báo ngắn hơn 60 giây; 90% trong số đó ngắn hơn 2 phút', en: '9 of 41 alarms were shorter than 60 s; 90% of them shorter than 2 min' }, field: 'for', value: '2m', spares: 9 },
        { rule: rules[0].id, why: { vi: 'Báo lại trong 10 phút sau khi hết ở 12 trong 63 cảnh báo', en: '12 of 63 alarms came back within 10 min' }, field: 'clear_for', value: '10m', spares: 12 },
        { rule: rules[5].id, why: { vi: 'Một quy tắc chiếm 19% tải', en: 'One rule makes 19% of the load' }, field: 'look', value: '', spares: 0 },
      ],
    };
  }

  deliveries(alert) {
    const a = this.city.alerts.get(alert);
    if (!a) return [];
    const one = (seq, receiver, state, reasons, answer) => ({ id: `d${seq}`, seq, receiver, route: 'ngap', alerts: [alert], reasons, state, attempts: state === 'dead' ? 8 : 1, created_at: a.row.raised_at + 4000, next_at: null, ended_at: state === 'waiting' ? null : a.row.raised_at + 5200, answer });
    return [one(3, 'zalo-phuong', 'delivered', ['raise'], '200 OK'), one(2, 'sms-ung-cuu', 'dead', ['raise'], '503 gateway down'), one(1, 'mqtt-bang-led', 'waiting', ['severity'], null)];
  }
}
