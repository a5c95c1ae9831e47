// The map: how it comes, what it shows of devices, wards and zones, and the ways in without a pointer.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { counted, startRig } from './rig.mjs';

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

/** A print of what is painted below the devices. */
const ground = (page) => page.evaluate(() => {
  const base = document.querySelector('.map-base');
  const { data } = base.getContext('2d').getImageData(0, 0, base.width, base.height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 1) sum = (sum * 31 + data[i]) >>> 0;
  return sum;
});
const settled = async (page, wrong) => {
  await page.waitForFunction((n) => {
    const base = document.querySelector('.map-base');
    const { data } = base.getContext('2d').getImageData(0, 0, base.width, base.height);
    let sum = 0;
    for (let i = 0; i < data.length; i += 1) sum = (sum * 31 + data[i]) >>> 0;
    return sum !== n;
  }, wrong);
};
const WHOLE = '&screen=map&map=15.95,108.1,9';
const seen = (page, n) => page.locator(`[data-testid=map-seen][data-devices="${n}"]`).waitFor({ state: 'attached' });

test('layers are chosen by key, kept in the address, and say when devices are left out', async () => {
  const { page, close } = await rig.open(`?lang=en${WHOLE}`);
  const all = rig.mock.city.devices;
  await seen(page, all.length);
  await page.getByTestId('map-layers').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  const plain = await ground(page);
  await page.keyboard.press('Space');
  await page.waitForURL(/layers=nowards/);
  await settled(page, plain);
  await page.getByTestId('layer-wards').check();
  assert.equal(query(page).get('layers'), null, 'as usual is not in the address');
  await page.getByTestId('layer-stale').check();
  assert.equal(query(page).get('layers'), 'stale');
  await seen(page, all.filter((d) => d.status === 2 || d.status === 3).length);
  await page.getByTestId('map-narrowed').waitFor();
  await page.getByTestId('layer-stale').uncheck();
  await page.locator('[data-testid=layer-service][data-id=air]').check();
  assert.equal(query(page).get('layers'), 'only:air');
  const air = all.filter((d) => d.meta.service === 'air').length;
  await seen(page, air);
  await page.keyboard.press('Escape');
  await counted(page.getByTestId('layer-stale'), 0);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), 'map-layers');
  assert.equal(query(page).get('screen'), 'map');
  await page.reload();
  await seen(page, air);
  await page.getByTestId('map-narrowed-end').click();
  await seen(page, all.length);
  assert.equal(query(page).get('layers'), null);
  await close();
});

test('zones of geofence rules are drawn with their names and rules, and each can be brought into sight', async () => {
  const { page, close } = await rig.open(`?lang=en${WHOLE}`);
  await drawn(page);
  const plain = await ground(page);
  await page.getByTestId('map-layers').click();
  await page.getByTestId('layer-zones').check();
  await settled(page, plain);
  await counted(page.getByTestId('zone'), 7);
  await page.locator('li', { has: page.locator('[data-testid=zone][data-id=fishing_watch]') }).filter({ hasText: 'Rules: ' }).waitFor();
  await page.locator('[data-testid=zone][data-id=tien_sa_port]').click();
  await page.waitForFunction(() => Number(new URL(location.href).searchParams.get('map').split(',')[2]) > 12);
  await page.keyboard.press('Escape');
  const [x, y] = await middle(page);
  await page.mouse.move(x + 3, y);
  await page.getByTestId('map-tip').filter({ hasText: 'Tien Sa port' }).waitFor();
  await close();
});

test('every device is reached without a pointer: the nearest are a list, a search finds the others, and the focus comes back', async () => {
  const { page, close } = await rig.open(`?lang=en${around(tower(), 15)}`);
  await counted(page.getByTestId('map-device'), 8);
  const first = page.getByTestId('map-device').first();
  assert.equal(await first.getAttribute('data-id'), tower().meta.id);
  await first.focus();
  await page.keyboard.press('Enter');
  await page.locator(`[data-testid=map-popover][data-id="${tower().meta.id}"]`).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), 'map-popover');
  await page.keyboard.press('Escape');
  await counted(page.getByTestId('map-popover'), 0);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.id), tower().meta.id, 'the focus is on the row again');
  const other = rig.mock.city.devices.find((d) => d.meta.kind === 'river_gauge');
  await page.getByTestId('ward-find').fill(other.meta.id);
  await counted(page.getByTestId('map-device'), 1);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator(`[data-testid=map-popover][data-id="${other.meta.id}"]`).waitFor();
  await close();
});

test('a ward has its alerts, the worst first, and its devices; from the list and from the map', async () => {
  const { page, close } = await rig.open('?lang=en&screen=map');
  const area = tower().meta.area;
  await page.locator(`[data-testid=ward][data-id="${area}"]`).click();
  await page.locator(`[data-testid=ward-panel][data-id="${area}"]`).waitFor();
  assert.equal(query(page).get('area'), area);
  const open = rig.mock.city.open().filter((r) => r.area === area && (r.held ?? []).length === 0);
  await counted(page.getByTestId('ward-alert'), open.length);
  const worst = await page.getByTestId('ward-alert').first().getAttribute('data-id');
  assert.equal(open.find((r) => r.id === worst).severity, 'emergency');
  await counted(page.getByTestId('map-device'), rig.mock.city.devices.filter((d) => d.meta.area === area).length);
  await page.getByTestId('ward-alert').first().click();
  await page.getByTestId('alert-detail').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('ward-panel').waitFor();
  await page.getByTestId('ward-back').click();
  await page.getByTestId('ward').first().waitFor();
  // On the map: a press on the ward itself.
  await page.goto(`${rig.mock.url}/?lang=en${around(tower(), 14)}`);
  await drawn(page);
  const tip = page.getByTestId('map-tip').filter({ hasText: 'open alerts' });
  const [mx, my] = await middle(page);
  let x;
  for (x = mx - 40; x > mx - 400 && (await tip.count()) === 0; x -= 25) await page.mouse.move(x, my);
  await page.mouse.click(x + 25, my);
  await page.getByTestId('ward-panel').waitFor();
  await close();
});

/** A grey tile of 1 x 1 pixel. */
function png() {
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const head = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.from([0, 128]))), chunk('IEND', Buffer.alloc(0))]);
}
function crc(bytes) {
  let c = ~0;
  for (const b of bytes) {
    c ^= b;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

test('on a phone the layers and the popover stay inside the map, and the popover leaves its device in sight', async () => {
  const { page, close } = await rig.open(`?lang=vi${around(tower(), 17)}`, 'operator', { width: 390, height: 844 });
  await drawn(page);
  const within = async (testid) => {
    const [inner, outer] = await Promise.all([page.locator(testid).boundingBox(), shell(page).boundingBox()]);
    assert.ok(inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.width <= outer.x + outer.width + 1 && inner.y + inner.height <= outer.y + outer.height + 1, `${testid}: ${JSON.stringify([inner, outer])}`);
    return inner;
  };
  await page.getByTestId('map-layers').click();
  await within('#map-layers');
  await page.keyboard.press('Escape');
  const [x, y] = await middle(page);
  await page.mouse.click(x, y);
  await page.locator('[data-testid=map-popover][data-id]').waitFor();
  // The map goes down under the popover until the device is in sight: its ring is below.
  await page.waitForFunction(([lat]) => {
    const pop = document.querySelector('[data-testid=map-popover]').getBoundingClientRect();
    const map = document.querySelector('[data-testid=map-shell]').getBoundingClientRect();
    const [at, , zoom] = new URL(location.href).searchParams.get('map').split(',').map(Number);
    const y = (deg) => { const s = Math.sin((deg * Math.PI) / 180); return (0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI)) * 256 * 2 ** zoom; };
    const device = map.top + map.height / 2 + y(lat) - y(at);
    return (device > pop.bottom || device < pop.top) && device > map.top && device < map.bottom;
  }, [tower().meta.lat]);
  await within('[data-testid=map-popover]');
  await close();
});

test('on a wall the map has what the head leaves', async () => {
  const { page, close } = await rig.open('?lang=vi');
  await page.goto(`${rig.mock.url}/wall?view=map&lang=vi`);
  await page.getByTestId('wall-screen').locator('.leaflet-container').waitFor();
  const map = await page.getByTestId('map').boundingBox();
  assert.ok(map.height > 900 * 0.75, `${map.height} of 900 px`);
  await close();
});

test('tiles come from the configured host and from no other, with their attribution; without them the wards are there', async () => {
  const asked = [];
  const image = png();
  let there = true;
  const server = createServer((req, res) => {
    asked.push({ path: req.url, referer: req.headers.referer });
    if (!there) return res.writeHead(404, { 'access-control-allow-origin': '*' }).end();
    res.writeHead(200, { 'content-type': 'image/png', 'access-control-allow-origin': '*' }).end(image);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const host = `http://127.0.0.1:${server.address().port}`;
  const other = await startRig({ tiles: { raster: `${host}/t/{z}/{x}/{y}.png`, attribution: '© Sở <img src=x> Đà Nẵng', max_zoom: 15 } });
  try {
    const { page, problems, context } = await other.open('?lang=en&screen=map&map=16.0678,108.2208,13');
    await page.locator('.map-tiles img.leaflet-tile-loaded').first().waitFor();
    assert.ok(asked.every((a) => /^\/t\/13\/\d+\/\d+\.png$/.test(a.path) && a.referer === undefined), JSON.stringify(asked[0]));
    assert.ok((await page.getByTestId('map-credit').innerText()).endsWith('© Sở <img src=x> Đà Nẵng'), 'a text, not markup');
    assert.equal(await page.getByTestId('map-tiles-failed').count(), 0);
    assert.deepEqual(problems, []);
    // Another host is refused by the policy.
    const refused = await page.evaluate((url) => new Promise((done) => {
      document.addEventListener('securitypolicyviolation', (e) => done(e.effectiveDirective), { once: true });
      const image = new Image();
      image.src = url;
    }), `http://localhost:${server.address().port}/t/1/1/1.png`);
    assert.equal(refused, 'img-src');
    // Turned off by the layer, and kept in the address.
    await page.getByTestId('map-layers').click();
    await page.getByTestId('layer-tiles').uncheck();
    await counted(page.locator('.map-tiles'), 0);
    assert.equal(query(page).get('layers'), 'notiles');
    // A tile server that is gone is said; the map stays.
    there = false;
    await page.goto(`${other.mock.url}/?lang=en&screen=map&map=15.9,108.3,13`);
    await page.getByTestId('map-tiles-failed').waitFor();
    await drawn(page);
    await context.close();
  } finally {
    await other.close();
    server.close();
  }
});
