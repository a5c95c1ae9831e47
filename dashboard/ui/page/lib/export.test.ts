import { describe, expect, it } from 'vitest';
import { address, meant, quoted, stretch, tally, wanted } from './export';
import type { Device } from './model';
import { DAY_MS, HOUR_MS } from './plan';

const NOW = Date.UTC(2026, 10, 22, 6, 0, 30);
const device = (id: string, service: string, area: string, properties: string[]): Device => ({
  idx: 0, id, name: { vi: id, en: id }, kind: 'x', service, area, lat: null, lon: null, properties, cadence_s: 60, configured: true,
});
const city = [device('a1', 'air', 'hai_chau', ['pm25', 'temperature']), device('a2', 'air', 'son_tra', ['pm25']), device('t1', 'traffic', 'hai_chau', ['speed'])];

describe('a download', () => {
  it('says in its address all that was chosen and nothing else', () => {
    const w = wanted({ service: 'air', devices: ['a1', 'a&2'], properties: ['pm25'], step: DAY_MS, format: 'parquet' });
    expect(address(w, { from: 1, to: 2 }, 'en')).toBe(
      '/api/v1/export?format=parquet&service=air&device=a1,a%262&property=pm25&from=1&to=2&step=86400000&offset=-25200000&lang=en',
    );
    expect(address(wanted(), { from: 1, to: 2 }, 'vi')).toBe('/api/v1/export?format=csv&from=1&to=2&lang=vi');
  });
  it('begins days at midnight of the city, so that the first one is whole', () => {
    const got = stretch(wanted({ hours: 168, step: DAY_MS }), NOW);
    expect(got).toEqual({ from: Date.UTC(2026, 10, 14, 17), to: NOW + 30_000 });
  });
  it('takes own dates as times of the city', () => {
    expect(stretch(wanted({ hours: 0, from: '2026-11-01T00:00', to: '2026-11-02T12:30' }), NOW)).toEqual({ from: Date.UTC(2026, 9, 31, 17), to: Date.UTC(2026, 10, 2, 5, 30) });
    expect(stretch(wanted({ hours: 0, from: '2026-11-03T00:00', to: '2026-11-02T12:30' }), NOW)).toBe('range_order');
    expect(stretch(wanted({ hours: 0, from: '', to: '2026-11-02T12:30' }), NOW)).toBe('range_missing');
  });
  it('keeps its address within a minute', () => {
    expect(stretch(wanted(), NOW)).toEqual(stretch(wanted(), NOW + 29_000));
    expect(stretch(wanted(), NOW)).toEqual({ from: NOW + 30_000 - 24 * HOUR_MS, to: NOW + 30_000 });
  });
  it('counts the series that are meant', () => {
    expect(tally(meant(city, wanted()), [])).toEqual({ series: 4, offered: ['pm25', 'temperature', 'speed'] });
    expect(tally(meant(city, wanted({ service: 'air' })), ['pm25']).series).toBe(2);
    expect(tally(meant(city, wanted({ area: 'hai_chau', devices: ['a1', 'a2'] })), []).series).toBe(2);
  });
  it('is quoted for a shell', () => {
    expect(quoted("a'b?c&d")).toBe("'a'\\''b?c&d'");
  });
});
