import { describe, expect, it } from 'vitest';
import { untilNight } from './night';

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
