use std::collections::HashMap;

use ioc_model::Timestamp;

/// A device of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayDevice {
    /// Id inside the IOC.
    pub id: String,
    /// Where it publishes.
    pub topic: String,
}

/// One message of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<'a> {
    /// When it was measured.
    pub time: Timestamp,
    /// Index of the device.
    pub device: u32,
    /// One value per column, NaN where there is none; empty for a raw payload.
    pub values: &'a [f64],
    /// The payload as recorded, if the recording holds payloads.
    pub raw: Option<&'a str>,
}

/// What one device sent and got acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceTally {
    /// Messages given to the connection.
    pub sent: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Refused by the server (MQTT 5).
    pub refused: u64,
}

/// A recorded feed in memory, in the order in which it is sent.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    columns: Vec<&'static str>,
    devices: Vec<ReplayDevice>,
    by_id: HashMap<String, u32>,
    heads: Vec<(Timestamp, u32)>,
    values: Vec<f64>,
    raw: Vec<String>,
    /// Rows that hold no value at all and give no message.
    pub empty_rows: u64,
    /// Lines that could not be read.
    pub bad_rows: u64,
}

impl Recording {
    /// A recording whose messages carry these properties.
    pub fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), ..Self::default() }
    }

    /// The index of a device, which is added when new. `topic` is asked for then.
    pub fn device(&mut self, id: &str, topic: impl FnOnce() -> String) -> u32 {
        if let Some(index) = self.by_id.get(id) {
            return *index;
        }
        let index = self.devices.len() as u32;
        self.devices.push(ReplayDevice { id: id.into(), topic: topic() });
        self.by_id.insert(id.into(), index);
        index
    }

    /// Adds a message with one value per column (NaN: none); without any value it is only counted.
    pub fn push(&mut self, time: Timestamp, device: u32, values: &[f64]) {
        debug_assert_eq!(values.len(), self.columns.len());
        if values.iter().all(|v| v.is_nan()) {
            self.empty_rows += 1;
            return;
        }
        self.heads.push((time, device));
        self.values.extend_from_slice(values);
    }

    /// Adds a message as it was recorded.
    pub fn push_raw(&mut self, time: Timestamp, device: u32, payload: String) {
        self.heads.push((time, device));
        self.raw.push(payload);
    }

    /// Properties of the values, in order.
    pub fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// Devices by index.
    pub fn devices(&self) -> &[ReplayDevice] {
        &self.devices
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// No message at all.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The message at a position.
    pub fn get(&self, at: usize) -> Option<Reading<'_>> {
        let &(time, device) = self.heads.get(at)?;
        let width = self.columns.len();
        let values = self.values.get(at * width..(at + 1) * width).unwrap_or_default();
        Some(Reading { time, device, values, raw: self.raw.get(at).map(String::as_str) })
    }

    /// All messages in order.
    pub fn iter(&self) -> impl Iterator<Item = Reading<'_>> {
        (0..self.len()).filter_map(|n| self.get(n))
    }
}
