import { describe, expect, it } from 'vitest';
import { ACCOUNT_KEY, AT_HAND, MENU, menuOf, screenOf } from './menu';
import { SCREENS } from './route.svelte';

const all = MENU.flatMap((g) => g.entries);

describe('the menu', () => {
  it('names every screen once, but the account and the device, which are opened from elsewhere', () => {
    expect(all.map((e) => e.screen).sort()).toEqual(SCREENS.filter((s) => s !== 'account' && s !== 'device').sort());
  });
  it('has a letter of its own for each screen, and finds the screen by it', () => {
    const letters = [...all.map((e) => e.key), ACCOUNT_KEY];
    expect(new Set(letters).size).toBe(letters.length);
    // After `g` a second `g` begins anew.
    expect(letters).not.toContain('g');
    for (const e of all) expect(screenOf(e.key)).toBe(e.screen);
    expect(screenOf(ACCOUNT_KEY)).toBe('account');
    expect(screenOf('?')).toBeUndefined();
  });
  it('leaves out what may not be opened, and groups without anything', () => {
    const groups = menuOf((s) => s === '' || s === 'data');
    expect(groups.map((g) => [g.word, g.entries.map((e) => e.screen)])).toEqual([['menu_watch', ['']], ['menu_configure', ['data']]]);
  });
  it('has four at hand on a phone', () => {
    expect(AT_HAND).toHaveLength(4);
    for (const s of AT_HAND) expect(all.some((e) => e.screen === s)).toBe(true);
  });
});
