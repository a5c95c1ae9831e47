// Services, the wide list of alerts, ledger and notifications: a normal day and a storm.
export default async ({ shot, busy, calm }) => {
  const LOOKS = [['hd', 'vi', 'dark', busy], ['hd', 'en', 'light', busy], ['hd', 'vi', 'light', calm], ['wall4k', 'vi', 'dark', busy], ['phone', 'vi', 'dark', busy], ['phone', 'en', 'light', calm]];
  const settled = (p) => p.waitForTimeout(2500);
  const alert = busy.city.open().find((r) => r.severity === 'emergency');
  for (const [size, lang, theme, mock] of LOOKS) {
    const day = mock === calm ? 'calm' : 'storm';
    const one = (name, query, act = settled, user = 'administrator') => shot(`svc-${name}-${day}-${size}-${lang}-${theme}`, { size, mock, user, full: size === 'phone', query: `?lang=${lang}&theme=${theme}${query}`, act });
    await one('list', '&screen=services');
    await one('page', '&screen=services&service=rain_flood');
    await one('nofeed', '&screen=services&service=health');
    await one('alerts', '&screen=alerts');
    await one('ledger', '&screen=ledger');
    await one('notify', '&screen=notify');
    if (mock === busy) await one('alert', `&screen=alerts&alert=${alert.id}`);
    if (mock === busy) await one('grouped', '&screen=alerts&group=incident&q=cam');
  }
};
