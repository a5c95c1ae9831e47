// Until when an alert is put aside. The city is at UTC+7 all year.
const OFFSET_MS = 7 * 3_600_000;
const DAY_MS = 86_400_000;

export const PRESETS = ['15m', '1h', '4h', 'tomorrow'] as const;
export type Preset = (typeof PRESETS)[number];

/** End of a preset that starts now; `tomorrow` is 07:00 of the next day in the city. */
export function until(preset: Preset, now: number): number {
  switch (preset) {
    case '15m': return now + 15 * 60_000;
    case '1h': return now + 3_600_000;
    case '4h': return now + 4 * 3_600_000;
    default: {
      const midnight = Math.floor((now + OFFSET_MS) / DAY_MS) * DAY_MS - OFFSET_MS;
      return midnight + DAY_MS + 7 * 3_600_000;
    }
  }
}

/** What `<input type="datetime-local">` holds, as a time of the city; null for nonsense. */
export function fromLocal(text: string): number | null {
  const m = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::\d\d)?$/.exec(text);
  if (m === null) return null;
  const [y, mo, d, h, mi] = m.slice(1).map(Number) as [number, number, number, number, number];
  const ms = Date.UTC(y, mo - 1, d, h, mi) - OFFSET_MS;
  return toLocal(ms) === text.slice(0, 16) ? ms : null;
}

/** A time as the value of such an input. */
export const toLocal = (ms: number): string => new Date(ms + OFFSET_MS).toISOString().slice(0, 16);

export type Wrong = 'past' | 'long' | null;

/** Why a time cannot be taken. `max` in ms, null when it is not known here: the server decides. */
export function wrong(end: number | null, now: number, max: number | null): Wrong {
  if (end === null || end <= now) return 'past';
  // A minute of grace: the clock runs while somebody writes the reason.
  return max !== null && end > now + max + 60_000 ? 'long' : null;
}
