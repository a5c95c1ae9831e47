// The history explorer and the screen of one device.
export default async ({ shot, busy, calm }) => {
  const settled = (p) => p.waitForTimeout(2200);
  const of = (mock, kind, n = 0) => mock.city.devices.filter((d) => d.meta.kind === kind && !d.silent)[n].meta;
  const series = (mock) => [[of(mock, 'air_station').id, 'pm25'], [of(mock, 'air_station', 1).id, 'pm25'], [of(mock, 'air_station').id, 'temperature']].map((s) => s.join(':')).join(',');
  for (const [size, lang, theme, mock] of [['hd', 'vi', 'dark', busy], ['hd', 'en', 'light', calm], ['wall4k', 'vi', 'dark', busy], ['phone', 'vi', 'dark', busy], ['phone', 'en', 'light', calm]]) {
    const one = (name, query, act = settled) => shot(`explore-${name}-${size}-${lang}-${theme}`, { size, mock, user: 'administrator', full: size === 'phone', query: `?lang=${lang}&theme=${theme}${query}`, act });
    await one('stacked', `&screen=explore&series=${series(mock)}`, async (p) => { await settled(p); if (size !== 'phone') await p.getByTestId('explore-plot').first().hover(); await p.waitForTimeout(200); });
    await one('overlay', `&screen=explore&mode=overlay&compare=day&series=${series(mock)}`);
    await one('device', `&screen=device&device=${of(mock, 'air_station').id}`);
    if (size === 'hd') {
      await one('table', `&screen=explore&part=table&hours=6&series=${series(mock)}`);
      await one('find', '&screen=explore&q=khong khi');
    }
  }
};
