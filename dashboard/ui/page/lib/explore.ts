// Series that are compared: `device:property` by comma in the address.
export interface Series { device: string; property: string }
export const MOST = 8;

/** Device ids may have colons; a property has none. */
export function parseSeries(text: string): Series[] {
  const out: Series[] = [];
  for (const word of text.split(',')) {
    const at = word.lastIndexOf(':');
    const one = { device: word.slice(0, at), property: word.slice(at + 1) };
    if (at > 0 && one.property !== '' && !has(out, one) && out.length < MOST) out.push(one);
  }
  return out;
}

export const printSeries = (all: readonly Series[]): string => all.map((s) => `${s.device}:${s.property}`).join(',');
export const has = (all: readonly Series[], s: Series): boolean => all.some((o) => o.device === s.device && o.property === s.property);
/** In, or out again. */
export const toggled = (all: readonly Series[], s: Series): Series[] =>
  has(all, s) ? all.filter((o) => o.device !== s.device || o.property !== s.property) : all.length < MOST ? [...all, s] : [...all];
