// Made-up alerts for tests.
import type { Alert } from './life';

export const alert = (id: string, more: Partial<Alert> = {}): Alert => ({
  id, ver: 1, change: 1, rule: 'r', entity: { kind: 'device', id: 'd' }, device: 'd', area: 'hai_chau', service: 'air',
  severity: 'minor', severity_max: 'minor', condition: 'active', acknowledged: false, raised_at: 1000, changed_at: 1000,
  cleared_at: null, acknowledged_at: null, acknowledged_by: null, note: null, value: 1, limit: 1, unit: 'm',
  name: { vi: 'x', en: 'x' }, message: { vi: 'x', en: 'x' },
  cause: 'r', latched: false, work: 'new', state: 'UNACK', overdue: false, escalated: 0, comments: 0, ...more,
});
