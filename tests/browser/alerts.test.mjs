// Two operators and the life of alerts against the real server: mixed bulk result, undo, a conflict,
// the shelf across a crash; and the screens of figures, shift and holds.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { freePort, launchBrowser, publish, startIoc, temporaryFolder } from './programs.mjs';

const shots = process.env.IOC_SHOTS ?? '.';
const TOWERS = ['tower-1', 'tower-2', 'tower-3'];
const row = (page, device) => page.locator(`[data-testid="alert-row"]:has-text("${device}")`);

async function openPage(context, url, troubles) {
  const page = await context.newPage();
  page.on('pageerror', (e) => troubles.push(`error: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error' && /Content Security Policy|Uncaught/.test(m.text())) troubles.push(m.text());
  });
  await page.goto(url);
  await page.waitForSelector('[data-testid="link-state"][data-state="live"]');
  return page;
}

test('two operators acknowledge, undo, meet in a conflict, and shelve; a crash forgets nothing', { timeout: 180_000 }, async (t) => {
  const folder = await temporaryFolder();
  const [mqtt, http] = [await freePort(), await freePort()];
  let ioc = await startIoc(folder.dir, mqtt, http);
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await ioc.kill();
    await folder.remove();
  });
  const troubles = [];
  const context = await browser.newContext({ viewport: { width: 1600, height: 900 }, locale: 'vi-VN' });
  const one = await openPage(context, ioc.url + ioc.signin, troubles);
  const two = await openPage(context, ioc.url, troubles);
  for (const tower of TOWERS) await publish(mqtt, 'hai_chau', 'rain_flood', tower, { flood_depth: 0.62 });
  for (const tower of TOWERS) await row(one, tower).waitFor({ timeout: 10_000 });

  // The first has selected all three; while the words are typed, the second takes one.
  await one.getByTestId('select-all').click();
  await one.getByTestId('bulk-acknowledge').click();
  await one.getByTestId('ack-note').fill('đã báo phường');
  await row(two, 'tower-1').getByTestId('ack-button').click();
  await two.getByTestId('ack-submit').click();
  await two.locator('[data-testid="alert-row"][data-ack="true"]').first().waitFor();
  await one.getByTestId('ack-submit').click();
  assert.match(await one.getByTestId('bulk-summary').innerText(), /^2 xong, 1 đã nhận trước \(\S+, \d\d:\d\d:\d\d\)$/);
  assert.equal(await one.locator('[data-testid="alert-row"][aria-selected="true"]').count(), 1);
  await one.getByTestId('undo').click();
  await one.getByText('Đã hoàn tác 2 cảnh báo.').waitFor();
  assert.equal(await one.locator('[data-testid="alert-row"][data-ack="true"]').count(), 1);
  await one.getByTestId('bulk-none').click();

  // Both work on the same alert: who is second sees what the first did and may still go on.
  await row(one, 'tower-3').click();
  await one.getByTestId('do-resolve').click();
  await one.getByTestId('act-note').fill('đã bơm cạn');
  await row(two, 'tower-3').click();
  await two.getByTestId('do-assign').click();
  await two.getByTestId('act-name').fill('đội 2');
  await two.getByTestId('act-submit').click();
  await two.getByTestId('act-dialog').waitFor({ state: 'detached' });
  await one.getByTestId('act-submit').click();
  assert.match(await one.getByTestId('conflict').innerText(), /Phân công/);
  assert.equal(await one.getByTestId('act-note').inputValue(), 'đã bơm cạn');
  await one.screenshot({ path: path.join(shots, 'conflict-vi.png') });
  await one.getByTestId('conflict-retry').click();
  await one.getByTestId('act-dialog').waitFor({ state: 'detached' });
  await one.locator('[data-testid="work"][data-work="resolved"]').waitFor();

  // The shelf needs a reason, and holds across a crash.
  await row(one, 'tower-2').click();
  await one.getByTestId('do-shelve').click();
  await one.getByTestId('act-submit').click();
  await one.getByText('Hãy ghi lý do.').waitFor();
  await one.getByTestId('act-reason').fill('thợ đang sửa đầu đo');
  await one.getByTestId('act-submit').click();
  await one.locator('[data-testid="count-held"]', { hasText: '1' }).waitFor();
  await ioc.kill();
  await one.waitForSelector('[data-testid="link-state"][data-state="down"]', { timeout: 15_000 });
  ioc = await startIoc(folder.dir, mqtt, http);
  await one.waitForSelector('[data-testid="link-state"][data-state="live"]', { timeout: 30_000 });
  await one.getByTestId('tab-held').click();
  await row(one, 'tower-2').getByText('thợ đang sửa đầu đo').waitFor();
  await one.screenshot({ path: path.join(shots, 'held-vi.png') });
  assert.deepEqual(troubles, []);
});

test('figures, shift and holds come from the server in both languages', { timeout: 120_000 }, async (t) => {
  const folder = await temporaryFolder();
  const [mqtt, http] = [await freePort(), await freePort()];
  const ioc = await startIoc(folder.dir, mqtt, http);
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await ioc.kill();
    await folder.remove();
  });
  const troubles = [];
  const context = await browser.newContext({ viewport: { width: 1600, height: 900 }, locale: 'vi-VN' });
  const page = await openPage(context, ioc.url + ioc.signin, troubles);
  await publish(mqtt, 'hai_chau', 'rain_flood', 'tower-1', { flood_depth: 0.62 });
  await row(page, 'tower-1').waitFor({ timeout: 10_000 });

  await page.getByTestId('nav-kpi').click();
  await page.getByTestId('kpi-load').waitFor();
  assert.equal(await page.locator('[data-figure="per_hour"] [data-verdict="good"]').count(), 1);

  await page.getByTestId('nav-shift').click();
  await page.getByTestId('position').fill('desk-1');
  await page.getByTestId('take').click();
  await page.locator('[data-position="desk-1"]').waitFor();
  await page.getByTestId('log-text').fill('<b>gọi đội bơm</b>');
  await page.getByTestId('log-open').check();
  await page.getByTestId('log-submit').click();
  await page.getByTestId('to-do').getByText('<b>gọi đội bơm</b>').waitFor();
  await page.getByTestId('to-do').getByRole('checkbox').click();
  await page.getByTestId('shift-log').getByText('xong lúc').waitFor();
  for (const [link, type] of [['handover-print', /^text\/html/], ['handover-csv', /^text\/csv/]]) {
    const answer = await context.request.get(ioc.url + (await page.getByTestId(link).getAttribute('href')));
    assert.equal(answer.status(), 200);
    assert.match(answer.headers()['content-type'], type);
  }

  await page.getByTestId('nav-holds').click();
  await page.getByTestId('hold-service').selectOption('rain_flood');
  await page.getByTestId('hold-reason').fill('bảo dưỡng');
  await page.getByTestId('hold-submit').click();
  await page.getByTestId('hold').waitFor();
  await page.getByTestId('lang-switch').click();
  await page.getByRole('heading', { name: 'Maintenance and out of service' }).waitFor();
  await page.getByTestId('nav-console').click();
  await page.getByTestId('tab-held').click();
  await row(page, 'tower-1').getByText('Suppressed by design').waitFor();
  await page.getByTestId('nav-holds').click();
  await page.getByTestId('hold-end').click();
  await page.getByTestId('hold-end-submit').click();
  await page.getByTestId('nav-console').click();
  await page.getByTestId('tab-list').click();
  await row(page, 'tower-1').waitFor();
  assert.deepEqual(troubles, []);
});
