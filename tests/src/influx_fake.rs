//! A strict fake of the InfluxDB 2 API.
