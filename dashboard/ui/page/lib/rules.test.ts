import { describe, expect, it } from 'vitest';
import { homeOf, homeOfNew, idOf, indent, offset, place, TEMPLATES } from './ruleedit';
import { plain, withField } from './ruletext';
import type { Episode, RuleRow, Tried } from './rules';
import { compareTexts, diffLines, levelsOf, named } from './rulesdiff';
import { changes, lanes, loads, ticks } from './rulestrial';
import { PLAIN, printPart, readPart, select, windowed } from './rulesview';

const SOURCE = '  - id: flood.street\n    kind: threshold\n    # why\n    levels:\n      - severity: majr\n        raise: ">= street_flood.cra"';
const rule = (id: string, more: Partial<RuleRow> = {}): RuleRow => ({
  id, kind: 'threshold', per: 'device', mode: 'on', service: 'rain_flood', name: { vi: 'Ngập đường', en: 'Flooding' }, file: 'rules/flood.yaml', line: 56, source: SOURCE,
  cost: { entities: 1, open_episodes: 0, state_bytes: 1, evaluations: 1, transitions: 1, cpu_ns: 1 }, changed: null, ...more,
});
const mistake = (line: number, column: number, file = 'rules/flood.yaml') => ({ file, line, column, message: 'x', hint: null });

describe('the text of a rule', () => {
  it('stands at the margin, from a list, a file or as it is', () => {
    const text = plain(SOURCE);
    expect(text).toBe('id: flood.street\nkind: threshold\n# why\nlevels:\n  - severity: majr\n    raise: ">= street_flood.cra"\n');
    expect(plain(`rules:\n${SOURCE}\n`)).toBe(text);
    expect(plain(text)).toBe(text);
    expect(plain('  # first\n  - id: a')).toBe('# first\nid: a\n');
  });
  it('can be changed when it comes as the server prints it', () => {
    expect(withField('rules:\n  - id: "a"\n    for: "1m"\n    tests:\n      - readings: []\n', 'for', '2m')).toBe('id: "a"\nfor: 2m\n');
  });
  it('tells its id', () => {
    expect(idOf('# x\nid: "a.b"  # y\n')).toBe('a.b');
    expect(idOf('name: x\n')).toBe('');
    for (const [kind, text] of Object.entries(TEMPLATES)) expect(idOf(text)).toBe(`new.${kind}`);
  });
});

describe('mistakes', () => {
  const text = plain(SOURCE);
  it('are shown where they stand in the text', () => {
    // As the server told them: rules/flood.yaml:60:19 and :61:16.
    const placed = place([mistake(61, 16), mistake(60, 19), mistake(6, 1, 'rules/other.yaml')], text, homeOf(rule('flood.street')));
    expect(placed.map((m) => [m.row, m.col])).toEqual([[5, 15], [6, 12], [0, 0]]);
    expect(text.split('\n')[4]?.slice(14)).toBe('majr');
    expect(text.split('\n')[5]?.slice(11)).toBe('">= street_flood.cra"');
  });
  it('count without blank lines before the rule, and those beyond it are elsewhere', () => {
    expect(place([mistake(57, 5), mistake(99, 1), mistake(0, 0)], `\n\n${text}`, homeOf(rule('a'))).map((m) => m.row)).toEqual([4, 0, 0]);
  });
  it('of a new rule stand behind what the local file holds', () => {
    expect(homeOfNew({}, [])).toEqual({ file: 'rules/local.yaml', line: 2, indent: 2 });
    expect(homeOfNew({ 'rules/local.yaml': 'rules:\n  - id: a\n    kind: x\n' }, [rule('a', { file: 'rules/local.yaml', line: 2, source: '  - id: a\n    kind: x' })])).toEqual({ file: 'rules/local.yaml', line: 4, indent: 2 });
  });
  it('are jumped to', () => {
    expect(offset('ab\ncd\nef', 2, 2)).toBe(4);
    expect(offset('ab\ncd', 9, 9)).toBe(6);
  });
});

describe('indenting', () => {
  const run = (text: string, start: number, end: number, back = false) => {
    const r = indent(text, start, end, back);
    return r && { text: text.slice(0, r.from) + r.text + text.slice(r.to), start: r.start, end: r.end };
  };
  it('puts two spaces at the cursor', () => { expect(run('ab', 1, 1)).toEqual({ text: 'a  b', start: 3, end: 3 }); });
  it('moves the selected lines, and not one that the selection only touches', () => {
    expect(run('a\nb\nc', 0, 4)).toEqual({ text: '  a\n  b\nc', start: 2, end: 8 });
  });
  it('moves back, at most to the margin', () => {
    expect(run('    a', 5, 5, true)).toEqual({ text: '  a', start: 3, end: 3 });
    expect(run(' a', 2, 2, true)?.text).toBe('a');
    expect(run('a', 1, 1, true)).toBeNull();
  });
});

describe('the view in the URL', () => {
  it('is read as it was printed', () => {
    for (const v of [PLAIN, { ...PLAIN, open: 'edit' as const, kind: 'window', sort: 'cpu' as const, down: true }, { ...PLAIN, open: 'edit' as const, job: 7 }, { ...PLAIN, open: 'new' as const, template: 'rate', job: 3 }, { ...PLAIN, open: 'versions' as const, version: 12 }, { ...PLAIN, entity: 'device:tower-1', mode: 'shadow' as const }]) expect(readPart(printPart(v))).toEqual(v);
  });
  it('knows a backtest alone, and drops what it does not understand', () => {
    expect(readPart('backtest:7')).toEqual({ ...PLAIN, open: 'edit', job: 7 });
    expect(readPart('mode:x,sort:-foo,backtest:-1,zzz')).toEqual({ ...PLAIN, sort: 'id', down: true });
  });
});

describe('the list', () => {
  const rules = [rule('b', { mode: 'shadow', cost: { ...rule('x').cost, cpu_ns: 5 } }), rule('a10'), rule('a9', { kind: 'window', name: { vi: 'Đường kẹt', en: 'Jam' } })];
  const ids = (v: Partial<typeof PLAIN>, q = '', service = '') => select(rules, { ...PLAIN, ...v }, service, q, () => 'Mưa ngập').map((r) => r.id);
  it('is in the order of ids as people count', () => { expect(ids({})).toEqual(['a9', 'a10', 'b']); });
  it('is sorted by a figure, the largest first', () => { expect(ids({ sort: 'cpu', down: true })).toEqual(['b', 'a9', 'a10']); });
  it('is filtered by mode, kind, service and words without marks', () => {
    expect(ids({ mode: 'shadow' })).toEqual(['b']);
    expect(ids({ kind: 'window' })).toEqual(['a9']);
    expect(ids({}, 'duong ket')).toEqual(['a9']);
    expect(ids({}, '', 'air')).toEqual([]);
  });
  it('draws only what is in sight', () => {
    expect(windowed(8000, 40_000, 900, 40)).toEqual([992, 1031]);
    expect(windowed(10, 0, 900, 40)).toEqual([0, 10]);
  });
});

describe('diffs', () => {
  it('are lines with a kind; a file is named once', () => {
    expect(diffLines('--- a/rules/x.yaml\n+++ b/rules/x.yaml\n@@ -1 +1 @@\n same\n-old\n+new\n')).toEqual([
      { kind: 'file', text: 'rules/x.yaml' }, { kind: 'place', text: '@@ -1 +1 @@' }, { kind: 'same', text: 'same' }, { kind: 'del', text: 'old' }, { kind: 'add', text: 'new' },
    ]);
  });
  it('compare two texts with as few lines as possible', () => {
    expect(compareTexts('a\nb\nc', 'a\nx\nc').map((l) => l.kind)).toEqual(['same', 'del', 'add', 'same']);
  });
});

it('finds the levels of a canonical text and the limits it names', () => {
  const canonical = 'rules:\n  - id: "a"\n    levels:\n      - severity: "minor"\n        raise: ">= flood.bd1"\n        label:\n          vi: "BĐ1"\n          en: "level I"\n      - severity: "major"\n        raise: ">= 2"\n    message:\n      vi: "x"\n';
  expect(levelsOf(canonical)).toEqual([{ severity: 'minor', raise: '>= flood.bd1', clear: '', vi: 'BĐ1', en: 'level I' }, { severity: 'major', raise: '>= 2', clear: '', vi: '', en: '' }]);
  expect(levelsOf('rules:\n  - id: "a"\n    severity: "minor"\n')).toEqual([{ severity: 'minor', raise: '', clear: '', vi: '', en: '' }]);
  const limit = { id: 'flood.bd1', unit: 'm', value: 1, by_device: {}, source: 's', effective: '2020-03-15', note: null };
  expect(named(canonical, [limit, { ...limit, id: 'flood.bd' }])).toEqual([limit]);
});

describe('a backtest', () => {
  const episode = (id: string, start: number, end: number | null, more: Partial<Episode> = {}): Episode => ({
    alert: `${id}${start}`, rule: 'r', entity: { kind: 'device', id }, area: 'a', service: 's', start, end, carried: false, shadow: false, severity: 'minor', value: 1, limit: 1, unit: 'm', message: { vi: 'x', en: 'x' }, ...more,
  });
  const report = (episodes: Episode[], mean: number) => ({
    from: 0, to: 1000, coverage: { first: 0, last: 1000, records: 1, late: 0 }, raised: episodes.length, carried: 0, open: 0, left_out: 0, episodes,
    load: { hours: 1, mean_per_hour: mean, max_per_hour: 9, hours_over_6: 1, hours_over_12: 0, hours_over_30: 0, max_per_10_min: 1, floods: 0, flood_share: 0, by_hour: [] },
  });
  const [gone, kept, late] = [episode('a', 100, 200), episode('b', 0, 500), episode('c', 600, null)];
  const span = (e: Episode) => ({ start: e.start, end: e.end, severity: e.severity });
  const tried: Tried = {
    report: report([kept, late, episode('z', 1, 2, { rule: 'other' })], 4), against: report([gone, kept, { ...late, start: 500 }], 14),
    diff: { rules: [], only_a: [], only_b: [gone], both: [{ rule: 'r', entity: kept.entity, a: span(kept), b: span(kept) }, { rule: 'r', entity: late.entity, a: span(late), b: { ...span(late), start: 500 } }], changed: 1, left_out: 0 },
  };
  it('has a row for each entity of the rule, those that differ first', () => {
    const rows = lanes(tried, 'r');
    expect(rows.map((r) => r.entity.id)).toEqual(['a', 'c', 'b']);
    expect(rows[1]?.proposed[0]).toMatchObject({ left: 60, width: 40, open: true });
    expect(lanes(tried, '')).toHaveLength(4);
  });
  it('lists what was removed and changed, and leaves out what is the same', () => {
    expect(changes(tried, 'r').map((c) => [c.change, c.entity.id, c.before?.start, c.after?.start])).toEqual([['removed', 'a', 100, undefined], ['changed', 'c', 500, 600]]);
    expect(changes(tried, 'other')).toEqual([]);
  });
  it('tells the load of one position', () => {
    expect(loads(tried, 2).find((l) => l.word === 'mean')).toEqual({ word: 'mean', before: 7, after: 2, digits: 1, target: 6 });
    const short = { ...tried, report: { ...tried.report, load: { ...tried.report.load, hours: 0.1 } } };
    expect(loads(short, 2).map((l) => l.word)).toEqual(['raised', 'max', 'over', 'floods']);
  });
  it('has round moments of the city on its axis', () => {
    const day = ticks(Date.UTC(2026, 10, 22, 1, 30), Date.UTC(2026, 10, 23, 1, 30));
    expect(day.length).toBeLessThanOrEqual(9);
    expect(new Date((day[0] ?? 0) + 7 * 3_600_000).getUTCHours() % 3).toBe(0);
  });
});
