// The menu: which screens there are, in which group, and the letter that follows `g`.
import type { Key } from './dict';
import type { ScreenName } from './route.svelte';

export type MenuScreen = Exclude<ScreenName, 'account' | 'device'>;
export interface Entry { screen: MenuScreen; word: Key; key: string; /** Strokes of a 20 × 20 picture. */ icon: string }
export interface Group { word: Key; entries: readonly Entry[] }

export const MENU: readonly Group[] = [
  { word: 'menu_watch', entries: [
    { screen: '', word: 'nav_console', key: 'a', icon: 'M3 4h14v9H3zM7 17h6M10 13v4' },
    { screen: 'map', word: 'nav_map', key: 'm', icon: 'M3 5l5-2 4 2 5-2v12l-5 2-4-2-5 2zM8 3v12M12 5v12' },
    { screen: 'alerts', word: 'nav_alerts', key: 'c', icon: 'M10 3l7.5 13.5h-15zM10 8v4M10 14v.5' },
    { screen: 'services', word: 'nav_services', key: 'v', icon: 'M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z' },
  ] },
  { word: 'menu_analyse', entries: [
    { screen: 'explore', word: 'nav_explore', key: 'h', icon: 'M3 3v14h14M6 13l3-4 3 2 4-6' },
    { screen: 'kpi', word: 'nav_kpi', key: 'k', icon: 'M4 17v-6M8 17V7M12 17v-8M16 17V4' },
    { screen: 'ledger', word: 'nav_ledger', key: 's', icon: 'M5 3h10v14H5zM8 7h4M8 10h4M8 13h2' },
  ] },
  { word: 'menu_shift', entries: [
    { screen: 'shift', word: 'nav_shift', key: 't', icon: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 6v4l3 2' },
    { screen: 'holds', word: 'nav_holds', key: 'b', icon: 'M6 4h2.5v12H6zM11.5 4H14v12h-2.5z' },
  ] },
  { word: 'menu_configure', entries: [
    { screen: 'rules', word: 'nav_rules', key: 'r', icon: 'M3 5h5l4 10h5M12 5h5M3 15h5' },
    { screen: 'devices', word: 'nav_devices', key: 'e', icon: 'M8 8h4v4H8zM6.5 13.5a5 5 0 0 1 0-7M13.5 6.5a5 5 0 0 1 0 7M4 16a8.5 8.5 0 0 1 0-12M16 4a8.5 8.5 0 0 1 0 12' },
    { screen: 'notify', word: 'nav_notify', key: 'n', icon: 'M3 5h14v10H3zM3 6l7 5 7-5' },
    { screen: 'data', word: 'nav_data', key: 'd', icon: 'M10 3v9M6.5 8.5L10 12l3.5-3.5M3 16h14' },
  ] },
  { word: 'menu_manage', entries: [
    { screen: 'people', word: 'nav_people', key: 'p', icon: 'M10 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM4 17c0-3.5 2.5-5 6-5s6 1.5 6 5' },
    { screen: 'audit', word: 'nav_audit', key: 'l', icon: 'M4 3h9l3 3v11H4zM7 10l2 2 4-4' },
  ] },
];

/** The letter of the account, which has a place of its own in the header. */
export const ACCOUNT_KEY = 'u';
/** Most used on the way: the bar of a phone, the rest is behind "more". */
export const AT_HAND: readonly MenuScreen[] = ['', 'map', 'alerts', 'shift'];

/** The groups with what may be opened; empty ones are left out. */
export function menuOf(mayOpen: (s: ScreenName) => boolean): Group[] {
  return MENU.map((g) => ({ ...g, entries: g.entries.filter((e) => mayOpen(e.screen)) })).filter((g) => g.entries.length > 0);
}

/** The screen that `g` and this letter open. */
export function screenOf(letter: string): ScreenName | undefined {
  return letter === ACCOUNT_KEY ? 'account' : MENU.flatMap((g) => g.entries).find((e) => e.key === letter)?.screen;
}
