// Which devices are near another one.
import type { DeviceTable } from './devices';

export interface Near { index: number; metres: number }

const EARTH_M = 6_371_000;
const rad = (deg: number) => (deg * Math.PI) / 180;

/** Great-circle distance, m. */
export function metres(lat1: number, lon1: number, lat2: number, lon2: number): number {
  const h = Math.sin(rad(lat2 - lat1) / 2) ** 2 + Math.cos(rad(lat1)) * Math.cos(rad(lat2)) * Math.sin(rad(lon2 - lon1) / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** The nearest devices of the same service in the same ward; none when its own place is not known. */
export function nearest(table: DeviceTable, index: number, most: number): Near[] {
  const own = table.list[index];
  if (own?.lat == null || own.lon == null) return [];
  const found: Near[] = [];
  table.list.forEach((d, i) => {
    if (i === index || d.service !== own.service || d.area !== own.area || d.lat == null || d.lon == null) return;
    found.push({ index: i, metres: metres(own.lat as number, own.lon as number, d.lat, d.lon) });
  });
  return found.sort((a, b) => a.metres - b.metres || a.index - b.index).slice(0, most);
}

/** The devices nearest to a place, the nearest first, of those that `shown` lets through. */
export function nearestTo(table: DeviceTable, lat: number, lon: number, most: number, shown: (i: number) => boolean): Near[] {
  const found: Near[] = [];
  for (let i = 0; i < table.list.length; i++) {
    const d = table.list[i];
    if (d?.lat == null || d.lon == null || !shown(i)) continue;
    const away = metres(lat, lon, d.lat, d.lon);
    if (found.length === most && away >= (found.at(-1) as Near).metres) continue;
    let at = found.length;
    while (at > 0 && (found[at - 1] as Near).metres > away) at -= 1;
    found.splice(at, 0, { index: i, metres: away });
    if (found.length > most) found.pop();
  }
  return found;
}
