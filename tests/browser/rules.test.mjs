// A rule is changed by keyboard alone, against the real binary: the live check finds a mistake, the
// change is tried on what was recorded, saved, and taken back.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort, launchBrowser, publish, startIoc, temporaryFolder } from './programs.mjs';

const shots = process.env.IOC_SHOTS ?? '.';
/** test.sh copies the tests; the configuration stands in the source tree. */
const config = process.env.IOC_CONFIG_SOURCE ?? path.join(import.meta.dirname, '../../config');
const ID = 'flood.street';

test('a threshold is changed by keyboard: checked, backtested, saved, rolled back', { timeout: 180_000 }, async (t) => {
  const folder = await temporaryFolder();
  const rules = path.join(folder.dir, 'config');
  await cp(config, rules, { recursive: true });
  const file = path.join(rules, 'rules/flood.yaml');
  const before = await readFile(file, 'utf8');
  const [mqtt, http] = [await freePort(), await freePort()];
  const ioc = await startIoc(path.join(folder.dir, 'data'), mqtt, http, '--config', rules);
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await ioc.kill();
    await folder.remove();
  });
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 }, locale: 'vi-VN' });
  const troubles = [];
  page.on('pageerror', (e) => troubles.push(`error: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error' && /Content Security Policy|Uncaught|words of/.test(m.text())) troubles.push(m.text());
  });
  await page.goto(ioc.url + ioc.signin);
  await page.waitForSelector('[data-testid="link-state"][data-state="live"]');

  // 9.5 cm: below the notice of 10 cm that runs, above the 9 cm that will be proposed.
  await publish(mqtt, 'hai_chau', 'rain_flood', 'tower-1', { flood_depth: 0.095 });
  const heard = async () => (await (await page.request.get(`${ioc.url}/api/v1/rules/${ID}/entities`)).json()).all;
  for (const end = Date.now() + 20_000; (await heard()) === 0;) {
    assert.ok(Date.now() < end, 'the rule hears of the device');
    await new Promise((done) => setTimeout(done, 200));
  }

  const focused = () => page.evaluate(() => document.activeElement?.closest('[data-testid]')?.dataset.testid ?? '');
  /** Tab until the focus is there. */
  const tabTo = async (wanted) => {
    for (let i = 0; i < 250; i += 1) {
      if ((await focused()) === wanted) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`no Tab leads to ${wanted}; the focus is at ${await focused()}`);
  };
  const state = (word) => page.waitForSelector(`[data-testid="rule-editor"][data-state="${word}"]`, { timeout: 30_000 });
  const version = async () => Number(await page.getAttribute('[data-testid="rules-screen"]', 'data-version'));

  await page.goto(`${ioc.url}/?screen=rules&lang=vi`);
  await page.waitForSelector('[data-testid="rule-row"]');
  const first = await version();
  await tabTo('rules-search');
  await page.keyboard.type(ID);
  // The first that fits is in the order of ids the rule itself.
  await page.waitForFunction((id) => document.querySelector('[data-testid="rule-row"]')?.dataset.id === id, ID);
  await tabTo('rule-row');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid="rule-canonical"]');
  await page.waitForSelector('[data-testid="rule-limit"]', { timeout: 10_000 });
  await page.screenshot({ path: path.join(shots, 'rules-detail.png') });
  await tabTo('rule-edit');
  await page.keyboard.press('Enter');
  await state('good');

  // To the first limit, by keys.
  await tabTo('rule-text');
  await page.keyboard.press('Control+Home');
  const lines = (await page.inputValue('[data-testid="rule-text"]')).split('\n');
  const line = lines.findIndex((l) => l.includes('>= street_flood.notice'));
  for (let i = 0; i < line; i += 1) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  await page.keyboard.press('Backspace');
  await page.keyboard.type('x"');
  await state('wrong');
  const mistake = page.locator(`[data-testid="mistake"][data-row="${line + 1}"]`);
  await mistake.getByText('unknown threshold `street_flood.noticex`').waitFor();
  await page.screenshot({ path: path.join(shots, 'rules-mistake.png') });

  // The mistake leads back to its place; the fix is accepted.
  await page.keyboard.press('Escape');
  await tabTo('mistake-jump');
  await page.keyboard.press('Enter');
  await page.keyboard.press('End');
  for (let i = 0; i < '>= street_flood.noticex"'.length; i += 1) await page.keyboard.press('Backspace');
  await page.keyboard.type('>= 0.09 m"');
  await state('good');

  await page.keyboard.press('Control+Enter');
  await page.waitForURL(/part=backtest:\d+/);
  await page.waitForSelector('[data-testid="bt-result"]', { timeout: 60_000 });
  assert.equal(await page.getAttribute('[data-testid="bt-result"]', 'data-against'), '0', 'what runs raised nothing');
  assert.equal(await page.getAttribute('[data-testid="bt-result"]', 'data-raised'), '1');
  await page.waitForSelector('[data-testid="bt-change"][data-change="added"]');
  await page.screenshot({ path: path.join(shots, 'rules-backtest.png') });

  await page.keyboard.press('Escape');
  await tabTo('rule-save-note');
  await page.keyboard.type('thử bằng bàn phím');
  await page.keyboard.press('Control+s');
  await page.waitForSelector(`[data-testid="rules-screen"][data-version="${first + 1}"]`, { timeout: 30_000 });
  const after = await readFile(file, 'utf8');
  assert.equal(after, before.replace('raise: ">= street_flood.notice"', 'raise: ">= 0.09 m"'), 'one line, and nothing else');

  // The way back.
  await page.goto(`${ioc.url}/r/${ID}?lang=en`);
  const old = `[data-testid="version"][data-number="${first}"]`;
  await page.waitForSelector(old);
  await tabTo('roll-back');
  assert.equal(await page.evaluate(() => document.activeElement.closest('[data-testid=version]').dataset.number), String(first));
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid="rule-confirm-go"]:not([disabled])', { timeout: 30_000 });
  await tabTo('rule-confirm-go');
  await page.keyboard.press('Enter');
  await page.waitForSelector(`[data-testid="rules-screen"][data-version="${first + 2}"]`, { timeout: 30_000 });
  assert.equal(await readFile(file, 'utf8'), before);
  assert.deepEqual(troubles, []);
});
