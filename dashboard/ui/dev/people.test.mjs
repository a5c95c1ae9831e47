// Sign-in, account, permissions, administration and walls on the page, against the mock.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
let accounts;
before(async () => {
  rig = await startRig();
  ({ accounts } = rig.mock);
});
after(() => rig?.close());
beforeEach(() => {
  accounts.confirmMs = 600_000;
  accounts.tooMany = 0;
  accounts.oidc = [];
});

/** A page at the sign-in. */
async function stranger(path = '') {
  const context = await rig.browser.newContext({ viewport: { width: 1600, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${rig.mock.url}/${path}`);
  return { context, page };
}
async function signIn(page, user, password = user) {
  await page.getByTestId('login-user').fill(user);
  await page.getByTestId('login-password').fill(password);
  await page.getByTestId('login-submit').click();
}
const menu = (page) => page.locator('nav a').evaluateAll((all) => all.map((a) => a.dataset.testid.slice(4)));

test('who has a second factor is asked for the code after the password, and not before', async () => {
  const { context, page } = await stranger('?lang=en');
  await page.getByTestId('login-user').waitFor();
  await counted(page.getByTestId('login-code'), 0);
  await signIn(page, 'twice');
  await page.getByTestId('login-code').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), 'login-code', 'focus is where to type');
  await page.keyboard.type('000000');
  await page.keyboard.press('Enter');
  await page.getByText('The code is wrong or used.').waitFor();
  await page.keyboard.press('Tab');
  await page.getByTestId('login-code').fill('123 456');
  await page.keyboard.press('Enter');
  await page.getByTestId('data-area').waitFor();
  await context.close();
});

test('too many attempts: the seconds count down, and the button waits', async () => {
  accounts.tooMany = 3;
  const { context, page } = await stranger('?lang=en');
  await signIn(page, 'operator');
  await page.getByText('Too many attempts. Try again in 3 s.').waitFor();
  assert.ok(await page.getByTestId('login-submit').isDisabled());
  accounts.tooMany = 0;
  await page.locator('[data-testid=login-submit]:not([disabled])').waitFor({ timeout: 8000 });
  await context.close();
});

test('a used link and a refused identity provider are explained, and providers have buttons', async () => {
  accounts.oidc = [{ id: 'city', name: { vi: 'Thành phố', en: 'City hall' } }];
  const { context, page } = await stranger('?lang=en&signin=expired');
  await page.getByTestId('signin-cause').getByText('was used or has expired').waitFor();
  const link = page.getByTestId('login-oidc');
  assert.equal(await link.innerText(), 'Sign in with City hall');
  assert.equal(await link.getAttribute('href'), '/signin/oidc?provider=city');
  await page.goto(`${rig.mock.url}/?lang=vi&signin=oidc_no_group`);
  await page.getByTestId('signin-cause').getByText('không thuộc nhóm nào').waitFor();
  // A word that is none of ours says nothing.
  await page.goto(`${rig.mock.url}/?lang=vi&signin=__proto__`);
  await page.getByTestId('login-user').waitFor();
  await counted(page.getByTestId('signin-cause'), 0);
  await context.close();
});

test('a password that somebody else made is changed before anything else', async () => {
  const { context, page } = await stranger('?lang=en');
  await signIn(page, 'fresh');
  await page.locator('[data-testid=duty][data-duty=password]').waitFor();
  await counted(page.locator('nav'), 0);
  const go = async (old, a, b) => {
    await page.getByTestId('password-old').fill(old);
    await page.getByTestId('password-new').fill(a);
    await page.getByTestId('password-again').fill(b);
    await page.getByTestId('password-go').click();
  };
  await go('fresh', 'short', 'short');
  await page.getByText('needs at least 8 characters').waitFor();
  await go('fresh', 'a long sentence', 'a long sentense');
  await page.getByText('not the same').waitFor();
  await go('wrong', 'a long sentence', 'a long sentence');
  await page.getByText('The present password is wrong.').waitFor();
  await go('fresh', 'password123', 'password123');
  await page.getByText('too common').waitFor();
  await go('fresh', 'a long sentence', 'a long sentence');
  await page.getByTestId('data-area').waitFor();
  assert.equal(accounts.people.get('fresh').password, 'a long sentence');
  await context.close();
});

test('where a second factor is a duty, it is set up first; the recovery codes are shown once', async () => {
  const { context, page } = await stranger('?lang=en');
  await signIn(page, 'duty');
  await page.locator('[data-testid=duty][data-duty=totp]').waitFor();
  await page.getByTestId('totp-start').click();
  const qr = page.getByTestId('totp-qr');
  await qr.waitFor();
  assert.ok(await qr.evaluate((i) => i.complete && i.naturalWidth > 0), 'the picture may be shown');
  assert.match(await page.getByTestId('totp-secret').inputValue(), /^[A-Z2-7 ]+$/);
  await page.getByTestId('totp-code').fill('111111');
  await page.getByTestId('totp-check').click();
  await page.getByText('Not done: The code is wrong').waitFor();
  await page.getByTestId('totp-code').fill('123456');
  await page.getByTestId('totp-check').click();
  await counted(page.getByTestId('recovery').locator('li'), 10);
  await page.getByTestId('recovery-kept').click();
  await page.getByTestId('data-area').waitFor();
  await counted(page.getByTestId('recovery'), 0);
  await context.close();
});

test('the menu offers what one may do, and a typed address no more', async () => {
  const wants = {
    administrator: ['console', 'map', 'alerts', 'services', 'explore', 'kpi', 'ledger', 'shift', 'holds', 'rules', 'devices', 'notify', 'data', 'people', 'audit'],
    operator: ['console', 'map', 'alerts', 'services', 'explore', 'kpi', 'ledger', 'shift', 'holds', 'rules', 'devices', 'data'],
    viewer: ['console', 'map', 'alerts', 'services', 'explore', 'kpi', 'ledger', 'shift', 'holds', 'rules', 'data'],
    auditor: ['console', 'map', 'alerts', 'services', 'explore', 'kpi', 'ledger', 'shift', 'holds', 'rules', 'audit'],
    // A ward's operator: what concerns the whole city is not for them.
    ward: ['console', 'map', 'alerts', 'services', 'explore', 'kpi', 'holds', 'rules', 'devices', 'data'],
  };
  for (const [user, want] of Object.entries(wants)) {
    const { page, close } = await rig.open('?lang=vi', user);
    assert.deepEqual(await menu(page), want, user);
    if (!want.includes('people')) {
      await page.goto(`${rig.mock.url}/?screen=people&lang=vi`);
      await page.getByTestId('no-screen').waitFor();
    }
    await close();
  }
});

test('the header says who, as what and where', async () => {
  const { page, close } = await rig.open('?lang=vi', 'ward');
  assert.match(await page.getByTestId('who-scope').innerText(), /^Trực ban · Phường Hải Châu, Phường Sơn Trà · Mưa và ngập \+1 quyền$/);
  await page.getByTestId('nav-account').click();
  await page.getByTestId('account-screen').getByText('Người xem: Toàn thành phố · Không khí').waitFor();
  await close();
});

test('a person without any grant reads why the page is empty', async () => {
  const { context, page } = await stranger('?lang=en');
  await signIn(page, 'nobody');
  await page.getByTestId('no-scope').getByText('was given no area').waitFor();
  await page.getByTestId('sign-out').click();
  await page.getByTestId('login-user').waitFor();
  await context.close();
});

test('rights that change are followed: the menu shrinks without a reload', async () => {
  const { page, close } = await rig.open('?lang=vi', 'supervisor');
  const person = accounts.people.get('supervisor');
  const before = person.grants;
  person.grants = [{ role: 'auditor', areas: null, services: null }];
  rig.mock.drop();
  await page.getByTestId('nav-audit').waitFor({ timeout: 15_000 });
  await counted(page.getByTestId('nav-devices'), 0);
  person.grants = before;
  await close();
});

test('a critical act asks for the password, and goes on by itself', async () => {
  const { page, close } = await rig.open('?lang=en&screen=people', 'administrator');
  accounts.confirmMs = 0;
  await page.getByTestId('person-add').click();
  await page.getByTestId('person-name').fill('le.moi');
  await page.getByTestId('areas-only').check();
  await page.getByTestId('areas-search').fill('hai chau');
  await page.locator('[data-testid=pick][data-id=hai_chau]').check();
  await page.getByTestId('grant-role').selectOption('operator');
  // The 403 that asks is no trouble of the page.
  page.removeAllListeners('console');
  await page.getByTestId('person-go').click();
  await page.getByTestId('confirm-dialog').waitFor();
  assert.ok(!accounts.people.has('le.moi'));
  await page.getByTestId('confirm-password').fill('wrong');
  await page.getByTestId('confirm-go').click();
  await page.getByText('The password or the code is wrong.').waitFor();
  accounts.confirmMs = 600_000;
  await page.getByTestId('confirm-password').fill('administrator');
  await page.keyboard.press('Enter');
  await page.getByTestId('person-secret').waitFor();
  assert.equal(await page.getByTestId('person-secret').locator('input').inputValue(), 'made-for-you');
  assert.deepEqual(accounts.people.get('le.moi').grants, [{ role: 'operator', areas: ['hai_chau'], services: null }]);
  await page.getByTestId('person-go').click();
  await page.locator('[data-testid=person][data-name="le.moi"]').waitFor();
  await counted(page.getByText('made-for-you'), 0, 'shown once');
  await close();
});

test('Escape on the question changes nothing and says so', async () => {
  const { page, close } = await rig.open('?lang=en&screen=people', 'administrator');
  accounts.confirmMs = 0;
  page.removeAllListeners('console');
  await page.locator('[data-testid=person][data-name="viewer"]').getByTestId('person-more').click();
  await page.getByTestId('disable').click();
  await page.getByTestId('confirm-dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('Nothing was changed').waitFor();
  assert.equal(accounts.people.get('viewer').disabled, false);
  await close();
});

test('grants: one to eight, with areas and services that are chosen and dropped', async () => {
  const { page, close } = await rig.open('?lang=en&screen=people', 'administrator');
  await page.locator('[data-testid=person][data-name="engineer"]').getByTestId('person-edit').click();
  await page.getByTestId('areas-only').check();
  await page.getByTestId('person-go').click();
  await page.getByTestId('grant-fault').getByText('at least one area').waitFor();
  await page.getByTestId('areas-search').fill('son tra');
  await page.locator('[data-testid=pick][data-id=son_tra]').check();
  await counted(page.getByTestId('chosen'), 1);
  for (let i = 0; i < 7; i++) await page.getByTestId('grant-add').click();
  await counted(page.getByTestId('grant'), 8);
  await counted(page.getByTestId('grant-add'), 0, 'eight is the most');
  for (let i = 0; i < 6; i++) await page.getByTestId('grant-drop').last().click();
  await page.getByTestId('person-go').click();
  await page.getByTestId('person-dialog').waitFor({ state: 'detached' });
  assert.deepEqual(accounts.people.get('engineer').grants, [{ role: 'engineer', areas: ['son_tra'], services: null }, { role: 'viewer', areas: null, services: null }]);
  accounts.people.get('engineer').grants = [{ role: 'engineer', areas: null, services: null }];
  await close();
});

test('an administrator resets, disables, ends sessions and removes', async () => {
  accounts.add('tam', [{ role: 'viewer', areas: null, services: null }], { totp: true });
  const { page, close } = await rig.open('?lang=en&screen=people', 'administrator');
  const row = page.locator('[data-testid=person][data-name="tam"]');
  await row.getByTestId('person-more').click();
  await page.getByTestId('reset').click();
  assert.equal(await page.getByTestId('reset-secret').locator('input').inputValue(), 'made-again');
  await page.getByTestId('drop-totp').click();
  await page.getByTestId('manage-dialog').waitFor({ state: 'detached' });
  await row.getByText('1 factor').waitFor();
  await row.getByTestId('person-more').click();
  await page.getByTestId('disable').click();
  await row.getByText('disabled').waitFor();
  await row.getByTestId('person-more').click();
  await page.getByTestId('remove').click();
  assert.ok(accounts.people.has('tam'), 'one press removes nobody');
  await page.getByTestId('remove').click();
  await row.waitFor({ state: 'detached' });
  assert.ok(!accounts.people.has('tam'));
  await close();
});

test('one’s own sessions: this one is marked, the others are ended', async () => {
  const other = await stranger();
  await signIn(other.page, 'operator');
  await other.page.getByTestId('data-area').waitFor();
  const { page, close } = await rig.open('?lang=en&screen=account', 'operator');
  const others = page.locator('[data-testid=sitting][data-current=false]');
  await others.first().waitFor();
  await counted(page.locator('[data-testid=sitting][data-current=true]').getByTestId('sitting-end'), 0);
  await page.getByTestId('end-others').click();
  await page.getByText('There is no other session.').waitFor();
  // The other page learns it at its next request, which may be one of its own before this press, and says so.
  const ended = other.page.getByText('Phiên làm việc đã hết');
  await other.page.getByTestId('nav-kpi').or(ended).first().click();
  await ended.waitFor();
  await other.context.close();
  await close();
});

test('an API token: made with grants and days, shown once, revoked', async () => {
  const { page, close } = await rig.open('?lang=en&screen=account', 'operator');
  await page.getByTestId('api-new').click();
  await page.getByTestId('api-go').click();
  await page.getByText('Say what it is for.').waitFor();
  await page.getByTestId('api-label').fill('report');
  await page.getByTestId('api-days').fill('400');
  await page.getByTestId('api-go').click();
  await page.getByText('1 to 365 days.').waitFor();
  await page.getByTestId('api-days').fill('30');
  await page.getByTestId('api-go').click();
  assert.match(await page.getByTestId('api-secret').locator('input').inputValue(), /^ioc_/);
  await page.getByTestId('api-go').click();
  await page.getByTestId('api-token').filter({ hasText: 'report' }).waitFor();
  await counted(page.getByTestId('api-secret'), 0);
  await page.getByTestId('api-revoke').click();
  await page.getByTestId('api-token').waitFor({ state: 'detached' });
  await close();
});

test('the audit log: newest first, filtered by kind and by who', async () => {
  const { page, close } = await rig.open('?lang=en&screen=audit', 'auditor');
  await page.getByTestId('audit-line').first().waitFor();
  const all = await page.getByTestId('audit-line').count();
  assert.equal(all, accounts.log.length);
  await page.getByTestId('audit-kind').selectOption('sign_in_failed');
  const failed = accounts.log.filter((l) => l.action === 'sign_in_failed').length;
  await page.getByText(`${failed} lines`).waitFor();
  await page.getByTestId('audit-who').fill('ADMIN');
  await counted(page.getByTestId('audit-line'), accounts.log.filter((l) => l.action === 'sign_in_failed' && l.actor === 'administrator').length);
  await close();
});

test('a wall link opens one view, read-only, leaves the address bar, and survives reload and a lost link', async () => {
  const { page, close } = await rig.open('?lang=en&screen=people', 'administrator');
  await page.getByTestId('wall-add').click();
  await page.getByTestId('wall-label').fill('Phòng trực');
  await page.getByTestId('wall-view').selectOption('overview');
  await page.getByTestId('wall-go').click();
  const link = await page.getByTestId('wall-secret').locator('input').inputValue();
  const context = await rig.browser.newContext({ viewport: { width: 2560, height: 1440 } });
  const wall = await context.newPage();
  const problems = [];
  wall.on('pageerror', (e) => problems.push(String(e)));
  wall.on('console', (m) => { if (m.type() === 'error' && !/ERR_CONNECTION|WebSocket| 401 /.test(m.text())) problems.push(m.text()); });
  await wall.goto(link);
  await wall.getByTestId('wall-screen').waitFor();
  assert.ok(!wall.url().includes('token'), wall.url());
  assert.ok(!(await wall.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, history.state]))).includes('iocw_'));
  await wall.getByTestId('wall-alert').first().waitFor();
  assert.equal(await wall.locator('nav, button:visible, input').count() - (await wall.locator('[inert] button:visible, [inert] input').count()), 0, 'nothing to press');
  await wall.reload();
  await wall.getByTestId('wall-alert').first().waitFor();
  rig.mock.drop();
  await wall.locator('[data-testid=link-state][data-state=live]').waitFor({ timeout: 15_000 });
  // Revoked: the wall says what to do.
  await page.getByTestId('wall-go').click();
  await page.getByTestId('wall-revoke').click();
  await page.getByTestId('wall').waitFor({ state: 'detached' });
  rig.mock.drop();
  await wall.getByTestId('login-user').waitFor({ timeout: 15_000 });
  await wall.goto(link);
  await wall.getByTestId('wall-failed').waitFor();
  assert.ok(!wall.url().includes('token'));
  assert.deepEqual(problems, []);
  await context.close();
  await close();
});

test('every field has a label, dialogs hold the focus and give it back, Escape closes', async () => {
  const { page, close } = await rig.open('?lang=en&screen=people', 'administrator');
  const unlabelled = () => page.evaluate(() => [...document.querySelectorAll('input:not(.sr), select, textarea, button, a[href]')]
    .filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML.slice(0, 120)));
  for (const screen of ['people', 'audit', 'account']) {
    await page.goto(`${rig.mock.url}/?screen=${screen}&lang=en`);
    await page.getByTestId(`${screen}-screen`).locator('.card').first().waitFor();
    assert.deepEqual(await unlabelled(), [], screen);
  }
  await page.goto(`${rig.mock.url}/#/people`);
  for (const [opener, dialog] of [['person-add', 'person-dialog'], ['wall-add', 'wall-dialog'], ['person-edit', 'person-dialog'], ['person-more', 'manage-dialog']]) {
    const button = page.getByTestId(opener).first();
    await button.click();
    await page.getByTestId(dialog).waitFor();
    assert.deepEqual(await unlabelled(), [], dialog);
    // Fewer steps than the smallest dialog has stops: past the last one the browser's own bar follows.
    for (let i = 0; i < 2; i++) await page.keyboard.press('Tab');
    assert.ok(await page.evaluate((id) => document.activeElement === document.body || document.activeElement.closest(`[data-testid="${id}"]`) !== null, dialog), `${dialog}: focus stays inside`);
    await page.keyboard.press('Escape');
    await page.getByTestId(dialog).waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), opener);
  }
  await close();
});
