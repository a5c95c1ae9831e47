// The life cycle of alerts on the page, against the mock: what an operator does, and what comes back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
let city;
before(async () => {
  rig = await startRig();
  city = rig.mock.city;
});
after(() => rig?.close());

let serial = 0;
/** A new alert of an air station. */
function raise(severity = 'major', more = {}) {
  serial += 1;
  const d = city.devices.filter((x) => x.meta.kind === 'air_station')[(serial * 5) % 36];
  return city.raise(d, 'air.pm25', severity, 80, 50, 'µg/m³', `Thử ${serial} ${more.word ?? ''}`.trim(), `Try ${serial} ${more.word ?? ''}`.trim(), Date.now() - 1000);
}
const row = (page, a) => page.locator(`[data-testid=alert-row][data-id="${a.row.id}"]`);
/** Opens the list with only the alerts of a made-up word on it. */
async function openWith(word, n, query = '') {
  const alerts = Array.from({ length: n }, () => raise('critical', { word }));
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

test('a shelf beyond the maximum is refused before it is sent', async () => {
  const { page, close, alerts: [a] } = await openWith('toolong', 1);
  await page.keyboard.press('j');
  await page.keyboard.press('s');
  await page.getByTestId('act-reason').fill('x');
  await page.getByTestId('shelve-custom').click();
  await page.getByTestId('shelve-at').fill(new Date(Date.now() + 7 * 3_600_000 + 13 * 3_600_000).toISOString().slice(0, 16));
  await page.getByTestId('act-submit').click();
  await page.getByText('Dài nhất là 12 giờ 00.').waitFor();
  assert.equal(a.row.held, undefined);
  await close();
});

test('of a bulk request, rows that changed meanwhile can be retried with their new state', async () => {
  const { page, close, alerts } = await openWith('bulkconflict', 3);
  await page.getByTestId('select-all').click();
  await page.getByTestId('bulk-assign').click();
  await page.getByTestId('act-name').fill('minh');
  silently(() => city.register.one({ id: alerts[0].row.id }, { action: 'comment', text: 'x' }, 'lan', Date.now()));
  await page.getByTestId('act-submit').click();
  assert.match(await page.getByTestId('bulk-summary').innerText(), /^2 xong, 1 đã thay đổi \(lan/);
  await page.getByTestId('bulk-retry').click();
  await page.getByTestId('bulk-result').waitFor({ state: 'detached' });
  assert.ok(alerts.every((a) => a.row.assignee.name === 'minh'));
  await close();
});

test('a lost answer is asked for again and nothing is done twice', async () => {
  const { page, close, alerts: [a] } = await openWith('lostanswer', 1);
  await row(page, a).click();
  await page.getByTestId('do-comment').click();
  await page.getByTestId('act-text').fill('một lần thôi');
  city.register.lose = 2;
  await page.getByTestId('act-submit').click();
  await page.getByTestId('act-dialog').waitFor({ state: 'detached' });
  assert.equal(a.audit.filter((l) => l.action === 'comment').length, 1);
  assert.equal(a.row.comments, 1);
  await close();
});

test('when no answer comes at all the words stay, and sending again does it once', async () => {
  const { page, close, alerts: [a] } = await openWith('noanswer', 1);
  await row(page, a).click();
  await page.getByTestId('do-comment').click();
  await page.getByTestId('act-text').fill('giữ nguyên chữ');
  // The browser itself asks again on a connection that it has used before.
  city.register.lose = 99;
  await page.getByTestId('act-submit').click();
  await page.getByText('Chưa nhận được trả lời.').waitFor();
  city.register.lose = 0;
  assert.equal(await page.getByTestId('act-text').inputValue(), 'giữ nguyên chữ');
  await page.getByTestId('act-submit').click();
  await page.getByTestId('act-dialog').waitFor({ state: 'detached' });
  assert.equal(a.audit.filter((l) => l.action === 'comment').length, 1);
  await close();
});

test('incidents come as one line with their counts and open to their members', async () => {
  const { page, close } = await rig.open('?lang=vi&group=incident');
  const group = page.getByTestId('group-row').first();
  await group.waitFor();
  const n = Number(await group.getAttribute('data-count'));
  const key = await group.getAttribute('data-key');
  assert.ok(n > 1);
  await group.click();
  await page.waitForFunction(([k, m]) => document.querySelectorAll(`[data-key^="${k}|"]`).length === m, [key, n]);
  assert.match(page.url(), /group=incident/);
  // The whole group with one key, then all of it is selected.
  await page.keyboard.press('x');
  await page.getByTestId('bulk-bar').getByText(`${n} đã chọn`).waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('bulk-bar').waitFor({ state: 'detached' });
  await close();
});

test('a flood says so and groups by ward and kind; when it is over the list is as before', async () => {
  const { page, close } = await rig.open();
  rig.mock.flood(true, 42);
  await page.getByTestId('flood').getByText('hơn 10 cảnh báo trong 10 phút').waitFor();
  await page.getByTestId('group-row').first().waitFor();
  assert.match(await page.getByTestId('group-row').first().getAttribute('data-key'), /^p:/);
  rig.mock.flood(false);
  await page.getByTestId('flood').waitFor({ state: 'detached' });
  await page.getByTestId('group-row').first().waitFor({ state: 'detached' });
  await close();
});

test('range and single selection by keys and by mouse', async () => {
  const { page, close } = await openWith('rangesel', 6);
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('Shift+X');
  const n = () => page.locator('[data-testid=alert-row][aria-selected=true]').count();
  assert.equal(await n(), 3);
  await page.getByTestId('alert-row').nth(5).click({ modifiers: ['Shift'] });
  assert.equal(await n(), 6);
  await page.getByTestId('alert-row').nth(1).click({ modifiers: ['Control'] });
  assert.equal(await n(), 5);
  // A filter that hides selected rows ends the selection: nothing unseen is acted upon.
  await page.getByTestId('mine-filter').click();
  await page.getByTestId('bulk-bar').waitFor({ state: 'detached' });
  await close();
});

test('the detail offers what the server allows, shows who did what, links, incident and deliveries', async () => {
  const flood = city.open().find((r) => r.severity === 'emergency' && r.links);
  const { page, close } = await rig.open(`?lang=vi&alert=${flood.id}`);
  await page.getByTestId('detail-ack-button').waitFor();
  await counted(page.getByTestId('do-close'), 0, 'it is still active');
  assert.equal(await page.getByTestId('isa').getAttribute('data-state'), 'UNACK');
  const link = page.getByTestId('links').getByRole('link');
  assert.match(await link.getAttribute('rel'), /noopener/);
  assert.match(await page.getByTestId('audit').innerText(), /Báo cấp trên/);
  assert.match(await page.getByTestId('audit').innerText(), /shift-lead/);
  assert.match(await page.getByTestId('deliveries').innerText(), /sms-ung-cuu.*Không gửi được/s);
  await page.getByTestId('incident').waitFor();
  await close();
});

test('a viewer may select nothing and do nothing', async () => {
  const { page, close } = await rig.open('', 'viewer');
  await counted(page.getByTestId('row-check'), 0);
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.keyboard.press('s');
  await counted(page.getByTestId('bulk-bar'), 0);
  await counted(page.getByTestId('act-dialog'), 0);
  await page.keyboard.press('Enter');
  await page.getByTestId('audit').waitFor();
  await counted(page.getByTestId('actions'), 0);
  await close();
});

for (const lang of ['vi', 'en']) {
  test(`the screens of figures, shift and holds show in ${lang} on every size, and print no markup of others`, async () => {
    for (const viewport of [{ width: 1600, height: 900 }, { width: 390, height: 844 }]) {
      const { page, close } = await rig.open(`?lang=${lang}&screen=kpi`, 'operator', viewport);
      await page.getByTestId('kpi-load').locator('rect.a').first().waitFor();
      assert.ok((await page.getByTestId('flood-mark').count()) >= 1);
      assert.match(await page.locator('[data-figure=per_hour]').innerText(), lang === 'vi' ? /Chưa đạt/ : /Bad/);
      await counted(page.locator('[data-figure=fleeting] [data-verdict=good] svg'), 1);
      await page.getByTestId('span-168').click();
      await page.waitForURL(/span=168/);
      await page.getByTestId('nav-shift').click();
      await page.getByTestId('handover').waitFor();
      assert.match(await page.getByTestId('to-do').innerText(), /<script>alert\(1\)<\/script>/);
      assert.match(await page.getByTestId('handover-print').getAttribute('href'), new RegExp(`handover\\.html\\?from=\\d+&to=\\d+&lang=${lang}`));
      if (viewport.width < 768) await page.getByTestId('nav-more').click();
      await page.getByTestId('nav-holds').click();
      await page.getByTestId('hold').first().waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
      await close();
    }
  });
}

test('a position is taken and left with words, a line is written and ticked off', async () => {
  const { page, close } = await rig.open('?lang=vi&screen=shift');
  await page.getByTestId('position').fill('desk-1');
  await page.getByText('tran.b đang giữ vị trí này').waitFor();
  await page.getByTestId('take').click();
  await page.locator('[data-position=desk-1]').getByText('operator').waitFor();
  await page.getByTestId('log-text').fill('đã gọi đội bơm');
  await page.getByTestId('log-open').check();
  await page.getByTestId('log-submit').click();
  await page.getByTestId('to-do').getByText('đã gọi đội bơm').waitFor();
  await page.getByTestId('to-do').getByLabel('Đánh dấu đã xong: đã gọi đội bơm').click();
  await page.getByTestId('to-do').getByText('đã gọi đội bơm').waitFor({ state: 'detached' });
  await page.getByTestId('shift-log').locator('li', { hasText: 'đã gọi đội bơm' }).getByText(/xong lúc .*operator/).waitFor();
  await page.getByTestId('leave').click();
  await page.getByTestId('handover-words').fill('mưa đã ngớt');
  await page.getByTestId('leave-submit').click();
  await page.getByTestId('handover').getByText('mưa đã ngớt').waitFor();
  await close();
});

test('a maintenance window holds alerts back until it is ended', async () => {
  const a = raise('major', { word: 'undermaintenance' });
  const { page, close } = await rig.open('?lang=vi&screen=holds');
  await page.getByTestId('hold-submit').click();
  await page.getByTestId('hold-problem').getByText('Chọn ít nhất một').waitFor();
  await page.getByTestId('hold-device').fill(a.row.device);
  await page.getByTestId('hold-submit').click();
  await page.getByTestId('hold-problem').getByText('Hãy ghi lý do.').waitFor();
  await page.getByTestId('hold-reason').fill('thay cảm biến');
  await page.getByTestId('hold-submit').click();
  const hold = page.getByTestId('hold').filter({ hasText: 'thay cảm biến' });
  await hold.waitFor();
  assert.equal(a.row.state, 'DSUPR');
  await hold.getByTestId('hold-end').click();
  await hold.getByTestId('hold-end-submit').click();
  await hold.waitFor({ state: 'detached' });
  assert.equal(a.row.state, 'UNACK');
  await close();
});

test('a suggestion is tried on past data by an administrator, with the field changed and nothing saved', async () => {
  const { page, close } = await rig.open('?lang=vi&screen=kpi', 'administrator');
  await page.getByTestId('try').first().click();
  await page.getByTestId('tried').getByText('Với thay đổi: 32 cảnh báo; hiện nay: 41').waitFor();
  assert.match(city.desk.asked.text, /^for: 2m$/m);
  assert.equal(city.desk.asked.id, 'traffic.congestion');
  await close();
  const other = await rig.open('?lang=vi&screen=kpi');
  await other.page.getByTestId('suggestions').getByText('Quản trị viên mới được thử.').first().waitFor();
  await counted(other.page.getByTestId('try'), 0);
  await other.close();
});

test('g and a letter go to the screens; the list keeps its keys to itself', async () => {
  const { page, close } = await rig.open();
  await page.keyboard.press('j');
  await page.keyboard.press('g');
  await page.keyboard.press('k');
  await page.getByTestId('kpi-screen').waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await page.getByTestId('alert-row').first().waitFor();
  await counted(page.getByTestId('act-dialog'), 0, 'g a did not acknowledge');
  await page.goBack();
  await page.getByTestId('kpi-screen').waitFor();
  await close();
});
