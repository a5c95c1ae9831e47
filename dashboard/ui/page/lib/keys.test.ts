import { describe, expect, it } from 'vitest';
import { EVERYWHERE, IN_LIST, Keys } from './keys';

describe('keys', () => {
  it('g and a letter within a second and a half go to a screen; one letter later is nothing', () => {
    const keys = new Keys();
    expect(keys.press('g', 1000, true)).toBeNull();
    expect(keys.press('m', 2400, true)).toEqual({ act: 'go', to: 'map' });
    expect(keys.press('m', 2500, true)).toBeNull();
    keys.press('g', 3000, true);
    expect(keys.press('m', 4600, true)).toBeNull();
  });
  it('a letter after g that is no screen has its own meaning again', () => {
    const keys = new Keys();
    keys.press('g', 1, true);
    expect(keys.press('?', 2, true)).toEqual({ act: 'help' });
  });
  it('turned off, no character means anything, also to the list; Escape, space and arrows still do', () => {
    const keys = new Keys();
    for (const key of ['?', 'a', 'A', 'g', '1', '/', '.', 'w']) expect(keys.press(key, 1, false), key).toEqual({ act: 'nothing' });
    expect(keys.press('Escape', 1, false)).toEqual({ act: 'back' });
    for (const key of [' ', 'ArrowDown', 'Enter', 'Tab']) expect(keys.press(key, 1, false), key).toBeNull();
  });
  it('each line of the help that is not the list\'s is handled', () => {
    for (const line of EVERYWHERE) expect(new Keys().press(line.keys[0] === 'Esc' ? 'Escape' : line.keys[0], 1, true)).toEqual({ act: line.act });
  });
  it('nothing is in both parts of the help', () => {
    const all = [...EVERYWHERE, ...IN_LIST].flatMap((l) => l.keys as readonly string[]);
    expect(new Set(all).size).toBe(all.length);
  });
});
