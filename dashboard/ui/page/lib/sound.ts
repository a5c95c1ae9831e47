// What should sound now. Nothing is heard twice: neither after a reconnect nor after a reload.
import type { Level } from './model';

export interface SoundSettings {
  on: boolean;
  /** Lowest level that is heard. */
  least: Level;
  /** Until somebody acknowledges. */
  repeat: boolean;
  /** Client time, ms; 0: not muted. */
  mutedUntil: number;
}
/** A row of the operators' list: shelved, suppressed and closed ones are not on it. */
export interface Ring { id: string; raised: number; level: Level; acknowledged: boolean }
export interface Memory {
  /** The highest level at which each raise was heard, or seen at the start. */
  heard: Map<string, Level>;
  /** Raises that sounded and wait for somebody. */
  ringing: Map<string, Level>;
  /** Came while another tone was under way. */
  pending: Level;
  last: number;
  lastLevel: Level;
}

/** A tone is followed by this much of silence, unless what comes is worse. */
const GAP_MS = 2000;
/** Between two repeats, by level. */
const AGAIN_MS: readonly number[] = [0, 60_000, 60_000, 30_000, 15_000, 8000];
const REMEMBERED = 20_000;

export const STANDARD: SoundSettings = { on: true, least: 3, repeat: true, mutedUntil: 0 };

/** Settings from storage: whatever is not understood is the standard. */
export function settingsOf(text: string | null): SoundSettings {
  let raw: unknown;
  try {
    raw = JSON.parse(text ?? '{}');
  } catch {
    raw = {};
  }
  const s = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
  return {
    on: typeof s.on === 'boolean' ? s.on : STANDARD.on,
    least: ([1, 2, 3, 4, 5] as const).find((l) => l === s.least) ?? STANDARD.least,
    repeat: typeof s.repeat === 'boolean' ? s.repeat : STANDARD.repeat,
    mutedUntil: typeof s.mutedUntil === 'number' && Number.isFinite(s.mutedUntil) ? s.mutedUntil : 0,
  };
}

/** Hears the list as it is now. Without a memory it is the first list: it is known, and nothing sounds. */
export function hear(rows: readonly Ring[], s: SoundSettings, memory: Memory | null, now: number): { memory: Memory; play: Level } {
  const m: Memory = memory ?? { heard: new Map(), ringing: new Map(), pending: 0, last: 0, lastLevel: 0 };
  const ringing = new Map<string, Level>();
  const muted = s.mutedUntil > now;
  for (const row of rows) {
    const key = `${row.id} ${row.raised}`;
    const was = m.heard.get(key) ?? 0;
    if (row.level > was) m.heard.set(key, row.level);
    if (row.acknowledged || memory === null || row.level < s.least || !s.on) continue;
    if (row.level > was) {
      ringing.set(key, row.level);
      if (!muted && row.level > m.pending) m.pending = row.level;
    } else if (m.ringing.has(key)) ringing.set(key, row.level);
  }
  m.ringing = ringing;
  for (const key of m.heard.keys()) {
    if (m.heard.size <= REMEMBERED) break;
    m.heard.delete(key);
  }
  const worst = [...ringing.values()].reduce<Level>((a, b) => (b > a ? b : a), 0);
  // Acknowledged before its turn came.
  if (m.pending > worst) m.pending = worst;
  let play: Level = 0;
  if (muted || !s.on) m.pending = 0;
  else if (m.pending > 0 && (now - m.last >= GAP_MS || m.pending > m.lastLevel)) play = m.pending;
  else if (m.pending === 0 && s.repeat && worst > 0 && now - m.last >= (AGAIN_MS[worst] as number)) play = worst;
  if (play > 0) {
    m.pending = 0;
    m.last = now;
    m.lastLevel = play;
  }
  return { memory: m, play };
}

/** Pitch in Hz, start and length in seconds: worse is higher, quicker and longer. */
export type Tone = readonly [pitch: number, start: number, length: number];
export const TONES: readonly (readonly Tone[])[] = [
  [],
  [[392, 0, 0.16]],
  [[440, 0, 0.16], [523, 0.2, 0.2]],
  [[587, 0, 0.18], [587, 0.28, 0.18]],
  [[784, 0, 0.15], [784, 0.22, 0.15], [784, 0.44, 0.15]],
  [[988, 0, 0.14], [740, 0.16, 0.14], [988, 0.32, 0.14], [740, 0.48, 0.14], [988, 0.64, 0.14], [740, 0.8, 0.2]],
];
