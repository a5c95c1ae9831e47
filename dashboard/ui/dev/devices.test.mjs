// The device registry on the page, against the mock: approval, tokens, import, what was received.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { counted, startRig } from './rig.mjs';

let rig;
let fleet;
before(async () => {
  rig = await startRig();
  fleet = rig.mock.registry;
});
after(() => rig?.close());

const row = (page, id) => page.getByTestId('registered').filter({ hasText: id });

test('a device that appeared by itself is found, approved, and told apart from the blocked', async () => {
  const { page, close } = await rig.open('?lang=vi&screen=devices', 'administrator');
  await page.getByTestId('state-pending').click();
  const pending = row(page, '0101010101010101');
  await pending.waitFor();
  await counted(page.getByTestId('registered'), 1, 'only what waits');
  assert.match(await pending.innerText(), /qua lora-gw/);
  await pending.getByTestId('approve').click();
  await page.getByText('Không có thiết bị nào chờ duyệt.').waitFor();
  assert.equal(fleet.devices.get('0101010101010101').state, 'approved');
  await page.getByTestId('state-blocked').click();
  await row(page, 'lạ').waitFor();
  await counted(page.locator('[data-testid=registered] img'), 0, 'hostile names are text');
  await close();
});

test('a token is shown once, and revoked', async () => {
  const { page, close } = await rig.open('?lang=en&screen=devices', 'administrator');
  await page.getByTestId('device-search').fill('lora');
  await row(page, 'lora-gw').getByTestId('tokens').click();
  await page.getByTestId('token-label').fill('server 1');
  await page.getByTestId('token-issue').click();
  const secret = page.getByTestId('new-token').locator('input');
  assert.match(await secret.inputValue(), /^iocd_.{43}$/);
  await page.getByTestId('tokens-close').click();
  await row(page, 'lora-gw').getByTestId('tokens').click();
  await page.getByTestId('token').filter({ hasText: 'server 1' }).waitFor();
  await counted(page.getByTestId('new-token'), 0, 'it does not come back');
  await page.getByTestId('revoke').click();
  await page.getByText('No token yet.').waitFor();
  await close();
});

test('a file is looked at first; its mistakes have places, and nothing is taken', async () => {
  const { page, close } = await rig.open('?lang=en&screen=devices', 'administrator');
  await page.getByTestId('device-import').click();
  const give = (text) => page.getByTestId('import-file').setInputFiles({ name: 'new.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  // The answer 422 is an answer, not trouble of the page.
  page.removeAllListeners('console');
  await give('id,area\na,nowhere\n');
  await page.getByTestId('import-mistakes').filter({ hasText: 'new.csv:2:5' }).filter({ hasText: 'hai_chau' }).waitFor();
  assert.ok(await page.getByTestId('import-go').isDisabled());
  await give('id,area\na,hai_chau\n');
  await page.getByTestId('import-result').filter({ hasText: '1 new' }).waitFor();
  assert.deepEqual(fleet.acts, ['look']);
  await page.getByTestId('import-go').click();
  await page.getByTestId('import-dialog').waitFor({ state: 'detached' });
  assert.deepEqual(fleet.acts, ['look', 'import']);
  await close();
});

test('a new device is entered with its own words for values', async () => {
  const { page, close } = await rig.open('?lang=en&screen=devices', 'administrator');
  await page.getByTestId('device-new').click();
  await page.getByTestId('form-id').fill('air-77');
  await page.getByTestId('form-vi').fill('Trạm 77');
  await page.getByTestId('form-lat').fill('16.06');
  await page.getByTestId('form-fields').fill('temp_f is warm');
  await page.getByTestId('form-save').click();
  await counted(page.getByTestId('form-faults').locator('li'), 2, 'half a place, and a line that is none');
  await page.getByTestId('form-lon').fill('108,22');
  await page.getByTestId('form-fields').fill('temp_f = temperature °F\nrh = humidity');
  await page.getByTestId('form-save').click();
  await page.getByTestId('device-form').waitFor({ state: 'detached' });
  const put = fleet.devices.get('air-77');
  assert.deepEqual([put.place, put.name.en], [{ lat: 16.06, lon: 108.22 }, 'Trạm 77']);
  assert.deepEqual(put.fields, [{ name: 'temp_f', property: 'temperature', unit: '°F' }, { name: 'rh', property: 'humidity', unit: null }]);
  await close();
});

test('the panel shows what came from a device, raw and understood, and refused with the reason', async () => {
  const device = rig.mock.city.devices.find((d) => !d.silent).meta;
  const { page, close } = await rig.open(`?lang=vi&device=${device.id}`, 'administrator');
  await page.getByTestId('rec-counts').filter({ hasText: '1.284' }).waitFor();
  const messages = page.getByTestId('rec-message');
  await counted(messages, 4);
  assert.match(await messages.nth(0).innerText(), /Hiểu là:.*= 12\.5/);
  assert.match(await messages.nth(2).innerText(), /Từ chối[\s\S]*bad_time[\s\S]*has no offset/);
  await counted(page.locator('[data-testid=received] img'), 0, 'payloads are text');
  await page.getByTestId('rerun').click();
  await page.getByText('Xét lại 2: nhận 1, vẫn từ chối 1.').waitFor();
  assert.equal(fleet.reruns, 1);
  await close();
});

test('an operator looks, a viewer is not asked', async () => {
  const one = await rig.open('?lang=vi&screen=devices', 'operator');
  await one.page.getByTestId('registered').first().waitFor();
  await counted(one.page.getByTestId('approve'), 0);
  await counted(one.page.getByTestId('device-new'), 0);
  await one.close();
  const device = rig.mock.city.devices.find((d) => !d.silent).meta;
  const two = await rig.open(`?lang=vi&device=${device.id}`, 'viewer');
  await two.page.getByTestId('device-value').waitFor();
  await counted(two.page.getByTestId('received'), 0);
  await two.close();
});
