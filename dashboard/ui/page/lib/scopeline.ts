// Grants in one line, such as `Hải Châu, Sơn Trà · Mưa và ngập`.
import type { Grant, Role } from './access';
import { app } from './app.svelte';
import type { Key } from './dict';
import { VIEWS } from './access';

const ROLE: Record<Role, Key> = {
  wall: 'role_wall', viewer: 'role_viewer', operator: 'role_operator', supervisor: 'role_supervisor', engineer: 'role_engineer',
  administrator: 'role_administrator', auditor: 'role_auditor',
};
const VIEW = { overview: 'wall_overview', map: 'wall_map', alerts: 'wall_alerts' } as const;

export const roleName = (role: string): string => (Object.hasOwn(ROLE, role) ? app.t(ROLE[role as Role]) : role);
export const viewName = (view: string): string => VIEWS.some((v) => v === view) ? app.t(VIEW[view as keyof typeof VIEW]) : view;

/** Of a ward or a cluster. */
function placeName(id: string): string {
  const cluster = app.places.city?.clusters?.find((c) => c.id === id);
  return cluster ? app.pick(cluster.name, id) : app.places.areaName(id);
}

const few = (names: string[], most: number): string =>
  names.length <= most ? names.join(', ') : `${names.slice(0, most - 1).join(', ')} ${app.t('scope_more', { n: names.length - most + 1 })}`;

/** Areas and services of a grant. */
export function where(g: Pick<Grant, 'areas' | 'services'>, most = 3): string {
  const areas = g.areas === null ? app.t('scope_city') : few(g.areas.map(placeName), most);
  const services = g.services === null ? app.t('scope_all') : few(g.services.map(app.places.serviceName), most);
  return `${areas} · ${services}`;
}

export const grantLine = (g: Grant): string => `${roleName(g.role)}: ${where(g, 6)}`;
