//! Tables of incidents and holds, and an index of the alert table that they need.

/// Part of the register's schema, to be executed when its table `alert` has its columns.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS incident (
  id TEXT PRIMARY KEY, key TEXT, kind TEXT NOT NULL, merged_into TEXT,
  open INTEGER NOT NULL, alerts INTEGER NOT NULL, severity INTEGER NOT NULL,
  area TEXT NOT NULL, service TEXT NOT NULL, opened_at INTEGER NOT NULL, state TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS incident_time
  ON incident (opened_at, id, severity, area, service) WHERE alerts > 0;
CREATE INDEX IF NOT EXISTS incident_open
  ON incident (opened_at, id, severity, area, service) WHERE open > 0;
CREATE INDEX IF NOT EXISTS incident_area
  ON incident (area, opened_at, id, severity, service) WHERE alerts > 0;
CREATE INDEX IF NOT EXISTS incident_service
  ON incident (service, opened_at, id, severity) WHERE alerts > 0;
CREATE INDEX IF NOT EXISTS incident_severe
  ON incident (opened_at, id, severity, area, service) WHERE alerts > 0 AND severity >= 4;
CREATE TABLE IF NOT EXISTS incident_key (
  key TEXT PRIMARY KEY, incident TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS member (
  alert TEXT PRIMARY KEY, incident TEXT NOT NULL, open INTEGER NOT NULL,
  outage INTEGER NOT NULL, severity INTEGER NOT NULL, raised_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS member_rank ON member
  (incident, open DESC, outage DESC, severity DESC, raised_at, alert);
CREATE INDEX IF NOT EXISTS member_time ON member (incident, raised_at);
CREATE TABLE IF NOT EXISTS outage (
  device TEXT NOT NULL, alert TEXT NOT NULL, PRIMARY KEY (device, alert)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hold (
  id INTEGER PRIMARY KEY, over INTEGER NOT NULL, begun INTEGER NOT NULL,
  from_at INTEGER NOT NULL, until_at INTEGER, rule TEXT, device TEXT, area TEXT,
  service TEXT, hold TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS hold_now ON hold (from_at) WHERE over = 0;
CREATE TABLE IF NOT EXISTS held (
  hold TEXT NOT NULL, alert TEXT NOT NULL, PRIMARY KEY (hold, alert)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hold_work (
  id INTEGER PRIMARY KEY, hold TEXT NOT NULL UNIQUE, what INTEGER NOT NULL,
  after TEXT NOT NULL, why TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS alert_open_id ON alert (id, service, area, rule, device)
  WHERE open = 1;
";
