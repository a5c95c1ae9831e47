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
