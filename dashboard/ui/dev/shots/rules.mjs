// The rules: list, one rule, editor with a mistake, editor with a backtest beside it, versions.
import { bookOf } from '../mock/rules.mjs';

export default async ({ shot, busy }) => {
  const LOOKS = [['hd', 'vi', 'dark'], ['hd', 'en', 'light'], ['wall4k', 'vi', 'dark'], ['phone', 'vi', 'dark'], ['phone', 'en', 'light']];
  const later = (p) => p.waitForTimeout(600);
  for (const [size, lang, theme] of LOOKS) {
    const one = (name, query, act, user = 'administrator') => shot(`rules-${name}-${size}-${lang}-${theme}`, { size, user, full: size === 'phone', query: `?screen=rules&lang=${lang}&theme=${theme}${query}`, act: async (p) => { await act(p); await later(p); } });
    await one('list', '', (p) => p.getByTestId('rule-row').first().waitFor());
    await one('detail', '&rule=flood.street', async (p) => { await p.getByTestId('rule-entity').first().waitFor(); await p.getByTestId('rule-entity').first().getByRole('button').click(); await p.getByTestId('explanation').locator('dl').waitFor(); });
    await one('mistake', '&rule=flood.street&part=edit', async (p) => {
      const text = p.getByTestId('rule-text');
      await text.fill((await text.inputValue()).replace('severity: major', 'severity: majr').replace('street_flood.car"', 'street_flood.cra"'));
      await p.getByTestId('mistake').first().waitFor();
    });
    await one('backtest', '&rule=flood.street&part=edit', async (p) => {
      const text = p.getByTestId('rule-text');
      await text.fill((await text.inputValue()).replace('- 0.03"', '- 0.06"'));
      await p.locator('[data-testid=rule-editor][data-state=good]').waitFor();
      await p.getByTestId('bt-start').click();
      await p.getByTestId('bt-result').waitFor();
    });
  }
  await shot('rules-versions-hd-vi', { size: 'hd', user: 'administrator', query: '?screen=rules&lang=vi&part=versions,version:3', act: later });
  await shot('rules-confirm-hd-vi', { size: 'hd', user: 'administrator', query: '?screen=rules&lang=vi&rule=flood.street', act: async (p) => { await p.getByTestId('rule-to-shadow').click(); await p.getByTestId('rule-outcome').waitFor(); } });
  await shot('rules-reader-hd-vi', { size: 'hd', user: 'operator', query: '?screen=rules&lang=vi&rule=air.smoke', act: later });
  const book = bookOf(busy.city);
  book.trouble = { at: Date.now() - 60_000, mistakes: [{ file: 'rules/flood.yaml', line: 75, column: 16, message: 'unknown threshold `street_flood.cra`', hint: 'did you mean `street_flood.car`?' }] };
  await shot('rules-trouble-hd-en', { size: 'hd', user: 'administrator', query: '?screen=rules&lang=en', act: later });
  book.trouble = null;
};
