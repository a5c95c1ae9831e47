// What a wall does by itself. It reloads at night: a new build is taken over, and nothing piles up over
// months. It turns through its views, and moves a little against burn-in.
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

/** Which of `n` views a wall shows: a function of the time alone, so that nothing can stop it, and all walls turn together. */
export const turn = (now: number, everyMs: number, n: number): number => Math.floor(now / everyMs) % n;

/** Against burn-in: one pixel a minute around a square of so many pixels. */
const SIDE = 4;
export function drift(now: number): [x: number, y: number] {
  const step = Math.floor(now / 60_000) % (4 * SIDE);
  const along = step % SIDE;
  switch (Math.floor(step / SIDE)) {
    case 0: return [along, 0];
    case 1: return [SIDE, along];
    case 2: return [SIDE - along, SIDE];
    default: return [0, SIDE - along];
  }
}
