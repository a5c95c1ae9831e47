import { describe, expect, it } from 'vitest';
import { alone, columns } from './columns';
import type { HistoryAnswer } from './model';
import { banded, beginOf, DAY_MS, gapOf, HOUR_MS, MINUTE_MS, plan, RANGES, spliced, widest, windowsFor } from './plan';

const answer = (points: [number, number, number][]): HistoryAnswer => ({ device: 'd', property: 'p', unit: '', step: 1, agg: 'mean', truncated: false, points });

describe('what a chart asks for', () => {
  it('gives 300 to 600 windows for every range, in lengths that a tier serves', () => {
    for (const hours of RANGES) {
      const w = windowsFor(hours * HOUR_MS);
      const n = (hours * HOUR_MS) / w.step;
      expect(n, `${hours} h`).toBeGreaterThanOrEqual(300);
      expect(n, `${hours} h`).toBeLessThanOrEqual(600);
      expect(w.step % MINUTE_MS).toBe(0);
      if (w.step >= HOUR_MS) expect(w.step % HOUR_MS).toBe(0);
      expect(w.offset % HOUR_MS + 0).toBe(0);
    }
    expect(windowsFor(8760 * HOUR_MS)).toEqual({ step: DAY_MS, offset: -25_200_000 });
  });
  it('shows single readings while they are few, windows of slow devices too when they are old', () => {
    expect(plan(6 * HOUR_MS, 60)).toBeNull();
    expect(plan(24 * HOUR_MS, 60)).toBeNull();
    expect(plan(24 * HOUR_MS, 30)).toEqual({ step: 3 * MINUTE_MS, offset: 0 });
    expect(plan(6 * HOUR_MS, 1)).toEqual({ step: MINUTE_MS, offset: 0 });
    expect(plan(6 * HOUR_MS, 0)).toBeNull();
    expect(plan(168 * HOUR_MS, 600)).toBeNull();
    expect(plan(8760 * HOUR_MS, 86_400)).toEqual({ step: DAY_MS, offset: -25_200_000 });
  });
  it('begins days at midnight of the city', () => {
    const midnight = Date.UTC(2026, 10, 21, 17);
    expect(beginOf(midnight + 5 * HOUR_MS, windowsFor(8760 * HOUR_MS))).toBe(midnight);
    expect(beginOf(midnight - 1, windowsFor(8760 * HOUR_MS))).toBe(midnight - DAY_MS);
    expect(beginOf(midnight + 119 * MINUTE_MS, windowsFor(720 * HOUR_MS))).toBe(midnight);
  });
  it('calls a stretch a gap when windows longer than three cadences are missing, not before', () => {
    const gap = gapOf(180_000, 30);
    const broken = (dt: number) => columns([[0, 1, 0], [dt, 2, 0]], gap)[0].length === 3;
    expect(broken(180_000)).toBe(false);
    expect(broken(360_000)).toBe(true);
    // Twenty minutes of silence are no gap where a reading comes each quarter of an hour.
    expect(gapOf(20 * MINUTE_MS, 900)).toBeGreaterThan(40 * MINUTE_MS);
    expect(gapOf(0, 60)).toBe(180_000);
  });
  it('takes the windows that are kept when they are wider than those asked for', () => {
    expect(widest({ step: 20 * MINUTE_MS, offset: 0 }, 'hour')).toBe(HOUR_MS);
    expect(widest({ step: DAY_MS, offset: 0 }, 'hour')).toBe(DAY_MS);
    expect(widest(null, 'raw')).toBe(0);
  });
});

describe('the band', () => {
  it('joins mean, least and greatest by the time of the window', () => {
    const joined = banded(answer([[0, 5, 0], [10, 6, 1], [20, 7, 0]]), answer([[0, 1, 0], [20, 2, 0]]), answer([[0, 9, 0], [10, 8, 0]]));
    expect(joined).toEqual([[0, 5, 0, 1, 9], [10, 6, 1, 6, 8], [20, 7, 0, 2, 7]]);
  });
  it('draws no mark for an uncertain window, but one for an uncertain reading', () => {
    expect(columns([[0, 5, 1]], 10)[2]).toEqual([5]);
    expect(columns([[0, 5, 1, 4, 6]], 10).map((c) => c[0])).toEqual([0, 5, null, 4, 6]);
  });
  it('replaces the end and keeps what came before', () => {
    expect(spliced([[0, 1, 0], [10, 2, 0], [20, 3, 0]], [[10, 7, 0], [20, 8, 0], [30, 9, 0]], 10).map((s) => s[1])).toEqual([1, 7, 8, 9]);
  });
  it('finds the values that no line shows', () => {
    expect(alone([1, null, 2, 3, null, 4])).toEqual([0, 5]);
  });
});
