// Costs of rules for reading at a glance.
import * as fmt from './fmt';
import type { Lang } from './model';

const scaled = (n: number, units: readonly string[], step: number, lang: Lang): string => {
  let [x, i] = [n, 0];
  while (x >= step && i < units.length - 1) [x, i] = [x / step, i + 1];
  return `${fmt.number(x, i === 0 || x >= 100 ? 0 : 1, lang)} ${units[i]}`;
};

/** `512 B`, `3,1 KiB` */
export const bytes = (n: number, lang: Lang): string => (n === 0 ? '0' : scaled(n, ['B', 'KiB', 'MiB', 'GiB'], 1024, lang));
/** CPU time of all evaluations: `850 ns`, `12,3 ms`, `4,0 s` */
export const cpu = (ns: number, lang: Lang): string => (ns === 0 ? '0' : scaled(ns, ['ns', 'µs', 'ms', 's'], 1000, lang));
