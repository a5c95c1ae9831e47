// A shift at the keyboard alone, against the mock: nothing here may call the mouse.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startRig, until } from './rig.mjs';

let rig;
let city;
before(async () => {
  rig = await startRig();
  ({ city } = rig.mock);
});
after(() => rig?.close());

const NOTHING = 'nothing has the focus';
/** What is wrong with the focus: it must be on a control that can be seen to have it; null: nothing. */
const unseen = (page) => page.evaluate((NOTHING) => {
  const e = document.activeElement;
  if (e === null || e === document.body) return NOTHING;
  const name = e.outerHTML.slice(0, 110);
  if (!e.matches('a[href], button, input, select, textarea, summary, [tabindex]')) return `no control: ${name}`;
  const r = e.getBoundingClientRect();
  if (r.width < 2 || r.height < 2) return `no size: ${name}`;
  // A switch that is drawn by its label is outlined there.
  const s = getComputedStyle(e);
  if (s.outlineStyle === 'none' || parseFloat(s.outlineWidth) < 1) return `no outline: ${name}`;
  const points = [0.1, 0.5, 0.9].flatMap((x) => [0.1, 0.5, 0.9].map((y) => [r.left + r.width * x, r.top + r.height * y])).filter(([x, y]) => x >= 0 && y >= 0 && x < innerWidth && y < innerHeight);
  const free = points.some(([x, y]) => { const top = document.elementFromPoint(x, y); return top !== null && (e.contains(top) || top.contains(e) || top.closest('label')?.contains(e)); });
  return free ? null : `${points.length === 0 ? 'out of sight' : 'covered'}: ${name}`;
}, NOTHING);
const focusedId = (page) => page.evaluate(() => document.activeElement?.dataset?.testid ?? '');

/** What is wrong with the focus, once the page has had time to bring it into sight and to take away what said something over it. */
async function wrongly(page) {
  let wrong = await unseen(page);
  for (let i = 0; i < 60 && wrong !== null && wrong !== NOTHING; i++) {
    await new Promise((done) => setTimeout(done, 100));
    wrong = await unseen(page);
  }
  return wrong;
}

/** Presses a key until the focus is there; every stop on the way is seen, but for the end of the page, where the browser's own bar takes some presses. */
async function go(page, wanted, key = 'Tab') {
  let ends = 0;
  for (let i = 0; i < 200; i++) {
    const wrong = i === 0 ? null : await wrongly(page);
    if (wrong !== NOTHING || ++ends > 4) assert.equal(wrong, null, `on the way to ${wanted}`);
    if ((await focusedId(page)) === wanted) return;
    await page.keyboard.press(key);
  }
  assert.fail(`no ${key} leads to ${wanted}; the focus is at ${await focusedId(page)}`);
}

async function shift(n) {
  const context = await rig.browser.newContext({ viewport: { width: 1600, height: 900 }, colorScheme: 'dark' });
  const page = await context.newPage();
  // A press of the mouse would come as one of these.
  await page.addInitScript(() => {
    window.presses = 0;
    for (const name of ['pointerdown', 'mousedown', 'touchstart']) addEventListener(name, () => { window.presses += 1; }, true);
  });
  const gone = (id) => page.getByTestId(id).waitFor({ state: 'detached' });
  const row = (a) => page.locator(`[data-testid=alert-row][data-id="${a.row.id}"]`);
  const raise = (n) => city.raise(city.devices[n], 'traffic.congestion', 'emergency', 5, 15, 'km/h', `Bàn phím ${n}`, `Keyboard ${n}`, Date.now());
  const keys = page.keyboard;

  // Sign in.
  await page.goto(`${rig.mock.url}/?lang=vi`);
  await page.waitForFunction(() => document.activeElement?.dataset.testid === 'login-user');
  await keys.type('operator');
  await go(page, 'login-password');
  await keys.type('operator');
  await go(page, 'login-submit');
  await keys.press('Enter');
  await page.locator('[data-testid=link-state][data-state=live]').waitFor();
  await page.locator('[data-testid=ack-button]:not([disabled])').first().waitFor();

  // The newest alert, acknowledged with a note.
  const a = raise(n);
  await row(a).waitFor();
  await keys.press('.');
  await page.waitForFunction((id) => document.querySelector('[data-testid=alert-row]')?.dataset.id === id, a.row.id);
  await keys.press('j');
  await page.waitForFunction((id) => document.activeElement?.dataset.id === id, a.row.id);
  assert.equal(await wrongly(page), null);
  await keys.press('a');
  await page.waitForFunction(() => document.activeElement?.dataset.testid === 'ack-note');
  await keys.type('đã gọi đội 3');
  await go(page, 'ack-submit');
  await keys.press('Enter');
  await gone('act-dialog');
  await page.locator(`[data-testid=alert-row][data-id="${a.row.id}"][data-ack=true]`).waitFor();
  assert.deepEqual([a.row.acknowledged_by, a.row.note], ['operator', 'đã gọi đội 3']);
  // The focus is back on the row.
  await page.waitForFunction((id) => document.activeElement?.dataset.id === id, a.row.id);

  // And taken back.
  await page.getByTestId('undo').waitFor();
  await keys.press('u');
  await page.locator(`[data-testid=alert-row][data-id="${a.row.id}"][data-ack=false]`).waitFor();
  assert.equal(a.row.acknowledged, false);

  // A note on it.
  await keys.press('n');
  await page.waitForFunction(() => document.activeElement?.dataset.testid === 'act-text');
  await keys.type('xe cẩu đang tới');
  await go(page, 'act-submit');
  await keys.press('Enter');
  await gone('act-dialog');
  await until(() => a.row.comments, 1);
  assert.equal(a.audit.at(-1).note, 'xe cẩu đang tới');

  // Shelved for four hours, with a reason.
  await page.waitForFunction((id) => document.activeElement?.dataset.id === id, a.row.id);
  await keys.press('s');
  await page.waitForFunction(() => document.activeElement?.closest('[data-testid=act-dialog]'));
  await go(page, 'shelve-4h', 'Shift+Tab');
  await keys.press('Enter');
  await page.locator('[data-testid=shelve-4h][aria-pressed=true]').waitFor();
  await go(page, 'act-reason');
  await keys.type('thợ đang sửa');
  await go(page, 'act-submit');
  await keys.press('Enter');
  await gone('act-dialog');
  await until(() => a.row.held?.[0]?.reason, 'thợ đang sửa');
  assert.ok(Math.abs(a.row.held[0].until - Date.now() - 4 * 3_600_000) < 120_000);

  // A device by its name, typed without marks.
  const device = city.devices.find((d) => d.meta.kind === 'river_gauge').meta;
  await keys.press('/');
  await page.waitForFunction(() => document.activeElement?.matches('input[type=search]'));
  assert.equal(await wrongly(page), null);
  await keys.type('tram thuy van cam le');
  await page.getByTestId('found-device').getByText(device.name.vi).waitFor();
  await go(page, 'found-device');
  await keys.press('Enter');
  await page.locator('[data-testid=device-panel] h2').getByText(device.name.vi).waitFor();
  await page.waitForURL((url) => url.searchParams.get('device') === device.id);
  await keys.press('Escape');
  await gone('device-panel');

  // Help, and single keys off and on.
  await keys.press('/');
  await page.waitForFunction(() => document.activeElement?.matches('input[type=search]'));
  await keys.press('Escape');
  await page.waitForFunction(() => document.activeElement === document.body && !new URLSearchParams(location.search).has('q'));
  await keys.press('?');
  await page.getByTestId('help').waitFor();
  await page.waitForFunction(() => document.activeElement?.closest('[data-testid=help]'));
  await go(page, 'single-keys', 'Shift+Tab');
  await keys.press('Space');
  await page.locator('[data-testid=single-keys]:not(:checked)').waitFor();
  await keys.press('Escape');
  await gone('help');
  await keys.press('?');
  await keys.press('w');
  // What a later key does shows that the earlier ones did nothing.
  await go(page, 'help-button');
  assert.equal(await page.getByTestId('help').count(), 0, 'single keys are off');
  assert.ok(!page.url().includes('/wall'));
  await keys.press('Enter');
  await page.getByTestId('help').waitFor();
  await go(page, 'single-keys', 'Shift+Tab');
  await keys.press('Space');
  await page.locator('[data-testid=single-keys]:checked').waitFor();
  await keys.press('Escape');
  await gone('help');
  await page.waitForFunction(() => document.activeElement?.dataset.testid === 'help-button');
  await keys.press('?');
  await page.getByTestId('help').waitFor();
  await keys.press('Escape');
  await gone('help');

  assert.equal(await page.evaluate(() => window.presses), 0, 'no mouse');
  await context.close();
}

// Of 35 runs on a busy machine three failed, once because nothing had the focus for two presses at the
// end of the page, twice for causes that were not seen: so it may be done again, and tells why.
test('a shift by keyboard alone: sign in, acknowledge, shelve, undo, note, find a device, help; the focus is seen all the way', async (t) => {
  try {
    await shift(3);
  } catch (e) {
    t.diagnostic(`the first time: ${e instanceof Error ? e.stack : e}`);
    await shift(4);
  }
});
