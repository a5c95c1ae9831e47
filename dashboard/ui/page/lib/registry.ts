// The device registry and what was received, as the server says them.
import type { Text } from './model';
import { api, type Query } from './typed';

export type DeviceState = 'approved' | 'pending' | 'blocked';
export const STATES: readonly DeviceState[] = ['pending', 'approved', 'blocked'];

export interface Field { name: string; property: string; unit?: string | null }
export interface Registered {
  id: string; name: Text; kind: string; service: string; area: string;
  place?: { lat: number; lon: number } | null; properties: string[]; cadence_s: number;
  parent?: string | null; segment?: string | null; bridge: boolean; topics: string[]; aliases: string[]; fields: Field[];
  contact?: string | null; tags: Record<string, string>; state: DeviceState; origin: 'config' | 'people' | 'auto';
  since: number; changed: number;
}
export interface RegistryPage { devices: Registered[]; counts: Record<DeviceState, number>; next: string | null }
export interface Token { id: number; label: string; created: number; created_by: string; last_used: number | null }
export interface Mistake { file: string; line: number; column: number; message: string; hint: string | null }
export interface Imported { added: number; changed: number; same: number }

export type Outcome = 'accepted' | 'warned' | 'duplicate' | 'refused' | 'shed';
export interface ReceivedMessage {
  at: number; source: string; topic: string; payload: string; bytes: number; format: string;
  outcome: Outcome; reason?: string; detail?: string; records: Record<string, unknown>[]; ignored: string[];
}
export interface Received {
  messages: number; accepted: number; duplicates: number; refused: number; refused_by: Record<string, number>;
  last: number | null; rate_per_min: number | null; cadence_s: number | null; skew_ms: number | null;
  clock: 'good' | 'ahead' | 'behind'; properties: string[]; recent: ReceivedMessage[];
}
export interface Rerun { tried: number; accepted: number; duplicates: number; refused: number; masked: number }

const one = '/api/v1/registry/{id}';

export const registry = {
  list: (query: Query<'/api/v1/registry'>) => api('/api/v1/registry').get<RegistryPage>({ query }),
  one: (id: string) => api(one).get<Registered>({ path: { id } }),
  put: (body: Registered) => api(one).put<Registered>({ path: { id: body.id }, body: { ...body, place: body.place ?? undefined } }),
  remove: (id: string) => api(one).delete({ path: { id } }),
  setState: (id: string, state: Exclude<DeviceState, 'pending'>) => api(`${one}/state`).post<Registered>({ path: { id }, body: { state } }),
  tokens: (id: string) => api(`${one}/tokens`).get<{ tokens: Token[] }>({ path: { id } }),
  issue: (id: string, label: string) => api(`${one}/tokens`).post<{ token: string; info: Token }>({ path: { id }, body: { label } }),
  revoke: (id: string, token: number) => api(`${one}/tokens`).delete({ path: { id }, query: { token } }),
  take: (format: 'csv' | 'geojson', file: string, text: string, dry_run: boolean) =>
    api('/api/v1/registry/import').post<{ done: boolean; import: Imported }>({ body: { format, file, text, dry_run } }),
  received: (id: string) => api('/api/v1/devices/{id}/received').get<Received>({ path: { id } }),
  rerun: (body: { device?: string; reason?: string }) => api('/api/v1/quarantine/rerun').post<Rerun>({ body }),
};

/** A new device as the form starts with it. */
export const blank = (service: string): Registered => ({
  id: '', name: { vi: '', en: '' }, kind: '', service, area: 'unassigned', place: null, properties: [], cadence_s: 0, parent: null, segment: null,
  bridge: false, topics: [], aliases: [], fields: [], contact: null, tags: {}, state: 'approved', origin: 'people', since: 0, changed: 0,
});

/** One per line, without blanks around and empty ones. */
export const lines = (text: string): string[] => text.split('\n').map((l) => l.trim()).filter((l) => l !== '');

/** `temp_c = temperature °C` per line; null for a line that is not one. */
export function parseFields(text: string): Field[] | null {
  const fields = lines(text).map((line) => /^(.+?)\s*=\s*([a-z0-9_]+)(?:\s+(\S.*))?$/.exec(line));
  return fields.every((m) => m !== null) ? fields.map((m) => ({ name: m![1] as string, property: m![2] as string, unit: m![3]?.trim() ?? null })) : null;
}
export const printFields = (fields: readonly Field[]): string => fields.map((f) => `${f.name} = ${f.property}${f.unit ? ` ${f.unit}` : ''}`).join('\n');

/** A record of a decoded message in one line: values with names as the server gave them. */
export function brief(record: Record<string, unknown>): string {
  const values = record.values;
  const word = (v: unknown): string => (typeof v === 'object' && v !== null ? Object.entries(v).map(([k, x]) => `${k} ${word(x)}`).join(', ') : String(v));
  if (Array.isArray(values)) return values.map((v) => (Array.isArray(v) ? `${v[0]} = ${v[1]}` : word(v))).join(', ');
  if (typeof values === 'object' && values !== null) return Object.entries(values).map(([k, v]) => `${k} = ${word(v)}`).join(', ');
  const rest = Object.entries(record).filter(([k, v]) => v !== null && !['time', 'device', 'area', 'service', 'received', 'source'].includes(k));
  return rest.map(([k, v]) => `${k}: ${word(v)}`).join(', ');
}
