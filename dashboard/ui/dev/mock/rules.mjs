// The rules: the real files of config/rules, believable figures, a check that knows the usual
// mistakes, versions, and one backtest at a time. Shapes as in model/src/rulebook.rs and rules/src/backtest.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = process.env.IOC_CONFIG ?? join(dirname(fileURLToPath(import.meta.url)), '../../../../config');
const HOUR = 3_600_000;
const MODES = ['on', 'shadow', 'off'];
const KINDS = ['threshold', 'window', 'rate', 'absence', 'detection', 'pattern', 'composite', 'join', 'gathering', 'geofence', 'neighbours', 'health', 'anomaly', 'derived', 'expression'];
const FIELDS = new Set(('id kind per mode service name where property levels message cleared tests deadband for clear_for active unless cause latched chatter severity label raise clear aggregate size slide gap max early ' +
  'min_count min_filled grace only percentile of detects objects zones min_confidence over min_span unit absolute after cadence on_status within dwell count first then without steps key rules k min needs conditions members ' +
  'check range limits margin against limit sensitivity min_history min_change quiet properties value digits fresh index output completeness every free_flow warm_up geofence zone speed inside outside and also also_when when quality').split(' '));
const SEVERITIES = ['info', 'minor', 'major', 'critical', 'emergency'];
const THRESHOLDS = [...readFileSync(join(folder, 'thresholds.yaml'), 'utf8').matchAll(/^- id: (\S+)/gm)].map((m) => m[1]);
const hash = (s) => [...s].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0, 2166136261);

const files0 = () => Object.fromEntries(readdirSync(join(folder, 'rules')).filter((f) => f.endsWith('.yaml')).sort().map((f) => [`rules/${f}`, readFileSync(join(folder, 'rules', f), 'utf8')]));

/** The rules of a file: their lines, and what lists show. */
function rulesOf(file, content) {
  const lines = content.split('\n');
  const starts = lines.flatMap((l, i) => (/^ {2}- id: /.test(l) ? [i] : []));
  return starts.map((at, i) => {
    const own = lines.slice(at, starts[i + 1] ?? lines.length);
    while (own.length > 0 && /^\s*(#.*)?$/.test(own.at(-1))) own.pop();
    const source = own.join('\n');
    const field = (name, otherwise) => new RegExp(`^ {4}${name}: *["']?([^"'#\\n]+?)["']? *(#.*)?$`, 'm').exec(source)?.[1] ?? otherwise;
    const word = (lang) => new RegExp(`name:[^]*?${lang}: *"([^"]*)"`).exec(source)?.[1] ?? '';
    const id = /id: *"?([\w.:-]+)/.exec(source)[1];
    return { id, kind: field('kind', 'threshold'), per: field('per', 'device'), mode: field('mode', 'on'), service: field('service', 'air'), name: { vi: word('vi') || id, en: word('en') || id }, file, line: at + 1, source };
  });
}

class Book {
  constructor(city) {
    this.city = city;
    this.files = files0();
    this.version = 1;
    this.readOnly = null;
    this.trouble = null;
    /** Entries of a backtest judged per question. */
    this.pace = Infinity;
    this.jobs = new Map();
    this.asked = null;
    const at = Date.now() - 90 * HOUR;
    this.versions = [{ number: 1, parent: null, position: 0, at, author: 'file', note: null, change: { added: this.rules().map((r) => r.id), edited: [], removed: [] }, trial: null, files: this.files, before: {} }];
    // Some past, so that the lists are not all of one line.
    const edit = (id, from, to, author, note) => {
      const rule = this.rules().find((r) => r.id === id);
      if (rule !== undefined) this.adopt({ ...this.files, [rule.file]: this.files[rule.file].replace(rule.source, rule.source.replace(from, to)) }, author, note);
    };
    edit('flood.street', '- 0.03"', '- 0.05"', 'engineer', 'Nước dềnh quanh ngưỡng, đỡ báo chập chờn');
    edit('flood.street', '- 0.05"', '- 0.03"', 'administrator', 'Trở lại theo góp ý của ca trực');
  }

  rules(files = this.files) {
    return Object.entries(files).flatMap(([file, content]) => rulesOf(file, content)).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  row(r) {
    const h = hash(r.id);
    const entities = r.mode === 'off' ? 0 : this.entities(r).length;
    const touched = this.versions.findLast((v) => [...v.change.added, ...v.change.edited].includes(r.id));
    return {
      ...r,
      cost: { entities, open_episodes: r.mode === 'on' ? this.entities(r).filter((e) => e.active).length : 0, state_bytes: entities * (120 + (h % 2900)), evaluations: entities * (4000 + (h % 9000)), transitions: h % 97, cpu_ns: entities * (4000 + (h % 9000)) * (200 + (h % 700)) },
      changed: touched ? { version: touched.number, at: touched.at, author: touched.author } : null,
    };
  }

  entities(r) {
    const open = new Map(this.city.open().filter((a) => a.rule === r.id && a.condition === 'active').map((a) => [a.device, a.severity]));
    if (r.per === 'city') return [{ entity: { kind: 'city' }, active: null }];
    if (r.per === 'area') return this.city.areas.slice(0, 20).map((a) => ({ entity: { kind: 'area', id: a.id }, active: null }));
    if (r.per === 'service') return [{ entity: { kind: 'service', id: r.service }, active: null }];
    return this.city.devices.filter((d) => d.meta.service === r.service).map((d) => ({ entity: { kind: 'device', id: d.meta.id }, active: open.get(d.meta.id) ?? null })).sort((a, b) => Number(b.active !== null) - Number(a.active !== null));
  }

  /** The files with one rule's lines replaced, put in, or gone. */
  edited(edit) {
    if (edit.rollback !== undefined) {
      const v = this.versions.find((x) => x.number === edit.rollback);
      return v ? { files: v.files } : { status: 404, code: 'not_found', message: `no version ${edit.rollback} is kept` };
    }
    const rule = this.rules().find((r) => r.id === edit.id);
    const swap = (source) => ({ ...this.files, [rule.file]: this.files[rule.file].replace(rule.source, () => source) });
    if (edit.text !== undefined) {
      const lines = edit.text.trimEnd().split('\n');
      const head = lines.findIndex((l) => l.trim() !== '' && !l.trim().startsWith('#'));
      if (head < 0) return { status: 400, code: 'bad_rule', message: 'the text holds no rule' };
      const item = lines.slice(0).map((l, i) => (l === '' ? '' : i === head ? `  - ${l}` : i < head ? `  ${l}` : `    ${l}`)).join('\n');
      if (rule !== undefined) return { files: swap(item), home: { file: rule.file, line: rule.line }, lines };
      const held = this.files['rules/local.yaml']?.trimEnd() ?? 'rules:';
      return { files: { ...this.files, 'rules/local.yaml': `${held}\n${item}\n` }, home: { file: 'rules/local.yaml', line: held.split('\n').length + 1 }, lines };
    }
    if (rule === undefined) return { status: 404, code: 'not_found', message: `no rule \`${edit.id}\`` };
    if (edit.delete) return { files: swap('') };
    const now = /^ {4}mode: .*$/m;
    return { files: swap(now.test(rule.source) ? rule.source.replace(now, `    mode: "${edit.mode}"`) : rule.source.replace(/\n {4}kind: .*/, (kind) => `${kind}\n    mode: "${edit.mode}"`)) };
  }

  /** The mistakes of a text, as the loader says them. */
  mistakes({ home, lines }) {
    if (!home) return [];
    const out = [];
    const wrong = (row, column, message, hint = null) => out.push({ file: home.file, line: home.line + row, column: column + 4, message, hint });
    const near = (word, all) => all.find((w) => w[0] === word[0] && Math.abs(w.length - word.length) < 2 && [...w].filter((c) => word.includes(c)).length >= w.length - 1);
    const did = (word, all) => { const w = near(word, all); return w ? `did you mean \`${w}\`?` : null; };
    lines.forEach((l, row) => {
      const top = /^(\w+):/.exec(l);
      if (/^\s*\t/.test(l)) wrong(row, 1, 'a tab where spaces indent');
      if (top && !FIELDS.has(top[1])) wrong(row, 1, `unknown field \`${top[1]}\``, did(top[1], [...FIELDS]));
      const kind = /^kind: *"?(\w+)/.exec(l);
      if (kind && !KINDS.includes(kind[1])) wrong(row, 7, `unknown kind \`${kind[1]}\``, did(kind[1], KINDS));
      const severity = /severity: *"?(\w+)/.exec(l);
      if (severity && !SEVERITIES.includes(severity[1])) wrong(row, severity.index + 11, `unknown severity \`${severity[1]}\``, did(severity[1], SEVERITIES));
      const limit = /(?:raise|clear): *"[<>=]+ *([a-z][\w.]*)/.exec(l);
      if (limit && !THRESHOLDS.includes(limit[1])) wrong(row, l.indexOf('"') + 1, `unknown threshold \`${limit[1]}\``, did(limit[1], THRESHOLDS));
    });
    for (const must of ['kind', 'service', 'name']) if (!lines.some((l) => l.startsWith(`${must}:`))) wrong(0, 1, `\`${must}\` is missing`);
    return out;
  }

  /** What a change would be: `{ outcome, files }`, or a refusal. */
  propose(edit) {
    if (edit.mode !== undefined && !MODES.includes(edit.mode)) return { status: 400, code: 'bad_rule', message: 'mode is `on`, `shadow` or `off`' };
    const edited = this.edited(edit);
    if (edited.status) return edited;
    const mistakes = this.mistakes(edited);
    if (mistakes.length > 0) return { status: 422, code: 'rules_wrong', message: `${mistakes.length} mistake(s) in the rules`, mistakes };
    const [before, after] = [new Map(this.rules().map((r) => [r.id, r.source])), new Map(this.rules(edited.files).map((r) => [r.id, r.source]))];
    const change = {
      added: [...after.keys()].filter((id) => !before.has(id)), removed: [...before.keys()].filter((id) => !after.has(id)),
      edited: [...after].filter(([id, s]) => before.has(id) && before.get(id) !== s).map(([id]) => id),
    };
    if (edit.id !== undefined && [...change.added, ...change.removed, ...change.edited].some((id) => id !== edit.id)) return { status: 400, code: 'bad_rule', message: 'the text must be one rule with the id of the request' };
    const same = Object.values(change).every((ids) => ids.length === 0);
    const now = Date.now();
    const row = edit.id === undefined ? null : { rule: edit.id, present: 5, proposed: 3 };
    const trial = same ? null : { from: now - 2 * HOUR, to: now, entries: 41_280, complete: true, present: 9, proposed: row ? 7 : 9, differences: row ? [row] : [] };
    return { files: edited.files, outcome: { version: this.version, position: null, change, rules: after.size, tests: 63, notes: [], trial } };
  }

  adopt(files, author, note, change = null, trial = null) {
    const ids = (f) => new Map(this.rules(f).map((r) => [r.id, r.source]));
    const [before, after] = [ids(this.files), ids(files)];
    const made = change ?? { added: [], removed: [], edited: [...after].filter(([id, s]) => before.get(id) !== s).map(([id]) => id) };
    const v = { number: this.version + 1, parent: this.version, position: 40_000 + this.version, at: this.version < 3 ? Date.now() - (60 - 20 * this.version) * HOUR : Date.now(), author, note, change: made, trial, files, before: this.files };
    this.versions.push(v);
    [this.files, this.version] = [files, v.number];
    return v;
  }

  diff(v) {
    const out = [];
    for (const path of [...new Set([...Object.keys(v.before), ...Object.keys(v.files)])].sort()) {
      const [a, b] = [(v.before[path] ?? '').split('\n'), (v.files[path] ?? '').split('\n')];
      if (a.join('\n') === b.join('\n')) continue;
      let head = 0;
      while (a[head] === b[head] && head < a.length) head += 1;
      let tail = 0;
      while (tail < Math.min(a.length, b.length) - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
      const from = Math.max(0, head - 3);
      out.push(`--- ${v.before[path] === undefined ? '/dev/null' : `a/${path}`}`, `+++ b/${path}`, `@@ -${from + 1},${a.length - tail - from} +${from + 1},${b.length - tail - from} @@`, ...a.slice(from, head).map((l) => ` ${l}`));
      out.push(...a.slice(head, a.length - tail).map((l) => `-${l}`), ...b.slice(head, b.length - tail).map((l) => `+${l}`), ...a.slice(a.length - tail, a.length - tail + 3).map((l) => ` ${l}`));
    }
    return `${out.join('\n')}\n`;
  }

  /** Episodes of a period; the proposed set leaves short ones out and raises a few otherwise. */
  episodes(rule, from, to) {
    const r = this.rules().find((x) => x.id === rule) ?? this.rules()[0];
    const all = this.entities(r);
    const some = Array.from({ length: 14 }, (_, i) => {
      const h = hash(`${r.id}${i}`);
      const start = Math.floor(from + ((h % 1000) / 1000) * (to - from) * 0.93);
      const entity = all[h % Math.max(1, Math.min(9, all.length))]?.entity ?? { kind: 'city' };
      const severity = SEVERITIES[1 + (h >>> 8) % 4];
      const message = { vi: `${entity.id ?? 'Thành phố'}: vượt ngưỡng`, en: `${entity.id ?? 'City'}: above the limit` };
      return {
        alert: h.toString(16).padStart(8, '0').repeat(4), rule: r.id, entity, area: 'hai_chau', service: r.service, start, end: i === 3 ? null : Math.min(to, start + Math.floor((0.01 + ((h >>> 4) % 100) / 1800) * (to - from))), carried: false, shadow: false, severity, value: 0.41, limit: 0.25, unit: 'm',
        message, evidence: {}, steps: [],
      };
    }).sort((a, b) => a.start - b.start);
    // Those of one entity do not overlap.
    const last = new Map();
    return some.filter((e) => { const k = JSON.stringify(e.entity); const free = (last.get(k) ?? 0) < e.start; if (free) last.set(k, e.end ?? Infinity); return free; });
  }

  report(episodes, raised, from, to, hours) {
    const by = new Map();
    for (const e of episodes) by.set(e.start - (e.start % HOUR), (by.get(e.start - (e.start % HOUR)) ?? 0) + 1);
    const rest = Math.max(1, Math.round(raised / 3));
    return {
      from, to, clock: 'wall', coverage: { warm_up_from: from - 24 * HOUR, first: from, last: to, warm_up_records: 51_000, records: 184_220, late: 12 }, raised, carried: 1, open: 1,
      load: { hours, mean_per_hour: raised / hours, max_per_hour: rest, hours_over_6: rest > 6 ? 2 : 0, hours_over_12: rest > 12 ? 1 : 0, hours_over_30: 0, max_per_10_min: Math.ceil(rest / 2), floods: rest > 12 ? 1 : 0, flood_share: 0, by_hour: [...by].map(([hour, n]) => ({ hour, raised: n })) },
      durations: { ended: episodes.length - 1, median_ms: 600_000, p90_ms: 3_600_000, longest_ms: 9_000_000, under_a_minute: 0, over_a_day: 0 }, rules: [], top_entities: [], episodes, left_out: 0,
    };
  }

  result({ edit, from, to }) {
    const hours = (to - from) / HOUR;
    const running = this.episodes(edit?.id ?? 'flood.street', from, to);
    if (edit === null) return { journal: [from - 24 * HOUR, to], corrupt: 0, records: 184_220, seconds: 1.4, report: this.report(running, 41, from, to, hours), against: null, diff: null };
    const gone = running.filter((_, i) => i % 4 === 1);
    const later = (e) => ({ ...e, start: e.start + Math.floor((to - from) / 400), alert: `${e.alert.slice(1)}0` });
    const proposed = running.filter((e) => !gone.includes(e)).map((e, i) => (i % 3 === 2 ? later(e) : e));
    const span = (e) => ({ start: e.start, end: e.end, severity: e.severity });
    const both = running.filter((e) => !gone.includes(e)).map((e, i) => ({ rule: e.rule, entity: e.entity, a: span(proposed[i]), b: span(e) }));
    const changed = both.filter((p) => p.a.start !== p.b.start).length;
    return {
      journal: [from - 24 * HOUR, to], corrupt: 0, records: 184_220, seconds: 2.9, report: this.report(proposed, 32, from, to, hours), against: this.report(running, 41, from, to, hours),
      diff: { rules: [{ rule: edit.id, a: proposed.length, b: running.length, only_a: 0, only_b: gone.length, changed }], only_a: [], only_b: gone, both, changed, left_out: 0 },
    };
  }
}

const books = new WeakMap();
/** The rules of a mock's city. */
export function bookOf(city) {
  if (!books.has(city)) books.set(city, new Book(city));
  return books.get(city);
}

async function raw(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString();
}

export async function routes({ city, me, path, query, req, body, error }) {
  if (path !== 'rules' && !path.startsWith('rules/')) return null;
  const book = bookOf(city);
  const name = decodeURIComponent(path.slice('rules/'.length));
  const may = me?.can.includes('rules') && me.grants.some((g) => g.areas === null && g.services === null && ['engineer', 'administrator'].includes(g.role));
  const no = ({ status, code, message, ...more }) => [status, error(code, message, more)];
  if (!me) return [401, error('sign_in', 'sign in')];
  if (!me.can.includes('read')) return [403, error('not_permitted', 'this needs the permission `read`')];
  const tag = () => ({ etag: `"${book.version}"` });
  const change = (edit, note) => {
    if (book.readOnly) return no({ status: 409, code: 'read_only', message: book.readOnly });
    if (book.trouble) return no({ status: 409, code: 'folder_differs', message: 'the folder holds a change that is not accepted: correct or undo it there first', mistakes: book.trouble.mistakes });
    const only = req.headers['if-match'];
    if (only !== undefined && only !== `"${book.version}"`) return no({ status: 412, code: 'outdated', message: `version ${book.version} runs`, version: book.version });
    const p = book.propose(edit);
    if (p.status) return no(p);
    if (Object.values(p.outcome.change).every((ids) => ids.length === 0)) return [200, p.outcome, tag()];
    const v = book.adopt(p.files, me.user, note || null, p.outcome.change, p.outcome.trial);
    return [200, { ...p.outcome, version: v.number, position: v.position }, tag()];
  };
  const list = () => {
    const known = new Set(book.rules().map((r) => r.id));
    // Rules that only the mock's alerts speak of.
    const others = city.rules.filter((r) => !known.has(r.id)).map((r) => ({ ...r, per: 'device', mode: 'on', source: `  - id: ${r.id}\n    kind: threshold\n    service: ${r.service}` }));
    return [...book.rules(), ...others].map((r) => book.row(r));
  };
  if (path === 'rules') return [200, { version: book.version, read_only: book.readOnly, trouble: book.trouble, rules: list() }, tag()];

  let m;
  const posts = req.method === 'POST';
  if (req.method !== 'GET' && !may) return [403, error(me.can.includes('rules') ? 'scope_too_small' : 'not_permitted', 'this needs the permission `rules`')];
  if (name === 'check' && posts) {
    const p = book.propose(await body());
    return p.status ? no(p) : [200, p.outcome, tag()];
  }
  if (name === 'versions') return [200, { versions: book.versions.toReversed().slice(0, Number(query.get('limit') ?? 50)).map(({ files: _f, before: _b, ...v }) => v) }];
  if ((m = /^versions\/(\d+)$/.exec(name))) {
    const v = book.versions.find((x) => x.number === Number(m[1]));
    if (!v) return [404, error('not_found', `no version ${m[1]} is kept`)];
    const { before: _, ...told } = v;
    return [200, { ...told, diff: book.diff(v) }];
  }
  if ((m = /^versions\/(\d+)\/rollback$/.exec(name)) && posts) return change({ rollback: Number(m[1]) }, (await body()).note ?? `back to version ${m[1]}`);
  if (name === 'backtest' && posts) {
    const { from, to, ...edit } = await body();
    book.asked = edit;
    if (city.desk) city.desk.asked = edit;
    if ([...book.jobs.values()].some((j) => j.entries < j.of)) return no({ status: 503, code: 'busy', message: 'a backtest is running' });
    const p = edit.id === undefined || !book.rules().some((r) => r.id === edit.id && r.source) ? {} : book.propose(edit);
    if (p.status === 422) return no(p);
    const end = to ?? Date.now();
    const job = { job: book.jobs.size + 1, entries: 0, of: 86_400, edit: edit.id === undefined ? null : edit, from: from ?? end - 24 * HOUR, to: end };
    book.jobs.set(job.job, job);
    return [200, { job: job.job }];
  }
  if ((m = /^backtest\/(\d+)$/.exec(name))) {
    if (!may) return [403, error('not_permitted', 'this needs the permission `rules`')];
    const job = book.jobs.get(Number(m[1]));
    if (!job) return [404, error('not_found', `no backtest ${m[1]}`)];
    job.entries = Math.min(job.of, job.entries + book.pace);
    const done = job.entries >= job.of;
    return [200, { job: job.job, state: done ? 'done' : 'running', entries: job.entries, of: job.of, ...(done ? { result: book.result(job) } : {}) }];
  }

  const [id, what] = name.split('/');
  if (req.method === 'PUT') return change({ id, text: await raw(req) }, query.get('note'));
  if (req.method === 'PATCH') {
    const { mode, note } = await body();
    return change({ id, mode }, note);
  }
  if (req.method === 'DELETE') return change({ id, delete: true }, query.get('note'));
  const rule = list().find((r) => r.id === id);
  if (rule === undefined) return [404, error('not_found', `no rule \`${id}\``)];
  if (what === undefined) return [200, { ...rule, canonical: `rules:\n${rule.source}\n`, running: book.version }, tag()];
  if (what === 'entities') return [200, { entities: book.entities(rule).slice(0, Number(query.get('limit') ?? 1000)), all: book.entities(rule).length }];
  if (what === 'shadow') {
    const at = Date.now();
    const told = rule.mode !== 'shadow' ? [] : book.episodes(rule.id, at - 48 * HOUR, at).map((e) => ({ position: 1, alert: e.alert, rule: e.rule, entity: e.entity, device: null, area: e.area, service: e.service, time: e.start, kind: 'raise', severity: e.severity, value: e.value, limit: e.limit, unit: e.unit, name: rule.name, message: e.message, cause: 'x', latched: false, evidence: {} }));
    return [200, { transitions: told }];
  }
  if (what === 'explain') {
    const found = book.entities(rule).find((e) => (e.entity.kind === 'city' ? 'city' : `${e.entity.kind}:${e.entity.id}`) === query.get('entity'));
    if (!found) return [404, error('not_found', 'the rule does not look at this entity, or has heard nothing of it')];
    const at = Date.now();
    const limit = { comparison: '>= 0.25', threshold: 'street_flood.motorbike', source: 'đề xuất / proposal', effective: '2026-11-22' };
    return [200, {
      rule: rule.id, entity: found.entity, active: found.active, since: found.active ? at - HOUR : null, value: found.active ? 0.41 : 0.04, judged: at - 20_000,
      levels: [{ severity: 'minor', raise: { ...limit, comparison: '>= 0.1', threshold: 'street_flood.notice' }, holds: Boolean(found.active) }, { severity: 'major', raise: limit, holds: Boolean(found.active) }],
      rising_since: null, falling_since: null, missing: found.active ? [] : [{ vi: 'giá trị chưa tới ngưỡng', en: 'the value has not reached a limit' }],
      evidence: { readings: [{ device: found.entity.id ?? 'x', property: 'flood_depth', time: at - 20_000, value: found.active ? 0.41 : 0.04 }], limit },
    }];
  }
  return null;
}
