// Screenshots of the built page against the mock: npm run build && npm run shots [-- --out DIR --only name]
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startMock } from './mock.mjs';

const arg = (name, otherwise) => {
  const i = process.argv.indexOf(`--${name}`);
  return i < 0 ? otherwise : process.argv[i + 1];
};
const out = arg('out', '/tmp/ioc-shots');
const only = arg('only', '');
const dist = arg('dist', undefined);
mkdirSync(out, { recursive: true });

const SIZES = { desktop: { width: 1600, height: 900 }, laptop: { width: 1366, height: 768 }, wall: { width: 2560, height: 1440 }, wall4k: { width: 3840, height: 2160 }, phone: { width: 390, height: 844 }, hd: { width: 1920, height: 1080 } };
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const busy = await startMock({ scene: 'busy', quiet: true, dist });
const calm = await startMock({ scene: 'calm', quiet: true, dist });
const flood = busy.city.open().find((r) => r.severity === 'emergency');
const shelved = busy.city.open().find((r) => r.state === 'SHLVD');
let problems = 0;

async function shot(name, { size = 'desktop', mock = busy, query = '?lang=vi', login = true, user = 'operator', full = false, act = null }) {
  if (only && !name.includes(only)) return;
  const page = await browser.newPage({ viewport: SIZES[size], isMobile: size === 'phone', hasTouch: size === 'phone' });
  page.on('console', (m) => { if ((m.type() === 'error' || m.type() === 'warning') && !/ (401|412|422) /.test(m.text())) { problems += 1; console.log(`${name}: ${m.type()}: ${m.text()}`); } });
  page.on('pageerror', (e) => { problems += 1; console.log(`${name}: page error: ${e}`); });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.goto(`${mock.url}/${query}`);
  if (login) {
    await page.getByTestId('login-user').fill(user);
    await page.getByTestId('login-password').fill(user);
    await page.getByTestId('login-submit').click();
    await page.getByTestId('data-area').waitFor();
    await page.getByTestId('link-state').and(page.locator('[data-state=live]')).waitFor();
    await page.waitForTimeout(1800);
    // Not over the list, so that it is not held.
    if (size !== 'phone') await page.mouse.move(SIZES[size].width * 0.45, 20);
  } else await page.waitForTimeout(600);
  if (act) await act(page);
  await page.screenshot({ path: join(out, `${name}.png`), fullPage: full });
  console.log(`${name}.png`);
  await page.close();
}

await shot('login-vi', { login: false });
await shot('desktop-vi', {});
await shot('desktop-en', { query: '?lang=en' });
await shot('desktop-calm-vi', { mock: calm });
await shot('desktop-near-vi', { query: '?lang=vi&map=16.0600,108.2150,13.75', act: async (p) => { await p.mouse.move(760, 480); await p.waitForTimeout(200); } });
await shot('desktop-city-vi', { act: async (p) => { await p.getByRole('button', { name: 'Toàn thành phố' }).click(); await p.waitForTimeout(400); } });
await shot('desktop-alert-vi', { query: `?lang=vi&alert=${flood.id}`, act: (p) => p.waitForTimeout(1200) });
await shot('desktop-alert-near-en', { query: `?lang=en&map=16.0660,108.2000,13.5&alert=${flood.id}`, act: (p) => p.waitForTimeout(1200) });
await shot('desktop-device-en', { query: `?lang=en&device=${flood.device}`, act: (p) => p.waitForTimeout(1500) });
await shot('desktop-ack-vi', { act: async (p) => { await p.getByTestId('ack-button').first().click(); await p.getByTestId('ack-note').fill('Đã báo đội ứng cứu phường'); } });

// The life cycle of alerts.
const select = async (p, n) => { for (let i = 0; i < n; i++) await p.getByTestId('row-check').nth(i + 1).check(); };
await shot('list-grouped-vi', { query: '?lang=vi&group=incident', act: async (p) => { await p.waitForTimeout(3500); await p.getByTestId('group-row').first().click(); await p.mouse.move(720, 20); await p.waitForTimeout(300); } });
await shot('list-flood-en', { query: '?lang=en', act: async (p) => { busy.flood(true); await p.waitForTimeout(500); busy.flood(false); } });
await shot('list-flood-vi', { act: async (p) => { busy.flood(true); await p.waitForTimeout(500); } });
busy.flood(false);
await shot('list-held-vi', { query: `?lang=vi&tab=held&alert=${shelved.id}`, act: (p) => p.waitForTimeout(900) });
await shot('list-closed-en', { query: '?lang=en&tab=closed', act: (p) => p.waitForTimeout(600) });
await shot('list-filters-vi', { act: async (p) => { await p.getByTestId('filters').click(); await select(p, 4); await p.getByTestId('bulk-more').click(); } });
await shot('dialog-shelve-vi', { act: async (p) => { await select(p, 6); await p.getByTestId('bulk-shelve').click(); await p.getByTestId('shelve-custom').click(); await p.getByTestId('act-submit').click(); } });
await shot('dialog-assign-en', { query: '?lang=en', act: async (p) => { await select(p, 1); await p.getByTestId('bulk-assign').click(); await p.getByTestId('act-name').fill('tran.b'); } });
await shot('dialog-merge-vi', { act: async (p) => { await select(p, 2); await p.getByTestId('bulk-more').click(); await p.getByTestId('bulk-merge').click(); await p.waitForTimeout(400); } });
await shot('dialog-conflict-vi', { query: `?lang=vi&alert=${flood.id}`, act: async (p) => {
  await p.getByTestId('do-resolve').click();
  await p.getByTestId('act-note').fill('Nước rút, đã mở đường');
  busy.city.register.one({ id: flood.id }, { action: 'comment', text: 'Khoan đóng: xe vẫn kẹt ở đầu hầm' }, 'tran.b', Date.now());
  await p.getByTestId('act-submit').click();
  await p.getByTestId('conflict').waitFor();
} });
await shot('result-vi', { act: async (p) => {
  await select(p, 7);
  const ids = await p.locator('[data-testid=alert-row][aria-selected=true]').evaluateAll((rows) => rows.map((r) => r.dataset.id));
  const keep = busy.city.onAlert;
  busy.city.onAlert = () => {};
  for (const id of ids.slice(2, 4)) busy.city.acknowledge(busy.city.alerts.get(id), 'lan', null);
  busy.city.onAlert = keep;
  await p.getByTestId('bulk-acknowledge').click();
  await p.getByTestId('ack-note').fill('Đã báo các phường');
  await p.getByTestId('ack-submit').click();
  await p.getByTestId('bulk-result').waitFor();
} });
for (const lang of ['vi', 'en']) {
  for (const size of ['desktop', 'wall', 'phone']) {
    const full = size === 'phone';
    const later = (p) => p.waitForTimeout(900);
    await shot(`kpi-${size}-${lang}`, { size, query: `?lang=${lang}&screen=kpi`, user: 'administrator', full, act: later });
    await shot(`shift-${size}-${lang}`, { size, query: `?lang=${lang}&screen=shift`, full, act: later });
    await shot(`holds-${size}-${lang}`, { size, query: `?lang=${lang}&screen=holds`, full, act: later });
  }
}
for (const lang of ['vi', 'en']) {
  for (const size of ['desktop', 'wall', 'phone']) await shot(`devices-${size}-${lang}`, { size, query: `?lang=${lang}&screen=devices`, user: 'administrator', full: size === 'phone', act: (p) => p.waitForTimeout(700) });
}
await shot('devices-form-vi', { query: '?lang=vi&screen=devices', user: 'administrator', act: async (p) => { await p.getByTestId('device-new').click(); await p.waitForTimeout(300); } });
await shot('devices-tokens-en', { query: '?lang=en&screen=devices', user: 'administrator', act: async (p) => { await p.getByTestId('tokens').first().click(); await p.getByTestId('token-issue').click(); await p.getByTestId('new-token').waitFor(); } });
for (const [size, lang] of [['desktop', 'vi'], ['desktop', 'en'], ['phone', 'vi']]) await shot(`received-${size}-${lang}`, { size, query: `?lang=${lang}&device=${busy.city.devices.find((d) => !d.silent).meta.id}`, user: 'administrator', full: size === 'phone', act: async (p) => { await p.getByTestId('received').scrollIntoViewIfNeeded(); await p.waitForTimeout(400); } });
// People: sign-in, account, administration, audit log, walls.
busy.accounts.oidc = [{ id: 'city', name: { vi: 'Tài khoản thành phố', en: 'City account' } }];
busy.accounts.walls.push({ id: 1, label: 'Phòng trực tầng 2', view: 'overview', areas: null, services: null, created: Date.now(), expires: null, used: Date.now(), secret: 'w1' }, { id: 2, label: 'Hải Châu', view: 'alerts', areas: ['hai_chau'], services: ['rain_flood'], created: Date.now(), expires: Date.now() + 9e9, used: null, secret: 'w2' }, { id: 3, label: 'Map', view: 'map', areas: null, services: null, created: Date.now(), expires: null, used: null, secret: 'w3' });
busy.accounts.tokens.push({ id: 1, label: 'báo cáo tuần', grants: [{ role: 'viewer', areas: null, services: ['air'] }], user: 'operator', created: Date.now(), expires: Date.now() + 9e9, used: null });
await shot('people-login-vi', { login: false });
await shot('people-login-phone-en', { login: false, size: 'phone', query: '?lang=en&signin=oidc_no_group' });
await shot('people-code-en', { login: false, query: '?lang=en', act: async (p) => { await p.getByTestId('login-user').fill('twice'); await p.getByTestId('login-password').fill('twice'); await p.getByTestId('login-submit').click(); await p.getByTestId('login-code').waitFor(); } });
for (const [size, lang] of [['desktop', 'vi'], ['desktop', 'en'], ['wall', 'vi'], ['phone', 'vi'], ['phone', 'en']]) {
  const full = size === 'phone';
  await shot(`people-screen-${size}-${lang}`, { size, query: `?lang=${lang}&screen=people`, user: 'administrator', full });
  await shot(`people-account-${size}-${lang}`, { size, query: `?lang=${lang}&screen=account`, full });
  await shot(`people-audit-${size}-${lang}`, { size, query: `?lang=${lang}&screen=audit`, user: 'auditor', full });
}
await shot('people-grants-vi', { query: '?lang=vi&screen=people', user: 'administrator', act: async (p) => { await p.locator('[data-name=ward]').getByTestId('person-edit').click(); await p.waitForTimeout(300); } });
await shot('people-grants-phone-en', { size: 'phone', query: '?lang=en&screen=people', user: 'administrator', act: async (p) => { await p.locator('[data-name=ward]').getByTestId('person-edit').click(); await p.waitForTimeout(300); } });
await shot('people-manage-en', { query: '?lang=en&screen=people', user: 'administrator', act: async (p) => { await p.locator('[data-name=operator]').getByTestId('person-more').click(); await p.getByTestId('reset').click(); await p.getByTestId('reset-secret').waitFor(); } });
busy.accounts.people.get('operator').password = 'operator';
busy.accounts.people.get('operator').change_password = false;
await shot('people-totp-vi', { query: '?lang=vi&screen=account', act: async (p) => { await p.getByTestId('totp-start').click(); await p.getByTestId('totp-code').fill('123456'); } });
await shot('people-recovery-vi', { query: '?lang=vi&screen=account', act: async (p) => { await p.getByTestId('totp-start').click(); await p.getByTestId('totp-code').fill('123456'); await p.getByTestId('totp-check').click(); await p.getByTestId('recovery').waitFor(); } });
busy.accounts.people.get('operator').totp = false;
await shot('people-ward-vi', { user: 'ward' });
for (const [view, secret] of [['overview', 'w1'], ['alerts', 'w2'], ['map', 'w3']]) {
  for (const [size, lang] of [['desktop', 'vi'], ['wall4k', 'en']]) await shot(`people-wall-${view}-${size}-${lang}`, { size, login: false, query: `?lang=${lang}#/wall?token=${secret}`, act: async (p) => { await p.getByTestId('wall-screen').waitFor(); await p.waitForTimeout(2500); } });
}
await shot('kpi-week-vi', { query: '?lang=vi&screen=kpi&span=168', user: 'administrator', act: (p) => p.waitForTimeout(600) });
await shot('help-vi', { act: async (p) => { await p.keyboard.press('?'); await p.waitForTimeout(200); } });
await shot('phone-detail-vi', { size: 'phone', query: `?lang=vi&alert=${flood.id}`, act: (p) => p.waitForTimeout(1200) });
await shot('phone-select-en', { size: 'phone', query: '?lang=en', act: async (p) => { await select(p, 2); await p.waitForTimeout(300); } });
await shot('wall-list-vi', { size: 'wall', query: `?lang=vi&group=incident&alert=${flood.id}`, act: (p) => p.waitForTimeout(3500) });
await shot('laptop-vi', { size: 'laptop' });
await shot('wall-vi', { size: 'wall' });
await shot('phone-vi', { size: 'phone' });
await shot('phone-full-en', { size: 'phone', query: '?lang=en', full: true });
await shot('phone-device-vi', { size: 'phone', query: `?lang=vi&device=${flood.device}`, act: (p) => p.waitForTimeout(1500) });
await shot('old-data-vi', { act: async (p) => { busy.mute(true); await p.waitForTimeout(11_500); busy.mute(false); } });
// Screens with a file of their own in shots/: export default async ({ shot, busy, calm }) => …
for (const file of readdirSync(new URL('./shots/', import.meta.url)).sort()) {
  const part = await import(`./shots/${file}`);
  await part.default({ shot, busy, calm });
}
await browser.close();
await busy.close();
await calm.close();
if (problems > 0) {
  console.log(`${problems} console problems`);
  process.exitCode = 1;
}
