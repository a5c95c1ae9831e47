// Ward boundaries as canvas paths in world pixels at zoom 0, relative to an anchor so that
// 32-bit path coordinates stay exact at deep zooms.
import { project } from './devices';
import { area, middle } from './polygon';

export interface Ward {
  id: string;
  vi: string;
  en: string;
  path: Path2D;
  rings: [number, number][][];
  box: [number, number, number, number];
  /** Where a label or badge goes: inside the largest ring. */
  cx: number;
  cy: number;
  /** Corners in degrees: south, west, north, east. */
  bounds: [number, number, number, number];
}

/** The city's middle in world pixels; all ward coordinates are relative to it. */
export const ANCHOR = project(108.2, 16.05);

type Ring = readonly (readonly number[])[];

export function wards(map: GeoJSON.FeatureCollection): Ward[] {
  const out: Ward[] = [];
  for (const f of map.features) {
    const g = f.geometry;
    const polygons: Ring[][] =
      g.type === 'Polygon' ? [g.coordinates] : g.type === 'MultiPolygon' ? g.coordinates : [];
    if (polygons.length === 0) continue;
    const path = new Path2D();
    const rings: [number, number][][] = [];
    const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
    const bounds: [number, number, number, number] = [90, 180, -90, -180];
    let largest: [number, number][] = [];
    let most = -1;
    for (const polygon of polygons) {
      polygon.forEach((ring, hole) => {
        const points = ring.map(([lon = 0, lat = 0]): [number, number] => {
          const [x, y] = project(lon, lat);
          bounds[0] = Math.min(bounds[0], lat);
          bounds[1] = Math.min(bounds[1], lon);
          bounds[2] = Math.max(bounds[2], lat);
          bounds[3] = Math.max(bounds[3], lon);
          return [x - ANCHOR[0], y - ANCHOR[1]];
        });
        points.forEach(([x, y], i) => {
          if (i === 0) path.moveTo(x, y);
          else path.lineTo(x, y);
          box[0] = Math.min(box[0], x);
          box[1] = Math.min(box[1], y);
          box[2] = Math.max(box[2], x);
          box[3] = Math.max(box[3], y);
        });
        path.closePath();
        rings.push(points);
        const size = Math.abs(area(points));
        if (hole === 0 && size > most) {
          most = size;
          largest = points;
        }
      });
    }
    const [cx, cy] = middle(largest);
    const p = (f.properties ?? {}) as Record<string, string>;
    out.push({ id: p.id ?? '', vi: p.name_vi ?? '', en: p.name_en ?? '', path, rings, box, cx, cy, bounds });
  }
  return out;
}

export interface ZoneNames { id: string; name: { vi: string; en: string }; kind: string }

/** The zones of geofence rules, which come with the boundaries; none from older servers. */
export function zonesOf(map: GeoJSON.FeatureCollection): GeoJSON.FeatureCollection {
  return (map as { zones?: GeoJSON.FeatureCollection }).zones ?? { type: 'FeatureCollection', features: [] };
}

export function zoneNames(map: GeoJSON.FeatureCollection | null): ZoneNames[] {
  return (map === null ? [] : zonesOf(map).features).map((f) => {
    const p = (f.properties ?? {}) as Record<string, string>;
    return { id: p.id ?? '', name: { vi: p.name_vi ?? '', en: p.name_en ?? '' }, kind: p.kind ?? '' };
  });
}
