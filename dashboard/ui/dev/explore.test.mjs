// The history explorer and the screen of a device, against the mock.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
let city;
const broken = new Set();
before(async () => {
  rig = await startRig({ twist: (json, path) => (broken.has(path) ? {} : json) });
  city = rig.mock.city;
});
after(() => rig?.close());

const HOUR = 3_600_000;
const of = (kind, n = 0) => city.devices.filter((d) => d.meta.kind === kind && !d.silent)[n].meta;
const words = (...list) => list.map(([d, p]) => `${d.id}:${p}`).join(',');
const query = (page) => new URL(page.url()).searchParams;
const ready = (page) => page.getByTestId('explore-step').waitFor();
const two = (n) => String(n).padStart(2, '0');
const text = (ms) => { const d = new Date(ms + 7 * HOUR); return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} ${two(d.getUTCDate())}/${two(d.getUTCMonth() + 1)}/${d.getUTCFullYear()}`; };

/** Columns of the plot (0 to 1) with pixels that are neither ground nor axis: saturated ones. */
const drawnAt = (plot, shares) => plot.evaluate((box, at) => {
  const canvas = box.querySelector('canvas');
  const [c, over] = [canvas.getBoundingClientRect(), box.querySelector('.u-over').getBoundingClientRect()];
  const scale = canvas.width / c.width;
  return at.map((share) => {
    const d = canvas.getContext('2d').getImageData(Math.round((over.left - c.left + over.width * share) * scale), (over.top - c.top) * scale, 1, over.height * scale).data;
    let n = 0;
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 60 && Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 40) n += 1;
    return n;
  });
}, shares);

for (const mode of ['', 'overlay']) {
  test(`a gap is never drawn across, ${mode || 'stacked'}`, async () => {
    // The mock was away from 190 to 150 days ago; in a year that is 175/365 to 215/365 of the plot.
    const { page, close } = await rig.open(`?lang=en&screen=explore&hours=8760&mode=${mode}&series=${words([of('air_station'), 'pm25'], [of('air_station', 1), 'pm25'])}`);
    await ready(page);
    const plot = page.getByTestId('explore-plot').first();
    await plot.locator('canvas').waitFor();
    const inside = await drawnAt(plot, [180, 188, 195, 203, 211].map((d) => d / 365));
    const beside = await drawnAt(plot, [100, 150, 240, 300].map((d) => d / 365));
    assert.deepEqual(inside, [0, 0, 0, 0, 0]);
    assert.ok(beside.every((n) => n > 0), JSON.stringify(beside));
    const gaps = Number(await page.getByTestId('explore-stat').first().getAttribute('data-gaps'));
    assert.ok(gaps > 0.1 && gaps < 0.2, `the share of gaps is ${gaps}`);
    await close();
  });
}

test('overlaid curves of different times are broken in their gaps', async () => {
  // Two devices were away at different hours; the times of one do not bridge the gap of the other.
  const [a, b] = [of('air_station'), of('air_station', 1)];
  const to = Date.now() - HOUR;
  const { page, close } = await rig.open(`?lang=en&screen=explore&mode=overlay&from=${to - 24 * HOUR}&to=${to}&series=${words([a, 'pm25'], [b, 'pm25'])}`);
  await ready(page);
  const plot = page.getByTestId('explore-plot');
  await plot.locator('canvas').waitFor();
  const points = city.past.range({ device: a.id, property: 'pm25', from: to - 24 * HOUR, to, step: null, offset: 0, agg: 'mean', limit: 5000 }).points;
  const i = points.findIndex(([t], k) => k > 0 && t - points[k - 1][0] > 10 * 60_000);
  assert.ok(i > 0, 'the device was away once');
  const middle = ((points[i - 1][0] + points[i][0]) / 2 - (to - 24 * HOUR)) / (24 * HOUR);
  // Only the other curve is there: one run of pixels, not two.
  const teal = await plot.evaluate((box, share) => {
    const canvas = box.querySelector('canvas');
    const [c, over] = [canvas.getBoundingClientRect(), box.querySelector('.u-over').getBoundingClientRect()];
    const scale = canvas.width / c.width;
    const d = canvas.getContext('2d').getImageData(Math.round((over.left - c.left + over.width * share) * scale), (over.top - c.top) * scale, 1, over.height * scale).data;
    let n = 0;
    for (let k = 0; k < d.length; k += 4) if (d[k + 3] > 60 && d[k + 1] > d[k] + 25 && d[k + 1] > d[k + 2] - 8) n += 1;
    return n;
  }, middle);
  assert.equal(teal, 0);
  await close();
});

test('the chart is zoomed by dragging, by buttons and by keys, moved and reset, and all of it stands in the address', async () => {
  const { page, close } = await rig.open(`?lang=en&screen=explore&hours=24&series=${words([of('air_station'), 'pm25'])}`);
  await ready(page);
  const span = () => Number(query(page).get('to')) - Number(query(page).get('from'));
  const over = page.locator('.u-over');
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  await page.waitForFunction(() => new URLSearchParams(location.search).has('from'));
  assert.ok(Math.abs(span() - 12 * HOUR) < HOUR / 4, `${span() / HOUR} h after dragging over half a day`);
  await page.getByTestId('explore-in').focus();
  await page.keyboard.press('Enter');
  assert.ok(Math.abs(span() - 6 * HOUR) < HOUR / 4);
  const before = Number(query(page).get('from'));
  const moved = span();
  await page.getByTestId('explore-back').press('Enter');
  assert.ok(Math.abs(before - Number(query(page).get('from')) - moved / 2) < 1000);
  await page.getByTestId('explore-out').press('Enter');
  assert.ok(Math.abs(span() - 12 * HOUR) < HOUR / 4);
  const address = page.url();
  await page.reload();
  await ready(page);
  const [from, to] = [Number(new URL(address).searchParams.get('from')), Number(new URL(address).searchParams.get('to'))];
  assert.match(await page.getByTestId('explore-span').textContent(), new RegExp(`^${text(from)} – ${text(to)}`));
  await page.getByTestId('explore-reset').click();
  assert.equal(query(page).get('from'), null);
  await page.goBack();
  assert.equal(page.url(), address);
  await close();
});

test('with more than two units an overlay says why it is none', async () => {
  const d = of('air_station');
  const { page, close } = await rig.open(`?lang=en&screen=explore&mode=overlay&series=${words([d, 'pm25'], [d, 'temperature'])}`);
  await page.getByTestId('explore-overlay').locator('canvas').waitFor();
  await counted(page.getByTestId('explore-units'), 0);
  await page.goto(`${rig.mock.url}/?lang=en&screen=explore&mode=overlay&series=${words([d, 'pm25'], [d, 'temperature'], [d, 'noise_laeq'])}`);
  await page.getByTestId('explore-units').getByText('3 different units').waitFor();
  await counted(page.getByTestId('explore-series'), 3);
  await close();
});

test('the same span a day or a week before is asked for and its mean stands beside', async () => {
  const { page, close } = await rig.open(`?lang=en&screen=explore&hours=6&series=${words([of('air_station'), 'pm25'])}`);
  await ready(page);
  city.past.asked.length = 0;
  await page.getByTestId('explore-compare-week').click();
  await page.getByTestId('explore-stat').getByText('before:').waitFor();
  assert.equal(query(page).get('compare'), 'week');
  const [now, past] = [...city.past.asked].sort((a, b) => b.from - a.from);
  assert.equal(now.from - past.from, 168 * HOUR);
  assert.equal(now.to - past.to, 168 * HOUR);
  await close();
});

test('the file holds the rows of the server for what is shown, under a head with series, span, zone and user', async () => {
  const [a, b] = [of('air_station'), of('flood_tower')];
  const to = Math.floor(Date.now() / 60_000) * 60_000;
  const { page, close } = await rig.open(`?lang=vi&screen=explore&from=${to - 6 * HOUR}&to=${to}&series=${words([a, 'pm25'], [b, b.properties[0]])}`);
  await ready(page);
  city.past.exports.length = 0;
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByTestId('explore-csv').click()]);
  const file = await readFile(await download.path(), 'utf8');
  assert.equal(file.charCodeAt(0), 0xfeff);
  assert.equal(file.indexOf('\uFEFF', 1), -1);
  for (const part of [`"Khoảng thời gian","${text(to - 6 * HOUR)} – ${text(to)}"`, '"Asia/Ho_Chi_Minh (giờ Đà Nẵng, UTC+7)"', '"operator, ', a.name.vi, b.name.vi]) assert.ok(file.includes(part), part);
  assert.match(file, new RegExp(`\\d\\+07:00,${a.id},pm25,`));
  assert.match(file, new RegExp(`\\d\\+07:00,${b.id},${b.properties[0]},`));
  assert.equal(file.match(/^time,device,/gm).length, 1);
  assert.deepEqual(city.past.exports.map((e) => [e.device, e.property, e.from, e.to]), [[a.id, 'pm25', String(to - 6 * HOUR), String(to)], [b.id, b.properties[0], String(to - 6 * HOUR), String(to)]]);
  await close();
});

test('after a cut connection charts fill what they missed from history', async () => {
  const d = of('air_station');
  for (const view of [`screen=explore&hours=6&series=${words([d, 'pm25'])}`, `screen=device&device=${d.id}&hours=6`]) {
    const { page, close } = await rig.open(`?lang=en&${view}`);
    await page.locator('.u-over').first().waitFor();
    rig.mock.mute(true);
    rig.mock.drop();
    await page.locator('[data-testid=link-state]:not([data-state=live])').waitFor();
    const cut = Date.now();
    city.past.asked.length = 0;
    const filled = page.waitForResponse((r) => r.url().includes('/api/v1/history?') && Number(new URL(r.url()).searchParams.get('to')) >= cut);
    rig.mock.mute(false);
    rig.mock.drop();
    await page.locator('[data-testid=link-state][data-state=live]').waitFor();
    const asked = new URL((await filled).url()).searchParams;
    assert.equal(asked.get('device'), d.id);
    assert.ok(Number(asked.get('from')) <= cut - 5 * HOUR, 'the whole stretch, with what was missed');
    await page.locator('.u-over').first().waitFor();
    await close();
  }
});

test('C15: axis, cursor, table, head and file name one zone, whatever the zone of the browser', async () => {
  const d = of('air_station');
  const to = Date.UTC(2026, 0, 10, 3);
  const context = await rig.browser.newContext({ viewport: { width: 1600, height: 900 }, timezoneId: 'America/New_York', locale: 'en-US' });
  const page = await context.newPage();
  await page.addInitScript(() => {
    // What the axis writes is in a canvas: the words are kept as they are drawn.
    globalThis.drawnWords = [];
    const fill = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (words, ...rest) { globalThis.drawnWords.push(words); return fill.call(this, words, ...rest); };
  });
  const end = Math.floor(Date.now() / HOUR) * HOUR - 24 * HOUR + (to - to);
  await page.goto(`${rig.mock.url}/?lang=en&screen=explore&from=${end - 6 * HOUR}&to=${end}&series=${words([d, 'pm25'])}`);
  await page.getByTestId('login-user').fill('operator');
  await page.getByTestId('login-password').fill('operator');
  await page.getByTestId('login-password').press('Enter');
  await ready(page);
  assert.equal(await page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone), 'America/New_York');
  assert.equal(await page.getByTestId('explore-span').textContent().then((t) => t.split(' · ').slice(0, 2).join(' · ')), `${text(end - 6 * HOUR)} – ${text(end)} · Đà Nẵng time, UTC+7`);
  // Full hours of the city on the axis, in their places.
  await page.locator('.u-over').waitFor();
  const ticks = await page.evaluate(() => globalThis.drawnWords.filter((w) => /^\d\d:\d\d$|^\d\d\/\d\d$/.test(w)));
  const hours = Array.from({ length: 7 }, (_, i) => { const t = text(end - (6 - i) * HOUR); return t.startsWith('00:00') ? t.slice(9, 14) : t.slice(0, 5); });
  assert.ok(ticks.length >= 3, `ticks: ${ticks}`);
  const full = ticks.filter((t) => t.endsWith(':00') || t.includes('/'));
  assert.ok(full.length >= 3 && full.every((t) => hours.includes(t)), `${full} in ${hours}`);
  // The cursor in the middle is three hours before the end.
  const box = await page.locator('.u-over').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const at = page.getByTestId('explore-at').filter({ hasText: /\d\d:\d\d:\d\d \d\d\// });
  await at.waitFor();
  const [, h, m] = /^(\d\d):(\d\d)/.exec((await at.textContent()).trim());
  const minutes = ((Number(h) * 60 + Number(m) - (Math.floor((end - 3 * HOUR + 7 * HOUR) / 60_000) % 1440)) + 2160) % 1440 - 720;
  assert.ok(Math.abs(minutes) <= 3, `the cursor says ${h}:${m}`);
  await page.getByTestId('explore-values').click();
  const cells = await page.getByTestId('explore-table').locator('tbody time').evaluateAll((all) => all.map((t) => [t.textContent, t.getAttribute('datetime')]));
  assert.ok(cells.length > 50);
  for (const [words_, iso] of cells) assert.equal(words_, text(Date.parse(iso)));
  await page.getByTestId('explore-table').getByText('Đà Nẵng time, UTC+7').waitFor();
  await context.close();
});

test('what cannot be read is said and can be tried again', async () => {
  const { page, close } = await rig.open(`?lang=en&screen=explore`);
  broken.add('/api/v1/history');
  await page.goto(`${rig.mock.url}/?lang=en&screen=explore&series=${words([of('air_station'), 'pm25'])}`);
  await page.getByTestId('explore-retry').waitFor();
  broken.delete('/api/v1/history');
  await page.getByTestId('explore-retry').click();
  await page.getByTestId('explore-series').locator('canvas').waitFor();
  await close();
});
