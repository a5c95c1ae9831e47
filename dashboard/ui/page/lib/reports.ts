// What the screens beside the list read: figures of the alarm system, shifts, notifications.
import type { Alert, Incident } from './life';
import type { SeverityName, Text } from './model';

export type Verdict = 'good' | 'manageable' | 'bad';
export interface KpiFigure {
  id: string; value: number | null; unit: string; target: number | null; limit: number | null; source: string | null; verdict: Verdict | null;
}
export interface KpiPeriod { at: number; alarms: number; incidents: number; flood: boolean }
export interface KpiGroup {
  id: string; name: Text | null; alarms: number; share: number; standing: number; stale: number; chattering: number; fleeting: number;
  ack_p50_s: number | null; ack_p90_s: number | null; resolve_p50_s: number | null; resolve_p90_s: number | null; false_share: number | null;
}
export interface KpiSuggestion { rule: string; why: Text; field: string; value: string; spares: number }
export interface KpiReport {
  from: number; to: number; positions: number; alarms: number; incidents: number; held: number;
  figures: KpiFigure[]; periods: KpiPeriod[]; step_ms: number; priorities: [SeverityName, number][];
  rules: KpiGroup[]; areas: KpiGroup[]; services: KpiGroup[]; suggestions: KpiSuggestion[];
}

export interface Shift { id: number; user: string; position: string; from: number; until: number | null; handover: string | null }
export interface ShiftEntry {
  id: number; at: number; user: string; text: string; alert: string | null; open: boolean; done: [number, string] | null;
}
export interface Handover {
  from: number; to: number; shifts: Shift[]; entries: ShiftEntry[]; to_do: ShiftEntry[]; open: Alert[]; open_total: number;
  held: Alert[]; incidents: Incident[]; raised: number; closed: number; ack_p50_s: number | null;
}

export interface Delivery {
  id: string; seq: number; receiver: string; route: string; alerts: string[]; reasons: string[]; state: 'waiting' | 'delivered' | 'dead';
  attempts: number; created_at: number; next_at: number | null; ended_at: number | null; answer: string | null;
}

export interface Backtest {
  job: number; state: 'running' | 'done' | 'failed'; entries: number; of: number;
  /** When it is done. */
  result?: { report: { raised: number }; against: { raised: number } | null };
  /** Why it failed. */
  message?: string;
}
