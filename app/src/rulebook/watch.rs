//! Looks at the folder every two seconds, and at once on SIGHUP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::files::{Fingerprint, Folder};
use crate::stages::blocking;

const EVERY: Duration = Duration::from_secs(2);
/// A folder that changes is left alone until it has not changed for so long: half a file may be
/// valid, and would take rules away.
const SETTLED: Duration = Duration::from_millis(300);
/// A folder that never settles is read all the same.
const SETTLE_TRIES: usize = 20;

pub(crate) async fn watch(desk: Arc<Desk>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut asked = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let Some(root) = desk.folder.as_ref().map(|f| f.0.clone()) else {
        // The signal must not end the process; there is nothing to read again.
        stop.cancelled().await;
        return Ok(());
    };
    let look = || {
        let folder = Folder(root.clone());
        blocking(move || Ok(folder.fingerprint()))
    };
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen: Option<Fingerprint> = None;
    loop {
        let forced = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = every.tick() => false,
            _ = asked.recv() => true,
        };
        let mut now = look().await?;
        if seen.as_ref() == Some(&now) && !forced {
            continue;
        }
        for _ in 0..SETTLE_TRIES {
            tokio::time::sleep(SETTLED).await;
            let later = look().await?;
            if std::mem::replace(&mut now, later.clone()) == later {
                break;
            }
        }
        let looked = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            looked = desk.look_at_folder() => looked,
        };
        match looked {
            Ok(()) => seen = Some(now),
            // Tried again at the next turn.
            Err(e) => tracing::warn!(error = format!("{e:#}"), "rules of the folder not taken"),
        }
    }
}
