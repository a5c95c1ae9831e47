// Every text of the page. In `words/`, `en` has the type of `vi`: a missing key does not compile.
import type { Lang } from './model';
import * as alerts from './words/alerts';
import * as console_ from './words/console';
import * as data from './words/data';
import * as devices from './words/devices';
import * as people from './words/people';
import * as screens from './words/screens';

const vi = { ...console_.vi, ...alerts.vi, ...screens.vi, ...data.vi, ...devices.vi, ...people.vi } as const;

export type Key = keyof typeof vi;
export type Dict = Record<Key, string>;

const en: Dict = { ...console_.en, ...alerts.en, ...screens.en, ...data.en, ...devices.en, ...people.en };

export const dicts: Record<Lang, Dict> = { vi, en };

/** The text of `key` with its `{names}` filled in. */
export function text(lang: Lang, key: Key, with_?: Record<string, string | number>): string {
  const template = dicts[lang][key];
  if (with_ === undefined) return template;
  return template.replace(/\{(\w+)\}/g, (all, name: string) => String(with_[name] ?? all));
}
