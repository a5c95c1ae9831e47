// Which alerts the list shows.
import { matches } from './fold';
import type { Alert, AlarmState, Work } from './life';
import { level } from './model';

/** What the operator may ask for: a state of ISA-18.2, or of the work. */
export const STATE_FILTERS = [
  'UNACK', 'ACKED', 'RTNUN', 'LATUN', 'LATAK', 'assigned', 'in_progress', 'resolved',
] as const satisfies readonly (AlarmState | Work)[];
export type StateFilter = (typeof STATE_FILTERS)[number];

export interface Filter {
  sev: number; service: string; area: string; unacked: boolean; state: string; mine: boolean; overdue: boolean;
  /** Folded text. */
  q: string;
}

export function isStateFilter(word: string): word is StateFilter {
  return (STATE_FILTERS as readonly string[]).includes(word);
}

/** True if somebody works on it as `user`: it was given to them, or they took note of it. */
function isMine(a: Alert, user: string): boolean {
  if (a.assignee) return a.assignee.kind === 'person' && a.assignee.name === user;
  return a.acknowledged_by === user;
}

export function fits(a: Alert, folded: string, f: Filter, user: string): boolean {
  return level(a.severity) >= f.sev
    && (f.service === '' || a.service === f.service)
    && (f.area === '' || a.area === f.area)
    && (!f.unacked || !a.acknowledged)
    && (f.state === '' || a.state === f.state || a.work === f.state)
    && (!f.mine || isMine(a, user))
    && (!f.overdue || a.overdue)
    && matches(folded, f.q);
}
