// The ledger, the quarantine and the journal of a city in which every message is accounted for.
const door = (source, accepted, quarantined_by_reason, duplicate, more = {}) => {
  const quarantined = Object.values(quarantined_by_reason).reduce((a, b) => a + b, 0);
  return {
    source, received: accepted + quarantined + duplicate, accepted, quarantined, quarantined_by_reason, duplicate, shed: 0, difference: 0, partly: 0,
    records: accepted, evaluated: accepted, late: 0, stored: accepted, dead_lettered: 0, ...more,
  };
};
const MESSAGES = [
  { source: 'gateway', topic: 'ioc/v1/hai_chau/air/air-7/obs', device: null, reason: 'malformed', detail: 'line 1, column 14: expected a number', payload: '{"time":17,"values":{"pm25":}}' },
  { source: 'gateway', topic: 'ioc/v1/hai_chau/air/<img src=x>/obs', device: null, reason: 'not_allowed', detail: 'the device may not say this', payload: '{"values":{}}' },
];

export function routes({ path, query }) {
  if (path === 'ledger') {
    return [200, { difference: 0, difference_rules: 0, difference_history: 3, sources: [
      door('gateway', 182_400, { malformed: 12, not_allowed: 3 }, 41, { partly: 5, late: 20, evaluated: 182_380, stored: 182_397 }),
      door('broker.city', 9_120, { malformed: 2 }, 0),
    ] }];
  }
  if (path === 'quarantine') return [200, { messages: MESSAGES.map((m, i) => ({ at: Date.now() - (i + 1) * 90_000, ...m })).slice(0, Number(query.get('limit') ?? 100)) }];
  if (path === 'status') {
    return [200, { version: 'mock', clock: 'wall', started: Date.now() - 7.2e6, journal: { first: 1, next: 191_521, bytes: 48_234_496, corrupt: 0 }, readers: { rules: 191_521, history: 191_518, live: 191_521 } }];
  }
  return null;
}
