import { describe, expect, it } from 'vitest';
import { ApiError, newKey, resend } from './api';
import { detailTexts } from './auditline';
import { behind, merge, type Source } from './closed';
import { countdown, due } from './clocks';
import { fits, type Filter } from './filter';
import { build, emptyForm, type Form } from './form';
import { lines } from './grouping';
import { isListed, isOpen, namesVersion, type RowResult } from './life';
import { summarise } from './outcome';
import { withField } from './ruletext';
import { all, group, NONE, only, range, toggle } from './selection';
import { fromLocal, toLocal, until, wrong } from './shelf';
import { alert } from './testing';

const shown = ['a', 'b', 'c', 'd', 'e'];
const held = { by: 'shelf' as const, until: 9, who: 'lan', reason: 'x' };

describe('the selection', () => {
  it('takes a row in and out', () => {
    const one = toggle(NONE, 'b');
    expect([...one.ids]).toEqual(['b']);
    expect(toggle(one, 'b').ids.size).toBe(0);
    expect(NONE.ids.size).toBe(0);
  });
  it('takes a range in either direction from the row that was selected last, and adds to it', () => {
    expect([...range(toggle(NONE, 'b'), 'd', shown).ids]).toEqual(['b', 'c', 'd']);
    const back = range(toggle(toggle(NONE, 'e'), 'c'), 'a', shown);
    expect([...back.ids].sort()).toEqual(['a', 'b', 'c', 'e']);
    // The anchor stays: a second range starts at the same row.
    expect([...range(back, 'd', shown).ids].sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
  it('without an anchor on the screen selects only the row', () => {
    expect([...range(toggle(NONE, 'gone'), 'c', shown).ids].sort()).toEqual(['c', 'gone']);
  });
  it('takes all in the filter, and nothing the second time', () => {
    const every = all(NONE, shown);
    expect([...every.ids]).toEqual(shown);
    expect(all(every, shown).ids.size).toBe(0);
  });
  it('never holds more than one request may name', () => {
    const many = Array.from({ length: 12_000 }, (_, i) => `${i}`);
    expect(all(NONE, many).ids.size).toBe(10_000);
    expect(toggle(all(NONE, many), 'one-more').ids.size).toBe(10_000);
    expect(range(toggle(NONE, '0'), '11999', many).ids.size).toBe(10_000);
  });
  it('takes a group in as a whole', () => {
    const some = group(toggle(NONE, 'b'), ['b', 'c']);
    expect([...some.ids].sort()).toEqual(['b', 'c']);
    expect(group(some, ['b', 'c']).ids.size).toBe(0);
    expect([...only(['d']).ids]).toEqual(['d']);
  });
});

describe('what is on the list', () => {
  it('is open until the work is closed or rejected, whatever the condition', () => {
    expect(isOpen(alert('a', { condition: 'returned', acknowledged: true, work: 'resolved' }))).toBe(true);
    expect(isOpen(alert('a', { work: 'closed' }))).toBe(false);
    expect(isOpen(alert('a', { work: 'rejected' }))).toBe(false);
  });
  it('is listed when nothing holds it back', () => {
    expect(isListed(alert('a'))).toBe(true);
    expect(isListed(alert('a', { held: [] }))).toBe(true);
    expect(isListed(alert('a', { held: [held] }))).toBe(false);
  });
  it('fits each part of the filter', () => {
    const none: Filter = { sev: 1, service: '', area: '', unacked: false, state: '', mine: false, overdue: false, q: '' };
    const a = alert('a', { severity: 'major', work: 'assigned', state: 'ACKED', acknowledged: true, acknowledged_by: 'lan', overdue: true, assignee: { kind: 'person', name: 'minh' } });
    const fit = (f: Partial<Filter>, user = 'lan') => fits(a, 'ngap duong hai chau', { ...none, ...f }, user);
    expect(fit({})).toBe(true);
    expect([fit({ sev: 3 }), fit({ sev: 4 })]).toEqual([true, false]);
    expect([fit({ service: 'air' }), fit({ service: 'fire' })]).toEqual([true, false]);
    expect([fit({ area: 'hai_chau' }), fit({ area: 'son_tra' })]).toEqual([true, false]);
    expect(fit({ unacked: true })).toBe(false);
    expect([fit({ state: 'ACKED' }), fit({ state: 'assigned' }), fit({ state: 'UNACK' })]).toEqual([true, true, false]);
    expect([fit({ overdue: true }), fit({ q: 'hai chau ngap' }), fit({ q: 'son tra' })]).toEqual([true, true, false]);
    // It was given to Minh: it is no longer Lan's.
    expect([fit({ mine: true }), fit({ mine: true }, 'minh')]).toEqual([false, true]);
  });
  it('names a version where the sense depends on the state that was seen', () => {
    expect([namesVersion('close'), namesVersion('shelve'), namesVersion('acknowledge'), namesVersion('comment')]).toEqual([true, true, false, false]);
  });
});

describe('groups', () => {
  const sorted = [
    alert('w', { severity: 'critical', incident: 'i1' }), alert('x', { incident: 'i2', area: 'son_tra' }),
    alert('r', { incident: 'i1', acknowledged: true, overdue: true }), alert('y', { incident: 'i1', severity: 'info' }),
  ];
  it('stand where their first alert would, the root first, one alone is no group', () => {
    const got = lines(sorted, 'incident', new Set(), (key) => (key === 'i:i1' ? 'r' : undefined));
    expect(got).toEqual([
      { kind: 'group', key: 'i:i1', root: 'r', members: ['r', 'w', 'y'], worst: 4, unacked: 2, overdue: 1, open: false },
      { kind: 'alert', key: 'x', id: 'x', member: false },
    ]);
  });
  it('show their members when they are open', () => {
    const got = lines(sorted, 'incident', new Set(['i:i1']), () => undefined);
    expect(got.map((l) => l.key)).toEqual(['i:i1', 'i:i1|w', 'i:i1|r', 'i:i1|y', 'x']);
  });
  it('in a flood are of one ward and one service', () => {
    const got = lines(sorted, 'place', new Set(), () => undefined);
    expect(got.map((l) => l.key)).toEqual(['p:hai_chau/air', 'x']);
  });
  it('an alert without an incident stands for itself', () => {
    expect(lines([alert('a'), alert('b')], 'incident', new Set(), () => undefined)).toHaveLength(2);
    expect(lines(sorted, 'none', new Set(), () => undefined)).toHaveLength(4);
  });
});

describe('clocks', () => {
  it('run to the acknowledgement first, then to the resolution', () => {
    const a = alert('a', { raised_at: 0, ack_due: 300_000, resolve_due: 3_600_000 });
    expect(due(a, 100_000)).toEqual({ what: 'ack', at: 300_000, left: 200_000, mood: 'calm' });
    expect(due(a, 240_000)?.mood).toBe('soon');
    expect(due(a, 301_000)).toMatchObject({ left: -1000, mood: 'over' });
    expect(due({ ...a, acknowledged: true }, 301_000)).toMatchObject({ what: 'resolve', mood: 'calm' });
    expect(due({ ...a, work: 'resolved' }, 0)).toBeNull();
    expect(due({ ...a, work: 'closed' }, 0)).toBeNull();
    expect(due(alert('b'), 0)).toBeNull();
  });
  it('count an undo down to the last second', () => {
    expect([10_000, 9_999, 1, 0, -5].map((left) => countdown(50_000 + left, 50_000))).toEqual([10, 10, 1, 0, 0]);
  });
});

describe('shelving', () => {
  const at = (text: string) => Date.parse(`${text}+07:00`);
  it('until tomorrow is 07:00 of the next day in the city, also after midnight and in UTC evening', () => {
    expect(until('tomorrow', at('2026-11-22T23:59:00'))).toBe(at('2026-11-23T07:00:00'));
    expect(until('tomorrow', at('2026-11-23T00:01:00'))).toBe(at('2026-11-24T07:00:00'));
    expect(until('15m', 1000)).toBe(901_000);
    expect(until('4h', 0)).toBe(14_400_000);
  });
  it('reads local times of the city and refuses nonsense', () => {
    expect(fromLocal('2026-11-22T08:05')).toBe(at('2026-11-22T08:05:00'));
    expect(toLocal(at('2026-11-22T08:05:00'))).toBe('2026-11-22T08:05');
    expect([fromLocal(''), fromLocal('2026-02-30T08:05'), fromLocal('22/11/2026')]).toEqual([null, null, null]);
  });
  it('refuses the past and what is longer than allowed', () => {
    expect([wrong(null, 0, null), wrong(5, 5, null), wrong(6, 5, null)]).toEqual(['past', 'past', null]);
    expect([wrong(43_200_000, 0, 43_200_000), wrong(43_300_000, 0, 43_200_000)]).toEqual([null, 'long']);
  });
});

describe('the result of a request', () => {
  const no = (id: string, code: 'already_done' | 'conflict', by: string | null, at: number | null): RowResult => ({ alert: id, row: null, refused: { code, message: '', by, at } });
  it('counts what was done and gives the reasons with who was newest', () => {
    const s = summarise([
      { alert: 'a', row: alert('a'), refused: null }, no('b', 'already_done', 'lan', 10), no('c', 'already_done', 'minh', 30), no('d', 'conflict', null, null),
    ]);
    expect(s).toEqual({
      done: 1, refused: ['b', 'c', 'd'], retry: ['d'],
      reasons: [{ code: 'already_done', n: 2, by: 'minh', at: 30 }, { code: 'conflict', n: 1, by: null, at: null }],
    });
  });
});

describe('closed alerts', () => {
  const rows = (...at: number[]) => at.map((n) => alert(`${n}`, { raised_at: n, work: 'closed' }));
  it('of two sources stand in one order, down to where both have been read', () => {
    const a: Source = { rows: rows(90, 70, 50), next: 'x', done: false };
    const b: Source = { rows: rows(80, 10), next: null, done: true };
    expect(merge([a, b]).map((r) => r.raised_at)).toEqual([90, 80, 70, 50]);
    expect(behind([a, b])).toBe(0);
    expect(behind([{ ...a, done: true }, b])).toBe(-1);
    expect(merge([{ ...a, done: true }, b]).map((r) => r.raised_at)).toEqual([90, 80, 70, 50, 10]);
    expect(merge([{ rows: [], next: null, done: false }, b])).toEqual([]);
  });
});

describe('a rule for a backtest', () => {
  const rule = 'id: t.slow\nfor: 10m\nname:\n  vi: "a"\nlevels:\n  - severity: minor\n    for: 1m\ntests:\n  - readings:\n      - { at: 0s }\n    expect: []\n';
  it('has the field changed at its top level only, and no tests of the old value', () => {
    expect(withField(rule, 'for', '2m')).toBe('id: t.slow\nfor: 2m\nname:\n  vi: "a"\nlevels:\n  - severity: minor\n    for: 1m\n');
    expect(withField(rule, 'clear_for', '5m')).toMatch(/for: 1m\nclear_for: 5m\n$/);
  });
  it('takes a list of one, and refuses what could be more than a value', () => {
    expect(withField('- id: a\n  for: 1m\n  kind: x\n', 'for', '2m')).toBe('id: a\nfor: 2m\nkind: x\n');
    expect(withField(rule, 'for', '2m\nmode: off')).toBeNull();
    expect(withField('nothing', 'for', '2m')).toBeNull();
  });
});

describe('the dialog', () => {
  const form = (more: Partial<Form>) => ({ ...emptyForm(), ...more });
  it('asks for a reason where one is required, and blanks are none', () => {
    expect(build('shelve', form({ reason: '  ' }), 0, null)).toEqual({ faults: { reason: 'missing' } });
    expect(build('reject', form({}), 0, null)).toEqual({ faults: { reason: 'missing' } });
    expect(build('shelve', form({ reason: ' bảo trì ' }), 1000, null)).toEqual({ action: { action: 'shelve', until: 3_601_000, reason: 'bảo trì' } });
  });
  it('leaves out a note that says nothing', () => {
    expect(build('acknowledge', form({ note: ' ' }), 0, null)).toEqual({ action: { action: 'acknowledge' } });
    expect(build('close', form({ note: 'x' }), 0, null)).toEqual({ action: { action: 'close', note: 'x' } });
  });
  it('takes no address that a browser would run', () => {
    const link = (url: string) => build('link', form({ url, title: 'x' }), 0, null);
    expect(link('https://a.vn/x')).toHaveProperty('action');
    expect(link('/a/12')).toHaveProperty('action');
    for (const bad of ['javascript:alert(1)', '//evil.example', 'data:text/html,x', 'ftp://x', 'a b']) expect(link(bad), bad).toEqual({ faults: { url: 'bad_url' } });
  });
  it('refuses a shelf beyond the maximum', () => {
    expect(build('shelve', form({ reason: 'x', preset: '4h' }), 0, 3_600_000)).toEqual({ faults: { until: 'long' } });
    expect(build('shelve', form({ reason: 'x', preset: 'custom', custom: '' }), 0, null)).toEqual({ faults: { until: 'past' } });
  });
  it('names whom and where', () => {
    expect(build('assign', form({ kind: 'agency', name: 'Công an phường' }), 0, null)).toEqual({ action: { action: 'assign', to: { kind: 'agency', name: 'Công an phường' } } });
    expect(build('merge', form({}), 0, null)).toEqual({ faults: { into: 'missing' } });
  });
});

describe('a lost answer', () => {
  it('is asked for again, but a refusal is not', async () => {
    let calls = 0;
    const lost = async () => { calls += 1; if (calls < 3) throw new TypeError('network'); return 'ok'; };
    expect(await resend(lost, [0, 0])).toBe('ok');
    expect(calls).toBe(3);
    let refused = 0;
    await expect(resend(async () => { refused += 1; throw new ApiError(409, {}, null); }, [0, 0])).rejects.toThrow();
    expect(refused).toBe(1);
    let down = 0;
    await expect(resend(async () => { down += 1; throw new ApiError(503, {}, null); }, [0, 0])).rejects.toThrow();
    expect(down).toBe(3);
  });
  it('has a key of its own each time', () => {
    expect(newKey()).toMatch(/^[0-9a-f]{32}$/);
    expect(newKey()).not.toBe(newKey());
  });
});

describe('a line of the log', () => {
  const at = Date.parse('2026-11-22T08:05:00+07:00');
  it('shows what the action was given', () => {
    expect(detailTexts({ to: { kind: 'person', name: 'lan' } }, at)).toEqual(['lan']);
    expect(detailTexts({ until: at + 3_600_000 }, at)).toEqual(['→ 09:05:00']);
    expect(detailTexts('{"link":{"url":"https://x","title":"Ảnh"}}', at)).toEqual(['Ảnh']);
    expect(detailTexts({ step: 2, to: 'duty-officer' }, at)).toEqual(['step 2', 'duty-officer']);
    expect(detailTexts(null, at)).toEqual([]);
    expect(detailTexts('{broken', at)).toEqual(['{broken']);
  });
  it('is bounded, whatever is in it', () => {
    expect(detailTexts(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, 'v'])), at)).toHaveLength(6);
    expect(detailTexts({ a: { b: { c: { d: { e: 'deep' } } } } }, at)).toEqual([]);
  });
});
