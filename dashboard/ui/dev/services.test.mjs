// The screens of services, alerts, devices, history, ledger and notifications.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
before(async () => { rig = await startRig(); });
after(() => rig?.close());
const query = (page) => new URL(page.url()).searchParams;

test('the ledger adds up the doors, says what is under way and why messages were refused', async () => {
  const { page, close } = await rig.open('?lang=en&screen=ledger', 'administrator');
  await counted(page.getByTestId('door'), 2);
  assert.match(await page.getByTestId('sum-accepted').innerText(), /191,520/);
  assert.match(await page.getByTestId('sum-quarantined').innerText(), /17/);
  const balances = await page.getByTestId('balance').evaluateAll((all) => all.map((b) => b.dataset.difference));
  assert.deepEqual(balances, ['0', '0', '3']);
  await page.getByTestId('refused-message').filter({ hasText: '<img src=x>' }).waitFor();
  assert.equal(await page.locator('img[src="x"]').count(), 0, 'a topic is text');
  await close();
});

test('a test message is sent to a receiver and stands in the log; a dead delivery is tried again', async () => {
  const { page, close } = await rig.open('?lang=en&screen=notify', 'administrator');
  await counted(page.getByTestId('receiver'), 2);
  await counted(page.getByTestId('delivery'), 50);
  await page.getByTestId('deliveries-more').click();
  await counted(page.getByTestId('delivery'), 60);
  await page.getByTestId('deliveries-dead').click();
  await counted(page.getByTestId('delivery'), 1);
  assert.equal(query(page).get('part'), 'dead');
  await page.getByTestId('retry-delivery').click();
  await counted(page.getByTestId('delivery'), 0);
  await page.getByTestId('deliveries-all').click();
  await page.locator('[data-testid=receiver][data-id=fire-112]').getByTestId('notify-test').click();
  await page.locator('[data-testid=delivery][data-id=d-61][data-state=delivered]').waitFor();
  await close();
});

test('who may not see to notifications or the ledger is told so', async () => {
  const { page, close } = await rig.open('?lang=en', 'ward');
  for (const screen of ['notify', 'ledger']) {
    await page.goto(`${rig.mock.url}/?lang=en&screen=${screen}`);
    await page.getByTestId('no-screen').waitFor();
  }
  await close();
});

test('a service has a page with its alerts, wards and devices; one without a feed says so', async () => {
  const { page, close } = await rig.open('?lang=en&screen=services', 'administrator');
  await counted(page.getByTestId('tile'), 18);
  await page.getByTestId('service-pick').selectOption('air');
  assert.equal(query(page).get('service'), 'air');
  const open = rig.mock.city.open().filter((r) => r.service === 'air').length;
  assert.ok(open > 0);
  await page.getByTestId('service-alert').first().waitFor();
  await page.getByTestId('service-ward').first().waitFor();
  await page.getByTestId('service-pick').selectOption('health');
  await page.getByText('This service has no feed yet').waitFor();
  await close();
});

test('the list of alerts over the whole screen keeps the one that is open, and its sheet has the same filter', async () => {
  const { page, close } = await rig.open('?lang=en&screen=alerts&sev=3&service=air');
  const row = page.getByTestId('alert-row').first();
  await row.waitFor();
  const sheet = new URL(await page.getByTestId('alerts-csv').getAttribute('href'), page.url());
  assert.deepEqual(Object.fromEntries(sheet.searchParams), { open: '1', held: '0', service: 'air', min_severity: 'major', lang: 'en' });
  await row.click();
  await page.getByTestId('alert-detail').waitFor();
  assert.equal(query(page).get('screen'), 'alerts');
  await close();
});

test('series are chosen, stand in the address, and go again', async () => {
  const { page, close } = await rig.open('?lang=en&screen=explore');
  await page.getByTestId('explore-empty').waitFor();
  await page.getByTestId('explore-find').fill('tram khong khi');
  const device = page.getByTestId('explore-device').first();
  const id = await device.getAttribute('data-id');
  await device.getByRole('button').first().click();
  await counted(page.getByTestId('explore-series'), 1);
  assert.ok(query(page).get('series').startsWith(`${id}:`));
  await page.reload();
  await counted(page.getByTestId('explore-series'), 1);
  await page.getByTestId('explore-series').locator('canvas').first().waitFor();
  await page.getByRole('button', { name: /^Remove/ }).click();
  await counted(page.getByTestId('explore-series'), 0);
  await close();
});

test('a device has a page of its own with its alerts and rules', async () => {
  const { device } = rig.mock.city.open().find((r) => r.device !== null);
  const { page, close } = await rig.open(`?lang=en&screen=device&device=${device}`);
  await page.getByTestId('device-value').waitFor();
  await page.getByTestId('device-alert').first().click();
  await page.getByTestId('alert-detail').waitFor();
  await close();
});

test('a device page tells each quantity between what is usual and the limits of rules, how the last day was kept, and which rules watch it', async () => {
  const id = 'air-station-01';
  const { page, close } = await rig.open(`?lang=en&screen=device&device=${id}`);
  const device = rig.mock.city.devices.find((d) => d.meta.id === id).meta;
  await counted(page.getByTestId('device-quantity'), device.properties.length);
  const pm = page.locator('[data-testid=device-quantity][data-property=pm25]');
  await pm.getByTestId('device-limits').getByText('µg/m³').first().waitFor();
  assert.match(await pm.getByTestId('device-kept').innerText(), /[\d,]+ readings, [\d.]+% good, mostly every .* \(expected .*\), longest silence/);
  const watching = await page.getByTestId('device-rule').evaluateAll((all) => all.map((r) => r.dataset.id));
  assert.ok(watching.includes('air.pm25') && watching.every((r) => !r.startsWith('flood.')), String(watching));
  await page.locator('[data-testid=device-rule][data-id="air.pm25"]').getByText('on ·').waitFor();
  await page.locator('[data-testid=device-rule][data-id="air.pm25"]').click();
  await page.getByTestId('rules-screen').waitFor();
  assert.equal(query(page).get('rule'), 'air.pm25');
  await close();
});

test('the map has the wards as a list, found without accents, the worst first', async () => {
  const { page, close } = await rig.open('?lang=en&screen=map');
  await page.getByTestId('ward').first().waitFor();
  const worst = await page.getByTestId('ward').first().getAttribute('data-id');
  assert.ok(rig.mock.city.open().some((r) => r.area === worst && r.severity === 'emergency'));
  await page.getByTestId('ward-find').fill('dien ban dong');
  await counted(page.getByTestId('ward'), 1);
  await page.getByTestId('ward').click();
  await page.waitForFunction(() => new URLSearchParams(location.search).get('map'));
  await close();
});
