// A browser and a mock for the behaviour tests.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { startMock } from './mock.mjs';

/** So many of it are on the page, at once or soon: the page draws after it is told. */
export async function counted(locator, n, why) {
  for (let i = 0; i < 150 && (await locator.count()) !== n; i++) await new Promise((done) => setTimeout(done, 100));
  assert.equal(await locator.count(), n, why ?? String(locator));
}

/** What is read is what is wanted, at once or soon. */
export async function until(read, want, why) {
  for (let i = 0; i < 100 && (await read()) !== want; i++) await new Promise((done) => setTimeout(done, 100));
  assert.equal(await read(), want, why);
}

export async function startRig(more = {}) {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing; set CHROMIUM`);
  const dist = process.env.IOC_UI_BUILT;
  const browser = await chromium.launch({ executablePath, args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  const mock = await startMock({ scene: 'busy', quiet: true, ...more, ...(dist ? { dist } : {}) });

  /** A signed-in page; `close` fails the test if anything was on its console. `prepare` sees it before it goes anywhere. */
  async function open(query = '', user = 'operator', viewport = { width: 1600, height: 900 }, { prepare, ...options } = {}) {
    // As control rooms are; the themes have tests of their own.
    const context = await browser.newContext({ viewport, colorScheme: 'dark', ...options });
    const page = await context.newPage();
    await prepare?.(page);
    const problems = [];
    page.on('pageerror', (e) => problems.push(String(e)));
    // Whether open data and personal data are served is found out by asking.
    const probes = (m) => / (403|404) /.test(m.text()) && /\/(open|api\/v1\/personal)\b/.test(m.location().url);
    page.on('console', (m) => { if (m.type() === 'error' && !/ (401|409|412|422|503) |ERR_EMPTY_RESPONSE|ERR_CONNECTION/.test(m.text()) && !probes(m)) problems.push(m.text()); });
    await page.goto(`${mock.url}/${query}`);
    await page.getByTestId('login-user').fill(user);
    await page.getByTestId('login-password').fill(user);
    await page.getByTestId('login-password').press('Enter');
    await page.getByTestId('data-area').waitFor();
    await page.locator('[data-testid=link-state][data-state=live]').waitFor();
    if (!query.includes('screen=')) {
      await page.getByTestId('alert-row').first().waitFor();
      if (!['viewer', 'auditor', 'engineer', 'ward'].includes(user) && !query.includes('tab=')) await page.locator('[data-testid=ack-button]:not([disabled])').first().waitFor();
    }
    await page.mouse.move(700, 20);
    return { page, context, problems, close: async () => { await context.close(); assert.deepEqual(problems, [], 'nothing on the console'); } };
  }

  return {
    browser, mock, open,
    ids: (page) => page.getByTestId('alert-row').evaluateAll((rows) => rows.map((r) => r.dataset.id)),
    close: async () => {
      await browser.close();
      await mock.close();
    },
  };
}
