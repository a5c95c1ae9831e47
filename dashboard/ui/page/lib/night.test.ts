import { describe, expect, it } from 'vitest';
import { drift, turn, untilNight } from './night';

const MIN = 60_000;
describe('the nightly reload of a wall', () => {
  it('comes at three at night in the city, spread over half an hour', () => {
    const at = (iso: string) => Date.parse(iso);
    expect(untilNight(at('2026-11-22T02:59:00+07:00'), 0)).toBe(MIN);
    expect(untilNight(at('2026-11-22T03:00:00+07:00'), 0)).toBe(24 * 60 * MIN);
    expect(untilNight(at('2026-11-22T23:00:00+07:00'), 0.5)).toBe(4 * 60 * MIN + 15 * MIN);
  });
  it('never comes at once, or it would reload without end', () => {
    for (let m = 0; m < 24 * 60; m += 7) expect(untilNight(at0 + m * MIN, 0)).toBeGreaterThan(0);
  });
});
const at0 = Date.parse('2026-11-22T00:00:00+07:00');

describe('the turning of a wall', () => {
  it('depends on the time alone: after a lost hour it stands where the others stand', () => {
    const at = (s: number) => turn(s * 1000, 30_000, 3);
    expect([0, 29, 30, 60, 89, 90].map(at)).toEqual([0, 0, 1, 2, 2, 0]);
    expect(at(3600 + 30)).toBe(at(30));
  });
});

describe('the drift against burn-in', () => {
  it('moves one pixel a minute, comes back, and stays within four pixels', () => {
    const path = Array.from({ length: 17 }, (_, m) => drift(m * MIN));
    for (let m = 1; m < path.length; m++) {
      const [a, b] = [path[m - 1] as [number, number], path[m] as [number, number]];
      expect(Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1])).toBe(1);
      expect(Math.max(...b)).toBeLessThanOrEqual(4);
      expect(Math.min(...b)).toBeGreaterThanOrEqual(0);
    }
    expect(path[16]).toEqual(path[0]);
    expect(new Set(path.map(String)).size).toBe(16);
  });
});
