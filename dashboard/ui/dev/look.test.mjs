// What the page looks like to everybody: axe over every screen, theme and dialog; reflow, print, motion, forced colours.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { startRig } from './rig.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const THEMES = ['dark', 'light', 'contrast'];
// The screens as the route knows them: a new one is looked at without a word here.
const route = readFileSync(new URL('../page/lib/route.svelte.ts', import.meta.url), 'utf8');
const SCREENS = [.../SCREENS = \[([^\]]*)\]/.exec(route)[1].matchAll(/'(\w*)'/g)].map((m) => m[1]);
const DESK = { width: 1600, height: 900 };
const PHONE = { width: 390, height: 844 };

let rig;
let alert;
let device;
before(async () => {
  rig = await startRig();
  alert = rig.mock.city.open().find((r) => r.severity === 'emergency');
  device = rig.mock.city.devices.find((d) => !d.silent).meta.id;
  const wall = (view, i) => ({ id: 90 + i, label: view, view, areas: null, services: null, created: Date.now(), expires: null, used: null, secret: `look-${view}` });
  rig.mock.accounts.walls.push(...['overview', 'alerts', 'map'].map(wall));
});
after(() => rig?.close());

const queryOf = (screen) => (screen === 'device' ? `?screen=device&device=${encodeURIComponent(device)}` : screen === '' ? '?lang=vi' : `?screen=${screen}`);

/** What has an address of its own. */
const opened = () => [['an alert', `?lang=vi&alert=${alert.id}`], ['a device', `?lang=vi&device=${device}`], ['a rule', `?screen=rules&rule=${alert.rule}`],
  ['series', '?screen=explore&part=table&series=air-station-01:pm25,air-station-02:pm25'], ['series in one chart', '?screen=explore&mode=overlay&compare=day&series=air-station-01:pm25,air-station-02:pm25'], ['a service', '?screen=services&service=rain_flood']];

async function visitor(viewport, user, options = {}) {
  const context = await rig.browser.newContext({ viewport, reducedMotion: 'reduce', ...options });
  await context.addInitScript({ content: axe });
  const page = await context.newPage();
  await page.goto(`${rig.mock.url}/?lang=vi`);
  await page.getByTestId('login-user').waitFor();
  return { context, page, enter: async () => {
    for (const field of ['user', 'password']) await page.getByTestId(`login-${field}`).fill(user);
    await page.getByTestId('login-password').press('Enter');
    await page.locator('[data-testid=link-state][data-state=live]').waitFor();
    await page.getByTestId('alert-row').first().waitFor();
  } };
}

/** Nothing is loading any more, and nothing came or went for a while. */
const settled = (page) => page.evaluate(async () => {
  const count = () => document.querySelectorAll('*').length;
  const end = performance.now() + 8000;
  for (let quiet = 0, last = -1; quiet < 5 && performance.now() < end;) {
    await new Promise((done) => setTimeout(done, 25));
    const loading = document.body.innerText.includes('Đang tải…');
    quiet = !loading && count() === last ? quiet + 1 : 0;
    last = count();
  }
});

/** Opens a view of the same page, as a link in it would. */
async function go(page, query) {
  await page.evaluate((q) => {
    history.pushState(null, '', `/${q}`);
    dispatchEvent(new PopStateEvent('popstate'));
  }, query);
  await settled(page);
}

async function violations(page, where) {
  const found = await page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, { runOnly: tags, resultTypes: ['violations'], elementRef: false });
    return violations.flatMap((v) => v.nodes.map((n) => `${v.id} | ${n.target.join(' ')} | ${n.html.slice(0, 110)} | ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message.slice(0, 160)}`));
  }, TAGS);
  return found.map((line) => `${where}: ${line}`);
}

/** What is opened over a screen: where, how, and what must then be there. */
const DIALOGS = {
  acknowledge: ['?lang=vi', async (p) => { await p.getByTestId('ack-button').first().click(); await p.getByTestId('act-dialog').waitFor(); }],
  shelve: [() => `?lang=vi&alert=${alert.id}`, async (p) => { await p.locator('#alert-rows [role=row]').first().focus(); await p.keyboard.press('s'); await p.getByTestId('shelve-custom').click(); await p.getByTestId('act-submit').click(); }],
  selected: ['?lang=vi', async (p) => { for (const i of [1, 2]) await p.getByTestId('row-check').nth(i).check(); await p.getByTestId('bulk-more').click(); }],
  filters: ['?lang=vi&q=tr', async (p) => { await p.getByTestId('filters').click(); }],
  held: ['?lang=vi&tab=held', async () => {}],
  closed: ['?lang=vi&tab=closed', async () => {}],
  groups: ['?lang=vi&group=place', async () => {}],
  help: ['?lang=vi', async (p) => { await p.keyboard.press('?'); await p.locator('dialog[open]').waitFor(); }],
  person: ['?screen=people', async (p) => { await p.getByTestId('person-add').click(); await p.getByTestId('person-dialog').waitFor(); }],
  manage: ['?screen=people', async (p) => { await p.getByTestId('person-more').first().click(); await p.getByTestId('manage-dialog').waitFor(); }],
  wall: ['?screen=people', async (p) => { await p.getByTestId('wall-add').click(); await p.getByTestId('wall-dialog').waitFor(); }],
  device: ['?screen=devices', async (p) => { await p.getByTestId('device-new').click(); }],
};

for (const theme of THEMES) {
  test(`axe finds nothing on any screen and dialog, theme ${theme}`, async () => {
    const { context, page, enter } = await visitor(DESK, 'administrator');
    const found = [];
    const look = async (where) => found.push(...(await violations(page, `${theme} ${where}`)));
    await go(page, `?lang=vi&theme=${theme}`);
    await look('sign-in');
    await enter();
    for (const screen of SCREENS) {
      await go(page, `${queryOf(screen)}&theme=${theme}`);
      await look(screen || 'console');
    }
    for (const [what, query] of opened()) {
      await go(page, `${query}&theme=${theme}`);
      await look(what);
    }
    for (const [name, [query, open]] of Object.entries(DIALOGS)) {
      await go(page, `${typeof query === 'string' ? query : query()}&theme=${theme}`);
      await page.mouse.move(700, 20);
      await open(page);
      await settled(page);
      await look(`dialog ${name}`);
      for (let i = 0; i < 3 && (await page.locator('dialog[open], [data-testid=bulk-bar]').count()) > 0; i++) await page.keyboard.press('Escape');
    }
    await context.close();
    assert.deepEqual(found, [], `${found.length} violations`);
  });
}

test('axe finds nothing on the walls', async () => {
  const found = [];
  for (const [view, theme] of [['overview', 'dark'], ['alerts', 'light'], ['map', 'contrast'], ['overview', 'light']]) {
    const context = await rig.browser.newContext({ viewport: { width: 1920, height: 1080 }, reducedMotion: 'reduce' });
    await context.addInitScript({ content: axe });
    const page = await context.newPage();
    await page.goto(`${rig.mock.url}/?lang=vi&theme=${theme}#/wall?token=look-${view}`);
    await page.getByTestId('wall-screen').waitFor();
    await settled(page);
    found.push(...(await violations(page, `wall ${view} ${theme}`)));
    await context.close();
  }
  assert.deepEqual(found, [], `${found.length} violations`);
});

test('on a phone axe finds nothing, and nothing scrolls sideways at 320 px', async () => {
  const { context, page, enter } = await visitor(PHONE, 'administrator', { isMobile: true, hasTouch: true });
  await enter();
  const found = [];
  const wide = [];
  const views = [...SCREENS.map((s) => [s || 'console', queryOf(s)]), ...opened()];
  for (const [name, query] of views) {
    await page.setViewportSize(PHONE);
    await go(page, query);
    found.push(...(await violations(page, `phone ${name}`)));
    await page.setViewportSize({ width: 320, height: 640 });
    await settled(page);
    wide.push(...(await page.evaluate((where) => {
      const room = document.documentElement.clientWidth;
      if (document.scrollingElement.scrollWidth <= room) return [];
      // The innermost that stick out, and are in no box that scrolls by itself.
      const out = [...document.body.querySelectorAll('*')].filter((e) => {
        if (e.getBoundingClientRect().right <= room + 1 || e.closest('.sr, svg')) return false;
        for (let up = e.parentElement; up; up = up.parentElement) if (/auto|scroll|hidden|clip/.test(getComputedStyle(up).overflowX)) return false;
        return ![...e.children].some((c) => c.getBoundingClientRect().right > room + 1);
      });
      return [`${where}: ${document.scrollingElement.scrollWidth} px: ${out.slice(0, 3).map((e) => `${e.tagName}.${e.className} in ${e.parentElement.tagName}.${e.parentElement.className}`).join('; ')}`];
    }, name)));
  }
  await context.close();
  assert.deepEqual([...found, ...wide], []);
});

test('the theme: what the system wants, until one is chosen; the choice is remembered, in the address, and canvases follow', async () => {
  const { context, page, enter } = await visitor(DESK, 'operator', { colorScheme: 'dark' });
  const wears = (theme) => page.locator(`html[data-theme=${theme}]`).waitFor();
  await wears('dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await wears('light');
  await page.emulateMedia({ contrast: 'more' });
  await wears('contrast');
  await page.emulateMedia({ contrast: 'no-preference' });
  await enter();
  // The middle of the map, as it is painted.
  const land = () => page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const canvas = document.querySelector('.map-base');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let [sum, n] = [0, 0];
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) { sum += data[i] + data[i + 1] + data[i + 2]; n += 3; }
    return sum / n;
  });
  await wears('light');
  assert.ok((await land()) > 180, 'light land');
  await page.getByTestId('theme-switch').selectOption('dark');
  await wears('dark');
  assert.match(page.url(), /theme=dark/);
  assert.ok((await land()) < 80, 'dark land');
  await page.goto(`${rig.mock.url}/?lang=vi`);
  await page.getByTestId('theme-switch').waitFor();
  // The system still wants light.
  await wears('dark');
  await page.getByTestId('theme-switch').selectOption('');
  await wears('light');
  await context.close();
});

test('on paper nothing is cut off: list, alert, device, figures, handover', async () => {
  const { context, page, enter } = await visitor({ width: 703, height: 1000 }, 'administrator');
  await enter();
  const cut = [];
  for (const [name, query] of [['list', '?lang=vi'], ['alert', `?lang=vi&alert=${alert.id}`], ['device', `?lang=vi&device=${device}`], ['figures', '?screen=kpi'], ['handover', '?screen=shift']]) {
    await page.emulateMedia({ media: null });
    await go(page, query);
    await page.emulateMedia({ media: 'print' });
    await settled(page);
    cut.push(...(await page.evaluate((where) => {
      const out = [];
      const room = document.documentElement.clientWidth;
      if (document.scrollingElement.scrollWidth > room) out.push(`${where}: ${document.scrollingElement.scrollWidth} px wide`);
      for (const e of document.querySelectorAll('main, main *')) {
        const s = getComputedStyle(e);
        if (!e.checkVisibility() || e.closest('.sr, .uplot, svg') || s.textOverflow === 'ellipsis') continue;
        if (/auto|scroll|hidden/.test(s.overflowY) && e.scrollHeight > e.clientHeight + 3) out.push(`${where}: ${e.tagName}.${e.className} hides ${e.scrollHeight - e.clientHeight} px`);
        else if (e.childElementCount === 0 && e.getBoundingClientRect().right > room + 1) out.push(`${where}: ${e.tagName}.${e.className} sticks out`);
        if (s.position === 'fixed') out.push(`${where}: ${e.tagName}.${e.className} is fixed: on every page`);
      }
      return [...new Set(out)];
    }, name)));
    const pdf = await page.pdf({ format: 'A4', printBackground: false });
    const pages = pdf.toString('latin1').match(/\/Type ?\/Page\b/g)?.length ?? 0;
    if (pages < 1 || pages > 30 || pdf.length < 15_000) cut.push(`${name}: ${pages} pages, ${pdf.length} bytes`);
  }
  await context.close();
  assert.deepEqual(cut, []);
});

test('recovery codes are printed alone', async () => {
  const { context, page, enter } = await visitor(DESK, 'supervisor');
  await enter();
  await go(page, '?screen=account');
  await page.getByTestId('totp-start').click();
  await page.getByTestId('totp-code').fill('123456');
  await page.getByTestId('totp-check').click();
  await page.getByTestId('recovery').waitFor();
  await page.emulateMedia({ media: 'print' });
  const seen = await page.evaluate(() => [...document.querySelectorAll('#app *')].filter((e) => e.childElementCount === 0 && e.textContent.trim() !== '' && e.checkVisibility({ visibilityProperty: true })).map((e) => (e.closest('.printable') ? 'codes' : e.outerHTML.slice(0, 80))));
  assert.deepEqual([...new Set(seen)], ['codes']);
  assert.ok(seen.length > 5);
  await context.close();
});

test('nothing blinks for who wants no motion, and glyphs have their shape in the system’s own colours', async () => {
  const { context, page, enter } = await visitor(DESK, 'operator', { reducedMotion: 'no-preference' });
  await enter();
  /** Whether an unacknowledged one is dimmed at some moment of the next seconds. */
  const blinks = () => page.evaluate(() => new Promise((done) => {
    const end = performance.now() + 3000;
    const look = () => {
      const dim = [...document.querySelectorAll('.glyph.blink')].some((g) => getComputedStyle(g).opacity !== '1');
      if (dim || performance.now() > end) done(dim);
      else setTimeout(look, 40);
    };
    look();
  }));
  await page.locator('.glyph.blink').first().waitFor();
  assert.ok(await blinks(), 'unacknowledged ones blink');
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.locator(':root:not([data-beat])').waitFor({ state: 'attached' });
  assert.ok(!(await blinks()));
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  const before = page.url();
  await page.locator('.leaflet-container').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.locator('.leaflet-pan-anim').count(), 0, 'the map does not glide');
  await page.waitForURL((url) => String(url) !== before);
  await page.emulateMedia({ forcedColors: 'active', colorScheme: 'light' });
  const flat = await page.evaluate(() => [...document.querySelectorAll('.glyph')].filter((g) => {
    const [ink, ground] = [getComputedStyle(g), getComputedStyle(document.body).backgroundColor];
    return ![ink.fill, ink.stroke].some((c) => c !== 'none' && c !== ground);
  }).length);
  assert.equal(flat, 0);
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.uplot, .map-base')).visibility), 'visible');
  await context.close();
});

test('what has the focus is under no sticky head, on a phone and on a desk', async () => {
  const hidden = [];
  for (const [viewport, screens] of [[PHONE, ['', 'kpi', 'people']], [DESK, ['', 'kpi']]]) {
    const { context, page, enter } = await visitor(viewport, 'administrator');
    await enter();
    for (const screen of screens) {
      await go(page, queryOf(screen));
      // Backwards too: then what comes into sight is at the upper edge.
      for (const key of [...Array(45).fill('Tab'), ...Array(25).fill('Shift+Tab')]) {
        await page.keyboard.press(key);
        const under = await page.evaluate(() => {
          const e = document.activeElement;
          const r = e.getBoundingClientRect();
          if (e === document.body || r.width < 2 || r.height < 2 || e.closest('[inert]')) return null;
          const points = [0.1, 0.5, 0.9].flatMap((x) => [0.1, 0.5, 0.9].map((y) => [r.left + r.width * x, r.top + r.height * y])).filter(([x, y]) => x >= 0 && y >= 0 && x < innerWidth && y < innerHeight);
          if (points.length === 0) return `out of sight: ${e.outerHTML.slice(0, 90)}`;
          const free = points.some(([x, y]) => { const top = document.elementFromPoint(x, y); return top !== null && (e.contains(top) || top.contains(e) || top.closest('label')?.contains(e)); });
          return free ? null : `covered: ${e.outerHTML.slice(0, 90)}`;
        });
        if (under !== null) hidden.push(`${viewport.width} ${screen || 'console'}: ${under}`);
      }
    }
    await context.close();
  }
  assert.deepEqual([...new Set(hidden)], []);
});
