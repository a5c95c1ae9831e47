// Themes, forced colours, and what is printed.
export default async ({ shot, busy, calm }) => {
  const alert = busy.city.open().find((r) => r.severity === 'emergency').id;
  const device = busy.city.devices.find((d) => !d.silent).meta.id;
  const later = (p) => p.waitForTimeout(700);
  for (const theme of ['dark', 'light', 'contrast']) {
    await shot(`look-console-${theme}`, { size: 'hd', query: `?lang=vi&theme=${theme}&alert=${alert}`, act: later });
    await shot(`look-near-${theme}`, { size: 'hd', query: `?lang=en&theme=${theme}&device=${device}&map=16.0600,108.2150,13.75`, act: later });
    await shot(`look-kpi-${theme}`, { size: 'hd', query: `?screen=kpi&theme=${theme}`, user: 'administrator', act: later });
    await shot(`look-phone-${theme}`, { size: 'phone', query: `?lang=vi&theme=${theme}`, act: later });
    await shot(`look-shelve-${theme}`, { query: `?lang=vi&theme=${theme}`, act: async (p) => { await p.getByTestId('row-check').nth(1).check(); await p.getByTestId('bulk-shelve').click(); await later(p); } });
    await shot(`look-login-${theme}`, { login: false, query: `?lang=vi&theme=${theme}` });
  }
  for (const screen of ['people', 'devices', 'holds', 'shift', 'data', 'account', 'audit']) await shot(`look-${screen}-light`, { size: 'hd', query: `?screen=${screen}&theme=light`, user: 'administrator', act: later });
  busy.accounts.walls.push({ id: 80, label: 'look', view: 'overview', areas: null, services: null, created: Date.now(), expires: null, used: null, secret: 'look' });
  for (const theme of ['light', 'contrast']) await shot(`look-wall-${theme}`, { size: 'hd', login: false, query: `?lang=vi&theme=${theme}#/wall?token=look`, act: async (p) => { await p.getByTestId('wall-screen').waitFor(); await p.waitForTimeout(1500); } });
  await shot('look-calm-light', { size: 'hd', mock: calm, query: '?lang=vi&theme=light', act: later });
  await shot('look-old-light', { query: '?lang=vi&theme=light', act: async (p) => { busy.mute(true); await p.waitForTimeout(11_500); busy.mute(false); } });
  await shot('look-forced', { query: '?lang=vi', act: async (p) => { await p.emulateMedia({ forcedColors: 'active', colorScheme: 'light' }); await later(p); } });
  for (const [name, query] of [['list', '?lang=vi&sev=2'], ['alert', `?lang=vi&alert=${alert}`], ['device', `?lang=en&device=${device}`], ['kpi', '?screen=kpi'], ['shift', '?screen=shift']]) {
    await shot(`look-paper-${name}`, { size: 'laptop', query, user: 'administrator', full: true, act: async (p) => { await later(p); await p.setViewportSize({ width: 703, height: 1000 }); await p.emulateMedia({ media: 'print' }); await later(p); } });
  }
};
