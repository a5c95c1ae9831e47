// The frame around all screens: menu, keys, sound, first steps, walls, a new build. Against the mock.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { counted, startRig, until } from './rig.mjs';

let rig;
before(async () => { rig = await startRig(); });
after(() => rig?.close());

let serial = 0;
function raise(severity = 'critical') {
  const d = rig.mock.city.devices[(serial += 3) % 40];
  return rig.mock.city.raise(d, 'traffic.congestion', severity, 5, 15, 'km/h', `Ùn tắc ${serial}`, `Congestion ${serial}`, Date.now());
}
/** Somebody else acknowledges, and everybody hears of it. */
function acknowledge(a) {
  rig.mock.city.acknowledge(a, 'tran.b', null);
  rig.mock.city.onAlert(a.row);
}
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

test('the help shows the keys; single keys can be turned off, which is remembered', async () => {
  const { page, close } = await rig.open('?lang=en');
  await page.keyboard.press('?');
  await page.getByTestId('help').getByText('Acknowledge the selected alert').waitFor();
  await page.getByTestId('single-keys').uncheck();
  await page.keyboard.press('Escape');
  await counted(page.getByTestId('help'), 0);
  await page.keyboard.press('j');
  await page.keyboard.press('a');
  await page.keyboard.press('?');
  await counted(page.getByTestId('help'), 0, '? is off');
  await counted(page.getByTestId('act-dialog'), 0, 'a is off');
  await page.reload();
  await page.getByTestId('alert-row').first().waitFor();
  await page.keyboard.press('?');
  await page.getByTestId('help-button').click();
  await page.getByTestId('single-keys').check();
  await page.keyboard.press('Escape');
  assert.equal(await focused(page), 'help-button', 'the focus is back where it came from');
  await page.keyboard.press('?');
  await page.getByTestId('help').waitFor();
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

/** A page whose AudioContext counts instead of sounding. */
async function heard(query = '?lang=vi') {
  const context = await rig.browser.newContext({ viewport: { width: 1600, height: 900 }, colorScheme: 'dark' });
  const page = await context.newPage();
  await page.addInitScript(() => {
    window.tones = [];
    // What repeats would be counted by how long a test takes.
    localStorage.getItem('ioc.sound') ?? localStorage.setItem('ioc.sound', '{"repeat":false}');
    const param = () => ({ value: 0, setValueAtTime() {}, linearRampToValueAtTime() {} });
    window.AudioContext = class {
      free = sessionStorage.getItem('blocked') !== '1';
      state = this.free ? 'running' : 'suspended';
      constructor() { window.audio = this; }
      currentTime = 0;
      destination = {};
      async resume() { if (this.free || window.allowed) this.state = 'running'; }
      async suspend() { this.state = 'suspended'; }
      createOscillator() { const o = { frequency: param(), connect: (x) => x, start: () => window.tones.push(o.frequency.value), stop() {} }; return o; }
      createGain() { return { gain: param(), connect: (x) => x }; }
    };
  });
  await page.goto(`${rig.mock.url}/${query}`);
  await page.getByTestId('login-user').fill('operator');
  await page.getByTestId('login-password').fill('operator');
  await page.getByTestId('login-password').press('Enter');
  await page.locator('[data-testid=ack-button]:not([disabled])').first().waitFor();
  return { page, context, tones: () => page.evaluate(() => window.tones.length), sounds: (n) => until(() => page.evaluate(() => window.tones.length), n) };
}
const row = (page, a) => page.locator(`[data-testid=alert-row][data-id="${a.row.id}"]`);

test('sound: what is there is silent, a new alert sounds once, a reconnect and a reload replay nothing', async () => {
  const { page, context, tones, sounds } = await heard();
  await page.locator('[data-testid=sound][data-state=on]').waitFor();
  assert.equal(await tones(), 0, 'the alerts that were there make no sound');
  await until(() => page.evaluate(() => window.audio.state), 'suspended', 'a context that runs without a tone costs CPU');
  const a = raise('critical');
  await sounds(3);
  rig.mock.drop();
  await page.locator('[data-testid=link-state][data-state=live]').waitFor();
  const b = raise('emergency');
  await row(page, b).waitFor();
  await sounds(9);
  acknowledge(a);
  acknowledge(b);
  await page.reload();
  await page.locator('[data-testid=ack-button]:not([disabled])').first().waitFor();
  // A page that was just loaded is blocked until somebody presses something.
  await page.keyboard.press('j');
  await page.locator('[data-testid=sound][data-state=on]').waitFor();
  const c = raise('major');
  await sounds(2);
  acknowledge(c);
  await context.close();
});

test('sound: below the lowest severity and while muted nothing sounds; the mute counts down and ends by hand', async () => {
  const { page, context, tones, sounds } = await heard();
  await page.getByTestId('sound').click();
  await page.getByTestId('sound-least').selectOption('4');
  await page.getByTestId('sound-mute-5').click();
  await page.getByTestId('sound-left').getByText(/^[45]:\d\d$/).waitFor();
  const unseen = () => page.evaluate(() => Number(/\d+/.exec(document.title)?.[0] ?? 0));
  const n = await unseen();
  const [a, b] = [raise('emergency'), raise('major')];
  await until(unseen, n + 2);
  acknowledge(a);
  await until(unseen, n + 1);
  await page.getByTestId('sound-unmute').click();
  await page.locator('[data-testid=sound][data-state=on]').waitFor();
  assert.equal(await tones(), 0);
  const c = raise('critical');
  await sounds(3);
  for (const x of [b, c]) acknowledge(x);
  await page.reload();
  await page.getByTestId('alert-row').first().waitFor();
  await page.getByTestId('sound').click();
  assert.equal(await page.getByTestId('sound-least').inputValue(), '4', 'remembered');
  await context.close();
});

test('sound: that the browser blocks it is said, a press turns it on, and the test button sounds for each severity', async () => {
  const { page, context, sounds } = await heard();
  await page.evaluate(() => sessionStorage.setItem('blocked', '1'));
  await page.reload();
  await page.locator('[data-testid=sound][data-state=blocked]').waitFor();
  const say = page.getByTestId('sound-blocked');
  assert.equal((await say.getAttribute('title')), 'Âm thanh bị trình duyệt chặn – bấm để bật');
  await page.evaluate(() => { window.allowed = true; });
  await say.click();
  await page.locator('[data-testid=sound][data-state=on]').waitFor();
  await page.getByTestId('sound').click();
  let all = 0;
  for (const [level, n] of [[5, 6], [4, 3], [3, 2], [2, 2], [1, 1]]) {
    await page.getByLabel('Thử âm').selectOption(String(level));
    await page.getByTestId('sound-test').click();
    await sounds((all += n));
  }
  await context.close();
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

test('w shows the console as a wall, Escape leaves it, and the address alone opens it', async () => {
  const { page, close } = await rig.open('?lang=en');
  await page.keyboard.press('w');
  await page.locator('[data-testid=wall-screen][data-view=overview]').waitFor();
  assert.match(page.url(), /\/wall\?view=overview/);
  await page.keyboard.press('Escape');
  await page.getByTestId('alert-row').first().waitFor();
  assert.ok(!page.url().includes('/wall'), page.url());
  await page.goto(`${rig.mock.url}/wall?view=alerts&lang=en`);
  await page.locator('[data-testid=wall-screen][data-view=alerts]').waitFor();
  await close();
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

test('a wall turns for three days and reloads in each of three nights; nothing piles up', async () => {
  const STEP_S = 600;
  const STEPS = (3 * 86_400) / STEP_S;
  const context = await rig.browser.newContext({ viewport: { width: 1920, height: 1080 }, colorScheme: 'dark' });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (e) => problems.push(String(e)));
  await page.clock.install({ time: Date.parse('2026-11-23T12:00:00+07:00') });
  rig.mock.accounts.walls.push({ id: 91, label: 'soak', view: 'overview', areas: null, services: null, created: Date.now(), expires: null, used: null, secret: 'soak' });
  await page.goto(`${rig.mock.url}/?lang=vi#/wall?token=soak&rotate=${STEP_S}`);
  await page.getByTestId('wall-screen').waitFor();
  assert.match(page.url(), /rotate=600/);
  let reloads = 0;
  let asked = 0;
  page.on('load', () => { reloads += 1; });
  page.on('request', (r) => { if (r.url().endsWith('/healthz')) asked += 1; });
  const cdp = await context.newCDPSession(page);
  await cdp.send('Performance.enable');
  const view = () => page.getByTestId('wall-screen').getAttribute('data-view');
  /** Nodes and listeners when the list of alerts is shown, by the reloads before: a new page begins anew. */
  const sizes = [];
  const views = ['overview', 'map', 'alerts'];
  let turns = 0;
  let was = await view();
  for (let i = 1; i <= STEPS; i++) {
    await page.clock.fastForward(STEP_S * 1000);
    // It asks whether the server answers, and reloads then: no step while the page is on its way.
    await until(() => reloads, asked);
    const due = await page.evaluate((s) => Math.floor(Date.now() / 1000 / s) % 3, STEP_S);
    await page.locator(`[data-testid=wall-screen][data-view=${views[due]}]`).waitFor();
    if (views[due] === views[(views.indexOf(was) + 1) % 3]) turns += 1;
    was = views[due];
    if (was !== 'alerts' || i % 4 !== 0) continue;
    await page.getByTestId('wall-alert').first().waitFor();
    await cdp.send('HeapProfiler.collectGarbage');
    const m = Object.fromEntries((await cdp.send('Performance.getMetrics')).metrics.map((x) => [x.name, x.value]));
    (sizes[reloads] ??= []).push([await page.evaluate(() => document.querySelectorAll('*').length), m.JSEventListeners]);
  }
  assert.equal(turns, STEPS, 'one turn each ten minutes');
  assert.equal(reloads, 3, 'one reload each night');
  for (const [night, all] of sizes.entries()) {
    // The first look may come before everything is loaded.
    const [first, last] = [all[1], all.at(-1)];
    assert.ok(Math.abs(last[0] - first[0]) <= 20, `after ${night} reloads: DOM nodes ${all.map((x) => x[0])}`);
    assert.ok(last[1] - first[1] <= 10, `after ${night} reloads: listeners ${all.map((x) => x[1])}`);
  }
  if (process.env.IOC_SAY) console.log(JSON.stringify(sizes));
  assert.deepEqual(problems, []);
  await context.close();
});
