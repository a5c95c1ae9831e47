// Every text of the page. In `words/`, `en` has the type of `vi`: a missing key does not compile.
// What every screen needs is here from the start; the words of a screen come with it (`lazy.ts`).
import type { Lang } from './model';
import * as alerts from './words/alerts';
import * as console_ from './words/console';
import * as data from './words/data';
import * as devices from './words/devices';
import type * as explore from './words/explore';
import * as look from './words/look';
import type * as map from './words/map';
import * as people from './words/people';
import type * as rules from './words/rules';
import * as screens from './words/screens';
import type * as services from './words/services';
import * as shell from './words/shell';

type Vi = typeof console_.vi & typeof alerts.vi & typeof screens.vi & typeof data.vi & typeof devices.vi & typeof people.vi & typeof look.vi & typeof shell.vi
  & typeof explore.vi & typeof map.vi & typeof rules.vi & typeof services.vi;

export type Key = keyof Vi;
export type Dict = Record<Key, string>;
/** The words of one file. */
export interface Words { vi: Partial<Dict>; en: Partial<Dict> }

const START: readonly Words[] = [console_, alerts, screens, data, devices, people, look, shell];
export const dicts: Record<Lang, Partial<Dict>> = { vi: {}, en: {} };
for (const words of START) learn(words);

/** Adds the words of a screen. */
export function learn(words: Words): void {
  Object.assign(dicts.vi, words.vi);
  Object.assign(dicts.en, words.en);
}

/** The text of `key` with its `{names}` filled in. */
export function text(lang: Lang, key: Key, with_?: Record<string, string | number>): string {
  const template = dicts[lang][key];
  if (template === undefined) {
    console.error(`the words of ${key} are not loaded`);
    return key;
  }
  if (with_ === undefined) return template;
  return template.replace(/\{(\w+)\}/g, (all, name: string) => String(with_[name] ?? all));
}
