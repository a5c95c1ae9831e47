// Every screen that opens without more, at all sizes and in both languages and themes.
export default async ({ shot, busy, calm }) => {
  const device = busy.city.devices.find((d) => !d.silent).meta.id;
  const SCREENS = ['', 'map', 'alerts', 'services', 'explore', 'device', 'rules', 'notify', 'ledger', 'shift', 'kpi', 'holds', 'devices', 'data', 'people', 'audit', 'account'];
  for (const screen of SCREENS) {
    for (const [size, lang, theme, mock] of [['hd', 'vi', 'dark', busy], ['hd', 'en', 'light', busy], ['wall4k', 'vi', 'dark', busy], ['phone', 'en', 'light', calm], ['phone', 'vi', 'dark', busy]]) {
      const name = `screen-${screen || 'console'}-${size}-${lang}-${theme}`;
      await shot(name, { size, mock, query: `?screen=${screen}${screen === 'device' ? `&device=${device}` : screen === 'explore' ? '&series=air-station-01:pm25,air-station-02:pm25,flood-tower-02:flood_depth' : ''}&lang=${lang}&theme=${theme}`, user: 'administrator', full: size === 'phone', act: (p) => p.waitForTimeout(700) });
    }
  }
};
