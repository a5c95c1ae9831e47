// The list of alerts over the whole screen, against the mock.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
let city;
before(async () => {
  rig = await startRig();
  city = rig.mock.city;
});
after(() => rig?.close());

const raise = (k, severity = 'critical') => {
  const d = city.devices.filter((x) => x.meta.kind === 'air_station')[k];
  return city.raise(d, 'air.pm25', severity, 91, 50, 'µg/m³', `PM2,5 91 µg/m³ (${k})`, `PM2.5 91 µg/m³ (${k})`, Date.now());
};
const RANK = ['info', 'minor', 'major', 'critical', 'emergency'];
const download = async (page, act) => {
  const [file] = await Promise.all([page.waitForEvent('download'), act()]);
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') };
};

test('the table has a column for each thing, and rows do not move under a reader', async () => {
  const { page, close } = await rig.open('?lang=en&screen=alerts', 'operator', { width: 3300, height: 1300 });
  await page.getByTestId('alert-row').first().waitFor();
  const heads = await page.locator('.heads [role=columnheader]:visible').allInnerTexts();
  for (const word of ['Severity', 'State', 'Raised', 'Age', 'What', 'Service', 'Ward', 'Device', 'Value / Limit', 'Handled by', 'Due']) assert.ok(heads.some((h) => h.includes(word)), `${word} in ${heads}`);
  const cells = await page.getByTestId('alert-row').first().locator('[role=gridcell]').count();
  assert.equal(cells, await page.locator('.heads [role=columnheader]').count(), 'as many cells as heads');
  await page.getByTestId('alert-row').nth(2).hover();
  await page.locator('[data-testid=alert-list][data-frozen=true]').waitFor();
  const before = await rig.ids(page);
  const a = raise(20);
  await page.getByTestId('new-chip').waitFor();
  assert.deepEqual(await rig.ids(page), before);
  await page.getByTestId('new-chip').click();
  await page.locator(`[data-testid=alert-row][data-id="${a.row.id}"]`).waitFor();
  await close();
});

test('Escape closes what is open beside the list before it leaves the screen', async () => {
  const { page, close } = await rig.open('?lang=en&screen=alerts');
  await page.getByTestId('alert-row').first().click();
  await page.getByTestId('alert-detail').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('alert-detail').waitFor({ state: 'detached' });
  await page.getByTestId('alerts-screen').waitFor();
  await page.locator('#alert-rows [role=row][data-id]').first().evaluate((r) => r.blur());
  await page.keyboard.press('Escape');
  await page.getByTestId('alerts-screen').waitFor({ state: 'detached' });
  await close();
});

test('the cursor is never under the heading or below the edge', async () => {
  const { page, close } = await rig.open('?lang=en&screen=alerts', 'operator', { width: 1600, height: 500 });
  await page.getByTestId('alert-row').first().waitFor();
  const covered = () => page.evaluate(() => {
    const [row, box, head] = [document.activeElement, document.querySelector('#alert-rows'), document.querySelector('.heads')].map((e) => e.getBoundingClientRect());
    return row.top < head.bottom - 1 || row.bottom > box.bottom + 1;
  });
  for (let i = 0; i < 18; i++) await page.keyboard.press('j');
  await page.waitForFunction(() => document.activeElement?.matches('[data-testid=alert-row]'));
  assert.equal(await covered(), false, 'going down');
  for (let i = 0; i < 12; i++) await page.keyboard.press('k');
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-rowindex') === '7');
  assert.equal(await covered(), false, 'going up');
  await close();
});

test('the sheet of closed alerts has all pages of them, closed and rejected', async () => {
  const { page, close } = await rig.open('?lang=en&screen=alerts&tab=closed');
  await page.getByTestId('alert-row').first().waitFor();
  const day = Date.now() - 86_400_000;
  const expected = [...city.alerts.values()].map((a) => a.row).filter((r) => ['closed', 'rejected'].includes(r.work) && r.raised_at >= day);
  const { text } = await download(page, () => page.getByTestId('alerts-csv-page').click());
  const ids = text.split('\r\n').slice(6).filter((l) => l !== '').map((l) => l.split(',')[0]);
  assert.ok(expected.length > 100);
  assert.deepEqual(ids.sort(), expected.map((r) => r.id).sort());
  await close();
});

test('many are acted on at once in the table, and each row tells', async () => {
  const { page, close } = await rig.open('?lang=en&screen=alerts&unacked=1');
  await page.getByTestId('row-check').first().waitFor();
  for (let i = 0; i < 3; i++) await page.getByTestId('row-check').nth(i).check();
  const ids = await page.locator('[data-testid=alert-row][aria-selected=true]').evaluateAll((rows) => rows.map((r) => r.dataset.id));
  const keep = city.onAlert;
  city.onAlert = () => {};
  city.acknowledge(city.alerts.get(ids[0]), 'lan', null);
  city.onAlert = keep;
  await page.getByTestId('bulk-acknowledge').click();
  await page.getByTestId('ack-submit').click();
  await page.getByTestId('bulk-result').waitFor();
  assert.match(await page.getByTestId('bulk-result').innerText(), /lan/);
  assert.ok(ids.slice(1).every((id) => city.alerts.get(id).row.acknowledged));
  await close();
});
