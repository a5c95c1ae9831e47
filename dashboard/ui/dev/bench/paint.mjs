// How soon the console shows something, from a cold cache on loopback: first paint, and the moment
// when services, alerts and the map are there.
//   make bench, or: npm run build && node dev/bench/paint.mjs [--loads 15] [--size 1600x900] [--dist dist]
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { startMock } from '../mock.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: arg } = parseArgs({ options: {
  loads: { type: 'string', default: '15' }, size: { type: 'string', default: '1600x900' }, dist: { type: 'string', default: process.env.IOC_UI_BUILT ?? join(here, '../../dist') },
} });
const [width, height] = arg.size.split('x').map(Number);
const mock = await startMock({ scene: 'busy', quiet: true, dist: arg.dist });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'] });
const context = await browser.newContext({ viewport: { width, height }, colorScheme: 'dark' });
const first = await context.newPage();
await first.goto(`${mock.url}/?lang=vi`);
await first.getByTestId('login-user').fill('operator');
await first.getByTestId('login-password').fill('operator');
await first.getByTestId('login-password').press('Enter');
await first.getByTestId('alert-row').first().waitFor();
const cookies = await context.storageState();
await context.close();

/** What counts as there, looked for at each frame. */
const watch = () => {
  const there = {
    services: () => [...document.querySelectorAll('[data-testid=tile] .value b')].some((b) => b.textContent !== ''),
    alerts: () => document.querySelector('[data-testid=alert-row]') !== null,
    map: () => {
      const c = document.querySelector('canvas.map-base');
      return c !== null && c.width > 0 && c.getContext('2d').getImageData(c.width >> 1, c.height >> 1, 1, 1).data[3] > 0;
    },
  };
  window.seen = {};
  const look = () => {
    for (const [what, is] of Object.entries(there)) if (!(what in window.seen) && is()) window.seen[what] = performance.now();
    if (Object.keys(window.seen).length < 3) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};

const loads = [];
for (let i = 0; i < Number(arg.loads); i++) {
  // Another context each time: nothing is cached.
  const fresh = await browser.newContext({ viewport: { width, height }, colorScheme: 'dark', storageState: cookies });
  const page = await fresh.newPage();
  await page.addInitScript(watch);
  await page.goto(`${mock.url}/?lang=vi`);
  await page.waitForFunction(() => Object.keys(window.seen).length === 3);
  loads.push(await page.evaluate(() => ({ paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN, ...window.seen })));
  await fresh.close();
}
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
console.log(`${arg.loads} loads, cold cache, ${arg.size}; median (worst) ms from the navigation on`);
for (const what of ['paint', 'services', 'alerts', 'map']) {
  const all = loads.map((l) => l[what]);
  console.log(`${what.padEnd(10)} ${median(all).toFixed(0)} (${Math.max(...all).toFixed(0)})`);
}
await browser.close();
await mock.close();
