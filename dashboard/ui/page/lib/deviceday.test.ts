import { describe, expect, it } from 'vitest';
import { kept } from './deviceday';

describe('a day of a device', () => {
  it('counts what came, how much of it was good, how often, and the longest silence, also at both ends', () => {
    expect(kept([[10, 1, 0], [20, 1, 0], [30, 1, 1], [90, 1, 2], [100, 1, 0]], 0, 110)).toEqual({ readings: 5, good: 3 / 5, every: 10, silence: 60 });
    expect(kept([[10, 1, 0]], 0, 110)).toEqual({ readings: 1, good: 1, every: null, silence: 100 });
    expect(kept([[90, 1, 0]], 0, 110)?.silence).toBe(90);
  });
  it('is nothing where nothing came, and what is outside does not count', () => {
    expect(kept([], 0, 10)).toBeNull();
    expect(kept([[20, 1, 0]], 0, 10)).toBeNull();
  });
});
