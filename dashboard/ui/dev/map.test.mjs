// The map: how it comes, what it shows of devices, wards and zones, and the ways in without a pointer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startRig } from './rig.mjs';

let rig;
before(async () => { rig = await startRig(); });
after(() => rig?.close());

test('the start brings no map: it is loaded where it is shown, holds its place meanwhile, and is asked for again after a failure', async () => {
  const { page, context } = await rig.open('?lang=en&screen=shift');
  const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map((e) => e.name).filter((n) => /MapStage|leaflet/i.test(n)));
  assert.deepEqual(loaded, [], 'nothing of the map on a screen without one');
  let refused = 0;
  await context.route(/MapStage-[^/]*\.js$/, (route) => { refused += 1; return route.abort(); });
  await page.goto(`${rig.mock.url}/?lang=en`);
  await page.getByTestId('map-missing').waitFor();
  assert.ok(refused > 0);
  const before = await page.getByTestId('map').boundingBox();
  assert.equal(await page.locator('.leaflet-container').count(), 0);
  await page.getByTestId('alert-row').first().waitFor();
  await context.unroute(/MapStage-[^/]*\.js$/);
  await page.getByTestId('map-retry').click();
  await page.locator('.leaflet-container').waitFor();
  assert.deepEqual(await page.getByTestId('map').boundingBox(), before, 'the same size before and after');
  await context.close();
});

const query = (page) => new URL(page.url()).searchParams;
const tower = () => rig.mock.city.devices.find((d) => d.severity === 5);
/** The map around a device, which is then at its middle. */
const around = (d, zoom) => `&screen=map&map=${d.meta.lat.toFixed(4)},${d.meta.lon.toFixed(4)},${zoom}`;
const shell = (page) => page.getByTestId('map-shell');
async function middle(page) {
  const b = await shell(page).boundingBox();
  return [b.x + b.width / 2, b.y + b.height / 2];
}
/** The map has drawn devices. */
const drawn = (page) => page.locator('[data-testid=map-seen]:not([data-devices="0"])').waitFor({ state: 'attached' });
/** Pixels of the devices' canvas around its middle that have a colour of the theme. */
const pixels = (page, colour) => page.evaluate((name) => {
  const probe = document.createElement('canvas').getContext('2d');
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
  const want = parseInt(probe.fillStyle.slice(1), 16);
  const dots = document.querySelector('.map-dots');
  const half = 30;
  const { data } = dots.getContext('2d').getImageData(dots.width / 2 - half, dots.height / 2 - half, 2 * half, 2 * half);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) if ([16, 8, 0].every((shift, k) => Math.abs(data[i + k] - ((want >> shift) & 255)) < 12) && data[i + 3] > 250) n += 1;
  return n;
}, colour);

test('a press on a device tells its name, ward, value with unit, age, alerts by severity, and leads to its page; Escape closes it', async () => {
  const { page, close } = await rig.open(`?lang=en${around(tower(), 17)}`);
  await drawn(page);
  await page.mouse.click(...(await middle(page)));
  const pop = page.getByTestId('map-popover');
  await pop.waitFor();
  assert.equal(await pop.getAttribute('data-id'), tower().meta.id);
  const area = rig.mock.city.city().areas.find((a) => a.id === tower().meta.area);
  const text = await pop.innerText();
  assert.ok(text.includes(tower().meta.name.en) && text.includes(area.name.en), text);
  assert.match(await page.getByTestId('map-popover-value').innerText(), /^0\.\d+ m\s/);
  assert.match(await page.getByTestId('map-popover-age').innerText(), /Sending · .* ago/);
  assert.deepEqual(await page.getByTestId('map-popover-alerts').evaluateAll((all) => all.map((a) => a.dataset.level)), ['5']);
  await page.keyboard.press('Escape');
  await pop.waitFor({ state: 'detached' });
  assert.equal(query(page).get('screen'), 'map', 'Escape closes the popover, not the map');
  assert.ok(await shell(page).evaluate((el) => el === document.activeElement), 'the focus is on the map again');
  // The same without a pointer.
  await page.keyboard.press('Enter');
  await pop.waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), 'map-popover-page');
  await page.keyboard.press('Enter');
  await page.waitForURL(/screen=device/);
  assert.equal(query(page).get('device'), tower().meta.id);
  await close();
});

test('a device that went silent is told as silent, with its age and its last value set back', async () => {
  const silent = rig.mock.city.devices.find((d) => d.status === 2 && d.severity === 0 && d.meta.lat);
  const { page, close } = await rig.open(`?lang=en${around(silent, 17)}`);
  await drawn(page);
  await page.mouse.click(...(await middle(page)));
  await page.locator('[data-testid=map-popover-age][data-state=dev_stale]').waitFor();
  assert.match(await page.getByTestId('map-popover-age').innerText(), /Silent · .* ago/);
  const [value, text] = await page.evaluate(() => [getComputedStyle(document.querySelector('[data-testid=map-popover-value] b')).color, getComputedStyle(document.querySelector('[data-testid=map-popover] h3')).color]);
  assert.notEqual(value, text, 'an old value does not look live');
  await close();
});

test('devices that lie on each other are one mark with the shape and colour of their worst alarm; a press zooms in until they fall apart', async () => {
  // The alarm with the most neighbours within a few pixels of zoom 12.
  const near = (d, o) => Math.hypot(d.meta.lat - o.meta.lat, d.meta.lon - o.meta.lon) < 0.004;
  const alarms = rig.mock.city.devices.filter((d) => d.severity > 1 && d.meta.lat);
  const count = (d) => rig.mock.city.devices.filter((o) => near(d, o)).length;
  const loud = alarms.sort((a, b) => count(b) - count(a))[0];
  assert.ok(count(loud) > 2);
  const { page, close } = await rig.open(`?lang=en${around(loud, 12)}`);
  await drawn(page);
  assert.ok(Number(await page.getByTestId('map-seen').getAttribute('data-groups')) > 0);
  // A mark has the place of one of its devices: within its reach of the alarm.
  const tip = page.getByTestId('map-tip').filter({ hasText: /\d+ devices close together[^]*with alerts/ });
  const [mx, my] = await middle(page);
  const steps = [0, 8, -8, 16, -16, 24, -24];
  let x, y;
  for ([x, y] of steps.flatMap((dx) => steps.map((dy) => [mx + dx, my + dy]))) {
    await page.mouse.move(x, y);
    if ((await tip.count()) > 0) break;
  }
  const level = Number(await tip.getAttribute('data-level'));
  assert.ok(level >= loud.severity, `${level}: as bad as its worst`);
  assert.ok((await pixels(page, `--sev-${level}`)) > 30, 'drawn in the colour of the worst');
  const before = Number(query(page).get('map').split(',')[2]);
  await page.mouse.click(x, y);
  await page.waitForFunction((z) => Number(new URL(location.href).searchParams.get('map').split(',')[2]) > z, before);
  assert.equal(await page.getByTestId('map-popover').count(), 0);
  await close();
});
