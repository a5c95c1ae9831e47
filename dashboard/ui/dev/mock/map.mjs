// The boundaries with the zones that geofence rules may name, as dashboard/src/api/city.rs serves them.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONFIG = process.env.IOC_CONFIG ?? join(dirname(fileURLToPath(import.meta.url)), '../../../../config');

function zones() {
  const { features } = JSON.parse(readFileSync(join(CONFIG, 'zones.geojson'), 'utf8'));
  return {
    type: 'FeatureCollection',
    features: features.map(({ properties: { id, name_vi, name_en, kind }, geometry }) => ({ type: 'Feature', properties: { id, name_vi, name_en, kind }, geometry })),
  };
}

export function routes({ city, path }) {
  if (path === 'map') return [200, { ...city.map(), zones: zones() }];
  return null;
}
