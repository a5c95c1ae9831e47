import { describe, expect, it } from 'vitest';
import { group, sum } from './cluster';
import { escapable, escape } from './escape';
import { zoneNames } from './geo';
import { narrowed, parseLayers, printLayers, zoneRules } from './layers';
import { DeviceTable } from './devices';
import { nearestTo } from './near';
import type { Device, Rule } from './model';
import { lift, stand } from './mappop';

describe('groups of devices', () => {
  const at = (...points: [number, number][]) => [Float64Array.from(points.map((p) => p[0])), Float64Array.from(points.map((p) => p[1]))] as const;
  const all = () => true;

  it('takes together what is nearer than the radius, also over the edge of a cell', () => {
    const [x, y] = at([9.9, 0], [10.1, 0], [40, 0]);
    expect(group(x, y, 10, all).map((g) => g.members)).toEqual([[0, 1], [2]]);
  });
  it('keeps marks at least a radius apart, and each device in exactly one', () => {
    const points: [number, number][] = Array.from({ length: 400 }, (_, i) => [(i * 37) % 101, (i * 61) % 97]);
    const [x, y] = at(...points);
    const groups = group(x, y, 8, all);
    expect(groups.flatMap((g) => g.members).sort((a, b) => a - b)).toEqual(points.map((_, i) => i));
    for (const a of groups) for (const b of groups) if (a !== b) expect(Math.hypot((x[a.at] as number) - (x[b.at] as number), (y[a.at] as number) - (y[b.at] as number))).toBeGreaterThanOrEqual(8);
  });
  it('leaves out what has no place or is not shown', () => {
    const [x, y] = at([NaN, NaN], [1, 1], [2, 2]);
    expect(group(x, y, 10, (i) => i !== 2)).toEqual([{ at: 1, members: [1] }]);
  });
  it('is as bad as its worst member; silent members do not count as sending', () => {
    // state in the lowest three bits, severity above
    expect(sum(Uint8Array.of(1, 1 | (4 << 3), 2 | (2 << 3)), [0, 1, 2])).toEqual({ worst: 4, alarms: 2, live: 2 });
    expect(sum(Uint8Array.of(1, 2), [1])).toEqual({ worst: 0, alarms: 0, live: 0 });
  });
});

describe('layers in the address', () => {
  it('are empty when all is as usual, and come back as they were', () => {
    expect(printLayers(parseLayers(''))).toBe('');
    const word = 'nowards,zones,notiles,stale,only:air,only:traffic';
    expect(printLayers(parseLayers(word))).toBe(word);
    expect(narrowed(parseLayers('zones'))).toBe(false);
    expect(narrowed(parseLayers('stale'))).toBe(true);
  });
  it('leave out what they do not know', () => {
    expect(parseLayers('what,only:,only:air,only:air')).toEqual({ wards: true, zones: false, tiles: true, stale: false, services: ['air'] });
  });
});

describe('a popover', () => {
  const box = { w: 600, h: 400 };
  it('stands right of its anchor, left of it when there is no room, and always inside', () => {
    expect(stand(100, 200, { w: 200, h: 150 }, box, 16)).toEqual({ left: 116, top: 150 });
    expect(stand(500, 200, { w: 200, h: 150 }, box, 16)).toEqual({ left: 284, top: 150 });
    expect(stand(590, 399, { w: 200, h: 150 }, box, 16).top).toBe(242);
  });
  it('stands below or above its anchor on a map that is hardly wider than itself', () => {
    const phone = { w: 360, h: 400 };
    expect(stand(180, 100, { w: 300, h: 150 }, phone, 16)).toEqual({ left: 30, top: 116 });
    expect(stand(180, 300, { w: 300, h: 150 }, phone, 16)).toEqual({ left: 30, top: 134 });
    expect(stand(180, 150, { w: 300, h: 390 }, phone, 16)).toEqual({ left: 30, top: 8 });
  });
  it('asks for its anchor to go down where it would cover it, if that helps', () => {
    const phone = { w: 360, h: 400 };
    const size = { w: 300, h: 220 };
    const by = lift(180, 200, size, phone, 16);
    expect(by).toBe(176);
    expect(stand(180, 200 + by, size, phone, 16).top + size.h).toBe(200 + by - 16);
    expect(lift(180, 100, { w: 300, h: 150 }, phone, 16), 'not covered').toBe(0);
    expect(lift(180, 200, { w: 300, h: 380 }, phone, 16), 'no room for both').toBe(0);
  });
});

describe('Escape', () => {
  it('closes what was opened last, and says when there is nothing', () => {
    const closed: string[] = [];
    const first = escapable(() => closed.push('first'));
    const second = escapable(() => closed.push('second'));
    expect(escape()).toBe(true);
    second();
    escape();
    first();
    expect(escape()).toBe(false);
    expect(closed).toEqual(['second', 'first']);
  });
});

describe('zones of geofence rules', () => {
  it('are named by rules as whole words only', () => {
    const rule = (id: string, source: string) => ({ id, source }) as Rule;
    const rules = [rule('a', 'zones: [port, hospital]'), rule('b', 'zones: [port.old]'), rule('c', 'seaport')];
    expect(zoneRules(rules, 'port')).toEqual(['a']);
    expect(zoneRules(rules, 'port.old')).toEqual(['b']);
  });
  it('are none from a server that tells none', () => {
    expect(zoneNames({ type: 'FeatureCollection', features: [] })).toEqual([]);
    expect(zoneNames(null)).toEqual([]);
  });
});

describe('the devices nearest to a place', () => {
  const table = new DeviceTable();
  const device = (id: string, lat: number | null): Device => ({ idx: 0, id, name: { vi: id, en: id }, kind: 'x', service: 'air', area: 'a', lat, lon: lat === null ? null : 108, properties: [], cadence_s: 1, configured: true });
  table.setList([device('far', 17), device('none', null), device('here', 16), device('next', 16.1), device('other', 16.05)].map((d, idx) => ({ ...d, idx })), 1, (id) => id);
  const ids = (most: number, shown: (i: number) => boolean) => nearestTo(table, 16, 108, most, shown).map((n) => table.list[n.index]?.id);
  it('come the nearest first, at most so many, and only those that are shown', () => {
    expect(ids(9, () => true)).toEqual(['here', 'other', 'next', 'far']);
    expect(ids(2, () => true)).toEqual(['here', 'other']);
    expect(ids(2, (i) => i !== 2)).toEqual(['other', 'next']);
  });
});
