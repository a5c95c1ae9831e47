//! The doors of the composition: registry, quarantine, gateway, subscribers, clock.

use std::sync::Arc;

use anyhow::Context;
use ioc_dashboard::{MqttDoor, MqttSeat};
use ioc_ingest::{
    Decoders, Gateway, GatewayAddresses, Inbox, Intake, Publications, Quarantine, QuarantineDoor,
    Registry, Subscriber, TlsHandle,
};
use ioc_journal::OpenReport;
use ioc_model::{City, Entry, Ledger};
use tokio_util::task::TaskTracker;

use crate::check::Base;
use crate::exit::BadConfig;
use crate::settings::{Clock, FILE, Settings};
use crate::stages::{EntryJournal, JournalSink, Personal, tick};
use crate::stop::Running;

/// Entries read back at a start to know redelivered messages again.
const REMEMBER_ENTRIES: u64 = 200_000;

/// The doors as the screens look at them.
pub(crate) struct Doors {
    pub quarantine: Arc<Quarantine>,
    pub gateway: Arc<ioc_ingest::GatewayMetrics>,
    pub subscribers: Vec<(String, Arc<ioc_ingest::SubscriberMetrics>)>,
    /// A second look at what was refused.
    pub rerun: Arc<QuarantineDoor>,
    /// What came, by device.
    pub received: Arc<Inbox>,
    /// For MQTT over WebSocket.
    pub mqtt: MqttDoor,
    /// Certificates of the TLS listener, if there is one.
    pub tls: Option<TlsHandle>,
}

/// What the doors need.
pub(crate) struct DoorParts<'a> {
    pub settings: &'a Settings,
    pub city: &'a Arc<City>,
    pub registry: &'a Arc<Registry>,
    pub journal: &'a EntryJournal,
    pub opened: &'a OpenReport,
    pub ledger: &'a Arc<Ledger>,
    pub publications: &'a Arc<Publications>,
    /// `None`: no personal data is kept.
    pub personal: Option<&'a Personal>,
}

/// Opens the device registry if there is one: from here on the city has its devices too, and
/// rules, live state and open data know them. A first start with wrong rules must touch nothing,
/// so nothing is made here.
pub(crate) fn known_registry(base: &mut Base) -> anyhow::Result<Option<Arc<Registry>>> {
    let path = base.settings.file(REGISTRY);
    if !Registry::is_at(&path) {
        return Ok(None);
    }
    let registry = registry(base)?;
    base.city = Arc::new(registry.city(&base.city));
    Ok(Some(registry))
}

/// Opens or makes the device registry in the data folder, which is made if it is missing.
pub(crate) fn registry(base: &Base) -> anyhow::Result<Arc<Registry>> {
    let data = &base.settings.data;
    let mut folder = std::fs::DirBuilder::new();
    // Accounts, keys and personal data: nobody else has business there.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder
        .recursive(true)
        .create(data)
        .with_context(|| format!("cannot make the data folder {}", data.display()))?;
    let (path, config) = (base.settings.file(REGISTRY), base.settings.ingest.registry.clone());
    Ok(Registry::open(&path, config, Arc::clone(&base.city))?)
}

/// The registry's file in the data folder.
pub(crate) const REGISTRY: &str = "devices.sqlite";

impl DoorParts<'_> {
    /// Opens gateway and subscribers, and starts the clock.
    pub(crate) async fn open(
        self,
        running: &mut Running,
    ) -> anyhow::Result<(Doors, GatewayAddresses)> {
        let ingest = self.settings.ingest.clone();
        let path = self.settings.file("quarantine.sqlite");
        let quarantine = Arc::new(Quarantine::open(&path, ingest.quarantine)?);
        let decoders = Decoders::new(FILE, &ingest.decoders, Arc::clone(self.city));
        let decoders = decoders.map_err(BadConfig)?.with_registry(Arc::clone(self.registry));
        let decoders = match self.personal {
            Some(personal) => decoders.sealing(Arc::clone(&personal.keyring) as _),
            None => decoders,
        };
        let intake = Intake::new(
            ingest.intake,
            Arc::clone(self.city),
            Arc::clone(self.ledger),
            decoders,
            Arc::new(JournalSink(self.journal.clone())),
            Arc::clone(&quarantine),
        );
        let intake = Arc::new(intake.with_inbox(&ingest.inbox));
        self.remember(&intake).await?;
        let (publications, registry) = (Arc::clone(self.publications), Arc::clone(self.registry));
        let (gateway, addresses) =
            Gateway::bind(ingest.gateway, Arc::clone(&intake), publications, registry).await?;
        let door = gateway.door();
        let mqtt: MqttDoor = Arc::new(move |peer| {
            let seat = door.admit(peer)?;
            let seat: MqttSeat = Box::new(move |stream| Box::pin(seat.serve(stream)));
            Some(seat)
        });
        // A door of its own in the ledger, opened after the gateway's as at every start.
        let again = QuarantineDoor::new(Arc::clone(&quarantine), Arc::clone(&intake));
        let mut doors = Doors {
            quarantine,
            gateway: gateway.metrics(),
            subscribers: Vec::new(),
            rerun: Arc::new(again),
            received: Arc::clone(intake.inbox()),
            mqtt,
            tls: gateway.tls(),
        };
        let stop = running.stop_doors.clone();
        running.doors.spawn(async move {
            let sockets = TaskTracker::new();
            gateway.run(sockets.clone(), stop).await.context("gateway")?;
            sockets.close();
            sockets.wait().await;
            Ok(())
        });
        for config in ingest.subscribers {
            let (name, stop) = (config.name.clone(), running.stop_doors.clone());
            let subscriber = Subscriber::new(config, Arc::clone(&intake))?;
            doors.subscribers.push((name, subscriber.metrics()));
            let run = async move { subscriber.run(stop).await.map(drop).context("subscriber") };
            running.doors.spawn(run);
        }
        let (again, stop) = (Arc::clone(&doors.rerun), running.stop_doors.clone());
        running.doors.spawn(async move {
            again.follow(stop).await;
            Ok(())
        });
        if self.settings.clock == Clock::Wall {
            running.doors.spawn(tick(self.journal.clone(), running.stop_doors.clone()));
        }
        Ok((doors, addresses))
    }

    /// Fills the duplicate window from the newest entries of the journal.
    async fn remember(&self, intake: &Intake) -> anyhow::Result<()> {
        let OpenReport { first, next, .. } = *self.opened;
        let from = next.saturating_sub(REMEMBER_ENTRIES).max(first);
        let mut reader = self.journal.reader("remember", from);
        while reader.position() < next {
            let Some(batch) = reader.next().await? else { break };
            for entry in &batch.entries {
                if let Entry::Record(record) = entry
                    && !record.derived
                {
                    intake.remember(record);
                }
            }
        }
        Ok(())
    }
}
