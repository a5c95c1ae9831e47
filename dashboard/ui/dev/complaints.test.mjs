// What users of such consoles complain about, and what ours does instead: one rule of the
// specification after the other (C1 to C19), against the mock.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { counted, startRig, until } from './rig.mjs';

let rig;
let mock;
let city;
before(async () => {
  rig = await startRig();
  ({ mock } = rig);
  ({ city } = mock);
});
after(() => rig?.close());

let serial = 0;
/** A new alert of a traffic counter. */
function raise(severity = 'major', word = '') {
  const d = city.devices[(serial += 3) % 40];
  return city.raise(d, 'traffic.congestion', severity, 5, 15, 'km/h', `Ùn tắc ${serial} ${word}`.trim(), `Congestion ${serial} ${word}`.trim(), Date.now());
}
const row = (page, a) => page.locator(`[data-testid=alert-row][data-id="${a.row.id}"]`);
const live = (page) => page.locator('[data-testid=link-state][data-state=live]').waitFor();
/** The list with only the alerts of a made-up word in it. */
async function openWith(word, n, query = '') {
  const alerts = Array.from({ length: n }, () => raise('critical', word));
  const opened = await rig.open(`?lang=vi&q=${word}${query}`);
  await row(opened.page, alerts[0]).waitFor();
  return { ...opened, alerts };
}
/** Another operator does something that this page does not hear of. */
function silently(what) {
  const heard = city.onAlert;
  city.onAlert = () => {};
  try {
    return what();
  } finally {
    city.onAlert = heard;
  }
}
/** The address as the page has written it. */
const address = (page) => new URL(page.url());

// C1: the list re-orders while it is read.
const blur = (page) => page.evaluate(() => document.activeElement.blur());
const scrollTo = (page, top) => page.getByTestId('alert-list').evaluate((list, y) => { list.scrollTop = y; }, top);
for (const [why, begin, end] of [
  ['the pointer is on it', (page) => page.getByTestId('alert-row').nth(2).hover(), (page) => page.mouse.move(700, 20)],
  ['a row has the focus', (page) => page.keyboard.press('j'), blur],
  ['it is scrolled', (page) => scrollTo(page, 90), (page) => scrollTo(page, 0)],
  ['something is selected', async (page) => { await page.keyboard.press('j'); await page.keyboard.press('x'); await page.getByTestId('bulk-bar').waitFor(); await blur(page); }, (page) => page.keyboard.press('Escape')],
  ['it is paused with the space bar', (page) => page.keyboard.press('Space'), (page) => page.keyboard.press('Space')],
])
  test(`C1 rows do not move while ${why}: new ones wait behind a chip, and come when that is over`, async () => {
    const { page, close } = await rig.open('?lang=vi');
    await begin(page);
    await page.locator('[data-testid=alert-list][data-frozen=true]').waitFor();
    const held = await rig.ids(page);
    const places = () => page.getByTestId('alert-row').evaluateAll((rows) => rows.map((r) => r.getBoundingClientRect().top));
    const at = await places();
    const a = raise('emergency');
    await page.getByTestId('new-chip').getByText(/^▲ 1 mới \(1 nghiêm trọng\)$/).waitFor();
    raise('emergency');
    raise('minor');
    await page.getByTestId('new-chip').getByText(/^▲ 3 mới \(2 nghiêm trọng\)$/).waitFor();
    // What stands there tells the new state all the same.
    const shown = city.alerts.get(held[3]);
    city.escalate(shown, shown.row.severity === 'minor' ? 'major' : 'minor', Date.now(), 7);
    await page.locator(`[data-testid=alert-row][data-id="${held[3]}"][data-severity=${shown.row.severity}]`).waitFor();
    assert.deepEqual(await rig.ids(page), held);
    assert.deepEqual(await places(), at);
    await end(page);
    await page.getByTestId('new-chip').waitFor({ state: 'detached' });
    await row(page, a).waitFor();
    await close();
  });

test('C1 the chip of new ones brings them, also while the pointer stays on the list', async () => {
  const { page, close } = await rig.open('?lang=vi');
  await page.getByTestId('alert-row').nth(2).hover();
  await page.locator('[data-testid=alert-list][data-frozen=true]').waitFor();
  const a = raise('emergency');
  await page.getByTestId('new-chip').click();
  await row(page, a).waitFor();
  await page.getByTestId('new-chip').waitFor({ state: 'detached' });
  await close();
});

// C2: a reload destroys a half-typed form.
test('C2 what is half typed survives live updates of the same alert and of the list', async () => {
  const { page, close, alerts: [a] } = await openWith('halftyped', 2);
  await row(page, a).click();
  await page.getByTestId('do-reject').or(page.getByTestId('do-more')).first().click();
  await page.getByTestId('do-reject').click();
  await page.getByTestId('act-reason').pressSequentially('đầu dò bị');
  const field = await page.getByTestId('act-reason').elementHandle();
  for (const severity of ['emergency', 'critical', 'major']) {
    raise('emergency', 'halftyped');
    city.escalate(a, severity, Date.now(), 90);
    await page.locator(`[data-testid=alert-row][data-id="${a.row.id}"][data-severity=${severity}]`).waitFor();
  }
  await page.getByTestId('act-reason').pressSequentially(' che');
  assert.equal(await page.getByTestId('act-reason').inputValue(), 'đầu dò bị che');
  assert.ok(await field.evaluate((el) => el.isConnected && el === document.activeElement), 'the same field, still focused');
  await page.keyboard.press('Escape');
  await page.getByTestId('act-dialog').waitFor({ state: 'detached' });
  assert.equal(a.row.work, 'new');
  await close();
});

test('C2 what is half typed survives a lost link and a new build, which is offered and never taken by itself', async () => {
  const { page, close } = await rig.open('?lang=vi');
  await page.evaluate(() => { window.same = true; });
  await page.getByTestId('ack-button').first().click();
  await page.getByTestId('ack-note').fill('đang gọi đội');
  mock.build = 'next';
  try {
    mock.drop();
    await page.getByTestId('new-build').waitFor();
    await live(page);
    assert.equal(await page.getByTestId('new-build').innerText(), 'Có bản mới của trang – bấm để tải lại');
    assert.equal(await page.getByTestId('ack-note').inputValue(), 'đang gọi đội');
    assert.ok(await page.evaluate(() => window.same), 'the page was not loaded again');
    await page.keyboard.press('Escape');
    await page.getByTestId('act-dialog').waitFor({ state: 'detached' });
    await page.getByTestId('new-build').click();
    await page.waitForFunction(() => window.same === undefined);
    await live(page);
    await counted(page.getByTestId('new-build'), 0);
  } finally {
    mock.build = 'mock';
  }
  await close();
});

// C3: stale data looks live.
test('C3 silence is shown: amber after three seconds, old data after ten with everything left to read, and it heals', async () => {
  const { page, close } = await rig.open('?lang=vi');
  for (const id of ['link-state', 'pipeline-age', 'device-freshness']) await page.getByTestId(id).getByText(/\d|Trực tiếp/).first().waitFor();
  const values = await page.locator('[data-testid=tile] .value b').count();
  assert.ok(values > 4);
  mock.mute(true);
  try {
    await page.locator('[data-testid=link-state][data-state=stale]').waitFor();
    await page.locator('.notices .amber').waitFor();
    await page.locator('[data-testid=data-area][data-old=true]').waitFor();
    await page.getByTestId('old-data').getByText(/^DỮ LIỆU CŨ \d\d:\d\d:\d\d$/).waitFor();
    // Desaturated and hatched, nothing blanked, nothing to press.
    const look = await page.getByTestId('data-area').evaluate((e) => [getComputedStyle(e).filter, getComputedStyle(e, '::after').backgroundImage]);
    assert.match(look[0], /saturate\(0\)/);
    assert.match(look[1], /repeating-linear-gradient/);
    assert.equal(await page.locator('[data-testid=tile] .value b').count(), values);
    assert.ok((await page.getByTestId('alert-row').count()) > 5);
    await counted(page.locator('[data-testid=ack-button]:not([disabled])'), 0);
  } finally {
    mock.mute(false);
  }
  await page.locator('[data-testid=data-area][data-old=false]').waitFor();
  await live(page);
  await page.locator('[data-testid=ack-button]:not([disabled])').first().waitFor();
  await close();
});

test('C3 a device that fell silent is not shown as one that is well: own words, dull value, hollow mark', async () => {
  const silent = city.devices.find((d) => d.silent && d.time > 0 && d.status === 2 && d.severity === 0);
  const sending = city.devices.find((d) => !d.silent && d.status === 1 && d.meta.kind === silent.meta.kind);
  const seen = {};
  for (const [name, d] of Object.entries({ silent, sending })) {
    const { page, close } = await rig.open(`?lang=vi&device=${d.meta.id}`);
    const panel = page.getByTestId('device-panel');
    await panel.getByText(name === 'silent' ? /^Im lặng · / : /^Đang gửi · /).waitFor();
    await panel.getByTestId('device-value').getByText(/\d/).waitFor();
    seen[name] = await panel.evaluate((p) => {
      const dot = getComputedStyle(p.querySelector('.state .dot'));
      return { value: getComputedStyle(p.querySelector('[data-testid=device-value] b')).color, fill: dot.backgroundColor, border: dot.borderTopStyle, text: getComputedStyle(p.querySelector('.state')).color };
    });
    await close();
  }
  for (const part of ['value', 'fill', 'border', 'text']) assert.notEqual(seen.silent[part], seen.sending[part], part);
  assert.equal(seen.silent.border, 'dashed');
});

// C4: a dead socket is not noticed.
test('C4 a socket that says nothing for five seconds is closed and opened anew; that the network is back or somebody looks is heard at once', async () => {
  let sockets = 0;
  let closed = 0;
  const { page, close } = await rig.open('?lang=vi', 'operator', { width: 1600, height: 900 }, {
    prepare: async (page) => {
      page.on('websocket', (ws) => { sockets += 1; ws.on('close', () => { closed += 1; }); });
      await page.clock.install();
    },
  });
  assert.equal(sockets, 1);
  // From here on the page's time stands still but for what is told.
  await page.clock.pauseAt(Date.now() + 1000);
  mock.mute(true);
  try {
    await page.request.get(`${mock.url}/healthz`);
    await page.clock.runFor(3500);
    await page.locator('[data-testid=link-state][data-state=stale]').waitFor();
    assert.equal(closed, 0, 'three seconds are no reason yet');
    await page.clock.runFor(2000);
    await until(() => closed, 1, 'the watchdog has closed the silent one');
    await page.clock.runFor(1000);
    await until(() => sockets, 2, 'and the page asks again');
    // Now this one is silent too, but not yet for five seconds: only the event can be the reason.
    for (const [event, target] of [['online', 'window'], ['pageshow', 'window'], ['visibilitychange', 'document']]) {
      const had = sockets;
      await page.clock.runFor(3500);
      assert.equal(sockets, had, `${event}: still waiting`);
      await page.evaluate(([name, on]) => (on === 'window' ? window : document).dispatchEvent(new Event(name)), [event, target]);
      // Lost at the event; the next moment of the clock asks again.
      await page.clock.runFor(1000);
      await until(() => sockets, had + 1, event);
    }
  } finally {
    mock.mute(false);
  }
  await page.clock.resume();
  await live(page);
  await page.locator('[data-testid=ack-button]:not([disabled])').first().waitFor();
  await close();
});

// C5: the jump at a reconnect makes people press the wrong thing.
test('C5 after a reconnect nothing moves and nothing can be pressed until what was missed has been applied', async () => {
  let hold = false;
  const kept = [];
  const { page, close } = await rig.open('?lang=vi', 'operator', { width: 1600, height: 900 }, {
    // Between page and server: what follows the greeting is kept back while `hold`.
    prepare: (page) => page.routeWebSocket(/\/ws$/, (ws) => {
      const server = ws.connectToServer();
      server.onMessage((message) => {
        if (hold && !(typeof message === 'string' && message.includes('"hello"'))) kept.push(() => ws.send(message));
        else ws.send(message);
      });
    }),
  });
  await scrollTo(page, 250);
  await page.locator('[data-testid=alert-list][data-frozen=true]').waitFor();
  const state = () => page.evaluate(() => [document.querySelector('#alert-rows').scrollTop, ...[...document.querySelectorAll('[data-testid=alert-row]')].map((r) => `${r.dataset.id} ${r.getBoundingClientRect().top}`)]);
  const was = await state();
  hold = true;
  mock.drop();
  raise('emergency');
  raise('emergency');
  await page.getByTestId('link-state').getByText('Đang đồng bộ').waitFor();
  await counted(page.locator('[data-testid=ack-button]:not([disabled])'), 0);
  assert.ok((await page.getByTestId('ack-button').count()) > 0, 'they are there, and locked');
  assert.deepEqual(await state(), was);
  hold = false;
  kept.splice(0).forEach((send) => send());
  await page.locator('[data-testid=ack-button]:not([disabled])').first().waitFor();
  await page.getByTestId('new-chip').getByText(/▲ 2 mới/).waitFor();
  assert.deepEqual(await state(), was);
  await close();
});
