// The rules as the server tells them (docs/protocol.md "Rules"), and every call about them.
import { get, post, query, send } from './api';
import type { Entity, Evidence, SeverityName, Text } from './model';

export const MODES = ['on', 'shadow', 'off'] as const;
export type Mode = (typeof MODES)[number];
export interface Mistake { file: string; line: number; column: number; message: string; hint: string | null }
export interface Cost { entities: number; open_episodes: number; state_bytes: number; evaluations: number; transitions: number; cpu_ns: number }
export interface RuleRow {
  id: string; kind: string; per: string; mode: Mode; service: string; name: Text; file: string; line: number; source: string;
  cost: Cost; changed: { version: number; at: number; author: string } | null;
}
export interface RuleText extends RuleRow { canonical: string; running: number }
export interface RuleList { version: number; read_only: string | null; trouble: { at: number; mistakes: Mistake[] } | null; rules: RuleRow[] }
export interface Changes { added: string[]; edited: string[]; removed: string[] }
export interface Trial {
  from: number | null; to: number | null; entries: number; complete: boolean; present: number; proposed: number;
  differences: { rule: string; present: number; proposed: number }[];
}
export interface RulesOutcome { version: number; position: number | null; change: Changes; rules: number; tests: number; notes: Mistake[]; trial: Trial | null }
export interface Version { number: number; parent: number | null; position: number; at: number; author: string; note: string | null; change: Changes; trial: Trial | null }
export interface VersionText extends Version { files: Record<string, string>; diff: string }

export interface Explanation {
  rule: string; entity: Entity; active: SeverityName | null; since: number | null; value: number | null; judged: number | null;
  levels: { severity: SeverityName; raise: NonNullable<Evidence['limit']> | null; holds: boolean }[];
  rising_since: number | null; falling_since: number | null; missing: Text[]; evidence: Evidence;
}
export interface Watched { entity: Entity; active: SeverityName | null }
export interface ShadowTransition {
  alert: string; entity: Entity; time: number; kind: 'raise' | 'severity' | 'clear'; severity: SeverityName; value: number | null; unit: string; message: Text;
}

export interface Episode {
  alert: string; rule: string; entity: Entity; area: string; service: string; start: number; end: number | null;
  carried: boolean; shadow: boolean; severity: SeverityName; value: number | null; limit: number | null; unit: string; message: Text;
}
export interface Load {
  hours: number; mean_per_hour: number; max_per_hour: number; hours_over_6: number; hours_over_12: number; hours_over_30: number;
  max_per_10_min: number; floods: number; flood_share: number; by_hour: { hour: number; raised: number }[];
}
export interface Report {
  from: number; to: number; coverage: { first: number | null; last: number | null; records: number; late: number };
  raised: number; carried: number; open: number; load: Load; episodes: Episode[]; left_out: number;
}
export interface Span { start: number; end: number | null; severity: SeverityName }
/** `a` is the proposed set, `b` the running one. */
export interface Difference {
  rules: { rule: string; a: number; b: number; only_a: number; only_b: number; changed: number }[];
  only_a: Episode[]; only_b: Episode[]; both: { rule: string; entity: Entity; a: Span; b: Span }[]; changed: number; left_out: number;
}
export interface Tried { report: Report; against: Report | null; diff: Difference | null }
export interface Job { job: number; state: 'running' | 'done' | 'failed'; entries: number; of: number; result?: Tried; message?: string }

/** A change as `check` and `backtest` take it. */
export type Edit = { id: string; text: string } | { id: string; mode: Mode } | { id: string; delete: true } | { rollback: number };

const at = (id: string) => `/api/v1/rules/${encodeURIComponent(id)}`;
const only = (version: number | null): Record<string, string> => (version === null ? {} : { 'if-match': `"${version}"` });
const noted = (note: string) => (note.trim() === '' ? {} : { note: note.trim() });

export const rulebook = {
  list: () => get<RuleList>('/api/v1/rules'),
  one: (id: string) => get<RuleText>(at(id)),
  check: (edit: Edit) => post<RulesOutcome>('/api/v1/rules/check', edit),
  save: (id: string, text: string, note: string, version: number | null) => send<RulesOutcome>('PUT', at(id) + query(noted(note)), text, only(version)),
  mode: (id: string, mode: Mode, note: string, version: number | null) => send<RulesOutcome>('PATCH', at(id), { mode, ...noted(note) }, only(version)),
  remove: (id: string, note: string, version: number | null) => send<RulesOutcome>('DELETE', at(id) + query(noted(note)), {}, only(version)),
  versions: (limit: number) => get<{ versions: Version[] }>(`/api/v1/rules/versions${query({ limit })}`),
  version: (n: number) => get<VersionText>(`/api/v1/rules/versions/${n}`),
  rollback: (n: number, note: string, version: number | null) => post<RulesOutcome>(`/api/v1/rules/versions/${n}/rollback`, noted(note), only(version)),
  explain: (id: string, entity: string) => get<Explanation>(`${at(id)}/explain${query({ entity })}`),
  entities: (id: string, limit: number) => get<{ entities: Watched[]; all: number }>(`${at(id)}/entities${query({ limit })}`),
  shadow: (id: string) => get<{ transitions: ShadowTransition[] }>(`${at(id)}/shadow`),
  /** Without a span: the last 24 h, or since the journal began. */
  backtest: (edit: Edit | null, span: { from: number; to: number } | null) => post<{ job: number }>('/api/v1/rules/backtest', { ...edit, ...span }),
  job: (n: number) => get<Job>(`/api/v1/rules/backtest/${n}`),
};

export const entityKey = (e: Entity): string => (e.kind === 'city' ? 'city' : `${e.kind}:${e.id ?? ''}`);
