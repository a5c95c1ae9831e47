// The words of an alert's life (docs/protocol.md, section Alerts): states of ISA-18.2, work, actions.
import type { Entity, Evidence, SeverityName, Text } from './model';

export const WORKS = ['new', 'acknowledged', 'assigned', 'in_progress', 'resolved', 'closed', 'rejected'] as const;
export type Work = (typeof WORKS)[number];
const ALARM_STATES = ['NORM', 'UNACK', 'ACKED', 'RTNUN', 'LATUN', 'LATAK', 'SHLVD', 'DSUPR', 'OOSRV'] as const;
export type AlarmState = (typeof ALARM_STATES)[number];
export type HeldBy = 'shelf' | 'maintenance' | 'parent' | 'out_of_service';
const ACTIONS = [
  'acknowledge', 'assign', 'comment', 'link', 'shelve', 'unshelve', 'start', 'resolve', 'close', 'reject', 'merge', 'split',
] as const;
export type ActionWord = (typeof ACTIONS)[number];

/** One thing that holds an alert back. */
export interface Held { by: HeldBy; id?: string; until: number | null; who: string; reason: string }
export interface Assignee { kind: 'person' | 'agency'; name: string }
export interface LinkTo { url: string; title: string }

export interface Alert {
  id: string;
  ver: number;
  change: number;
  rule: string;
  entity: Entity;
  device: string | null;
  area: string;
  service: string;
  severity: SeverityName;
  severity_max: SeverityName;
  condition: 'active' | 'returned';
  acknowledged: boolean;
  raised_at: number;
  changed_at: number;
  cleared_at: number | null;
  acknowledged_at: number | null;
  acknowledged_by: string | null;
  note: string | null;
  value: number | null;
  limit: number | null;
  unit: string;
  name: Text;
  message: Text;
  cause: string;
  latched: boolean;
  work: Work;
  state: AlarmState;
  /** The rest is absent where there is nothing of it. */
  held?: Held[];
  assignee?: Assignee | null;
  incident?: string | null;
  resolved_at?: number | null;
  closed_at?: number | null;
  ack_due?: number | null;
  resolve_due?: number | null;
  overdue: boolean;
  escalated: number;
  links?: LinkTo[];
  comments: number;
}

export interface Audit {
  seq: number;
  action: string;
  actor: string;
  origin?: string | null;
  at: number;
  severity: SeverityName;
  value: number | null;
  limit?: number | null;
  note: string | null;
  message?: Text | null;
  evidence?: Evidence | null;
  /** What the action was given. */
  detail?: unknown;
}

export interface AlertDetail { alert: Alert; allowed: string[]; audit: Audit[] }

export type Action =
  | { action: 'acknowledge' | 'unshelve' | 'start' | 'resolve' | 'close' | 'split'; note?: string }
  | { action: 'assign'; to: Assignee; note?: string }
  | { action: 'comment'; text: string }
  | { action: 'link'; link: LinkTo }
  | { action: 'shelve'; until: number; reason: string }
  | { action: 'reject'; reason: string }
  | { action: 'merge'; into: string };

export type RefusedCode = 'not_found' | 'conflict' | 'already_done' | 'not_allowed' | 'still_active' | 'changed_since';
export interface Refused { code: RefusedCode; message: string; by: string | null; at: number | null }
export interface Target { id: string; version?: number }
export interface RowResult { alert: string; row: Alert | null; refused: Refused | null }
export interface Outcome { act: number; undo_until: number; repeated?: boolean; results: RowResult[] }

export interface Incident {
  id: string; ver: number; kind: 'cause' | 'parent' | 'flood' | 'manual'; area: string; service: string; cause: string;
  parent: string | null; root: string; name: Text; severity: SeverityName; opened_at: number; last_at: number;
  closed_at: number | null; alerts: number; open: number; unacknowledged: number;
}

export interface HoldScope { rule?: string | null; device?: string | null; area?: string | null; service?: string | null }
export interface Hold {
  id: number | string; by: 'maintenance' | 'out_of_service'; scope: HoldScope; from: number; until: number | null; reason: string; who: string;
  ended: [number, string] | null;
}
export interface HoldRequest { by: Hold['by']; scope: HoldScope; from?: number; until?: number; reason: string }

/** Neither closed nor rejected. */
export const isOpen = (a: Pick<Alert, 'work'>): boolean => a.work !== 'closed' && a.work !== 'rejected';
export const isHeld = (a: Pick<Alert, 'held'>): boolean => (a.held?.length ?? 0) > 0;
/** On the operators' list: open, and nothing holds it back. */
export const isListed = (a: Pick<Alert, 'work' | 'held'>): boolean => isOpen(a) && !isHeld(a);

/**
 * Actions whose sense depends on the state that the operator saw: they name its version. Seeing,
 * commenting and linking hold for whatever the alert has become.
 */
const VERSIONED: ReadonlySet<ActionWord> = new Set(['assign', 'shelve', 'resolve', 'close', 'reject', 'merge', 'split']);
export const namesVersion = (word: ActionWord): boolean => VERSIONED.has(word);
