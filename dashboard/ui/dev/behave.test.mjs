// The built page in a real browser against the mock: what an operator relies on.
//   npm run build && npm run behave        (IOC_UI_BUILT=dir for another build)
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
let mock;
let browser;
const open = (...args) => rig.open(...args);
const ids = (page) => rig.ids(page);

before(async () => {
  rig = await startRig();
  ({ mock, browser } = rig);
});
after(() => rig?.close());

let serial = 0;
function raise(severity = 'major') {
  const d = mock.city.devices[(serial += 3) % 40];
  return mock.city.raise(d, 'traffic.congestion', severity, 5, 15, 'km/h', `Ùn tắc mới ${serial}`, `Congestion new ${serial}`, Date.now());
}

test('a wrong password is said and does not let in', async () => {
  const page = await browser.newPage();
  await page.goto(mock.url);
  await page.getByTestId('login-user').fill('operator');
  await page.getByTestId('login-password').fill('wrong');
  await page.getByTestId('login-submit').click();
  await page.getByText('Tên hoặc mật khẩu không đúng.').waitFor();
  await page.close();
});

test('a device panel has history, live value and what was refused; Back closes it', async () => {
  const id = mock.city.open().find((r) => r.rule === 'flood.street').device;
  const { page, close } = await open();
  await page.keyboard.press('/');
  await page.keyboard.type(id);
  await page.getByTestId('found-device').first().click();
  const panel = page.getByTestId('device-panel');
  await panel.locator('canvas').waitFor();
  await panel.getByTestId('quarantine').getByText('out_of_range').waitFor();
  const drawn = await panel.locator('canvas').evaluate((c) => {
    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    let n = 0;
    // Pixels near the colour of the series.
    for (let i = 0; i < d.length; i += 4) if (Math.abs(d[i] - 0x8e) + Math.abs(d[i + 1] - 0xc5) + Math.abs(d[i + 2] - 0xc0) < 24 && d[i + 3] > 200) n += 1;
    return n;
  });
  assert.ok(drawn > 200, `the curve has ${drawn} pixels`);
  await page.goBack();
  await panel.waitFor({ state: 'detached' });
  await close();
});

test('a viewer sees no way to acknowledge', async () => {
  const { page, close } = await open('', 'viewer');
  await counted(page.getByTestId('ack-button'), 0);
  await close();
});

test('tiles say plainly where there is no feed, and filter the list', async () => {
  const { page, close } = await open();
  await counted(page.getByTestId('tile'), 18);
  assert.match((await page.locator('[data-testid=tile][data-service=feedback]').textContent()) ?? '', /Chưa có nguồn dữ liệu/);
  await page.locator('[data-testid=tile][data-service=air]').click();
  await page.waitForURL(/service=air/);
  const shown = await ids(page);
  const air = mock.city.listed().filter((r) => r.service === 'air').map((r) => r.id);
  assert.deepEqual([...shown].sort(), air.sort());
  await close();
});

