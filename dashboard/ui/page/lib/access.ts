// Who may do what where, as the server says it: permission = role × areas × services.
export const ROLES = ['viewer', 'operator', 'supervisor', 'engineer', 'administrator', 'auditor'] as const;
export type Role = (typeof ROLES)[number] | 'wall';
export type Permission =
  | 'watch' | 'read' | 'export' | 'act' | 'notify' | 'masked' | 'reveal' | 'technical' | 'devices' | 'rules' | 'audit' | 'people';

/** `null` is everything; a list names wards and clusters, or services. */
export interface Grant { role: Role; areas: string[] | null; services: string[] | null }
export const MOST_GRANTS = 8;

export const VIEWS = ['overview', 'map', 'alerts'] as const;
export type WallView = (typeof VIEWS)[number];

export interface Session {
  user: string; role: Role; kind: 'person' | 'wall' | 'token'; view?: string; grants: Grant[]; can: Permission[];
  /** The password was made by somebody else. */
  change_password?: boolean;
  /** A second factor is a duty here, and there is none yet. */
  second_factor_needed?: boolean;
  expires?: number | null;
}

/** What somebody has to do before anything else. */
export type Duty = 'password' | 'totp' | null;
export const dutyOf = (s: Session): Duty => (s.change_password === true ? 'password' : s.second_factor_needed === true ? 'totp' : null);

/** The roles in which something holds for the whole city. */
const wholeCity = (grants: readonly Grant[]): Role[] => grants.filter((g) => g.areas === null && g.services === null).map((g) => g.role);

/** The table of roles as the server has it; only to tell for which of them the whole city holds. */
const ALL: readonly Permission[] = ['watch', 'read', 'export', 'act', 'notify', 'masked', 'reveal', 'technical', 'devices', 'rules', 'audit', 'people'];
const MAY: Record<Role, readonly Permission[]> = {
  wall: ['watch'],
  viewer: ['watch', 'read', 'export'],
  operator: ['watch', 'read', 'export', 'act', 'masked', 'technical'],
  supervisor: ['watch', 'read', 'export', 'act', 'masked', 'technical', 'notify', 'reveal'],
  engineer: ['watch', 'read', 'export', 'technical', 'devices', 'rules'],
  administrator: ALL,
  auditor: ['watch', 'read', 'audit'],
};

/** Whether a permission holds for the whole city. */
export const holdsInCity = (s: Session, p: Permission): boolean => s.can.includes(p) && wholeCity(s.grants).some((r) => MAY[r].includes(p));

export type GrantFault = 'none' | 'many' | 'areas' | 'services';

/** What is wrong with grants before they are sent. */
export function grantFault(grants: readonly Grant[]): GrantFault | null {
  if (grants.length === 0) return 'none';
  if (grants.length > MOST_GRANTS) return 'many';
  if (grants.some((g) => g.areas?.length === 0)) return 'areas';
  return grants.some((g) => g.services?.length === 0) ? 'services' : null;
}

/** The token in the fragment of a wall's link. */
export function wallToken(hash: string): string | null {
  const m = /^#\/wall\?(.*)$/.exec(hash);
  return m === null ? null : new URLSearchParams(m[1]).get('token');
}

/** The query that stays of a wall's link: what was before the fragment, and what stood in it but the token. */
export function wallQuery(search: string, hash: string): string {
  const p = new URLSearchParams(search);
  for (const [k, v] of new URLSearchParams(/^#\/wall\?(.*)$/.exec(hash)?.[1] ?? '')) if (k !== 'token') p.set(k, v);
  return p.size === 0 ? '' : `?${p.toString()}`;
}
