// The ledger at rest, its refused messages while they are read, and tests of receivers, against the mock.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ledgerOf } from './mock/ledger.mjs';
import { outcome } from './mock/notify.mjs';
import { counted, startRig } from './rig.mjs';

let rig;
let book;
before(async () => {
  rig = await startRig();
  book = ledgerOf(rig.mock.city);
});
after(() => rig?.close());

test('a difference that stays when nothing moves is called wrong, and no sooner', async () => {
  const { page, close } = await rig.open('?lang=en&screen=ledger', 'administrator');
  const history = page.getByTestId('balance').nth(2);
  await history.and(page.locator('[data-balance=moving]')).waitFor();
  assert.equal(await page.getByTestId('balance').first().getAttribute('data-balance'), 'balanced');
  await history.and(page.locator('[data-balance=unbalanced]')).waitFor({ timeout: 40_000 });
  // Something moves again: it is under way.
  book.sources[0].received += 7;
  book.sources[0].accepted += 7;
  await history.and(page.locator('[data-balance=moving]')).waitFor();
  await close();
});

test('refused messages stand still while they are read, newer ones wait behind a button', async () => {
  const { page, close } = await rig.open('?lang=vi&screen=ledger', 'administrator');
  await counted(page.getByTestId('refused-message'), 2);
  await page.getByText('Không đọc được nội dung').first().waitFor();
  await page.getByTestId('refused-message').nth(1).hover();
  book.messages.unshift({ at: Date.now(), source: 'gateway', topic: 'ioc/v1/x/air/air-9/obs', device: null, reason: 'unknown_device', detail: 'air-9 is not in the registry', payload: '{}' });
  await page.getByTestId('refused-new').waitFor();
  await counted(page.getByTestId('refused-message'), 2);
  await page.getByTestId('refused-new').click();
  await counted(page.getByTestId('refused-message'), 3);
  await page.getByTestId('refused-message').first().getByText('Thiết bị chưa đăng ký').waitFor();
  await close();
});

test('refused messages are tried again by reason, by who looks after the devices of the whole city', async () => {
  const sent = [];
  const { page, close } = await rig.open('?lang=en&screen=ledger', 'administrator');
  page.on('request', (r) => { if (r.url().endsWith('/quarantine/rerun')) sent.push(r.postDataJSON()); });
  await page.locator('[data-testid=reason][data-reason=malformed]').getByTestId('rerun-reason').click();
  await page.getByText(/Tried 2: taken 1, still refused 1/).waitFor();
  await page.getByTestId('rerun-all').click();
  await page.waitForFunction(() => !document.querySelector('[data-testid=rerun-all]').disabled);
  assert.deepEqual(sent, [{ reason: 'malformed' }, {}]);
  await close();
  const other = await rig.open('?lang=en&screen=ledger', 'operator');
  await other.page.getByTestId('refused-message').first().waitFor();
  await counted(other.page.getByTestId('rerun-all'), 0);
  await counted(other.page.getByTestId('rerun-reason'), 0);
  await other.close();
  const viewer = await rig.open('?lang=en&screen=ledger', 'viewer');
  await viewer.page.getByTestId('refused-not').waitFor();
  await counted(viewer.page.getByTestId('refused-message'), 0);
  await viewer.close();
});

test('a test of a receiver tells how it ended, beside the receiver', async () => {
  const { page, close } = await rig.open('?lang=en&screen=notify', 'supervisor');
  const receiver = (id) => page.locator(`[data-testid=receiver][data-id=${id}]`);
  await receiver('duty-mail').getByTestId('notify-test').click();
  await receiver('duty-mail').locator('[data-testid=test-result][data-state=delivered]').waitFor();
  assert.match(await receiver('duty-mail').getByTestId('test-result').innerText(), /arrived at \d\d:\d\d:\d\d · 250 queued/);
  Object.assign(outcome, { state: 'dead', answer: 'HTTP 410 gone' });
  await receiver('fire-112').getByTestId('notify-test').click();
  await receiver('fire-112').locator('[data-testid=test-result][data-state=dead]').waitFor();
  assert.match(await receiver('fire-112').getByTestId('test-result').innerText(), /HTTP 410 gone/);
  Object.assign(outcome, { state: 'delivered', answer: '250 queued' });
  await close();
});
