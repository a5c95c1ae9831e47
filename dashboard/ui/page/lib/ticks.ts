// Words of the axes of charts: times of the city, numbers with as many digits as their steps need. Pure.
import * as fmt from './fmt';
import { DAY_MS } from './plan';

/** What stands at a tick of the time axis, by how much is shown. */
export function tickText(ms: number, span: number): string {
  const text = fmt.hourMinute(ms);
  if (text === '00:00') {
    const day = fmt.date(ms);
    return span > 200 * DAY_MS && day.startsWith('01/') ? day.slice(3) : day.slice(0, 5);
  }
  return span < 300_000 ? fmt.time(ms) : text;
}

/** Digits that show ticks as they are: 0.525 is not 0.53. */
export function digitsOf(ticks: readonly number[]): number {
  const step = Math.abs((ticks[1] ?? 1) - (ticks[0] ?? 0)) || 1;
  const whole = (x: number) => Math.abs(x - Math.round(x)) < 1e-6;
  return [0, 1, 2, 3].find((d) => whole(step * 10 ** d)) ?? 4;
}
