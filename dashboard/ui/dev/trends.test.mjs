// Trends on the tiles and neighbours of an alert, against the mock.
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

const asked = () => city.past.asked.map((a) => `${a.device}:${a.property}`);
const until = async (what, why) => {
  for (let i = 0; i < 100; i++) {
    if (await what()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  assert.fail(why);
};

test('each tile with values has a trend, for one request of one station', async () => {
  city.past.asked.length = 0;
  const { page, close } = await rig.open('?lang=vi');
  const values = await page.locator('[data-testid=tile] .value b').count();
  assert.ok(values >= 6, `${values} tiles have values`);
  await counted(page.getByTestId('spark'), values);
  assert.equal(new Set(asked()).size, values);
  assert.equal(asked().length, values, 'nothing is asked twice');
  assert.ok(city.past.asked.every((a) => a.to - a.from === 86_400_000 && a.step === 1_800_000));
  // What is young is not read again when the tiles are made anew.
  await page.evaluate(() => { history.pushState(null, '', '?screen=kpi'); dispatchEvent(new PopStateEvent('popstate')); });
  await page.getByTestId('kpi-screen').waitFor();
  await page.goBack();
  await counted(page.getByTestId('spark'), values);
  assert.equal(asked().length, values);
  await close();
});

test('trends wait while an alert is read, and walls ask for none', async () => {
  city.past.asked.length = 0;
  const row = city.open().find((r) => r.severity === 'emergency');
  const one = await rig.open(`?lang=en&alert=${row.id}`);
  await one.page.getByTestId('nearby').waitFor();
  await until(() => asked().some((a) => a.startsWith(`${row.device}:`)), 'the chart of the alert asks');
  // The pause between two requests has passed more than once: only the chart has asked.
  await one.page.waitForFunction(() => performance.now() > 6000);
  assert.deepEqual([...new Set(city.past.asked.map((a) => a.device))], [row.device]);
  await one.page.getByTestId('panel-close').first().click();
  await one.page.getByTestId('spark').first().waitFor();
  await one.close();

  city.past.asked.length = 0;
  rig.mock.accounts.walls.push({ id: 71, label: 'w', view: 'overview', areas: null, services: null, created: Date.now(), expires: null, used: null, secret: 'svc-wall' });
  const page = await rig.browser.newPage();
  await page.goto(`${rig.mock.url}/?lang=vi#/wall?token=svc-wall`);
  await page.locator('[data-testid=tile] .value b').first().waitFor();
  await page.waitForFunction(() => performance.now() > 4000);
  assert.deepEqual(asked(), []);
  await page.close();
});

test('an alert shows the nearest devices of its service in the ward, with values, nearest first', async () => {
  const table = city.devices.map((d) => d.meta);
  const row = city.open().find((r) => table.filter((d) => d.service === table.find((x) => x.id === r.device).service && d.area === r.area).length > 3);
  const own = table.find((d) => d.id === row.device);
  const away = (d) => Math.hypot(d.lat - own.lat, (d.lon - own.lon) * Math.cos((own.lat * Math.PI) / 180));
  const expected = table.filter((d) => d.id !== own.id && d.service === own.service && d.area === own.area).sort((a, b) => away(a) - away(b)).slice(0, 5).map((d) => d.id);
  const { page, close } = await rig.open(`?lang=en&alert=${row.id}`);
  await page.getByTestId('near-device').first().waitFor();
  assert.deepEqual(await page.getByTestId('near-device').evaluateAll((all) => all.map((b) => b.dataset.id)), expected);
  assert.match(await page.getByTestId('near-device').first().innerText(), / (m|km) away/);
  await page.getByTestId('near-device').first().click();
  await page.getByTestId('device-panel').waitFor();
  assert.match(page.url(), new RegExp(`device=${expected[0]}`));
  await close();
});
