//! The native format: `ioc/v1/{area}/{service}/{device}/{obs|event|status}`.

mod body;
mod topics;

use ioc_model::{QuarantineReason, Record};

use super::catalogue::Catalogue;
use super::secret::Out;
use super::{Incoming, Refusal};
use topics::{Kind, Topics};

/// What native topics start with.
pub(super) const PREFIX: &str = "ioc/v1/";

/// The device that a native topic names, as it stands there.
pub(super) fn device_of(topic: &str) -> Option<&str> {
    topic.strip_prefix(PREFIX)?.split('/').nth(2)
}

/// Decodes native messages; remembers the topics it has seen.
#[derive(Debug, Default)]
pub(super) struct Native {
    topics: Topics,
}

impl Native {
    /// `rest`: the topic after [`PREFIX`].
    pub(super) fn decode(
        &self,
        catalogue: &Catalogue,
        rest: &str,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let refuse = |r: Refusal| match rest.split('/').nth(2) {
            Some(device) if !device.is_empty() => r.of(device),
            _ => r,
        };
        let (origin, kind) = self.topics.find(catalogue, rest).map_err(refuse)?;
        let payload = message.payload;
        let said = match kind {
            Kind::Observation => body::observation(catalogue, payload),
            Kind::Event => body::event(payload),
            Kind::Status => body::status(payload),
        };
        let said = said.map_err(refuse)?;
        let time = match said.time {
            Some(time) => time,
            // A will is written when the device connects: it cannot know when it is sent.
            None if said.is_offline() => message.received,
            None => {
                return Err(refuse(Refusal::new(QuarantineReason::BadTime, "`time` is missing")));
            }
        };
        let record = Record {
            device: origin.device,
            area: origin.area,
            service: origin.service,
            source: 0,
            time,
            received: message.received,
            seq: said.seq,
            clock_clamped: false,
            derived: false,
            body: said.body,
        };
        let impossible = said.impossible.map(|body| Record { body, ..record.clone() });
        out.push(record, said.secret);
        out.records.extend(impossible);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
