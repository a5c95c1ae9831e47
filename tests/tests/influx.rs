//! The InfluxDB store against a strict fake (every answer it can give), against the real
//! VictoriaMetrics for storing, and against the real InfluxDB 1.6 for reads.

#[path = "influx/answers.rs"]
mod answers;
#[path = "influx/catchup.rs"]
mod catchup;
#[path = "influx/lanes.rs"]
mod lanes;
#[path = "influx/matrix.rs"]
mod matrix;
#[path = "influx/outage.rs"]
mod outage;
#[path = "influx/real.rs"]
mod real;
#[path = "influx/support.rs"]
mod support;
#[path = "influx/text.rs"]
mod text;
