// The map: far, near, with a popover, with its layers, beside the list of devices; a normal day and a storm.
export default async ({ shot, busy, calm }) => {
  const LOOKS = [['hd', 'vi', 'dark', busy], ['hd', 'en', 'light', busy], ['hd', 'vi', 'light', calm], ['wall4k', 'vi', 'dark', busy], ['phone', 'vi', 'dark', busy], ['phone', 'en', 'light', calm]];
  const settled = (p) => p.waitForTimeout(1500);
  const tower = busy.city.devices.find((d) => d.severity === 5).meta;
  for (const [size, lang, theme, mock] of LOOKS) {
    const day = mock === calm ? 'calm' : 'storm';
    const one = (name, query, act = settled) => shot(`map-${name}-${day}-${size}-${lang}-${theme}`, { size, mock, user: 'operator', full: size === 'phone', query: `?lang=${lang}&theme=${theme}&screen=map${query}`, act });
    await one('home', '');
    await one('near', '&map=16.0678,108.2208,14');
    await one('far', '&map=15.85,108.1,9.75');
    await one('popover', `&map=${tower.lat},${tower.lon},17`, async (p) => {
      await settled(p);
      await p.getByTestId('map-shell').press('Enter');
      await settled(p);
    });
    await one('layers', '&map=16.05,108.25,11.25&layers=zones', async (p) => {
      await settled(p);
      await p.getByTestId('map-layers').click();
      await settled(p);
    });
    await one('ward', `&area=${tower.area}&map=16.1,108.1,12.5&layers=only:camera_analytics,only:traffic`);
    await one('search', '&q=hai chau&map=16.0678,108.2208,14');
  }
};
