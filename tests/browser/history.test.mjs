// History against the real server: the chart of a device at every range, a download in clear, and
// what other programs find.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort, launchBrowser, publish, startIoc, temporaryFolder } from './programs.mjs';

const shots = process.env.IOC_SHOTS ?? '.';
const DEVICE = 'tower-1';
const READINGS = 8;

/** Asks until the answer is as wanted; the last answer is in the complaint. */
async function until(what, ask, wanted, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const got = await ask();
    if (wanted(got)) return got;
    if (Date.now() > end) throw new Error(`${what}: ${JSON.stringify(got).slice(0, 400)}`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

test('readings come back in the chart at every range and in the download', { timeout: 180_000 }, async (t) => {
  const folder = await temporaryFolder();
  const [mqtt, http] = [await freePort(), await freePort()];
  const ioc = await startIoc(folder.dir, mqtt, http);
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await ioc.kill();
    await folder.remove();
  });
  const context = await browser.newContext({ viewport: { width: 1600, height: 900 }, locale: 'vi-VN', acceptDownloads: true });
  const page = await context.newPage();
  const troubles = [];
  page.on('pageerror', (e) => troubles.push(`error: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error' && /Content Security Policy|Uncaught/.test(m.text())) troubles.push(m.text());
  });
  await page.goto(ioc.url + ioc.signin);
  await page.waitForSelector('[data-testid="link-state"][data-state="live"]');

  // Below every limit, each a different value: 0.01 m, 0.02 m …
  for (let n = 1; n <= READINGS; n += 1) await publish(mqtt, 'hai_chau', 'rain_flood', DEVICE, { flood_depth: n / 100 });
  const get = async (address) => (await page.request.get(ioc.url + address)).json();
  const series = await until('series', () => get(`/api/v1/history/series?device=${DEVICE}`), (a) => a.series?.length > 0);
  assert.deepEqual(series.series, [{ device: DEVICE, property: 'flood_depth' }]);
  const one = `device=${DEVICE}&property=flood_depth`;
  const raw = await until('raw readings', () => get(`/api/v1/history?${one}`), (a) => a.points?.length === READINGS);
  assert.equal(raw.tier, 'raw');

  // Mean, min and max of days of the city: what the chart of a year asks for. Midnight may pass.
  const [mean, min, max] = await Promise.all(['mean', 'min', 'max'].map((agg) => get(`/api/v1/history?${one}&from=${Date.now() - 365 * 86_400_000}&step=86400000&offset=-25200000&agg=${agg}`)));
  assert.equal(mean.offset, -25_200_000);
  for (const [i, [time, value]] of mean.points.entries()) {
    assert.equal((time + 25_200_000) % 86_400_000, 0, 'a day begins at midnight of the city');
    assert.ok(min.points[i][1] <= value && value <= max.points[i][1]);
  }
  assert.equal(Math.min(...min.points.map((p) => p[1])), 0.01);
  assert.equal(Math.max(...max.points.map((p) => p[1])), READINGS / 100);

  await page.goto(`${ioc.url}/?lang=vi&device=${DEVICE}`);
  const resolution = page.getByTestId('chart-resolution');
  for (const hours of [8760, 720, 168, 24, 6]) {
    await page.getByTestId(`range-${hours}`).click();
    // The panel stays, the chart in it is a new one: wait for the one of this range.
    await page.waitForFunction((h) => new URL(location.href).searchParams.get('hours') === (h === 24 ? null : String(h)), hours);
    await page.waitForFunction(() => Number(document.querySelector('[data-testid="chart-resolution"]:not(:empty)')?.dataset.points) > 0, undefined, { timeout: 15_000 });
    if (hours === 8760) assert.equal(await resolution.getAttribute('data-step'), '86400000');
    await page.screenshot({ path: path.join(shots, `history-${hours}.png`) });
  }

  await page.getByTestId('open-export').click();
  const dialog = page.getByTestId('export-dialog');
  await until('series of the dialog', async () => Number(await dialog.getByTestId('export-meant').getAttribute('data-series')), (n) => n > 0);
  const [download] = await Promise.all([page.waitForEvent('download', { timeout: 20_000 }), dialog.getByTestId('export-go').click()]);
  assert.equal(await download.failure(), null);
  const text = await readFile(await download.path(), 'utf8');
  assert.equal(text.charCodeAt(0), 0xfeff, 'a BOM, so that spreadsheets read Vietnamese');
  const rows = text.split(/\r?\n/).filter((line) => line.includes(DEVICE) && line.includes('flood_depth'));
  assert.equal(rows.length, READINGS, text.slice(0, 500));
  assert.ok(rows.every((line) => line.includes('+07:00')), rows[0]);
  await page.screenshot({ path: path.join(shots, 'history-download.png') });
  await page.getByTestId('export-close').click();

  // The data screen counts all of the city, in both languages and on a phone.
  await page.goto(`${ioc.url}/?screen=data&lang=en`);
  await until('series of the city', async () => Number(await page.getByTestId('export-meant').getAttribute('data-series')), (n) => n > 0);
  await page.setViewportSize({ width: 390, height: 844 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
  await page.screenshot({ path: path.join(shots, 'history-data-phone.png') });

  // SensorThings answers a session; a stranger gets nothing that was not published.
  assert.equal((await page.request.get(`${ioc.url}/sensorthings/v1.1`)).status(), 200);
  const stranger = await browser.newContext();
  for (const address of ['/api/v1/export?format=csv', `/api/v1/history?${one}`, `/api/v1/personal?device=${DEVICE}`]) {
    assert.equal((await stranger.request.get(ioc.url + address)).status(), 401, address);
  }
  await stranger.close();
  assert.deepEqual(troubles, []);
});
