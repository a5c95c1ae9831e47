// What an entity is called on the rules' screen.
import type { Key } from './dict';
import type { Entity } from './model';

interface Names { t: (key: Key) => string; places: { deviceName: (id: string) => string; areaName: (id: string) => string; serviceName: (id: string) => string } }

export function entityName({ t, places }: Names, e: Entity): string {
  const id = e.id ?? '';
  switch (e.kind) {
    case 'device': return places.deviceName(id);
    case 'area': return places.areaName(id);
    case 'service': return places.serviceName(id);
    case 'segment': return id;
    case 'city': return t('city');
  }
}

const KINDS: Readonly<Record<string, Key>> = {
  absence: 'rules_kind_absence',
  anomaly: 'rules_kind_anomaly',
  composite: 'rules_kind_composite',
  derived: 'rules_kind_derived',
  detection: 'rules_kind_detection',
  expression: 'rules_kind_expression',
  gathering: 'rules_kind_gathering',
  geofence: 'rules_kind_geofence',
  health: 'rules_kind_health',
  join: 'rules_kind_join',
  neighbours: 'rules_kind_neighbours',
  pattern: 'rules_kind_pattern',
  rate: 'rules_kind_rate',
  threshold: 'rules_kind_threshold',
  window: 'rules_kind_window',
};

/** The word of a rule file in the reader's language; one of a newer server as it is. */
export const kindName = ({ t }: Pick<Names, 't'>, kind: string): string => (Object.hasOwn(KINDS, kind) ? t(KINDS[kind] as Key) : kind);
