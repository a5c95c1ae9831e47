// The frame around all screens: menu, keys, sound, first steps, walls, a new build. Against the mock.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
before(async () => { rig = await startRig(); });
after(() => rig?.close());

const focused = (page) => page.evaluate(() => document.activeElement?.dataset?.testid ?? document.activeElement?.tagName);

test('the header and the menu fit at every size, in both languages, and the three ages stay in sight', async () => {
  for (const lang of ['vi', 'en'])
    for (const [width, height] of [[1366, 768], [1600, 900], [1920, 1080], [3840, 2160], [390, 844]]) {
      const { page, close } = await rig.open(`?lang=${lang}`, 'administrator', { width, height });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, `${lang} ${width}`);
      for (const id of ['link-state', 'pipeline-age', 'device-freshness', 'sign-out', 'lang-switch', 'nav-account', 'who-scope']) {
        const box = await page.getByTestId(id).boundingBox();
        if (id === 'who-scope' && width < 768) continue;
        assert.ok(box && box.x >= 0 && box.x + box.width <= width && box.y >= 0, `${id} at ${width} ${lang}: ${JSON.stringify(box)}`);
      }
      // Nothing in the header lies on something else.
      const overlap = await page.evaluate(() => {
        const parts = [...document.querySelectorAll('header.bar > *')].filter((e) => e.getBoundingClientRect().width > 0).map((e) => [e.className, e.getBoundingClientRect()]);
        return parts.flatMap(([a, x], i) => parts.slice(i + 1).filter(([, y]) => x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 && y.top < x.bottom - 1).map(([b]) => `${a} / ${b}`));
      });
      assert.deepEqual(overlap, [], `${lang} ${width}`);
      await close();
    }
});

test('on a phone four screens are at hand and the others behind "more"', async () => {
  const { page, close } = await rig.open('?lang=vi', 'operator', { width: 390, height: 844 });
  await counted(page.locator('nav.bar a'), 4);
  await page.getByTestId('nav-more').click();
  await page.getByTestId('nav-sheet').getByTestId('nav-kpi').click();
  await page.getByTestId('kpi-screen').waitFor();
  await counted(page.getByTestId('nav-sheet'), 0);
  for (const box of await page.locator('nav.bar > *').evaluateAll((all) => all.map((e) => e.getBoundingClientRect().height))) assert.ok(box >= 44);
  await close();
});

test('the rail folds, stays so after a reload, and its names remain for a screen reader', async () => {
  const { page, close } = await rig.open('?lang=en');
  await page.locator('[data-testid=rail][data-wide=true]').waitFor();
  await page.getByTestId('rail-fold').click();
  await page.reload();
  await page.locator('[data-testid=rail][data-wide=false]').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Ledger' }).getAttribute('data-testid'), 'nav-ledger');
  await close();
});

test('g and its letter open every screen that the menu names', async () => {
  const { page, close } = await rig.open('?lang=en', 'administrator');
  for (const id of await page.locator('nav.rail a').evaluateAll((all) => all.map((a) => [a.dataset.testid, a.title.at(-2)]))) {
    await page.keyboard.press('g');
    await page.keyboard.press(id[1]);
    await page.locator(`nav.rail a[aria-current=page][data-testid="${id[0]}"]`).waitFor();
  }
  await close();
});

test('Escape gives the focus back, also after tabbing out of the dialog, and the dialog opens again', async () => {
  const { page, close } = await rig.open('?lang=en&screen=people', 'administrator');
  const opener = page.getByTestId('person-more').first();
  for (const tabs of [0, 1, 7, 2]) {
    await opener.click();
    await page.getByTestId('manage-dialog').waitFor();
    for (let i = 0; i < tabs; i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await page.getByTestId('manage-dialog').waitFor({ state: 'detached' });
    assert.equal(await focused(page), 'person-more', `after ${tabs} tabs`);
  }
  // A browser may close a dialog by itself, without asking.
  await opener.click();
  await page.getByTestId('manage-dialog').evaluate((d) => d.close());
  await page.getByTestId('manage-dialog').waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'person-more');
  await close();
});

test('while no device was ever heard the console shows how to connect one, until it is put away', async () => {
  const { devices } = rig.mock.city;
  const { page, close } = await rig.open('?lang=vi');
  await counted(page.getByTestId('first-steps'), 0);
  await close();
  const quiet = await startRig({ twist: (json, path) => (path === '/api/v1/devices' ? { ...json, devices: [] } : json) });
  try {
    const { page: empty, close: done } = await quiet.open('?lang=vi', 'administrator');
    const card = empty.getByTestId('first-steps');
    await card.waitFor();
    assert.equal(await empty.getByTestId('first-address').inputValue(), '127.0.0.1:1883');
    assert.equal(await empty.getByTestId('first-topic').inputValue(), 'ioc/v1/hai_chau/air/my-sensor/obs');
    assert.match(await empty.getByTestId('first-command').inputValue(), /^mosquitto_pub -p 1883 -q 1 -i my-sensor -t ioc\/v1\/hai_chau\/air\/my-sensor\/obs -m '\{"time":'\$\(date \+%s000\)',"values":\{"pm25":35\.1\}\}'$/);
    await empty.getByTestId('first-address-copy').click();
    await empty.getByTestId('toast').waitFor();
    await empty.getByTestId('first-devices').click();
    await empty.waitForURL(/screen=devices/);
    await empty.goBack();
    await empty.getByTestId('first-close').click();
    await card.waitFor({ state: 'detached' });
    await empty.getByTestId('hint-close').click();
    await empty.reload();
    await empty.locator('[data-testid=link-state][data-state=live]').waitFor();
    await empty.getByTestId('alert-row').first().waitFor();
    await counted(card, 0);
    await counted(empty.getByTestId('hint-keys'), 0);
    await done();
  } finally {
    await quiet.close();
  }
  assert.ok(devices.length > 0);
});

test('a wall that gets no answer when it comes asks again by itself, for who it is and for the city', async () => {
  rig.mock.accounts.walls.push({ id: 90, label: 'lost', view: 'overview', areas: null, services: null, created: Date.now(), expires: null, used: null, secret: 'lost' });
  const context = await rig.browser.newContext({ viewport: { width: 1600, height: 900 } });
  const page = await context.newPage();
  const lost = [];
  // Each of these is lost once when the link is opened, and once more when the page is read again.
  await page.route(/api\/v1\/(session|session\/wall|city)$/, (route) => {
    const key = `${route.request().method()} ${new URL(route.request().url()).pathname}`;
    if (lost.includes(key)) return route.continue();
    lost.push(key);
    return route.abort();
  });
  await page.goto(`${rig.mock.url}/?lang=en#/wall?token=lost`);
  await page.getByTestId('wall-screen').waitFor();
  assert.ok(lost.includes('POST /api/v1/session/wall') && lost.includes('GET /api/v1/city'), String(lost));
  lost.length = 0;
  await page.reload();
  await page.getByTestId('wall-screen').waitFor();
  assert.ok(lost.includes('GET /api/v1/session') && lost.includes('GET /api/v1/city'), String(lost));
  await context.close();
});

