// Words of the protocol as keys of the dictionary.
import type { Key } from './dict';
import type { ActionWord, AlarmState, HeldBy, Incident, Work } from './life';
import type { Delivery, Verdict } from './reports';

export const STATE: Record<AlarmState, Key> = {
  NORM: 'st_NORM', UNACK: 'st_UNACK', ACKED: 'st_ACKED', RTNUN: 'st_RTNUN', LATUN: 'st_LATUN', LATAK: 'st_LATAK', SHLVD: 'st_SHLVD',
  DSUPR: 'st_DSUPR', OOSRV: 'st_OOSRV',
};
export const WORK: Record<Work, Key> = {
  new: 'work_new', acknowledged: 'work_acknowledged', assigned: 'work_assigned', in_progress: 'work_in_progress', resolved: 'work_resolved',
  closed: 'work_closed', rejected: 'work_rejected',
};
export const HELD: Record<HeldBy, Key> = {
  shelf: 'held_shelf', maintenance: 'held_maintenance', parent: 'held_parent', out_of_service: 'held_out_of_service',
};
export const DO: Record<ActionWord, Key> = {
  acknowledge: 'do_acknowledge', assign: 'do_assign', comment: 'do_comment', link: 'do_link', shelve: 'do_shelve', unshelve: 'do_unshelve',
  start: 'do_start', resolve: 'do_resolve', close: 'do_close', reject: 'do_reject', merge: 'do_merge', split: 'do_split',
};
export const DONE: Record<ActionWord, Key> = {
  acknowledge: 'done_acknowledge', assign: 'done_assign', comment: 'done_comment', link: 'done_link', shelve: 'done_shelve', unshelve: 'done_unshelve',
  start: 'done_start', resolve: 'done_resolve', close: 'done_close', reject: 'done_reject', merge: 'done_merge', split: 'done_split',
};
/** Lines of the log that no person wrote; what people do is in [`DO`]. */
const AUTO: Record<string, Key> = {
  raise: 'act_raise', severity: 'act_severity', clear: 'act_clear', shelf_expired: 'act_shelf_expired', suppress: 'act_suppress',
  unsuppress: 'act_unsuppress', auto_close: 'act_auto_close', overdue: 'act_overdue', escalate: 'act_escalate', deescalate: 'act_deescalate',
  undo: 'act_undo',
};
/** The key of a line of the log; undefined for words of a later version. */
export const lineKey = (action: string): Key | undefined =>
  Object.hasOwn(AUTO, action) ? AUTO[action] : Object.hasOwn(DO, action) ? DO[action as ActionWord] : undefined;

export const INCIDENT: Record<Incident['kind'], Key> = {
  cause: 'incident_cause', parent: 'incident_parent', flood: 'incident_flood', manual: 'incident_manual',
};
export const DELIVERY: Record<Delivery['state'], Key> = {
  waiting: 'delivery_waiting', delivered: 'delivery_delivered', dead: 'delivery_dead',
};
const REFUSED: Record<string, Key> = {
  not_found: 'refused_not_found', conflict: 'refused_conflict', already_done: 'refused_already_done', not_allowed: 'refused_not_allowed',
  still_active: 'refused_still_active', changed_since: 'refused_changed_since',
};
/** Why the server refused; an acknowledgement that was done before has its own words. */
export const refusedKey = (code: string, word?: ActionWord): Key =>
  word === 'acknowledge' && code === 'already_done' ? 'refused_acked' : Object.hasOwn(REFUSED, code) ? (REFUSED[code] as Key) : 'refused_other';

export const VERDICT: Record<Verdict, Key> = { good: 'kpi_good', manageable: 'kpi_manageable', bad: 'kpi_bad' };
const FIGURE: Record<string, Key> = {
  per_10_min: 'fig_per_10_min', per_hour: 'fig_per_hour', per_day: 'fig_per_day', hours_over_30: 'fig_hours_over_30',
  periods_over_10: 'fig_periods_over_10', max_10_min: 'fig_max_10_min', time_in_flood: 'fig_time_in_flood', top_ten_share: 'fig_top_ten_share',
  chattering: 'fig_chattering', fleeting: 'fig_fleeting', stale: 'fig_stale', stale_max_day: 'fig_stale_max_day', standing: 'fig_standing',
  unacknowledged: 'fig_unacknowledged', priority_low: 'fig_priority_low', priority_medium: 'fig_priority_medium', priority_high: 'fig_priority_high',
  priority_highest: 'fig_priority_highest', ack_p50: 'fig_ack_p50', ack_p90: 'fig_ack_p90', resolve_p50: 'fig_resolve_p50',
  resolve_p90: 'fig_resolve_p90', false_share: 'fig_false_share', incidents_per_10_min: 'fig_incidents_per_10_min',
  incidents_per_hour: 'fig_incidents_per_hour', incidents_max_10_min: 'fig_incidents_max_10_min', grouped: 'fig_grouped',
};
export const figureKey = (id: string): Key | undefined => (Object.hasOwn(FIGURE, id) ? FIGURE[id] : undefined);
