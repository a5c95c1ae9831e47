// What an action was given, as short texts. The log holds JSON of whoever wrote it: the page prints
// texts and numbers of it, never markup.
import * as fmt from './fmt';

const MOST = 6;
/** An alert or incident id: its begin is enough to tell two apart. */
const ID = /^[0-9a-f]{32}(-\d+)?$/;

/** Flat texts of a detail: names, times, titles; ids and empty things are left as they are or out. */
export function detailTexts(detail: unknown, near: number): string[] {
  const out: string[] = [];
  const walk = (key: string, value: unknown, depth: number): void => {
    if (out.length >= MOST || value === null || value === undefined || value === '') return;
    if (typeof value === 'number') out.push(value > 1e12 ? `→ ${fmt.timeNear(value, near)}` : `${key === '' ? '' : `${key.replaceAll('_', ' ')} `}${value}`);
    else if (typeof value === 'string') out.push(ID.test(value) ? value.slice(0, 8) : value);
    else if (typeof value === 'object' && depth < 3) {
      for (const [k, v] of Object.entries(value)) if (!['kind', 'by', 'action', 'act', 'url'].includes(k)) walk(k, v, depth + 1);
    }
  };
  // Some stores keep it as JSON text.
  let value = detail;
  if (typeof detail === 'string' && /^[[{]/.test(detail)) {
    try {
      value = JSON.parse(detail);
    } catch {
      value = detail;
    }
  }
  walk('', value, 0);
  return out;
}
