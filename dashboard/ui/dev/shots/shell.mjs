// The frame: menu and header at all widths, keys, sound, first steps, walls.
export default async ({ shot, busy }) => {
  for (const [size, lang, theme] of [['laptop', 'vi', 'dark'], ['desktop', 'en', 'light'], ['hd', 'vi', 'dark'], ['hd', 'en', 'light'], ['wall4k', 'vi', 'dark'], ['phone', 'vi', 'dark'], ['phone', 'en', 'light']])
    await shot(`shell-${size}-${lang}-${theme}`, { size, query: `?lang=${lang}&theme=${theme}`, user: 'administrator' });
  await shot('shell-more-vi', { size: 'phone', query: '?lang=vi', user: 'administrator', act: async (p) => { await p.getByTestId('nav-more').click(); await p.waitForTimeout(300); } });
  await shot('shell-help-vi', { size: 'hd', query: '?lang=vi', user: 'administrator', act: async (p) => { await p.keyboard.press('?'); await p.waitForTimeout(300); } });
  await shot('shell-help-phone-en', { size: 'phone', query: '?lang=en&theme=light', act: async (p) => { await p.keyboard.press('?'); await p.waitForTimeout(300); } });
  for (const [size, lang, theme] of [['hd', 'vi', 'dark'], ['phone', 'en', 'light']])
    await shot(`shell-sound-${size}-${lang}`, { size, query: `?lang=${lang}&theme=${theme}`, act: async (p) => { await p.getByTestId('sound').click(); await p.getByTestId('sound-mute-5').click(); await p.waitForTimeout(300); } });
  await shot('shell-kpi-laptop-vi', { size: 'laptop', query: '?lang=vi&screen=kpi', user: 'administrator' });
  for (const [size, theme] of [['hd', 'dark'], ['wall4k', 'dark'], ['hd', 'light']])
    for (const view of ['overview', 'map', 'alerts'])
      await shot(`shell-wall-${view}-${size}-${theme}`, { size, query: `?lang=vi&theme=${theme}`, act: async (p) => { await p.goto(`${busy.url}/wall?view=${view}&lang=vi&theme=${theme}`); await p.getByTestId('wall-screen').waitFor(); await p.waitForTimeout(2500); } });
};
