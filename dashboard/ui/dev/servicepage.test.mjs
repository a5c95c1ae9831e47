// The page of one service, against the mock.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
let city;
before(async () => {
  rig = await startRig();
  city = rig.mock.city;
});
after(() => rig?.close());

test('the list has all 18 services, those without a feed say so, and a card leads to its page', async () => {
  const { page, close } = await rig.open('?lang=vi&screen=services');
  await counted(page.getByTestId('tile'), 18);
  await page.locator('[data-testid=tile][data-feeds=true]').first().waitFor();
  const silent = city.tiles().filter((t) => !t.feeds).length;
  await counted(page.locator('[data-testid=tile][data-feeds=false]', { hasText: 'Chưa có nguồn dữ liệu' }), silent);
  await page.locator('[data-testid=tile][data-service=air]').getByTestId('service-link').click();
  await page.getByTestId('service-wards').waitFor();
  assert.match(page.url(), /screen=services.*service=air|service=air.*screen=services/);
  await page.getByTestId('services-back').click();
  await counted(page.getByTestId('tile'), 18);
  await close();
});

test('indicators have value, band and the mean of a few stations, for a bounded number of requests', async () => {
  city.past.asked.length = 0;
  const { page, close } = await rig.open('?lang=en&screen=services&service=air');
  await counted(page.getByTestId('indicator'), 3);
  await page.getByText('mean of 4 of').first().waitFor();
  await counted(page.getByTestId('spark'), 3);
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=indicator] path').length === 3);
  await page.getByText(/mean of 4 of \d+ stations/).nth(2).waitFor();
  assert.equal(city.past.asked.length, 12, 'four stations for each of three indicators');
  assert.equal(new Set(city.past.asked.map((a) => `${a.device}:${a.property}`)).size, 12);
  await close();
});

test('an alert of the service is acknowledged from its page, and opens in the list', async () => {
  const { page, close } = await rig.open('?lang=en&screen=services&service=traffic');
  const listed = city.listed().filter((r) => r.service === 'traffic');
  await counted(page.getByTestId('service-alert'), Math.min(8, listed.length));
  const row = page.locator('[data-testid=alert-row][data-ack=false]').first();
  const id = await row.getAttribute('data-id');
  await row.getByTestId('ack-button').click();
  await page.getByTestId('ack-submit').click();
  await page.locator(`[data-testid=alert-row][data-id="${id}"][data-ack=true]`).waitFor();
  assert.equal(city.alerts.get(id).row.acknowledged_by, 'operator');
  await page.locator(`[data-testid=alert-row][data-id="${id}"] .message`).click();
  await page.getByTestId('alert-detail').waitFor();
  await page.getByTestId('alerts-screen').waitFor();
  assert.match(page.url(), /service=traffic/);
  await close();
});

test('its rows stay while they are read, and new ones wait behind a button', async () => {
  const { page, close } = await rig.open('?lang=en&screen=services&service=water_quality');
  const stations = city.devices.filter((d) => d.meta.service === 'water_quality');
  const raise = (k, severity) => {
    const a = city.raise(stations[k], 'air.pm25', severity, 9, 8, '', `pH 9 (${k})`, `pH 9 (${k})`, Date.now());
    city.register.change(a, { service: 'water_quality' }, { action: 'severity', actor: 'rule:x', at: Date.now() });
    city.onAlert(a.row);
    return a;
  };
  const first = raise(0, 'minor');
  await page.locator(`[data-testid=alert-row][data-id="${first.row.id}"]`).hover();
  const second = raise(1, 'emergency');
  await page.getByTestId('service-new').waitFor();
  await counted(page.getByTestId('service-alert'), 1);
  await page.getByTestId('service-new').click();
  await page.locator(`[data-testid=alert-row][data-id="${second.row.id}"]`).waitFor();
  assert.equal(await page.getByTestId('alert-row').first().getAttribute('data-id'), second.row.id, 'the worst first');
  for (const a of [first, second]) {
    city.clear(a, Date.now(), 7);
    city.register.one({ id: a.row.id }, { action: 'close' }, 'operator', Date.now());
  }
  await close();
});

test('wards and devices are counted from what is live, the worst first, and lead on', async () => {
  const { page, close } = await rig.open('?lang=en&screen=services&service=rain_flood');
  const rows = city.listed().filter((r) => r.service === 'rain_flood');
  await page.getByTestId('service-ward').first().waitFor();
  const worst = rows.find((r) => r.severity === 'emergency');
  assert.equal(await page.getByTestId('service-ward').first().getAttribute('data-id'), worst.area);
  assert.match(await page.getByTestId('service-ward').first().innerText(), new RegExp(`${rows.filter((r) => r.area === worst.area).length}`));
  const mine = city.devices.filter((d) => d.meta.service === 'rain_flood');
  const count = (status) => String(mine.filter((d) => d.status === status).length);
  await page.getByTestId('dev_live').and(page.getByText(count(1), { exact: true })).waitFor();
  assert.equal(await page.getByTestId('dev_stale').innerText(), count(2));
  assert.equal(await page.getByTestId('dev_never').innerText(), count(0));
  assert.equal(await page.getByTestId('service-device').first().getAttribute('data-id'), worst.device);
  await page.getByTestId('service-ward').first().getByRole('link').click();
  await page.getByTestId('alerts-screen').waitFor();
  assert.match(page.url(), new RegExp(`area=${worst.area}`));
  await close();
});

test('its rules stand with their mode and the limits they name, with unit, source and day', async () => {
  const { page, close } = await rig.open('?lang=vi&screen=services&service=rain_flood');
  const rule = page.locator('[data-testid=service-rule][data-id="flood.street"]');
  const limit = rule.locator('[data-testid=service-limit][data-id="street_flood.car"]');
  await limit.waitFor();
  assert.match((await limit.innerText()).replaceAll('\n', ' '), /street_flood\.car 0,5 m .*22\/11\/2026/);
  await page.getByTestId('service-pick').selectOption('river');
  const levels = page.locator('[data-testid=service-limit][data-id="flood.bd1"]').first();
  assert.match(await levels.innerText(), /1 – 14,5 m theo 8 trạm/);
  await page.locator('[data-testid=service-rule] a').first().click();
  await page.getByTestId('rule-detail').waitFor();
  await close();
});

test('a service that is not there is said, and what fails can be tried again', async () => {
  const { page, close } = await rig.open('?lang=en&screen=services&service=nothing');
  await page.getByText('There is no service “nothing”').waitFor();
  let fail = true;
  await page.route('**/api/v1/kpi?*', (route) => (fail ? route.fulfill({ status: 409, contentType: 'application/json', body: '{"code":"busy","message":"two reports at a time"}' }) : route.continue()));
  await page.getByTestId('service-pick').selectOption('air');
  const load = page.getByTestId('service-load');
  await load.getByText('two reports at a time').waitFor();
  fail = false;
  // It may have tried again by itself before this press.
  await load.getByRole('button', { name: 'Retry' }).or(load.getByTestId('load-sum')).first().click();
  await load.getByTestId('load-sum').waitFor();
  const day = Date.now() - 86_400_000;
  const raised = [...city.alerts.values()].filter((a) => a.row.service === 'air' && a.row.raised_at > day).length;
  assert.ok((await load.getByTestId('load-sum').innerText()).startsWith(`${raised} alerts`), 'all of the day are in the bars');
  await close();
});
