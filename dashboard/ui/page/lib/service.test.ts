import { describe, expect, it } from 'vitest';
import { Row } from './alerts.svelte';
import { DeviceTable } from './devices';
import type { Device, Threshold } from './model';
import { byHour, devicesOf, named, outside, wardsOf } from './service';
import { alert } from './testing';
import { SNAPSHOT } from './wire';

const device = (idx: number, more: Partial<Device> = {}): Device => ({ idx, id: `d${idx}`, name: { vi: 'x', en: 'x' }, kind: 'k', service: 'air', area: 'w', lat: null, lon: null, properties: ['pm25'], cadence_s: 60, configured: true, ...more });
/** Rows of value, state (1 live, 2 stale, 3 offline, 0 never), severity. */
function table(devices: Device[], rows: [number, number, number][]): DeviceTable {
  const t = new DeviceTable();
  t.setList(devices, 1, (a) => a);
  t.apply({
    kind: SNAPSHOT, n: rows.length, epoch: 1, seq: 1, baseMs: 1000, idx: Uint32Array.from(rows.map((_, i) => i)), value: Float32Array.from(rows.map((r) => r[0])),
    dt10: new Uint16Array(rows.length), status: Uint8Array.from(rows.map((r) => r[1] | (r[2] << 3))), quality: new Uint8Array(rows.length),
  });
  return t;
}

describe('a service', () => {
  it('has its devices in alarm first, then the silent, then those outside of their band, and those never heard last', () => {
    const t = table([0, 1, 2, 3, 4, 5].map((i) => device(i, i === 5 ? { service: 'river' } : {})), [[20, 1, 0], [NaN, 0, 0], [90, 1, 0], [20, 2, 0], [20, 1, 4], [99, 1, 5]]);
    const got = devicesOf(t, 'air', () => [0, 50]);
    expect(got.worst).toEqual([4, 3, 2, 0, 1]);
    expect([got.live, got.stale, got.offline, got.never]).toEqual([3, 1, 0, 1]);
  });
  it('is outside of its band by widths of the band', () => {
    expect([outside(60, [0, 50]), outside(-25, [0, 50]), outside(20, [0, 50]), outside(20, null)]).toEqual([0.2, 0.5, 0, 0]);
  });
  it('has the mean of a ward only from devices that send the main indicator', () => {
    const t = table([device(0), device(1), device(2, { properties: ['noise'] }), device(3, { area: 'v' })], [[10, 1, 0], [30, 2, 0], [80, 1, 0], [7, 1, 0]]);
    const rows = [new Row(alert('a', { area: 'v', severity: 'major' }), () => ''), new Row(alert('b', { area: 'u' }), () => ''), new Row(alert('c', { service: 'river' }), () => '')];
    expect(wardsOf(t, 'air', 'pm25', rows)).toEqual([
      { area: 'v', devices: 1, live: 1, alerts: 1, worst: 3, mean: 7 },
      { area: 'u', devices: 0, live: 0, alerts: 1, worst: 2, mean: null },
      { area: 'w', devices: 3, live: 2, alerts: 0, worst: 0, mean: 10 },
    ]);
  });
  it('counts alarms by hour, hours without any too', () => {
    const h = 3_600_000;
    const p = (at: number, alarms: number) => ({ at, alarms, incidents: 0, flood: false });
    expect(byHour([p(h, 2), p(h + 600_000, 3), p(3 * h, 1), p(9 * h, 7)], h + 5, 4 * h)).toEqual([{ at: h, alarms: 5 }, { at: 2 * h, alarms: 0 }, { at: 3 * h, alarms: 1 }]);
  });
  it('knows which thresholds a rule names, whole words only', () => {
    const t = (id: string) => ({ id }) as Threshold;
    expect(named('raise: "> flood.bd1"\nclear: "pm25 < threshold(\'fire.pm25\') * 0.8"', [t('flood.bd1'), t('flood.bd'), t('fire.pm25'), t('flood.bd2')]).map((x) => x.id)).toEqual(['flood.bd1', 'fire.pm25']);
  });
});
