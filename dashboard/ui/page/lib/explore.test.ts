import { describe, expect, it } from 'vitest';
import { MOST, parseSeries, printSeries, toggled } from './explore';

describe('compared series', () => {
  it('stand in the address, also of devices with colons in their names', () => {
    const all = [{ device: 'a:b', property: 'pm25' }, { device: 'c', property: 'no2' }];
    expect(parseSeries(printSeries(all))).toEqual(all);
  });
  it('leaves out what is none, doubles, and what is too much', () => {
    expect(parseSeries('')).toEqual([]);
    expect(parseSeries('x,:y,z:,a:b,a:b')).toEqual([{ device: 'a', property: 'b' }]);
    expect(parseSeries(Array.from({ length: 20 }, (_, i) => `d${i}:p`).join(','))).toHaveLength(MOST);
  });
  it('come and go', () => {
    const one = { device: 'a', property: 'p' };
    expect(toggled([], one)).toEqual([one]);
    expect(toggled([one], one)).toEqual([]);
    const full = parseSeries(Array.from({ length: MOST }, (_, i) => `d${i}:p`).join(','));
    expect(toggled(full, one)).toEqual(full);
  });
});
