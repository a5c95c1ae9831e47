// History on the page, against the mock: ranges of the chart, downloads, and plates of cameras.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
let past;
let city;
before(async () => {
  rig = await startRig();
  city = rig.mock.city;
  past = city.past;
});
after(() => rig?.close());

const HOUR = 3_600_000;
const sending = (kind, n = 0) => city.devices.filter((d) => d.meta.kind === kind && !d.silent)[n].meta;
const camera = () => city.devices.find((d) => past.plates.some((p) => p.row.device === d.meta.id)).meta;
const resolution = (page) => page.getByTestId('chart-resolution');
/** Pixels of the band: the colour of the series, but pale. */
const pale = (page) => page.getByTestId('device-chart').locator('canvas').evaluate((c) => {
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 0; i < d.length; i += 4) if (Math.abs(d[i] - 0x8e) + Math.abs(d[i + 1] - 0xc5) + Math.abs(d[i + 2] - 0xc0) < 24 && d[i + 3] > 40 && d[i + 3] < 90) n += 1;
  return n;
});

/** Goes to a view and waits until the page has dealt with the answer to a request it makes there. */
async function arrive(page, query, request) {
  const heard = page.waitForResponse((r) => request.test(new URL(r.url()).pathname));
  await page.goto(`${rig.mock.url}/${query}`);
  await heard;
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

test('every range of the chart asks for 300 to 600 windows of mean, min and max, and says which', async () => {
  const { page, close } = await rig.open(`?lang=vi&device=${sending('flood_tower').id}`);
  await resolution(page).filter({ hasText: 'trung bình 3 phút' }).waitFor();
  for (const [hours, words, step] of [[168, 'trung bình 20 phút', 20 * 60_000], [720, 'trung bình 2 giờ', 2 * HOUR], [8760, 'trung bình 1 ngày', 24 * HOUR]]) {
    past.asked.length = 0;
    await page.getByTestId(`range-${hours}`).click();
    await resolution(page).filter({ hasText: words }).waitFor();
    assert.match(page.url(), new RegExp(`hours=${hours}`));
    assert.deepEqual([...new Set(past.asked.map((a) => a.agg))].sort(), ['max', 'mean', 'min']);
    assert.deepEqual([...new Set(past.asked.map((a) => a.step))], [step]);
    assert.ok(step < 2 * HOUR || past.asked.every((a) => a.offset === -25_200_000), 'windows begin with the day of the city');
    const n = Number(await resolution(page).getAttribute('data-points'));
    assert.ok(n > 250 && n <= 601, `${n} points for ${hours} h`);
  }
  await page.getByTestId('range-6').click();
  await resolution(page).filter({ hasText: 'từng số đo' }).waitFor();
  assert.equal(await resolution(page).getAttribute('data-step'), '0');
  await close();
});

test('the band between least and greatest is drawn for means, not for single readings', async () => {
  const { page, close } = await rig.open(`?lang=en&device=${sending('air_station').id}&prop=temperature&hours=8760`);
  await resolution(page).filter({ hasText: '1 day means' }).waitFor();
  const band = await pale(page);
  assert.ok(band > 2000, `the band has ${band} pixels`);
  await page.getByTestId('range-6').click();
  await resolution(page).filter({ hasText: 'single readings' }).waitFor();
  assert.ok((await pale(page)) < band / 20);
  await close();
});

test('single readings that are kept no longer are shown as means instead', async () => {
  const keep = past.rawMs;
  past.rawMs = 3 * HOUR;
  try {
    const { page, close } = await rig.open(`?lang=en&device=${sending('air_station').id}&hours=6`);
    await resolution(page).filter({ hasText: 'means' }).waitFor();
    await close();
  } finally {
    past.rawMs = keep;
  }
});

test('nothing moves while a range is loaded and while the pointer is on the chart', async () => {
  const { page, close } = await rig.open(`?lang=vi&device=${sending('flood_tower').id}`);
  await resolution(page).filter({ hasText: 'trung bình' }).waitFor();
  const places = () => page.evaluate(() => ['[data-testid=device-chart]', '[data-testid=open-export]', '[data-testid=device-value]', '[data-testid=range-24]'].map((s) => {
    const b = document.querySelector(s).getBoundingClientRect();
    return [b.left, b.top, b.width > 0].map((x) => Math.round(Number(x)));
  }));
  const first = await places();
  const box = await page.getByTestId('device-chart').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 3);
  await page.locator('figcaption .at').filter({ hasText: /\(.* đến .*\)/ }).waitFor();
  assert.deepEqual(await places(), first);
  await page.mouse.move(700, 20);
  await page.getByTestId('range-8760').click();
  await resolution(page).filter({ hasText: '1 ngày' }).waitFor();
  assert.deepEqual(await places(), first);
  await close();
});

test('the download of a device is filled in, and what is chosen is what the server is asked', async () => {
  const d = sending('air_station');
  const { page, close } = await rig.open(`?lang=vi&device=${d.id}&hours=168`);
  await page.getByTestId('open-export').click();
  const dialog = page.getByTestId('export-dialog');
  await dialog.getByTestId('export-chosen').getByText(d.name.vi).waitFor();
  await dialog.getByTestId('export-meant').getByText('1 chuỗi số liệu của 1 thiết bị').waitFor();
  await dialog.getByTestId('export-prop-temperature').click();
  await dialog.getByTestId('export-step-3600000').click();
  await dialog.getByTestId('export-meant').getByText('2 chuỗi').waitFor();
  const url = await dialog.getByTestId('export-url').inputValue();
  const [download] = await Promise.all([page.waitForEvent('download'), dialog.getByTestId('export-go').click()]);
  const text = await readFile(await download.path(), 'utf8');
  assert.equal(text.charCodeAt(0), 0xfeff, 'a BOM, so that Excel reads Vietnamese');
  assert.match(text, new RegExp(`\\d\\+07:00,${d.id},pm25,`));
  assert.match(text, /,temperature,/);
  const asked = past.exports.at(-1);
  assert.deepEqual([asked.format, asked.device, asked.property, asked.step, asked.lang], ['csv', d.id, 'pm25,temperature', '3600000', 'vi']);
  assert.ok(Math.abs(Number(asked.to) - Number(asked.from) - 168 * HOUR) < HOUR);
  assert.equal(new URL(url).searchParams.get('to'), asked.to, 'the address to copy is the one that is downloaded');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement?.dataset.testid), 'open-export');
  await close();
});

test('the data screen counts the series of a choice, takes own dates, and refuses what cannot be', async () => {
  const { page, close } = await rig.open('?screen=data&lang=en');
  const meant = page.getByTestId('export-meant');
  const series = () => meant.getAttribute('data-series').then(Number);
  const all = city.devices.reduce((n, d) => n + d.meta.properties.length, 0);
  assert.equal(await series(), all);
  await page.getByTestId('export-service').selectOption('air');
  await page.getByTestId('export-prop-pm25').click();
  assert.equal(await series(), city.devices.filter((d) => d.meta.service === 'air').length);
  await page.getByTestId('export-service').selectOption('feedback');
  await meant.getByText('No series').waitFor();
  await counted(page.getByTestId('export-go'), 0);
  await page.getByTestId('export-service').selectOption('air');
  await page.getByTestId('export-span-0').click();
  await page.getByTestId('export-from').fill('2026-11-20T00:00');
  await page.getByTestId('export-to').fill('2026-11-19T00:00');
  await page.getByTestId('export-range').getByText('must come after').waitFor();
  await counted(page.getByTestId('export-go'), 0);
  await page.getByTestId('export-to').fill('2026-11-21T00:00');
  await page.getByTestId('export-step-86400000').click();
  await page.getByTestId('export-format-parquet').click();
  const href = new URL(await page.getByTestId('export-go').getAttribute('href'));
  assert.equal(href.search, `?format=parquet&service=air&property=pm25&from=${Date.UTC(2026, 10, 19, 17)}&to=${Date.UTC(2026, 10, 20, 17)}&step=86400000&offset=-25200000&lang=en`);
  await close();
});

test('devices are added by typing, the unknown is said, and the keyboard does it all', async () => {
  const { page, close } = await rig.open('?lang=vi');
  await page.keyboard.press('g');
  await page.keyboard.press('d');
  await page.getByTestId('data-screen').waitFor();
  const field = page.getByTestId('export-device');
  await field.focus();
  await page.keyboard.type('khong-co');
  await page.keyboard.press('Enter');
  await page.getByText('Không có thiết bị nào mang mã này').waitFor();
  const d = sending('air_station', 2);
  await field.fill(d.id);
  await page.getByTestId('export-chosen').waitFor();
  assert.equal(await field.inputValue(), '');
  await page.getByTestId('export-meant').getByText(`${d.properties.length} chuỗi số liệu của 1 thiết bị`).waitFor();
  await page.getByTestId('export-chosen').focus();
  await page.keyboard.press('Enter');
  await page.getByTestId('export-chosen').waitFor({ state: 'detached' });
  await close();
});

test('open data is linked where it is served, SensorThings always', async () => {
  const one = await rig.open('?screen=data&lang=vi');
  await one.page.getByTestId('link-open').waitFor();
  assert.equal(await one.page.getByTestId('link-sensorthings').getAttribute('href'), '/sensorthings/v1.1');
  await one.close();
  past.openData = false;
  const two = await rig.open();
  await arrive(two.page, '?screen=data&lang=vi', /^\/open$/);
  await two.page.getByTestId('link-sensorthings').waitFor();
  await counted(two.page.getByTestId('link-open'), 0);
  await two.close();
  past.openData = true;
});

test('operators see plates masked and page back; there is no way to more for them', async () => {
  const c = camera();
  const { page, close } = await rig.open(`?lang=vi&device=${c.id}`);
  const list = page.getByTestId('plates');
  await list.waitFor();
  await counted(list.getByTestId('plate-row'), 20);
  for (const { row, secret } of past.plates.filter((p) => p.row.device === c.id)) if (secret.plate) assert.ok(!(await page.content()).includes(secret.plate), row.mask);
  assert.match(await list.getByTestId('plate-row').first().innerText(), /\*\*\*/);
  await counted(page.getByTestId('plate-show'), 0);
  await list.getByTestId('plates-more').click();
  const all = past.plates.filter((p) => p.row.device === c.id).length;
  await page.waitForFunction((n) => document.querySelectorAll('[data-testid=plate-row]').length === n, all);
  await counted(list.getByTestId('plates-more'), 0);
  await close();
});

test('a camera without plates says so, another device says nothing', async () => {
  const bare = city.devices.filter((d) => d.meta.kind === 'camera').at(-1).meta;
  const one = await rig.open(`?lang=en&device=${bare.id}`);
  await one.page.getByTestId('plates').getByText('No plates are kept').waitFor();
  await one.close();
  const two = await rig.open();
  await arrive(two.page, `?lang=en&device=${sending('traffic_counter').id}`, /personal$/);
  await two.page.getByTestId('quarantine').getByText('No message').waitFor();
  await counted(two.page.getByTestId('plates'), 0);
  await two.close();
});

test('viewers get no plates, and where none are kept nothing is said of them', async () => {
  const c = camera();
  const viewer = await rig.open(`?lang=vi&device=${c.id}`, 'viewer');
  await viewer.page.getByTestId('quarantine').getByText('Không có').waitFor();
  await counted(viewer.page.getByTestId('plates'), 0);
  await viewer.close();
  past.keepsPersonal = false;
  try {
    const { page, close } = await rig.open();
    await arrive(page, `?lang=vi&device=${c.id}`, /personal$/);
    await page.getByTestId('quarantine').getByText('Không có').waitFor();
    await counted(page.getByTestId('plates'), 0);
    await close();
  } finally {
    past.keepsPersonal = true;
  }
});

test('an administrator says why, sees one plate for a minute, and the page forgets it', async () => {
  const c = camera();
  const { page, close } = await rig.open(`?lang=vi&device=${c.id}`, 'administrator');
  await page.clock.install();
  await page.reload();
  await page.getByTestId('plate-show').first().waitFor();
  const { secret, row } = past.plates.find((p) => p.row.device === c.id && p.secret.plate && p.secret.snapshot?.startsWith('https'));
  const looks = past.looks.length;
  const button = page.getByTestId('plate-row').filter({ hasText: row.mask }).getByTestId('plate-show').first();
  await button.click();
  await page.getByText('được ghi vào nhật ký').waitFor();
  await page.getByTestId('reveal-reason').fill('ngắn quá');
  await page.getByTestId('reveal-submit').click();
  await page.getByText('Viết lý do từ 10').waitFor();
  assert.equal(past.looks.length, looks, 'nothing was asked without a reason');
  await page.getByTestId('reveal-reason').fill('Truy tìm xe gây tai nạn, công văn 12/CAĐN');
  await page.getByTestId('reveal-submit').click();
  await page.getByTestId('revealed-plate').getByText(secret.plate).waitFor();
  assert.deepEqual(past.looks.at(-1), { user: 'administrator', id: row.id, reason: 'Truy tìm xe gây tai nạn, công văn 12/CAĐN' });
  const link = page.getByTestId('revealed-snapshot');
  assert.deepEqual([await link.getAttribute('href'), await link.getAttribute('rel')], [secret.snapshot, 'noopener noreferrer']);
  const traces = () => page.evaluate(() => JSON.stringify([location.href, history.state, { ...localStorage }, { ...sessionStorage }, document.title]));
  assert.ok(!(await traces()).includes(secret.plate));
  await page.clock.runFor(58_000);
  await counted(page.getByTestId('revealed-plate'), 1);
  await page.clock.runFor(3000);
  await page.getByTestId('reveal-dialog').waitFor({ state: 'detached' });
  assert.ok(!(await page.content()).includes(secret.plate));
  // Looking again asks again.
  await button.click();
  await page.getByTestId('reveal-reason').waitFor();
  assert.equal(await page.getByTestId('reveal-reason').inputValue(), '');
  await page.keyboard.press('Escape');
  await page.getByTestId('reveal-dialog').waitFor({ state: 'detached' });
  await close();
});

test('a picture whose link is no web address is no link', async () => {
  const bad = past.plates.find((p) => p.secret.snapshot?.startsWith('javascript:'));
  const { page, close } = await rig.open(`?lang=en&device=${bad.row.device}`, 'administrator');
  await page.getByTestId('plate-row').filter({ hasText: bad.row.mask }).getByTestId('plate-show').first().click();
  await page.getByTestId('reveal-reason').fill('a reason that is long enough');
  await page.getByTestId('reveal-submit').click();
  await page.getByText('no web address').waitFor();
  await counted(page.getByTestId('revealed-snapshot'), 0);
  await close();
});

test('what was deleted meanwhile is said, and nothing is shown', async () => {
  const c = camera();
  const { page, close } = await rig.open(`?lang=en&device=${c.id}`, 'administrator');
  await page.getByTestId('plate-show').first().waitFor();
  const gone = past.plates.splice(past.plates.findIndex((p) => p.row.device === c.id), 1);
  await page.getByTestId('plate-show').first().click();
  await page.getByTestId('reveal-reason').fill('a reason that is long enough');
  await page.getByTestId('reveal-submit').click();
  await page.getByRole('alert').filter({ hasText: 'its time is over' }).waitFor();
  await counted(page.getByTestId('revealed'), 0);
  past.plates.unshift(...gone);
  await close();
});

for (const [width, height] of [[390, 844], [1440, 900], [1920, 1080]]) {
  test(`form, list and dialogs fit into ${width} px`, async () => {
    const { page, close } = await rig.open('?screen=data&lang=vi', 'administrator', { width, height });
    await page.getByTestId('export-form').waitFor();
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
    await page.goto(`${rig.mock.url}/?lang=vi&device=${camera().id}`);
    await page.getByTestId('plate-row').first().waitFor();
    await page.getByTestId('open-export').click();
    for (const id of ['export-dialog', 'device-panel']) {
      const wide = await page.getByTestId(id).evaluate((e) => [e.scrollWidth - e.clientWidth, e.getBoundingClientRect().right - innerWidth]);
      assert.ok(wide.every((x) => x <= 1), `${id}: ${wide}`);
    }
    await close();
  });
}
