// Accounts, sessions, tokens, walls and the audit log, as the server says them.
import type { Grant, Permission, Role, Session, WallView } from './access';
import { del, get, post, put, query } from './api';
import type { Text } from './model';

const part = encodeURIComponent;

export interface Options { password: boolean; oidc: { id: string; name: Text }[] }
export interface Account { user: string; grants: Grant[]; source: string; totp: boolean; recovery_left: number; password_changed: number | null }
export interface TotpSetup { secret: string; uri: string; qr: string }
export interface Sitting { id: string | number; began: number; seen: number; address: string; agent: string | null; current?: boolean }
export interface ApiToken { id: string | number; label: string; grants: Grant[]; created: number; expires: number; used: number | null; user?: string }
export interface NewSecret { id: string | number; token: string; expires: number | null; path?: string }
export interface Person { name: string; grants: Grant[]; disabled: boolean; created: number; totp: boolean; source: string; seen: number | null }
export interface Wall { id: string | number; label: string; view: WallView; areas: string[] | null; services: string[] | null; created: number; expires: number | null; used: number | null }
export interface AuditEntry { seq: number; alert?: string; action: string; actor: string; origin: string | null; at: number; note: string | null; detail: unknown }

const at = (name: string, rest = '') => `/api/v1/people/${part(name)}${rest}`;

export const account = {
  options: () => get<Options>('/api/v1/session/options'),
  signIn: (user: string, password: string, code?: string) => post<Session>('/api/v1/session', code === undefined ? { user, password } : { user, password, code }),
  wall: (token: string) => post<Session>('/api/v1/session/wall', { token }),
  confirm: (password: string, code: string) => post<null>('/api/v1/session/confirm', code === '' ? { password } : { password, code }),
  get: () => get<Account>('/api/v1/account'),
  password: (old: string, next: string) => post<null>('/api/v1/account/password', { old, new: next }),
  totp: () => post<TotpSetup>('/api/v1/account/totp', {}),
  confirmTotp: (code: string) => post<{ recovery: string[] }>('/api/v1/account/totp/confirm', { code }),
  removeTotp: () => del('/api/v1/account/totp'),
  sessions: () => get<{ sessions: Sitting[] }>('/api/v1/account/sessions'),
  endSession: (id: Sitting['id']) => del(`/api/v1/account/sessions/${part(String(id))}`),
  tokens: () => get<{ tokens: ApiToken[] }>('/api/v1/account/tokens'),
  issue: (label: string, grants: Grant[], days: number) => post<NewSecret>('/api/v1/account/tokens', { label, grants, days }),
  revoke: (id: ApiToken['id']) => del(`/api/v1/account/tokens/${part(String(id))}`),
};

export const people = {
  list: () => get<{ people: Person[]; roles: { role: Role; permissions: Permission[] }[] }>('/api/v1/people'),
  add: (name: string, grants: Grant[]) => post<{ name: string; password: string }>('/api/v1/people', { name, grants }),
  grant: (name: string, grants: Grant[]) => put<unknown>(at(name, '/grants'), { grants }),
  state: (name: string, disabled: boolean) => post<unknown>(at(name, '/state'), { disabled }),
  reset: (name: string) => post<{ password: string }>(at(name, '/password'), {}),
  removeTotp: (name: string) => del(at(name, '/totp')),
  sessions: (name: string) => get<{ sessions: Sitting[] }>(at(name, '/sessions')),
  endSessions: (name: string) => del(at(name, '/sessions')),
  remove: (name: string) => del(at(name)),
  tokens: () => get<{ tokens: ApiToken[] }>('/api/v1/people/tokens'),
  revoke: (id: ApiToken['id']) => del(`/api/v1/people/tokens/${part(String(id))}`),
  walls: () => get<{ walls: Wall[] }>('/api/v1/walls'),
  addWall: (wall: { label: string; view: WallView; areas: string[] | null; services: string[] | null; days?: number }) => post<NewSecret>('/api/v1/walls', wall),
  removeWall: (id: Wall['id']) => del(`/api/v1/walls/${part(String(id))}`),
  audit: (after: number, limit: number) => get<{ lines: AuditEntry[]; next: number | null }>(`/api/v1/audit${query({ after, limit })}`),
};
