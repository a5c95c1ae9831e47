// The rules as the server tells them (docs/protocol.md "Rules"), and every call about them.
import type { Entity, Evidence, SeverityName, Text } from './model';
import { api } from './typed';

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

const only = (version: number | null): Record<string, string> => (version === null ? {} : { 'if-match': `"${version}"` });
const noted = (note: string) => (note.trim() === '' ? {} : { note: note.trim() });

const one = '/api/v1/rules/{id}';
const versions = '/api/v1/rules/versions/{id}';

export const rulebook = {
  list: () => api('/api/v1/rules').get<RuleList>(),
  one: (id: string) => api(one).get<RuleText>({ path: { id } }),
  check: (body: Edit) => api('/api/v1/rules/check').post<RulesOutcome>({ body }),
  save: (id: string, body: string, note: string, version: number | null) => api(one).put<RulesOutcome>({ path: { id }, query: noted(note), body, headers: only(version) }),
  mode: (id: string, mode: Mode, note: string, version: number | null) => api(one).patch<RulesOutcome>({ path: { id }, body: { mode, ...noted(note) }, headers: only(version) }),
  remove: (id: string, note: string, version: number | null) => api(one).delete<RulesOutcome>({ path: { id }, query: noted(note), headers: only(version) }),
  versions: (limit: number) => api('/api/v1/rules/versions').get<{ versions: Version[] }>({ query: { limit } }),
  version: (id: number) => api(versions).get<VersionText>({ path: { id } }),
  rollback: (id: number, note: string, version: number | null) => api(`${versions}/rollback`).post<RulesOutcome>({ path: { id }, body: noted(note), headers: only(version) }),
  explain: (id: string, entity: string) => api(`${one}/explain`).get<Explanation>({ path: { id }, query: { entity } }),
  entities: (id: string, limit: number) => api(`${one}/entities`).get<{ entities: Watched[]; all: number }>({ path: { id }, query: { limit } }),
  shadow: (id: string) => api(`${one}/shadow`).get<{ transitions: ShadowTransition[] }>({ path: { id } }),
  /** Without a span: the last 24 h, or since the journal began. */
  backtest: (edit: Edit | null, span: { from: number; to: number } | null) => api('/api/v1/rules/backtest').post<{ job: number }>({ body: { ...edit, ...span } }),
  job: (id: number) => api('/api/v1/rules/backtest/{id}').get<Job>({ path: { id } }),
};

export const entityKey = (e: Entity): string => (e.kind === 'city' ? 'city' : `${e.kind}:${e.id ?? ''}`);
