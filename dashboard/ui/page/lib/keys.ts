// The keys of the page: one table for the help and for who handles them. The letters after `g` are in the menu.
import type { Key } from './dict';
import { screenOf } from './menu';
import type { ScreenName } from './route.svelte';

export interface KeyLine { keys: readonly string[]; word: Key }
/** What App handles on every screen; `act` names it. */
export const EVERYWHERE = [
  { keys: ['?'], act: 'help', word: 'key_help' },
  { keys: ['w'], act: 'wall', word: 'key_wall' },
  { keys: ['/'], act: 'search', word: 'key_slash' },
  { keys: ['Esc'], act: 'back', word: 'key_esc' },
] as const satisfies readonly (KeyLine & { act: string })[];
/** What the list of alerts handles. */
export const IN_LIST: readonly KeyLine[] = [
  { keys: ['j', 'k'], word: 'key_jk' }, { keys: ['Enter'], word: 'key_enter' }, { keys: ['o'], word: 'key_o' }, { keys: ['x'], word: 'key_x' },
  { keys: ['Shift+x'], word: 'key_shift_x' }, { keys: ['Ctrl+A'], word: 'key_ctrl_a' }, { keys: ['a'], word: 'key_a' }, { keys: ['Shift+A'], word: 'key_shift_a' },
  { keys: ['s'], word: 'key_s' }, { keys: ['n'], word: 'key_n' }, { keys: ['u'], word: 'key_u' }, { keys: ['m'], word: 'key_m' }, { keys: ['f'], word: 'key_f' }, { keys: ['.'], word: 'key_dot' }, { keys: ['Space'], word: 'key_space' },
];

export type Act =
  | { act: (typeof EVERYWHERE)[number]['act'] }
  | { act: 'go'; to: ScreenName }
  | { act: 'tab'; n: number }
  /** Single keys are off: nobody may hear it. */
  | { act: 'nothing' };

/** How long after `g` a letter counts. */
const GO_MS = 1500;

export class Keys {
  private goAt = 0;

  /** What a key without Ctrl, Alt or Meta means; null: it is somebody else's. */
  press(key: string, now: number, single: boolean): Act | null {
    const went = now - this.goAt < GO_MS;
    this.goAt = 0;
    if (key === 'Escape') return { act: 'back' };
    // WCAG 2.1.4: characters; the space bar, the arrows and Enter are none.
    if (key.length !== 1 || key === ' ') return null;
    if (!single) return { act: 'nothing' };
    const to = went ? screenOf(key) : undefined;
    if (to !== undefined) return { act: 'go', to };
    if (key === 'g') {
      this.goAt = now;
      return null;
    }
    if (key >= '1' && key <= '5') return { act: 'tab', n: Number(key) - 1 };
    const own = EVERYWHERE.find((line) => (line.keys as readonly string[]).includes(key));
    return own === undefined ? null : { act: own.act };
  }
}

const SINGLE_KEY = 'ioc.keys';

/** Whether single keys work in this browser. */
export function singleKeys(): boolean {
  try {
    return localStorage.getItem(SINGLE_KEY) !== 'off';
  } catch {
    return true;
  }
}

export function setSingleKeys(on: boolean): void {
  try {
    localStorage.setItem(SINGLE_KEY, on ? 'on' : 'off');
  } catch {
    // Without storage it holds until the page is closed.
  }
}
