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
