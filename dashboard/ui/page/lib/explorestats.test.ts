import { describe, expect, it } from 'vitest';
import { headOf, joined } from './explorecsv';
import { limitsOf, watching } from './explorelimits';
import { aligned, lonely } from './explorealign';
import { drawn, fixed, LONGEST, panned, SHORTEST, zoomed } from './explorespan';
import { sideBySide, stats, valueAt, type Counted } from './explorestats';
import type { Rule, Threshold } from './model';

const M = 60_000;
const point = (t: number, v: number, q = 0, n = 1): Counted => ({ sample: [t, v, q], n });

describe('figures of a series', () => {
  it('weighs windows by the readings in them and leaves bad readings out', () => {
    const s = stats([point(0, 10, 0, 3), point(M, 20, 0, 1), point(2 * M, 900, 2)], { from: 0, to: 3 * M }, M, 4 * M, 3 * M);
    expect(s).toMatchObject({ min: 10, max: 20, mean: 12.5, last: 20, count: 4, gaps: 0 });
  });
  it('counts silence at the begin, within and at the end as gaps, but not the future', () => {
    const span = { from: 0, to: 100 * M };
    expect(stats([point(40 * M, 1), point(41 * M, 1)], span, 0, 3 * M, 50 * M).gaps).toBeCloseTo(49 / 50);
    expect(stats([], span, 0, 3 * M, 50 * M).gaps).toBe(1);
    const each = Array.from({ length: 100 }, (_, i) => point(i * M, 1));
    expect(stats(each, span, 0, 3 * M, 200 * M).gaps).toBe(0);
    expect(stats(each.filter((_, i) => i < 50 || i >= 75), span, 0, 3 * M, 200 * M).gaps).toBeCloseTo(0.26);
  });
  it('takes least and greatest of a window from its bounds', () => {
    expect(stats([{ sample: [0, 5, 0, 1, 9], n: 2 }], { from: 0, to: M }, M, 4 * M, M)).toMatchObject({ min: 1, max: 9, mean: 5 });
  });
  it('says no value under the cursor in a gap', () => {
    const points = [point(0, 1), point(M, 2), point(60 * M, 3)];
    expect(valueAt(points, M + 1000, 3 * M)?.[1]).toBe(2);
    expect(valueAt(points, 30 * M, 3 * M)).toBeNull();
  });
  it('puts series side by side, newest first, without values where there are none', () => {
    const rows = sideBySide([[point(0, 1), point(M, 2)], [point(M, 7)]], { from: 0, to: 2 * M });
    expect(rows.map((r) => [r.at, ...r.values.map((v) => v?.[1] ?? null)])).toEqual([[M, 2, 7], [0, 1, null]]);
  });
});

describe('curves on one axis', () => {
  const curve = (points: [number, number, number?][], gap: number, shift = 0) => ({ points: points.map(([t, v, q]) => [t, v, q ?? 0] as const), gap, shift });
  it('are broken in their own gaps over all times of the others, and nowhere else', () => {
    const [x, a, b] = aligned([curve([[0, 1], [1000, 2], [9000, 3]], 3000), curve([[500, 5], [1500, 6], [2500, 7], [4000, 8], [6500, 9]], 3000)]);
    const inside = x.flatMap((s, i) => (s > 1 && s < 9 ? [a?.[i]] : []));
    expect(inside.length).toBeGreaterThan(3);
    expect(inside.every((v) => v === null)).toBe(true);
    expect(b?.filter((v) => v === null)).toEqual([]);
    expect(a?.[x.indexOf(0.5)]).toBeUndefined();
  });
  it('of the past are drawn later, and break at bad readings', () => {
    const [x, a] = aligned([curve([[0, 1], [1000, 2, 2], [2000, 3]], 5000, 10_000)]);
    expect([x, a]).toEqual([[10, 11, 12], [1, null, 3]]);
  });
  it('show values that have no neighbour as dots, also between times of others', () => {
    expect(lonely([1, undefined, null, undefined, 4, undefined, null, 5, undefined, 6])).toEqual([0, 4]);
    expect(lonely([undefined, 3])).toEqual([1]);
  });
});

describe('the span', () => {
  const span = { from: 1000 * M, to: 1100 * M };
  it('keeps its middle when it is zoomed, and its length when it is moved', () => {
    expect(zoomed(span, 0.5, 9999 * M)).toEqual({ from: 1025 * M, to: 1075 * M });
    expect(panned(span, -0.5, 9999 * M)).toEqual({ from: 950 * M, to: 1050 * M });
  });
  it('does not go beyond now, below a minute, or beyond what is kept', () => {
    expect(panned(span, 0.5, 1110 * M)).toEqual({ from: 1010 * M, to: 1110 * M });
    expect(zoomed({ from: 0, to: SHORTEST }, 0.1, 9999 * M).to - zoomed({ from: 0, to: SHORTEST }, 0.1, 9999 * M).from).toBe(SHORTEST);
    const far = zoomed(span, 1e9, 9999 * M);
    expect(far.to - far.from).toBe(LONGEST);
  });
  it('is what was drawn in either direction, and nothing of a click', () => {
    expect(drawn(5 * M, 2 * M)).toEqual({ from: 2 * M, to: 5 * M });
    expect(drawn(5 * M, 5 * M + 10)).toBeNull();
  });
  it('of an address is taken when it can be', () => {
    expect(fixed(M, 5 * M)).toEqual({ from: M, to: 5 * M });
    for (const [from, to] of [[0, 5 * M], [5 * M, M], [M, M + 1], [M, 2 * LONGEST]] as const) expect(fixed(from, to)).toBeNull();
  });
});

describe('limits of rules', () => {
  const rule = (id: string, source: string): Rule => ({ id, source, kind: 'threshold', service: 'air', name: { vi: id, en: id }, file: '', line: 1 });
  const limit = (id: string, value: number | null, unit: string, by: Record<string, number> = {}): Threshold => ({ id, value, unit, by_device: by, source: '', effective: '', note: null });
  const rules = [rule('a', 'property: pm25\nraise: "> air.pm25_24h"'), rule('b', 'property: noise\nraise: "> air.noise_day"'), rule('c', 'property: pm25\nraise: "> air.pm25_hour"')];
  const limits = [limit('air.pm25_24h', 45, 'µg/m³'), limit('air.noise_day', 70, 'dBA'), limit('air.pm25_hour', null, 'µg/m³', { x: 30 })];
  it('are those that rules about the quantity name, with the device’s own value', () => {
    const of = (id: string) => limitsOf(rules, limits, { id, service: 'air' }, { id: 'pm25', unit: 'µg/m³' }).map((l) => [l.id, l.value]);
    expect(of('x')).toEqual([['air.pm25_hour', 30], ['air.pm25_24h', 45]]);
    expect(of('y')).toEqual([['air.pm25_24h', 45]]);
  });
  it('of other services and quantities are none', () => {
    expect(limitsOf(rules, limits, { id: 'x', service: 'water' }, { id: 'pm25', unit: 'µg/m³' })).toEqual([]);
    expect(watching(rules, { service: 'air', properties: ['noise'] }).map((r) => r.id)).toEqual(['b']);
  });
});

describe('the file', () => {
  it('has one mark of its encoding, the head first, and the names of the columns once', () => {
    expect(joined('"Zone","+7"\r\n', ['\uFEFFa,b\r\n1,2\r\n', '\uFEFFa,b\r\n3,4\r\n'])).toBe('\uFEFF"Zone","+7"\r\n\r\na,b\r\n1,2\r\n3,4\r\n');
  });
  it('never holds a formula in its head', () => {
    expect(headOf([['Series', '=cmd|"x"']])).toBe('"Series","\'=cmd|""x"""\r\n');
  });
});
