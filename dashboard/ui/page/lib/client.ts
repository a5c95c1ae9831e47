// Every call of the page to its server, by name and with types.
import type { Session } from './access';
import { del, get, post, query } from './api';
import type { Action, Alert, AlertDetail, Hold, HoldRequest, Incident, Outcome, Target } from './life';
import type { City, Device, DeviceDetail, HistoryAnswer, PersonalRow, Revealed, Rule } from './model';
import type { Backtest, Delivery, Handover, KpiReport, Shift, ShiftEntry } from './reports';

const part = encodeURIComponent;
const keyed = (key: string) => ({ 'idempotency-key': key });

export interface AlertPage { alerts: Alert[]; change: number; next: string | null }
export interface AlertQuery {
  open?: 1; held?: 0 | 1; work?: string; service?: string; area?: string; incident?: string; min_severity?: string;
  from?: number; to?: number; limit?: number; cursor?: string | null;
}
export interface SingleOutcome { alert: Alert; act: number; undo_until: number }

export const client = {
  session: () => get<Session>('/api/v1/session'),
  signOut: () => del('/api/v1/session'),

  city: () => get<City>('/api/v1/city'),
  map: () => get<GeoJSON.FeatureCollection>('/api/v1/map'),
  devices: () => get<{ rev: number; devices: Device[] }>('/api/v1/devices'),
  device: (id: string) => get<DeviceDetail>(`/api/v1/devices/${part(id)}`),
  rules: () => get<{ rules: Rule[] }>('/api/v1/rules'),
  rule: (id: string) => get<Rule & { canonical: string }>(`/api/v1/rules/${part(id)}`),
  status: () => get<{ clock: string }>('/api/v1/status'),
  history: (q: { device: string; property: string; from: number; to: number; step: number | null; offset: number | null; agg: string | null; limit: number }) =>
    get<HistoryAnswer>(`/api/v1/history${query(q)}`),
  series: (device: string) => get<{ series: { device: string; property: string }[] }>(`/api/v1/history/series${query({ device })}`),
  personal: (q: { device: string; limit: number; before: PersonalRow['id'] | null }) =>
    get<{ rows: PersonalRow[]; next: PersonalRow['id'] | null }>(`/api/v1/personal${query(q)}`),
  reveal: (id: PersonalRow['id'], reason: string) => post<Revealed>(`/api/v1/personal/${part(String(id))}/reveal`, { reason }),

  alerts: (q: AlertQuery) => get<AlertPage>(`/api/v1/alerts${query({ ...q })}`),
  alert: (id: string) => get<AlertDetail>(`/api/v1/alerts/${part(id)}`),
  act: (id: string, action: Action, key: string, version?: number) =>
    post<SingleOutcome>(`/api/v1/alerts/${part(id)}/actions`, action, { ...keyed(key), ...(version === undefined ? {} : { 'if-match': `"${version}"` }) }),
  actAll: (alerts: Target[], action: Action, key: string) => post<Outcome>('/api/v1/alerts/actions', { ...action, alerts }, keyed(key)),
  undo: (act: number, key: string) => post<Outcome>(`/api/v1/alerts/actions/${act}/undo`, {}, keyed(key)),

  incidents: (q: { open?: 1; limit?: number; cursor?: string | null }) => get<{ incidents: Incident[]; next: string | null }>(`/api/v1/incidents${query(q)}`),
  incident: (id: string, limit: number) => get<{ incident: Incident; alerts: Alert[] }>(`/api/v1/incidents/${part(id)}${query({ limit })}`),

  holds: (ended: boolean) => get<{ holds: Hold[] }>(`/api/v1/holds${query({ ended: ended ? 1 : null })}`),
  hold: (request: HoldRequest) => post<{ hold: Hold }>('/api/v1/holds', request),
  endHold: (id: Hold['id'], note: string) => post<{ hold: Hold }>(`/api/v1/holds/${part(String(id))}/end`, note === '' ? {} : { note }),

  kpi: (q: { from: number; to: number; area?: string; service?: string }) => get<KpiReport>(`/api/v1/kpi${query(q)}`),
  backtest: (change: object, from: number, to: number) => post<{ job: number }>('/api/v1/rules/backtest', { ...change, from, to }),
  backtestState: (job: number) => get<Backtest>(`/api/v1/rules/backtest/${job}`),

  shifts: () => get<{ on_duty: Shift[]; user: string }>('/api/v1/shifts'),
  takePosition: (position: string) => post<{ shift: Shift }>('/api/v1/shifts', { position }),
  leavePosition: (id: number, handover: string) => post<{ shift: Shift }>(`/api/v1/shifts/${id}/end`, handover === '' ? {} : { handover }),
  shiftLog: (q: { from: number; to: number; limit: number }) => get<{ entries: ShiftEntry[] }>(`/api/v1/shifts/log${query(q)}`),
  writeLog: (entry: { text: string; alert?: string; open?: boolean }) => post<{ entry: ShiftEntry }>('/api/v1/shifts/log', entry),
  tick: (entry: number) => post<{ entry: ShiftEntry }>(`/api/v1/shifts/log/${entry}/done`, {}),
  handover: (q: { from: number; to: number }) => get<Handover>(`/api/v1/shifts/handover${query(q)}`),
  handoverPage: (from: number, to: number, lang: string) => `/api/v1/shifts/handover.html${query({ from, to, lang })}`,
  handoverCsv: (from: number, to: number) => `/api/v1/shifts/handover.csv${query({ from, to })}`,

  deliveries: (alert: string, limit: number) => get<{ deliveries: Delivery[] }>(`/api/v1/notifications/deliveries${query({ alert, limit })}`),
};
