// A wall reloads itself at night: a new build is taken over, and nothing piles up over months.
import { ZONE } from './fmt';

const HOUR = 3;
/** Walls do not all come at once. */
const SPREAD_MS = 30 * 60_000;
const DAY_MS = 86_400_000;

const clock = new Intl.DateTimeFormat('en-GB', { timeZone: ZONE, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

/** How long until it is three at night in the city, plus a share of half an hour. */
export function untilNight(now: number, share: number): number {
  const [h = 0, m = 0, s = 0] = clock.format(now).split(':').map(Number);
  const since = ((h - HOUR) * 60 + m) * 60_000 + s * 1000;
  const wait = since < 0 ? -since : DAY_MS - since;
  return wait + Math.floor(share * SPREAD_MS);
}
