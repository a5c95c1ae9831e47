import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlertBook } from './alerts.svelte';
import { columns, type Sample } from './columns';
import { DeviceTable, project } from './devices';
import { inside, middle } from './polygon';
import { alert } from './testing';
import { parse, print } from './route.svelte';
import { DELTA, SNAPSHOT, type StateFrame } from './wire';
import type { Device } from './model';

describe('the alert book', () => {
  const open = (b: AlertBook) => b.open.map((r) => r.id).sort();
  const quiet = () => vi.advanceTimersByTime(500);
  beforeEach(() => { vi.useFakeTimers(); });
  afterEach(() => { vi.useRealTimers(); });

  it('upserts by id and version: an older state never replaces a newer one', () => {
    const book = new AlertBook();
    book.apply([alert('a'), alert('b')], 5, true);
    book.apply([alert('a', { ver: 3, severity: 'critical' })], 6, false);
    book.apply([alert('a', { ver: 2, severity: 'info' })], 7, false);
    expect(book.rows.get('a')?.alert.severity).toBe('critical');
    expect(book.change).toBe(7);
    expect(open(book)).toEqual(['a', 'b']);
  });

  it('takes off the list what is closed or rejected, and nothing before', () => {
    const book = new AlertBook();
    book.apply([alert('a'), alert('b'), alert('c'), alert('d')], 1, true);
    book.apply([alert('a', { ver: 2, condition: 'returned', acknowledged: true, work: 'closed' }), alert('b', { ver: 2, work: 'rejected' }), alert('c', { ver: 2, condition: 'returned' }), alert('d', { ver: 2, acknowledged: true, condition: 'returned', work: 'in_progress' })], 2, false);
    expect(open(book)).toEqual(['c', 'd']);
    expect(book.byArea.get('hai_chau')).toBeUndefined();
    expect(book.unacked[2]).toBe(1);
    expect(book.closedSince).toBe(2);
  });

  it('keeps what is held back apart, and nobody is called for it', () => {
    const book = new AlertBook();
    const held = [{ by: 'shelf' as const, until: 9, who: 'lan', reason: 'x' }];
    book.apply([alert('a'), alert('b', { held, overdue: true })], 1, true);
    expect([open(book), book.held.map((r) => r.id)]).toEqual([['a'], ['b']]);
    expect([book.unacked[2], book.overdue, book.byArea.get('hai_chau')?.count]).toEqual([1, 0, 1]);
    expect(book.apply([alert('c', { held })], 2, false)).toEqual([]);
    quiet();
    book.apply([alert('b', { ver: 2 })], 3, false);
    expect([open(book), book.held.length]).toEqual([['a', 'b'], 1]);
  });

  it('a full list removes what is not in it', () => {
    const book = new AlertBook();
    book.apply([alert('a'), alert('b')], 1, true);
    book.apply([alert('b')], 9, true);
    expect(open(book)).toEqual(['b']);
    expect(book.change).toBe(9);
  });

  it('counts by area the worst and how many', () => {
    const book = new AlertBook();
    book.apply([alert('a'), alert('b', { severity: 'emergency' }), alert('c', { area: 'son_tra' })], 1, true);
    expect(book.byArea.get('hai_chau')).toEqual({ count: 2, worst: 5 });
    expect(book.byArea.get('son_tra')).toEqual({ count: 1, worst: 2 });
  });

  it('reports as new only what was raised after the first list', () => {
    const book = new AlertBook();
    expect(book.apply([alert('a')], 1, true)).toEqual([]);
    expect(book.apply([alert('a', { ver: 2 }), alert('b')], 2, false).map((r) => r.id)).toEqual(['b']);
  });

  it('a change after a quiet while is counted at once, in a storm of them twice a second', () => {
    const book = new AlertBook();
    book.apply([alert('a')], 1, true);
    book.apply([alert('b0')], 2, false);
    expect(open(book)).toEqual(['a', 'b0']);
    const before = book.open;
    for (let i = 1; i < 50; i++) book.apply([alert(`b${i}`)], 2 + i, false);
    expect(book.open).toBe(before);
    quiet();
    expect(book.open).toHaveLength(51);
    quiet();
    book.apply([alert('c')], 60, false);
    expect(book.open).toHaveLength(52);
  });

  it('does not grow for ever', () => {
    const book = new AlertBook();
    for (let i = 0; i < 1000; i++) book.apply([alert(`a${i}`, { condition: 'returned', acknowledged: true, work: 'closed' })], i, false);
    quiet();
    expect(book.rows.size).toBeLessThanOrEqual(200);
  });
});

describe('the device table', () => {
  const device = (idx: number): Device => ({
    idx, id: `d${idx}`, name: { vi: `Đo ${idx}`, en: `Gauge ${idx}` }, kind: 'x', service: 'air', area: 'a', lat: 16, lon: 108, properties: ['pm25'], cadence_s: 60, configured: true,
  });
  const frame = (kind: 0 | 1, rows: [number, number, number, number][]): StateFrame => ({
    kind, n: rows.length, epoch: 1, seq: 2, baseMs: 1_000_000,
    idx: Uint32Array.from(rows.map((r) => r[0])), value: Float32Array.from(rows.map((r) => r[1])), dt10: Uint16Array.from(rows.map((r) => r[2])),
    status: Uint8Array.from(rows.map((r) => r[3])), quality: new Uint8Array(rows.length),
  });

  it('applies deltas to the devices they name and keeps state when the list grows', () => {
    const t = new DeviceTable();
    t.setList([device(0), device(1)], 1, () => '');
    t.apply(frame(SNAPSHOT, [[0, 1.5, 100, 1], [1, 2.5, 0, 1]]));
    t.setList([device(0), device(1), device(2)], 2, () => '');
    t.apply(frame(DELTA, [[1, 9, 0, 2 | (4 << 3)]]));
    expect([...t.value]).toEqual([1.5, 9, NaN]);
    expect(t.time[0]).toBe(999_000);
    expect(t.severity(1)).toBe(4);
    expect(t.fresh()).toEqual({ live: 1, all: 3 });
  });

  it('a snapshot forgets what it does not name', () => {
    const t = new DeviceTable();
    t.setList([device(0), device(1)], 1, () => '');
    t.apply(frame(SNAPSHOT, [[0, 1, 0, 1], [1, 2, 0, 1]]));
    t.apply(frame(SNAPSHOT, [[0, 1, 0, 1]]));
    expect(t.fresh()).toEqual({ live: 1, all: 2 });
    expect(t.value[1]).toBeNaN();
  });

  it('says when rows came for devices that it does not know', () => {
    const t = new DeviceTable();
    t.setList([device(0)], 1, () => '');
    expect(t.apply(frame(DELTA, [[5, 1, 0, 1], [0, 3, 0, 1]]))).toBe(false);
    expect(t.value[0]).toBe(3);
  });

  it('knows devices by their index, which has gaps for who sees a part of the city', () => {
    const t = new DeviceTable();
    const touched: (number[] | null)[] = [];
    t.listen((at) => touched.push(at === null ? null : [...at]));
    t.setList([device(3), device(7)], 1, () => '');
    t.apply(frame(SNAPSHOT, [[3, 1.5, 0, 1], [7, 2.5, 0, 1]]));
    t.apply(frame(DELTA, [[7, 9, 0, 1], [5, 4, 0, 1]]));
    expect(touched.at(-1)).toEqual([1]);
    expect([...t.value]).toEqual([1.5, 9]);
    t.setList([device(5), device(7)], 2, () => '');
    expect([...t.value]).toEqual([4, 9]);
    t.setList([device(3), device(5)], 3, () => '');
    expect([...t.value]).toEqual([NaN, 4]);
  });

  it('keeps the exact time of an old reading when the age on the wire saturates', () => {
    const t = new DeviceTable();
    t.setList([device(0)], 1, () => '');
    t.apply(frame(DELTA, [[0, 1, 100, 1]]));
    const late = frame(DELTA, [[0, 1, 65_535, 2]]);
    t.apply({ ...late, baseMs: 5_000_000 });
    expect(t.time[0]).toBe(999_000);
  });

  it('projects as Web Mercator does', () => {
    expect(project(0, 0)).toEqual([128, 128]);
    const [x, y] = project(108.2, 16.05);
    expect(x).toBeCloseTo(204.942, 3);
    expect(y).toBeCloseTo(116.434402, 5);
  });
});

describe('the URL', () => {
  it('holds the whole view', () => {
    const view = { ...parse('/', '', 'vi'), lang: 'en' as const, sev: 4, service: 'air', area: 'hai_chau', unacked: true, sort: 'time' as const, group: 'incident' as const, state: 'RTNUN', mine: true, overdue: true, tab: 'held' as const, screen: 'kpi' as const, span: 168, q: 'điện biên & phủ', device: 'd:1', prop: 'pm25', hours: 6, map: '16.06,108.2,12.5' };
    expect(parse('/', print(view), 'vi')).toEqual(view);
  });
  it('takes nonsense as the default', () => {
    expect(parse('/', '?sev=99&hours=-1&sort=x&lang=fr&state=x&tab=x&group=x&screen=x&span=5', 'vi')).toEqual(parse('/', '', 'vi'));
  });
  it('a wall has a path, a view and a turn of its own', () => {
    const wall = parse('/wall', '?view=map&rotate=30&lang=en', 'vi');
    expect([wall.wall, wall.rotate]).toEqual(['map', 30]);
    expect(print(wall)).toBe('?view=map&rotate=30&lang=en');
    expect(parse('/wall', '?view=x&rotate=1', 'vi')).toMatchObject({ wall: 'overview', rotate: 5 });
    expect(parse('/', '?view=map&rotate=-3', 'vi')).toMatchObject({ wall: '', rotate: 0 });
  });
  it('opens a screen by its own path', () => {
    expect(parse('/kpi', '', 'vi').screen).toBe('kpi');
    expect(parse('/', '', 'vi', 'light').theme).toBe('light');
    expect(parse('/', '?theme=dark', 'vi', 'light').theme).toBe('dark');
    expect(parse('/shift', '?screen=kpi', 'vi').screen).toBe('shift');
  });
  it('opens one alert by its own path', () => {
    expect(parse('/a/0123abcd', '', 'vi').alert).toBe('0123abcd');
    expect(parse('/a/%3Cscript%3E', '', 'vi').alert).toBe('');
  });
});

describe('chart columns', () => {
  it('break the line where readings are missing', () => {
    const points: Sample[] = [[0, 1, 0], [1000, 2, 0], [60_000, 3, 0]];
    const [x, good] = columns(points, 5000);
    expect(x).toEqual([0, 1, 30.5, 60]);
    expect(good).toEqual([1, 2, null, 3]);
  });
  it('keep readings of bad quality out of the line', () => {
    const [, good, other] = columns([[0, 1, 0], [1000, 99, 2], [2000, 2, 1]], 5000);
    expect(good).toEqual([1, null, 2]);
    expect(other).toEqual([null, 99, 2]);
  });
});

describe('polygons', () => {
  const bow: [number, number][] = [[0, 0], [10, 0], [10, 10], [0, 10]];
  const hole: [number, number][] = [[4, 4], [6, 4], [6, 6], [4, 6]];
  it('know inside from outside, holes too', () => {
    expect(inside([bow, hole], 1, 1)).toBe(true);
    expect(inside([bow, hole], 5, 5)).toBe(false);
    expect(inside([bow, hole], 11, 5)).toBe(false);
  });
  it('put a label inside a shape whose centroid is outside', () => {
    const u: [number, number][] = [[0, 0], [10, 0], [10, 10], [9, 10], [9, 1], [1, 1], [1, 10], [0, 10]];
    const [x, y] = middle(u);
    expect(inside([u], x, y)).toBe(true);
  });
});
