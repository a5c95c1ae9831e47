// What the map shows, as words in the address: only what differs from the usual.
import type { Rule } from './model';

export interface Layers {
  /** Wards are coloured by their worst alert. */
  wards: boolean;
  /** Zones of geofence rules. */
  zones: boolean;
  /** The configured map tiles, where there are any. */
  tiles: boolean;
  /** Only devices that are silent or offline. */
  stale: boolean;
  /** Only devices of these services; none: all. */
  services: readonly string[];
}

const ONLY = 'only:';

/** Reads `nowards,zones,notiles,stale,only:air`; what is not understood is left out. */
export function parseLayers(word: string): Layers {
  const words = word.split(',');
  const services = words.filter((w) => w.startsWith(ONLY)).map((w) => w.slice(ONLY.length)).filter(Boolean);
  return {
    wards: !words.includes('nowards'), zones: words.includes('zones'), tiles: !words.includes('notiles'), stale: words.includes('stale'),
    services: [...new Set(services)],
  };
}

export function printLayers(l: Layers): string {
  return [!l.wards && 'nowards', l.zones && 'zones', !l.tiles && 'notiles', l.stale && 'stale', ...l.services.map((s) => ONLY + s)].filter(Boolean).join(',');
}

/** Devices are left out. */
export const narrowed = (l: Layers): boolean => l.stale || l.services.length > 0;

/** Rules whose text names a zone. */
export function zoneRules(rules: Iterable<Rule>, zone: string): string[] {
  const word = new RegExp(`(?<![\\w.-])${zone.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w.-])`);
  return [...rules].filter((r) => word.test(r.source)).map((r) => r.id);
}
