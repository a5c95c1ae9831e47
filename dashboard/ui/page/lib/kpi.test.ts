import { describe, expect, it } from 'vitest';
import { load, priorities, span, value } from './kpi';

const period = (at: number, alarms: number, incidents: number, flood = false) => ({ at, alarms, incidents, flood });

describe('figures', () => {
  it('have their unit in the words of the language', () => {
    expect([value(4.25, 'alarms', 'vi'), value(12.5, '%', 'vi'), value(185, 's', 'vi'), value(null, '%', 'vi'), value(3, 'alarms', 'en')]).toEqual(['4,3', '12,5%', '3 phút', '—', '3']);
    expect(span(null, 'en')).toBe('—');
  });
  it('of priority are shares of all alarms', () => {
    const p = priorities([['info', 60], ['minor', 20], ['major', 15], ['critical', 4], ['emergency', 1]], []);
    expect(p.map((x) => [x.n, x.share, x.target])).toEqual([[80, 80, 80], [15, 15, 15], [4, 4, 5], [1, 1, 1]]);
    expect(priorities([], []).every((x) => x.share === 0)).toBe(true);
  });
});

describe('the load chart', () => {
  it('stays in its box and joins the periods of one flood', () => {
    const l = load([period(0, 4, 2), period(1, 30, 3, true), period(2, 12, 2, true), period(3, 0, 0), period(4, 11, 1, true)], 600_000, 1);
    expect(l.top).toBe(40);
    expect(l.bars.every((b) => b.alarms <= 1 && b.incidents <= 1)).toBe(true);
    expect(l.floods).toHaveLength(2);
    expect(l.floods[0]?.width).toBeCloseTo(0.4);
    expect(l.limit).toBeCloseTo(0.25);
  });
  it('draws no limit of ten minutes on steps of an hour, and nothing out of nothing', () => {
    expect(load([period(0, 30, 3)], 3_600_000, 1).limit).toBe(0);
    expect(load([], 600_000, 1).bars).toEqual([]);
  });
});
