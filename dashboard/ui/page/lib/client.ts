// Every call of the page to its server, by name and with types.
import type { Session } from './access';
import { query } from './api';
import { api, type Query } from './typed';
import type { Action, Alert, AlertDetail, Hold, HoldRequest, Incident, Outcome, Target } from './life';
import type { City, Device, DeviceDetail, HistoryAnswer, PersonalRow, Revealed, Rule } from './model';
import type { Backtest, Delivery, Handover, KpiReport, Shift, ShiftEntry } from './reports';

const keyed = (key: string) => ({ 'idempotency-key': key });

export interface AlertPage { alerts: Alert[]; change: number; next: string | null }
export interface SingleOutcome { alert: Alert; act: number; undo_until: number }

export const client = {
  session: () => api('/api/v1/session').get<Session>(),
  signOut: () => api('/api/v1/session').delete(),

  city: () => api('/api/v1/city').get<City>(),
  map: () => api('/api/v1/map').get<GeoJSON.FeatureCollection>(),
  devices: () => api('/api/v1/devices').get<{ rev: number; devices: Device[] }>(),
  device: (id: string) => api('/api/v1/devices/{id}').get<DeviceDetail>({ path: { id } }),
  rules: () => api('/api/v1/rules').get<{ rules: Rule[] }>(),
  rule: (id: string) => api('/api/v1/rules/{id}').get<Rule & { canonical: string }>({ path: { id } }),
  status: () => api('/api/v1/status').get<{ clock: string }>(),
  history: (query: Query<'/api/v1/history'>) =>
    api('/api/v1/history').get<HistoryAnswer>({ query }),
  series: (device: string) => api('/api/v1/history/series').get<{ series: { device: string; property: string }[] }>({ query: { device } }),
  personal: (query: Query<'/api/v1/personal'>) =>
    api('/api/v1/personal').get<{ rows: PersonalRow[]; next: PersonalRow['id'] | null }>({ query }),
  reveal: (id: PersonalRow['id'], reason: string) => api('/api/v1/personal/{id}/reveal').post<Revealed>({ path: { id }, body: { reason } }),

  alerts: (query: Query<'/api/v1/alerts'>) => api('/api/v1/alerts').get<AlertPage>({ query }),
  alert: (id: string) => api('/api/v1/alerts/{id}').get<AlertDetail>({ path: { id } }),
  act: (id: string, action: Action, key: string, version?: number) =>
    api('/api/v1/alerts/{id}/actions').post<SingleOutcome>({ path: { id }, body: action, headers: { ...keyed(key), ...(version === undefined ? {} : { 'if-match': `"${version}"` }) } }),
  actAll: (alerts: Target[], action: Action, key: string) => api('/api/v1/alerts/actions').post<Outcome>({ body: { ...action, alerts }, headers: keyed(key) }),
  undo: (act: number, key: string) => api('/api/v1/alerts/actions/{act}/undo').post<Outcome>({ path: { act }, body: {}, headers: keyed(key) }),

  incidents: (query: Query<'/api/v1/incidents'>) => api('/api/v1/incidents').get<{ incidents: Incident[]; next: string | null }>({ query }),
  incident: (id: string, limit: number) => api('/api/v1/incidents/{id}').get<{ incident: Incident; alerts: Alert[] }>({ path: { id }, query: { limit } }),

  holds: (ended: boolean) => api('/api/v1/holds').get<{ holds: Hold[] }>({ query: { ended: ended ? 1 : null } }),
  hold: (body: HoldRequest) => api('/api/v1/holds').post<{ hold: Hold }>({ body }),
  endHold: (id: Hold['id'], note: string) => api('/api/v1/holds/{id}/end').post<{ hold: Hold }>({ path: { id }, body: note === '' ? {} : { note } }),

  kpi: (query: Query<'/api/v1/kpi'>) => api('/api/v1/kpi').get<KpiReport>({ query }),
  backtest: (change: object, from: number, to: number) => api('/api/v1/rules/backtest').post<{ job: number }>({ body: { ...change, from, to } }),
  backtestState: (job: number) => api('/api/v1/rules/backtest/{id}').get<Backtest>({ path: { id: job } }),

  shifts: () => api('/api/v1/shifts').get<{ on_duty: Shift[]; user: string }>(),
  takePosition: (position: string) => api('/api/v1/shifts').post<{ shift: Shift }>({ body: { position } }),
  leavePosition: (id: number, handover: string) => api('/api/v1/shifts/{id}/end').post<{ shift: Shift }>({ path: { id }, body: handover === '' ? {} : { handover } }),
  shiftLog: (query: Query<'/api/v1/shifts/log'>) => api('/api/v1/shifts/log').get<{ entries: ShiftEntry[] }>({ query }),
  writeLog: (entry: { text: string; alert?: string; open?: boolean }) => api('/api/v1/shifts/log').post<{ entry: ShiftEntry }>({ body: entry }),
  tick: (id: number) => api('/api/v1/shifts/log/{id}/done').post<{ entry: ShiftEntry }>({ path: { id }, body: {} }),
  handover: (query: Query<'/api/v1/shifts/handover'>) => api('/api/v1/shifts/handover').get<Handover>({ query }),
  handoverPage: (from: number, to: number, lang: string) => `/api/v1/shifts/handover.html${query({ from, to, lang })}`,
  handoverCsv: (from: number, to: number) => `/api/v1/shifts/handover.csv${query({ from, to })}`,

  deliveries: (alert: string, limit: number) => api('/api/v1/notifications/deliveries').get<{ deliveries: Delivery[] }>({ query: { alert, limit } }),
};
