import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { metres, nearest } from './near';
import { DeviceTable } from './devices';
import type { Device, HistoryAnswer } from './model';
import { meanOf, sample, spark } from './spark';
import { Trends, TREND_KEPT_MS, TREND_STEP_MS, type Trend } from './trends.svelte';

const answer = (points: [number, number, number][]): HistoryAnswer => ({ device: 'd', property: 'p', unit: '', step: TREND_STEP_MS, agg: 'mean', truncated: false, points });
const trend = (points: [number, number][], from = 0, to = 10): Trend => ({ points, from, to });

describe('trends', () => {
  const asked: string[] = [];
  let now = 1_000_000_000;
  let busy = false;
  let who = 'lan';
  let most = 0;
  let open = 0;
  const book = () => new Trends({
    read: async (q) => {
      asked.push(`${q.device}:${q.property}`);
      most = Math.max(most, ++open);
      await new Promise((done) => setTimeout(done, 50));
      open -= 1;
      if (q.device === 'bad') throw new Error('no');
      return answer([[q.from, 1, 0], [q.from + q.step, 2, 0]]);
    },
    now: () => now, busy: () => busy, who: () => who,
  });
  beforeEach(() => {
    vi.useFakeTimers();
    asked.length = 0;
    [busy, who, most, open] = [false, 'lan', 0, 0];
  });
  afterEach(() => { vi.useRealTimers(); });

  it('asks for one series after the other, and once for what is wanted twice', async () => {
    const t = book();
    for (const d of ['a', 'b', 'a', 'c']) t.want(d, 'p');
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toEqual(['a:p', 'b:p', 'c:p']);
    expect(most).toBe(1);
    expect(t.get('a', 'p')?.points.length).toBe(2);
    expect(t.get('x', 'p')).toBe(undefined);
  });
  it('keeps an answer for five minutes', async () => {
    const t = book();
    t.want('a', 'p');
    await vi.advanceTimersByTimeAsync(1000);
    now += TREND_KEPT_MS - 1;
    t.want('a', 'p');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked.length).toBe(1);
    now += 1;
    t.want('a', 'p');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked.length).toBe(2);
  });
  it('waits while something else is read, and then goes on', async () => {
    const t = book();
    busy = true;
    t.want('a', 'p');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toEqual([]);
    busy = false;
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual(['a:p']);
  });
  it('does not show one person what another one read', async () => {
    const t = book();
    t.want('a', 'p');
    await vi.advanceTimersByTimeAsync(1000);
    who = 'tran';
    t.want('b', 'p');
    expect(t.get('a', 'p')).toBe(undefined);
  });
  it('goes on after a failure', async () => {
    const t = book();
    t.want('bad', 'p');
    t.want('a', 'p');
    await vi.advanceTimersByTimeAsync(5000);
    expect(t.get('bad', 'p')).toBe(null);
    expect(t.get('a', 'p')).toBeTruthy();
  });
});

describe('sparks', () => {
  it('break where windows are missing', () => {
    const s = spark(trend([[0, 1], [1, 2], [5, 3], [6, 1]]), 1);
    expect(s?.path.match(/M/g)?.length).toBe(2);
    expect([s?.low, s?.high, s?.last]).toEqual([1, 3, 1]);
  });
  it('need two points, and draw a flat line in the middle', () => {
    expect(spark(trend([[0, 1]]), 1)).toBe(null);
    expect(spark(trend([[0, 4], [1, 4]]), 1)?.path).toBe('M5.0 10.0L15.0 10.0');
  });
  it('take the mean of the stations that have a value', () => {
    expect(meanOf([trend([[0, 1], [1, 3]]), trend([[1, 5]])])?.points).toEqual([[0, 1], [1, 4]]);
    expect(meanOf([])).toBe(null);
  });
  it('sample evenly and always alike', () => {
    expect(sample([1, 2, 3], 5)).toEqual([1, 2, 3]);
    expect(sample([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 3)).toEqual([0, 3, 6]);
  });
});

describe('neighbours', () => {
  const device = (idx: number, id: string, lat: number | null, more: Partial<Device> = {}): Device => ({ idx, id, name: { vi: id, en: id }, kind: 'k', service: 'air', area: 'w', lat, lon: 108.2, properties: ['pm25'], cadence_s: 60, configured: true, ...more });
  it('are of the same service and ward, the nearest first', () => {
    const table = new DeviceTable();
    table.setList([device(0, 'own', 16), device(1, 'far', 16.02), device(2, 'near', 16.001), device(3, 'river', 16, { service: 'river' }), device(4, 'other', 16, { area: 'x' }), device(5, 'nowhere', null)], 1, (a) => a);
    expect(nearest(table, 0, 5).map((n) => table.list[n.index]?.id)).toEqual(['near', 'far']);
    expect(nearest(table, 5, 5)).toEqual([]);
  });
  it('are metres away', () => {
    expect(metres(16, 108.2, 16.001, 108.2)).toBeCloseTo(111.2, 0);
  });
});
