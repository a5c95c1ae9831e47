// The rules' screen against the mock.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bookOf } from './mock/rules.mjs';
import { counted, startRig } from './rig.mjs';

let rig;
let book;
before(async () => {
  rig = await startRig();
  book = bookOf(rig.mock.city);
});
after(() => rig?.close());

const rows = (page) => page.getByTestId('rule-row').evaluateAll((all) => all.map((r) => r.dataset.id));
const text = (page) => page.getByTestId('rule-text');
const change = async (page, from, to) => {
  const now = await text(page).inputValue();
  assert.ok(now.includes(from), `${from} is in the text`);
  await text(page).fill(now.replace(from, to));
};
const good = (page) => page.locator('[data-testid=rule-editor][data-state=good]').waitFor();
const EDIT = '?lang=en&screen=rules&rule=flood.street&part=edit';

test('the list is searched, filtered and sorted, and all of it is in the URL', async () => {
  const { page, close } = await rig.open('?lang=en&screen=rules', 'administrator');
  await page.getByTestId('rule-row').first().waitFor();
  const all = (await rows(page)).length;
  assert.ok(all >= 56, `${all} rules`);
  await page.getByTestId('rules-search').focus();
  // Key by key: the field keeps its focus while the view changes.
  await page.keyboard.type('ngap duong');
  assert.equal(await page.getByTestId('rules-search').inputValue(), 'ngap duong');
  await counted(page.locator('[data-testid=rule-row][data-id="flood.street"]'), 1);
  assert.ok((await rows(page)).length < 10);
  await page.getByTestId('rules-search').fill('');
  await page.getByTestId('rules-mode-shadow').click();
  await page.getByTestId('sort-cpu').click();
  await page.waitForFunction(() => [...document.querySelectorAll('[data-testid=rule-row] [data-testid=rule-mode]')].every((m) => m.dataset.mode === 'shadow'));
  const order = await rows(page);
  assert.match(page.url(), /part=mode:shadow,sort:-cpu/);
  await page.reload();
  await page.getByTestId('rule-row').first().waitFor();
  assert.deepEqual(await rows(page), order, 'the same after a reload');
  // A rule opens and the way back keeps the filter.
  await page.locator(`[data-id="${order[0]}"] a`).click();
  await page.getByTestId('rule-detail').waitFor();
  await page.getByTestId('rules-back').click();
  await page.getByTestId('rule-row').first().waitFor();
  assert.deepEqual(await rows(page), order);
  await close();
});

test('of 8,000 rules only those in sight are drawn', async () => {
  const list = book.rules;
  const first = book.rules()[0];
  book.rules = () => Array.from({ length: 8000 }, (_, i) => ({ ...first, id: `r${String(i).padStart(4, '0')}` }));
  const { page, close } = await rig.open('?lang=en&screen=rules', 'administrator');
  await page.locator('[data-id="r0000"]').waitFor();
  assert.ok((await rows(page)).length < 100);
  await page.getByTestId('data-area').evaluate((e) => { e.scrollTop = e.scrollHeight; });
  await page.locator('[data-id="r7999"]').waitFor();
  assert.ok((await rows(page)).length < 100);
  book.rules = list;
  await close();
});

test('who may only read sees everything and no button, but why', async () => {
  const { page, close } = await rig.open('?lang=en&screen=rules&rule=flood.street');
  await page.getByTestId('rule-levels').waitFor();
  await page.getByTestId('rules-locked').getByText('Reading only').waitFor();
  for (const id of ['rule-edit', 'rule-to-off', 'rule-remove', 'roll-back']) await counted(page.getByTestId(id), 0);
  await page.goto(`${rig.mock.url}/${EDIT}`);
  await page.getByTestId('rules-locked').waitFor();
  await counted(page.getByTestId('rule-text'), 0);
  await close();
});

test('a deep link opens a rule; an entity is explained in words; a rule that is not there is told', async () => {
  const { page, close } = await rig.open('?lang=en&screen=rules', 'administrator');
  await page.goto(`${rig.mock.url}/r/flood.street?lang=en`);
  await page.getByTestId('rule-entity').first().waitFor();
  const active = page.locator('[data-testid=rule-entity]').first();
  assert.notEqual(await active.getAttribute('data-active'), '', 'running alerts come first');
  await active.getByRole('button').click();
  await page.getByTestId('explanation').getByText('Raised as').waitFor();
  assert.match(page.url(), /at:device:/);
  await page.goto(`${rig.mock.url}/r/no.such?lang=en`);
  await page.getByTestId('rule-missing').waitFor();
  await close();
});

test('a mistake is shown at its line while it is typed, and the list leads there', async () => {
  const { page, close } = await rig.open(EDIT, 'administrator');
  await good(page);
  await change(page, 'severity: major', 'severity: majr');
  const mistake = page.getByTestId('mistake').filter({ hasText: 'unknown severity' });
  await mistake.waitFor();
  await mistake.getByText('did you mean `major`?').waitFor();
  const lines = (await text(page).inputValue()).split('\n');
  const line = lines.findIndex((l) => l.includes('majr')) + 1;
  assert.equal(await mistake.getAttribute('data-row'), String(line));
  assert.ok(await page.getByTestId('rule-save').isDisabled());
  await mistake.getByTestId('mistake-jump').click();
  const at = await text(page).evaluate((t) => t.selectionStart);
  assert.equal((await text(page).inputValue()).slice(at, at + 4), 'majr');
  await change(page, 'majr', 'major');
  await good(page);
  await counted(page.getByTestId('mistake'), 0);
  await close();
});

test('unsaved text survives live updates and a reload; leaving asks', async () => {
  const { page, context } = await rig.open('?lang=en&screen=rules&rule=flood.street', 'administrator');
  await page.getByTestId('rule-edit').click();
  await good(page);
  await change(page, '- 0.03"', '- 0.07"');
  const typed = await text(page).inputValue();
  // The list is read anew, and the live state goes on.
  await page.evaluate(() => dispatchEvent(new Event('visibilitychange')));
  await page.waitForResponse((r) => r.url().endsWith('/api/v1/rules'), { timeout: 15_000 });
  assert.equal(await text(page).inputValue(), typed);
  await page.reload();
  await text(page).waitFor();
  assert.equal(await text(page).inputValue(), typed, 'kept over a reload');
  await page.getByTestId('rules-back').click();
  await page.getByTestId('rule-leave').waitFor();
  await page.getByTestId('leave-stay').click();
  assert.equal(await text(page).inputValue(), typed);
  // The Back button asks too, and the address stays.
  await page.goBack();
  await page.getByTestId('rule-leave').waitFor();
  assert.match(page.url(), /part=edit/);
  await page.getByTestId('leave-stay').click();
  await page.getByTestId('rules-back').click();
  await page.getByTestId('leave-drop').click();
  await page.getByTestId('rule-row').first().waitFor();
  await page.goto(`${rig.mock.url}/${EDIT}`);
  await text(page).waitFor();
  assert.ok(!(await text(page).inputValue()).includes('0.07'), 'dropped');
  await context.close();
});

test('Tab indents, Escape and then Tab leaves the field', async () => {
  const { page, close } = await rig.open(EDIT, 'administrator');
  await text(page).evaluate((t) => { t.focus(); t.setSelectionRange(0, 0); });
  await page.keyboard.press('Tab');
  assert.match(await text(page).inputValue(), /^ {2}id:/);
  await page.keyboard.press('Shift+Tab');
  assert.match(await text(page).inputValue(), /^id:/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Tab');
  assert.notEqual(await page.evaluate(() => document.activeElement.dataset.testid), 'rule-text');
  await close();
});

test('a backtest shows its progress, stays in the URL over a reload, and is compared', async () => {
  const { page, close } = await rig.open(EDIT, 'administrator');
  await good(page);
  await change(page, '- 0.03"', '- 0.08"');
  await good(page);
  book.pace = 20_000;
  await text(page).press('Control+Enter');
  await page.getByTestId('bt-progress').waitFor();
  await page.waitForURL(/part=backtest:\d+/);
  await page.reload();
  const result = page.getByTestId('bt-result');
  await result.waitFor();
  assert.equal(await result.getAttribute('data-raised'), '32');
  assert.equal(await result.getAttribute('data-against'), '41');
  assert.ok((await page.getByTestId('bar-running').count()) > (await page.getByTestId('bar-proposed').count()));
  const removed = page.locator('[data-testid=bt-change][data-change=removed]');
  assert.ok((await removed.count()) > 0);
  assert.match(await removed.first().locator('a').getAttribute('href'), /^\/a\/[0-9a-f]+/);
  await page.locator('[data-testid=bt-table]').waitFor({ state: 'attached' });
  await page.getByTestId('bt-load').locator('[data-word=mean]').getByText('within the target of 6').waitFor();
  book.pace = Infinity;
  await close();
});

test('a second backtest at once is explained', async () => {
  const { page, context } = await rig.open(EDIT, 'administrator');
  await good(page);
  book.pace = 0;
  await page.request.post(`${rig.mock.url}/api/v1/rules/backtest`, { data: {} });
  await page.getByTestId('bt-start').click();
  await page.getByTestId('bt-problem').getByText('Another backtest is running').waitFor();
  book.pace = Infinity;
  await page.request.get(`${rig.mock.url}/api/v1/rules/backtest/${book.jobs.size}`);
  await page.getByTestId('bt-start').click();
  await page.getByTestId('bt-result').waitFor();
  await context.close();
});

test('a change is saved with its note; who was slower sees what changed and can go on', async () => {
  const { page, close } = await rig.open(EDIT, 'administrator');
  await good(page);
  const other = await rig.open(EDIT, 'engineer');
  await good(other.page);
  await change(page, '- 0.03"', '- 0.04"');
  await good(page);
  await page.getByTestId('rule-save-note').fill('theo ca trực');
  const version = book.version;
  await text(page).press('Control+s');
  await page.locator(`[data-testid=rules-screen][data-version="${version + 1}"]`).waitFor();
  assert.equal(book.versions.at(-1).note, 'theo ca trực');
  await page.locator('[data-testid=rule-editor][data-dirty=false]').waitFor();

  await change(other.page, '- 0.03"', '- 0.09"');
  await good(other.page);
  await other.page.getByTestId('rule-save').click();
  const outdated = other.page.getByTestId('rule-outdated');
  await outdated.waitFor();
  await outdated.getByText('clear: "< street_flood.notice - 0.04"').waitFor();
  assert.equal(book.version, version + 1, 'nothing was overwritten');
  await other.page.getByTestId('outdated-go').click();
  await good(other.page);
  await other.page.getByTestId('rule-save').click();
  await other.page.locator(`[data-testid=rules-screen][data-version="${version + 2}"]`).waitFor();
  await other.close();
  await close();
});

test('a mode is changed after a check with a note, and an old version comes back', async () => {
  const { page, close } = await rig.open('?lang=en&screen=rules&rule=flood.street', 'administrator');
  const version = book.version;
  await page.getByTestId('rule-to-shadow').click();
  await page.getByTestId('rule-confirm').getByTestId('rule-trial').waitFor();
  await page.getByTestId('rule-note').fill('thử trước');
  await page.getByTestId('rule-confirm-go').click();
  await page.locator('[data-testid=rule-acts] [data-mode=shadow]').waitFor();
  await page.getByTestId('shadow').first().waitFor();
  await page.locator(`[data-testid=version][data-number="${version}"]`).getByTestId('roll-back').click();
  await page.getByTestId('rule-confirm').getByTestId('rule-outcome').waitFor();
  await page.getByTestId('rule-confirm-go').click();
  await page.locator('[data-testid=rule-acts] [data-mode=on]').waitFor();
  assert.equal(book.version, version + 2);
  await close();
});

test('a new rule comes from a template and is not saved under a taken id', async () => {
  const { page, close } = await rig.open('?lang=en&screen=rules', 'administrator');
  await page.getByTestId('rule-new').click();
  await page.getByTestId('rule-template').selectOption('rate');
  await page.waitForFunction(() => document.querySelector('[data-testid=rule-text]')?.value.startsWith('id: new.rate'));
  await change(page, 'new.rate', 'flood.street');
  await page.getByText('There is a rule flood.street already').waitFor();
  await change(page, 'flood.street', 'river.fast2');
  await good(page);
  await page.getByTestId('rule-save').click();
  await page.getByTestId('rule-detail').waitFor();
  assert.match(page.url(), /rule=river\.fast2/);
  await close();
});

test('trouble in the folder and a folder that cannot be written are said', async () => {
  book.trouble = { at: Date.now(), mistakes: [{ file: 'rules/flood.yaml', line: 75, column: 16, message: 'unknown threshold `x`', hint: null }] };
  book.readOnly = '/etc/ioc/rules cannot be written';
  const { page, close } = await rig.open('?lang=en&screen=rules', 'administrator');
  await page.getByTestId('rules-trouble').getByText('rules/flood.yaml:75:16').waitFor();
  await page.getByTestId('rules-locked').getByText('cannot be written').waitFor();
  await counted(page.getByTestId('rule-new'), 0);
  [book.trouble, book.readOnly] = [null, null];
  await close();
});
