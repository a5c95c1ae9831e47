// The mock's accounts, sessions, tokens, walls and audit log. The password of everybody is their name.
import { randomBytes } from 'node:crypto';

const ALL = ['watch', 'read', 'export', 'act', 'notify', 'masked', 'reveal', 'technical', 'devices', 'rules', 'audit', 'people'];
const MAY = {
  wall: ['watch'], viewer: ['watch', 'read', 'export'], operator: ['watch', 'read', 'export', 'act', 'masked', 'technical'],
  supervisor: ['watch', 'read', 'export', 'act', 'masked', 'technical', 'notify', 'reveal'], engineer: ['watch', 'read', 'export', 'technical', 'devices', 'rules'],
  administrator: ALL, auditor: ['watch', 'read', 'audit'],
};
const DAY = 86_400_000;
/** A picture of one pixel: the mock makes no QR codes. */
const PNG = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';
const CODE = '123456';
const city = (role) => [{ role, areas: null, services: null }];

export class People {
  constructor() {
    this.sessions = new Map();
    this.people = new Map();
    /** A proof of the password holds for so long. */
    this.confirmMs = 600_000;
    this.confirmed = 0;
    this.tokens = [];
    this.walls = [];
    this.log = [];
    this.serial = 0;
    this.oidc = [];
    this.tooMany = 0;
    for (const role of ['operator', 'viewer', 'administrator', 'supervisor', 'engineer', 'auditor']) this.add(role, city(role));
    this.add('ward', [{ role: 'operator', areas: ['hai_chau', 'son_tra'], services: ['rain_flood'] }, { role: 'viewer', areas: null, services: ['air'] }]);
    this.add('nobody', []);
    this.add('fresh', city('operator'), { change_password: true });
    this.add('duty', city('operator'), { set_up_totp: true });
    this.add('twice', city('operator'), { totp: true });
    this.add('le.c', [{ role: 'viewer', areas: ['west_bank'], services: null }], { disabled: true, seen: Date.now() - 40 * DAY });
    this.add('van.d', city('viewer'), { source: 'oidc', totp: true, seen: Date.now() - DAY });
    for (let i = 0; i < 40; i++) this.note(i % 9 === 0 ? 'sign_in_failed' : 'signed_in', i % 3 ? 'operator' : 'administrator');
  }

  add(name, grants, more = {}) {
    const person = { name, password: name, grants, disabled: false, created: Date.now() - 30 * DAY, totp: false, source: 'local', seen: null, changed: Date.now() - 9 * DAY, ...more };
    this.people.set(name, person);
    return person;
  }

  note(action, actor, detail = null) {
    this.log.push({ seq: this.log.length + 1, action, actor, origin: '10.0.0.7', at: Date.now() - 1000, severity: 'info', value: null, limit: null, note: null, message: null, evidence: null, detail });
  }

  identity(s) {
    const person = this.people.get(s.user);
    const grants = s.kind === 'wall' ? s.grants : (person?.grants ?? []);
    const can = ALL.filter((p) => grants.some((g) => MAY[g.role].includes(p)));
    const duty = s.kind === 'wall' ? {} : { change_password: person?.change_password === true, set_up_totp: person?.set_up_totp === true };
    return { user: s.user, role: grants[0]?.role ?? null, kind: s.kind, ...(s.view ? { view: s.view } : {}), grants, can, ...duty, expires: s.began + 43_200_000 };
  }

  begin(session) {
    const id = randomBytes(16).toString('hex');
    const now = Date.now();
    this.sessions.set(id, { id, n: ++this.serial, began: now, seen: now, confirmed: now, address: '127.0.0.1', ...session });
    return [200, this.identity(this.sessions.get(id)), { 'set-cookie': `ioc_session=${id}; HttpOnly; SameSite=Strict; Path=/` }];
  }

  end(pick) {
    for (const [id, s] of this.sessions) if (pick(s)) this.sessions.delete(id);
  }

  sittings(user, own) {
    return { sessions: [...this.sessions.values()].filter((s) => s.user === user && s.kind !== 'wall').map((s) => ({ id: String(s.n), began: s.began, seen: s.seen, address: s.address, agent: s.agent ?? null, current: s.id === own })) };
  }
}

const OPEN = ['session', 'session/options', 'session/wall'];

/** The answer to a request, or null when it is not one of these; `me` becomes who asks. */
export async function people({ accounts: a, me, path, req, query, body, error }) {
  const { method } = req;
  const is = (m, p) => method === m && path === p;
  if (is('GET', 'session/options')) return [200, { password: true, oidc: a.oidc }];
  if (is('POST', 'session/wall')) {
    const { token } = await body();
    const found = a.walls.find((w) => w.secret === token);
    if (!found) return [401, error('wrong_credentials', 'no such token')];
    found.used = Date.now();
    return a.begin({ user: 'administrator', kind: 'wall', view: found.view, wall: found.id, grants: [{ role: 'wall', areas: found.areas, services: found.services }] });
  }
  if (is('POST', 'session')) {
    if (a.tooMany > 0) return [429, error('too_many_attempts', 'too many attempts'), { 'retry-after': String(a.tooMany) }];
    const { user, password, code } = await body();
    const person = a.people.get(user);
    if (!person || person.password !== password || person.disabled) return [401, error('wrong_credentials', 'wrong user or password')];
    if (person.totp && code === undefined) return [401, error('code_needed', 'a code is needed')];
    if (person.totp && code !== CODE) return [401, error('wrong_credentials', 'wrong code')];
    person.seen = Date.now();
    a.note('signed_in', user);
    return a.begin({ user, kind: 'person', agent: req.headers['user-agent'] });
  }
  if (!me) return [401, error('sign_in', 'sign in first')];
  me.seen = Date.now();
  Object.assign(me, { ...a.identity(me) });
  const person = a.people.get(me.user);
  if (is('GET', 'session')) return [200, a.identity(me)];
  if (is('DELETE', 'session')) {
    a.sessions.delete(me.id);
    return [204, null];
  }
  if (is('POST', 'session/confirm')) {
    const { password, code } = await body();
    if (password !== person.password || (person.totp && code !== CODE)) return [401, error('wrong_credentials', 'wrong password')];
    me.confirmed = Date.now();
    a.confirmed += 1;
    return [204, null];
  }
  const duty = person?.change_password ? 'change_password' : person?.set_up_totp ? 'set_up_totp' : null;
  if (duty && me.kind === 'person' && !path.startsWith('account') && !OPEN.includes(path)) return [403, error(duty, 'first something else')];
  if (!/^(account|people|walls|audit)/.test(path)) return me.can.length === 0 ? [403, error('not_permitted', 'no grants')] : null;
  const stale = () => (Date.now() - me.confirmed < a.confirmMs ? null : [403, error('confirm_needed', 'confirm first')]);
  let m;

  if (is('GET', 'account')) return [200, { user: me.user, grants: me.grants, source: person.source, totp: person.totp, recovery_left: person.totp ? 10 : 0, password_changed: person.changed }];
  if (is('POST', 'account/password')) {
    const b = await body();
    if (b.old !== person.password) return [401, error('wrong_credentials', 'wrong password')];
    if (b.new.startsWith('password')) return [422, error('password_common', 'this password is among the most common ones')];
    Object.assign(person, { password: b.new, change_password: false, changed: Date.now() });
    a.end((s) => s.user === me.user && s.id !== me.id && s.kind === 'person');
    return [204, null];
  }
  if (is('POST', 'account/totp')) return stale() ?? [200, { secret: 'JBSW Y3DP EHPK 3PXP', uri: 'otpauth://totp/IOC:an?secret=JBSWY3DPEHPK3PXP', qr: PNG }];
  if (is('POST', 'account/totp/confirm')) {
    if (stale()) return stale();
    if ((await body()).code !== CODE) return [422, error('wrong_code', 'the code is wrong')];
    Object.assign(person, { totp: true, set_up_totp: false });
    return [200, { recovery: Array.from({ length: 10 }, (_, i) => `abcd-ef0${i}-ghjk`) }];
  }
  if (is('DELETE', 'account/totp')) {
    if (stale()) return stale();
    person.totp = false;
    return [204, null];
  }
  if (is('GET', 'account/sessions')) return [200, a.sittings(me.user, me.id)];
  if ((m = /^account\/sessions\/(\d+)$/.exec(path)) && method === 'DELETE') {
    a.end((s) => s.user === me.user && s.n === Number(m[1]));
    return [204, null];
  }
  if (is('GET', 'account/tokens')) return [200, { tokens: a.tokens.filter((t) => t.user === me.user) }];
  if (is('POST', 'account/tokens')) {
    if (stale()) return stale();
    const { label, grants, days } = await body();
    const token = { id: ++a.serial, label, grants, user: me.user, created: Date.now(), expires: Date.now() + days * DAY, used: null };
    a.tokens.push(token);
    return [201, { id: token.id, token: `ioc_${'t'.repeat(43)}`, expires: token.expires }];
  }
  if ((m = /^account\/tokens\/(\d+)$/.exec(path)) && method === 'DELETE') {
    a.tokens = a.tokens.filter((t) => t.id !== Number(m[1]) || t.user !== me.user);
    return [204, null];
  }

  if (path === 'audit') {
    if (!me.can.includes('audit')) return [403, error('not_permitted', 'this needs the permission `audit`')];
    const limit = Number(query.get('limit')) || 500;
    const lines = a.log.filter((l) => l.seq > Number(query.get('after') ?? 0)).slice(0, limit);
    return [200, { lines, next: lines.length === limit ? lines.at(-1).seq : null }];
  }
  if (!me.can.includes('people')) return [403, error('not_permitted', 'this needs the permission `people`')];
  const reads = method === 'GET';
  if (!reads && stale()) return stale();
  if (is('GET', 'people')) return [200, { people: [...a.people.values()].map(({ password: _, ...p }) => ({ name: p.name, grants: p.grants, disabled: p.disabled, created: p.created, totp: p.totp, source: p.source, seen: p.seen })), roles: Object.entries(MAY).map(([role, permissions]) => ({ role, permissions })) }];
  if (is('POST', 'people')) {
    const { name, grants } = await body();
    if (a.people.has(name)) return [409, error('name_taken', 'there is such an account')];
    a.add(name, grants, { password: 'made-for-you', change_password: true, created: Date.now() });
    a.note('person_added', me.user, { name });
    return [201, { name, password: 'made-for-you' }];
  }
  if (is('GET', 'people/tokens')) return [200, { tokens: a.tokens }];
  if ((m = /^people\/tokens\/(\d+)$/.exec(path)) && method === 'DELETE') {
    a.tokens = a.tokens.filter((t) => t.id !== Number(m[1]));
    return [204, null];
  }
  if (is('GET', 'walls')) return [200, { walls: a.walls.map(({ secret: _, ...w }) => w) }];
  if (is('POST', 'walls')) {
    const { label, view, areas, services, days } = await body();
    const wall = { id: ++a.serial, label, view, areas, services, created: Date.now(), expires: days ? Date.now() + days * DAY : null, used: null, secret: `iocw_${randomBytes(12).toString('hex')}` };
    a.walls.push(wall);
    return [201, { id: wall.id, token: wall.secret, expires: wall.expires, path: `/#/wall?token=${wall.secret}` }];
  }
  if ((m = /^walls\/(\d+)$/.exec(path)) && method === 'DELETE') {
    a.walls = a.walls.filter((w) => w.id !== Number(m[1]));
    a.end((s) => s.wall === Number(m[1]));
    return [204, null];
  }
  m = /^people\/([^/]+)(\/\w+)?$/.exec(path);
  const other = a.people.get(decodeURIComponent(m?.[1] ?? ''));
  if (!other) return [404, error('not_found', 'no such account')];
  const done = (action) => { a.note(action, me.user, { name: other.name }); return [204, null]; };
  switch (`${method} ${m[2] ?? ''}`) {
    case 'PUT /grants':
      other.grants = (await body()).grants;
      done('grants_changed');
      return [200, {}];
    case 'POST /state':
      other.disabled = (await body()).disabled;
      if (other.disabled) a.end((s) => s.user === other.name);
      done(other.disabled ? 'person_disabled' : 'person_enabled');
      return [200, {}];
    case 'POST /password':
      Object.assign(other, { password: 'made-again', change_password: true });
      return [200, { password: 'made-again' }];
    case 'DELETE /totp': other.totp = false; return done('totp_removed');
    case 'GET /sessions': return [200, a.sittings(other.name, me.id)];
    case 'DELETE /sessions': a.end((s) => s.user === other.name); return done('sessions_ended');
    case 'DELETE ': a.people.delete(other.name); return done('person_removed');
    default: return [404, error('not_found', 'no such route')];
  }
}
