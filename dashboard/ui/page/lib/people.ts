// Accounts, sessions, tokens, walls and the audit log, as the server says them.
import type { Grant, Permission, Role, Session, WallView } from './access';
import type { Text } from './model';
import { api } from './typed';

export interface Options { password: boolean; oidc: { id: string; name: Text }[] }
export interface Account { user: string; grants: Grant[]; source: string; totp: boolean; recovery_left: number; password_changed: number | null }
export interface TotpSetup { secret: string; uri: string; qr: string }
export interface Sitting { id: string | number; began: number; seen: number; address: string; agent: string | null; current?: boolean }
export interface ApiToken { id: string | number; label: string; grants: Grant[]; created: number; expires: number; used: number | null; user?: string }
export interface NewSecret { id: string | number; token: string; expires: number | null; path?: string }
export interface Person { name: string; grants: Grant[]; disabled: boolean; created: number; totp: boolean; source: string; seen: number | null }
export interface Wall { id: string | number; label: string; view: string; areas: string[] | null; services: string[] | null; created: number; expires: number | null; used: number | null }
export interface AuditEntry { seq: number; alert?: string; action: string; actor: string; origin: string | null; at: number; note: string | null; detail: unknown }

const one = '/api/v1/people/{id}';

export const account = {
  options: () => api('/api/v1/session/options').get<Options>(),
  signIn: (user: string, password: string, code?: string) => api('/api/v1/session').post<Session>({ body: code === undefined ? { user, password } : { user, password, code } }),
  wall: (token: string) => api('/api/v1/session/wall').post<Session>({ body: { token } }),
  confirm: (password: string, code: string) => api('/api/v1/session/confirm').post<unknown>({ body: code === '' ? { password } : { password, code } }),
  get: () => api('/api/v1/account').get<Account>(),
  password: (old: string, next: string) => api('/api/v1/account/password').post<unknown>({ body: { old, new: next } }),
  totp: () => api('/api/v1/account/totp').post<TotpSetup>({ body: {} }),
  confirmTotp: (code: string) => api('/api/v1/account/totp/confirm').post<{ recovery: string[] }>({ body: { code } }),
  removeTotp: () => api('/api/v1/account/totp').delete(),
  sessions: () => api('/api/v1/account/sessions').get<{ sessions: Sitting[] }>(),
  endSession: (id: Sitting['id']) => api('/api/v1/account/sessions/{id}').delete({ path: { id } }),
  tokens: () => api('/api/v1/account/tokens').get<{ tokens: ApiToken[] }>(),
  issue: (label: string, grants: Grant[], days: number) => api('/api/v1/account/tokens').post<Omit<NewSecret, 'path'>>({ body: { label, grants, days } }),
  revoke: (id: ApiToken['id']) => api('/api/v1/account/tokens/{id}').delete({ path: { id } }),
};

export const people = {
  list: () => api('/api/v1/people').get<{ people: Person[]; roles: { role: Role; permissions: Permission[] }[] }>(),
  add: (name: string, grants: Grant[]) => api('/api/v1/people').post<{ name: string; password: string }>({ body: { name, grants } }),
  grant: (id: string, grants: Grant[]) => api(`${one}/grants`).put<unknown>({ path: { id }, body: { grants } }),
  state: (id: string, disabled: boolean) => api(`${one}/state`).post<unknown>({ path: { id }, body: { disabled } }),
  reset: (id: string) => api(`${one}/password`).post<{ password: string }>({ path: { id }, body: {} }),
  removeTotp: (id: string) => api(`${one}/totp`).delete({ path: { id } }),
  sessions: (id: string) => api(`${one}/sessions`).get<{ sessions: Sitting[] }>({ path: { id } }),
  endSessions: (id: string) => api(`${one}/sessions`).delete({ path: { id } }),
  remove: (id: string) => api(one).delete({ path: { id } }),
  tokens: () => api('/api/v1/people/tokens').get<{ tokens: ApiToken[] }>(),
  revoke: (id: ApiToken['id']) => api('/api/v1/people/tokens/{id}').delete({ path: { id } }),
  walls: () => api('/api/v1/walls').get<{ walls: Wall[] }>(),
  addWall: (body: { label: string; view: WallView; areas: string[] | null; services: string[] | null; days?: number }) => api('/api/v1/walls').post<NewSecret>({ body }),
  removeWall: (id: Wall['id']) => api('/api/v1/walls/{id}').delete({ path: { id } }),
  audit: (after: number, limit: number) => api('/api/v1/audit').get<{ lines: AuditEntry[]; next: number | null }>({ query: { after, limit } }),
};
