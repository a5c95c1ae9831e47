// An operator's minutes: an alert appears, is acknowledged, the server restarts, the language
// changes; then what the page looks like with the simulated city.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { freePort, launchBrowser, publish, startCity, startIoc, temporaryFolder } from './programs.mjs';

const shots = process.env.IOC_SHOTS ?? '.';
const row = (device) => `[data-testid="alert-row"]:has-text("${device}")`;

/** Opens a page that fails the test on script errors and CSP violations. */
async function openPage(browser, viewport) {
  const page = await browser.newPage({ viewport, locale: 'vi-VN' });
  const troubles = [];
  page.on('pageerror', (e) => troubles.push(`error: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error' && /Content Security Policy|Uncaught/.test(m.text())) troubles.push(m.text());
  });
  return { page, troubles };
}

test('an alert appears, is acknowledged, survives a restart, and the language changes', { timeout: 120_000 }, async (t) => {
  const folder = await temporaryFolder();
  const [mqtt, http] = [await freePort(), await freePort()];
  let ioc = await startIoc(folder.dir, mqtt, http);
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await ioc.kill();
    await folder.remove();
  });
  const { page, troubles } = await openPage(browser, { width: 1600, height: 900 });
  await page.goto(ioc.url + ioc.signin);
  await page.waitForSelector('[data-testid="link-state"][data-state="live"]');
  await page.evaluate(() => { window.iocMarker = 'same page'; });

  await publish(mqtt, 'hai_chau', 'rain_flood', 'tower-1', { flood_depth: 0.62 });
  await page.waitForSelector(row('tower-1'), { timeout: 5_000 });
  assert.equal(await page.getAttribute(row('tower-1'), 'data-ack'), 'false');

  await page.click(`${row('tower-1')} [data-testid="ack-button"]`);
  await page.fill('[data-testid="ack-note"]', 'Đã báo phường Hải Châu');
  await page.click('[data-testid="ack-submit"]');
  await page.waitForSelector('[data-testid="alert-row"][data-ack="true"]', { timeout: 5_000 });
  assert.equal(await page.getAttribute(row('tower-1'), 'data-ack'), 'true');

  const before = await page.textContent('body');
  assert.match(before, /Cảnh báo/, 'Vietnamese comes first');
  await page.click('[data-testid="lang-switch"]');
  await page.waitForFunction(() => document.documentElement.lang === 'en');
  assert.match(await page.textContent('body'), /Alerts/);

  // A crash of the server, seen and survived without a reload.
  await ioc.kill();
  await page.waitForSelector('[data-testid="link-state"][data-state="down"]', { timeout: 15_000 });
  ioc = await startIoc(folder.dir, mqtt, http);
  await page.waitForSelector('[data-testid="link-state"][data-state="live"]', { timeout: 30_000 });
  assert.equal(await page.getAttribute(row('tower-1'), 'data-ack'), 'true');
  await publish(mqtt, 'hai_chau', 'rain_flood', 'tower-2', { flood_depth: 1.2 });
  await page.waitForSelector(row('tower-2'), { timeout: 5_000 });
  assert.equal(await page.evaluate(() => window.iocMarker), 'same page', 'the page was not loaded anew');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  assert.deepEqual(troubles, []);
});

test('a stranger sees the sign-in and nothing else', { timeout: 60_000 }, async (t) => {
  const folder = await temporaryFolder();
  const [mqtt, http] = [await freePort(), await freePort()];
  const ioc = await startIoc(folder.dir, mqtt, http);
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await ioc.kill();
    await folder.remove();
  });
  const { page } = await openPage(browser, { width: 1200, height: 800 });
  await page.goto(ioc.url);
  await page.waitForSelector('[data-testid="login-user"]');
  assert.equal(await page.locator('[data-testid="alert-row"]').count(), 0);
  await page.fill('[data-testid="login-user"]', 'admin');
  await page.fill('[data-testid="login-password"]', 'not the password');
  await page.click('[data-testid="login-submit"]');
  await page.waitForSelector('[role="alert"]:not(:empty)');
  assert.equal(await page.locator('[data-testid="login-user"]').count(), 1);
});

test('the simulated city fills the page within 10 s, in every size and both languages', { timeout: 180_000 }, async (t) => {
  const folder = await temporaryFolder();
  const [mqtt, http] = [await freePort(), await freePort()];
  const ioc = await startIoc(folder.dir, mqtt, http);
  const started = Date.now();
  const city = startCity(mqtt);
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await city.stop();
    await ioc.kill();
    await folder.remove();
  });
  const { page, troubles } = await openPage(browser, { width: 1600, height: 900 });
  await page.goto(ioc.url + ioc.signin);
  await page.waitForSelector('[data-testid="alert-row"]', { timeout: 10_000 });
  const seconds = (Date.now() - started) / 1000;
  t.diagnostic(`first alert on the page ${seconds.toFixed(1)} s after the city started`);
  assert.equal(await page.locator('[data-testid="tile"]').count(), 18);
  await page.waitForTimeout(4_000); // screenshots are for people: let values arrive
  const sizes = { desktop: [1600, 900], wall: [3840, 2160], phone: [390, 844] };
  for (const lang of ['vi', 'en']) {
    if ((await page.evaluate(() => document.documentElement.lang)) !== lang) {
      await page.click('[data-testid="lang-switch"]');
    }
    for (const [name, [width, height]] of Object.entries(sizes)) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(700);
      await page.screenshot({ path: path.join(shots, `${name}-${lang}.png`) });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(overflow <= 0, `${name}-${lang}: the page is ${overflow} px wider than the screen`);
    }
  }
  await page.setViewportSize({ width: 1600, height: 900 });
  await page.click('[data-testid="alert-row"]');
  await page.waitForTimeout(1_000);
  await page.screenshot({ path: path.join(shots, 'alert-en.png') });
  assert.deepEqual(troubles, []);
});
