import { describe, expect, it } from 'vitest';
import { hear, settingsOf, STANDARD, TONES, type Memory, type Ring } from './sound';
import type { Level } from './model';

const row = (id: string, level: Level = 4, more: Partial<Ring> = {}): Ring => ({ id, raised: 1, level, acknowledged: false, ...more });
/** Plays lists at given seconds, and gives the levels that sounded. */
function listen(steps: [second: number, rows: Ring[]][], s = STANDARD): Level[] {
  let memory: Memory | null = null;
  return steps.map(([second, rows]) => {
    const heard = hear(rows, s, memory, second * 1000);
    memory = heard.memory;
    return heard.play;
  });
}

describe('sound', () => {
  it('says nothing about what was there when the page was opened, not even again and again', () => {
    expect(listen([[0, [row('a', 5)]], [1, [row('a', 5)]], [100, [row('a', 5)]]])).toEqual([0, 0, 0]);
  });
  it('sounds once for a new raise, and not again when the same list comes after a reconnect', () => {
    expect(listen([[0, []], [1, [row('a')]], [2, [row('a')]], [3, [row('a')]]], { ...STANDARD, repeat: false })).toEqual([0, 4, 0, 0]);
  });
  it('a list that was empty for a moment replays nothing', () => {
    expect(listen([[0, []], [1, [row('a')]], [2, []], [60, [row('a')]]], { ...STANDARD, repeat: false })).toEqual([0, 4, 0, 0]);
  });
  it('a second raise of the same alert sounds, and so does a rise of its level', () => {
    expect(listen([[0, []], [1, [row('a', 3)]], [60, [row('a', 3, { raised: 2 })]], [120, [row('a', 5, { raised: 2 })]]], { ...STANDARD, repeat: false })).toEqual([0, 3, 3, 5]);
  });
  it('repeats until it is acknowledged, worse ones more often', () => {
    expect(listen([[0, []], [1, [row('a', 5)]], [5, [row('a', 5)]], [9, [row('a', 5)]], [17, [row('a', 5, { acknowledged: true })]], [60, [row('a', 5, { acknowledged: true })]]])).toEqual([0, 5, 0, 5, 0, 0]);
    expect(listen([[0, []], [1, [row('a', 3)]], [9, [row('a', 3)]], [31, [row('a', 3)]]])).toEqual([0, 3, 0, 3]);
  });
  it('what is shelved or closed leaves the list, and with it the repeat', () => {
    expect(listen([[0, []], [1, [row('a', 5)]], [20, []], [40, []]])).toEqual([0, 5, 0, 0]);
  });
  it('keeps quiet below the lowest level', () => {
    expect(listen([[0, []], [1, [row('a', 2)]], [2, [row('a', 2), row('b', 3)]]])).toEqual([0, 0, 3]);
  });
  it('waits for the end of a tone, unless what comes is worse', () => {
    expect(listen([[0, []], [10, [row('a', 3)]], [10.5, [row('a', 3), row('b', 3)]], [11, [row('a', 3), row('b', 3)]], [12.5, [row('a', 3), row('b', 3)]]], { ...STANDARD, repeat: false })).toEqual([0, 3, 0, 0, 3]);
    expect(listen([[0, []], [10, [row('a', 3)]], [10.5, [row('a', 3), row('b', 5)]]])).toEqual([0, 3, 5]);
  });
  it('is quiet while muted; afterwards what nobody acknowledged is heard again', () => {
    const muted = { ...STANDARD, mutedUntil: 100_000 };
    expect(listen([[0, []], [1, [row('a', 5)]], [50, [row('a', 5)]], [101, [row('a', 5)]]], muted)).toEqual([0, 0, 0, 5]);
  });
  it('turned off it hears but says nothing, and does not make up for it later', () => {
    let { memory } = hear([], { ...STANDARD, on: false }, null, 0);
    ({ memory } = hear([row('a', 5)], { ...STANDARD, on: false }, memory, 1000));
    expect(hear([row('a', 5)], STANDARD, memory, 60_000).play).toBe(0);
    expect(hear([row('a', 5), row('b', 4)], STANDARD, memory, 61_000).play).toBe(4);
  });
  it('takes nonsense from the storage as the standard', () => {
    for (const bad of [null, '', 'x', '[]', 'null', '{"least":9,"on":"yes","mutedUntil":"1"}']) expect(settingsOf(bad)).toEqual(STANDARD);
    expect(settingsOf('{"on":false,"least":5,"repeat":false,"mutedUntil":7}')).toEqual({ on: false, least: 5, repeat: false, mutedUntil: 7 });
  });
  it('has tones of its own for each severity', () => {
    const said = TONES.slice(1).map((t) => JSON.stringify(t));
    expect(new Set(said).size).toBe(5);
  });
});
