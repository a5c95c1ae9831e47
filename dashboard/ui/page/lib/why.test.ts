import { describe, expect, it } from 'vitest';
import type { Evidence, Lang } from './model';
import { why } from './why';

const T = Date.UTC(2026, 10, 22, 1, 0, 0); // 08:00:00 22/11/2026 in Đà Nẵng
const evidence: Evidence = {
  limit: { comparison: '> 2', threshold: 'flood.bd2', source: 'QĐ 05/2020/QĐ-TTg', effective: '2020-03-18' },
  window: { from: T - 3_600_000, to: T, count: 6, min: 1, max: 2.5, value: 2.25 },
  timers: [{ name: 'for', since: T - 600_000, until: T }, { name: 'dwell', since: T - 90_000_000, until: T }],
  inhibited_by: ['gateway.offline'],
  facts: [{ name: 'sigma', value: 3.25, text: null }, { name: 'object', value: null, text: '<b>car</b>' }],
  readings: [{ device: 'r1', property: 'water_level', time: T, value: 2.5 }, { device: 'r1', property: 'other', time: T, value: 1 }],
};
const names = (lang: Lang) => ({
  lang,
  unit: 'm',
  digits: 2,
  device: (id: string) => (id === 'r1' ? 'Cẩm Lệ' : id),
  property: (id: string) => (id === 'water_level' ? { name: 'Mực nước', unit: 'm', digits: 2 } : undefined),
});
const lines = (lang: Lang, e = evidence) => why(e, T, names(lang)).map((l) => `${l.label}: ${l.text}`);

describe('why', () => {
  it('says limit with its law, window, timers, inhibitors, facts and readings', () => {
    expect(lines('en')).toEqual([
      'Limit: > 2 m (flood.bd2)',
      'Source: QĐ 05/2020/QĐ-TTg, in force since 2020-03-18',
      'Window: 07:00:00 – 08:00:00: 6 readings, 1.00 to 2.50, result 2.25',
      'Held for: 10 min (07:50:00 – 08:00:00)',
      'Stays for: 1 d (07:00:00 21/11/2026 – 08:00:00)',
      'Held back by: gateway.offline',
      'sigma: 3.25',
      'object: <b>car</b>',
      'Readings: 08:00:00 Cẩm Lệ: Mực nước 2.50 m',
      ': 08:00:00 Cẩm Lệ: other 1.00',
    ]);
  });
  it('speaks Vietnamese with its own decimal comma', () => {
    expect(lines('vi')[1]).toBe('Căn cứ: QĐ 05/2020/QĐ-TTg, hiệu lực từ 2020-03-18');
    expect(lines('vi')[2]).toContain('kết quả 2,25');
  });
  it('is empty without evidence, and does without what is missing', () => {
    expect(lines('en', {})).toEqual([]);
    const bare = { limit: { comparison: '> 45', threshold: null, source: null, effective: null } };
    expect(lines('en', bare)).toEqual(['Limit: > 45 m']);
  });
});
