import { describe, expect, it } from 'vitest';
import { group, sum } from './cluster';
import { escapable, escape } from './escape';
import { narrowed, parseLayers, printLayers } from './layers';
import { stand } from './mappop';

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
    expect(stand(150, 0, { w: 280, h: 150 }, { w: 300, h: 400 }, 16)).toEqual({ left: 12, top: 8 });
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
