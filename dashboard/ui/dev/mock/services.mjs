// The figures of one service: its alerts in the register, period by period. Those of all are the desk's.
export function routes({ city, me, path, query }) {
  const service = query.get('service');
  if (path !== 'kpi' || !service || !me?.can.includes('read')) return null;
  const to = Number(query.get('to')) || Date.now();
  const from = Number(query.get('from')) || to - 86_400_000;
  const report = city.desk.kpi(from, to);
  const rows = city.register.rows().filter((r) => r.service === service && r.raised_at >= from && r.raised_at < to);
  const periods = report.periods.map((p) => {
    const alarms = rows.filter((r) => r.raised_at >= p.at && r.raised_at < p.at + report.step_ms).length;
    return { ...p, alarms, incidents: Math.min(alarms, 1), flood: alarms > 10 };
  });
  return [200, { ...report, alarms: rows.length, incidents: periods.filter((p) => p.alarms > 0).length, periods }];
}
