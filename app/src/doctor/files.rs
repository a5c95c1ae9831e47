//! Who can read keys, secrets and the data folder.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ioc_alerts::notify::Way;

use super::advice::{self, Advice};
use super::{Finding, Patient, place};
use crate::settings::{FILE, HistoryBackend, Settings};

/// Readable, or for folders also enterable, by users who are neither owner nor group.
const OTHERS_READ: u32 = 0o004;
const OTHERS_ENTER: u32 = 0o001;

/// What of the data folder is looked at one by one when others can enter it.
const INSIDE: [&str; 9] = [
    "users.sqlite",
    "devices.sqlite",
    "alerts.sqlite",
    "history.sqlite",
    "notify.sqlite",
    "quarantine.sqlite",
    "personal",
    "journal",
    "live.snapshot",
];

/// Whose the centre's files are: who it runs as.
pub(super) fn owner(data: &Path) -> Option<u32> {
    std::fs::metadata(data.join("users.sqlite")).ok().map(|m| m.uid())
}

pub(super) fn look(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let settings = &patient.base.settings;
    for path in secrets(patient) {
        match std::fs::metadata(&path) {
            Ok(file) if file.mode() & OTHERS_READ != 0 => {
                findings.push(open(&advice::SECRET_OPEN, &path, &file));
            }
            Ok(_) => {}
            Err(error) => {
                let place = path.display().to_string();
                findings.push(Finding::new(&advice::FILE_UNREADABLE, place, error));
            }
        }
    }
    written_out(patient, findings);
    data(&settings.data, findings);
    let anchors = settings.alerts.anchors.clone();
    let anchors = anchors.unwrap_or_else(|| settings.file("audit.anchors"));
    if settings.file("alerts.sqlite").is_file() && !anchors.is_file() {
        let place = place::of(patient.files, FILE, "alerts.anchors");
        findings.push(Finding::new(&advice::ANCHORS_MISSING, place, anchors.display()));
    }
    if patient.owner == Some(0) {
        let place = settings.file("users.sqlite").display().to_string();
        findings.push(Finding::new(&advice::RUNS_AS_ROOT, place, ""));
    }
}

fn open(advice: &'static Advice, path: &Path, file: &Metadata) -> Finding {
    Finding::new(advice, path.display().to_string(), format!("{:04o}", file.mode() & 0o7777))
}

/// Every file with a key or a secret that the configuration names.
fn secrets(patient: &Patient<'_>) -> Vec<PathBuf> {
    let Settings { ingest, dashboard, history, .. } = &patient.base.settings;
    let mut paths: Vec<PathBuf> = Vec::new();
    paths.extend(ingest.gateway.tls.iter().map(|t| t.key_file.clone()));
    paths.extend(dashboard.tls.iter().map(|t| t.key_file.clone()));
    paths.extend(ingest.subscribers.iter().filter_map(|s| s.password_file.clone()));
    paths.extend(dashboard.oidc.iter().filter_map(|p| p.secret_file.clone()));
    if history.backend == HistoryBackend::Influxdb {
        paths.extend(history.influxdb.token_file.clone());
    }
    for receiver in &patient.base.notify.receivers {
        let named = match &receiver.way {
            Way::Webhook(settings) => settings.secrets(),
            Way::Email(spec) => spec.password.iter().collect(),
            _ => Vec::new(),
        };
        let files = named.into_iter().filter_map(|s| s.secret_file.as_ref());
        paths.extend(files.map(|file| PathBuf::from(&file.value)));
    }
    paths
}

/// Secrets that stand in a configuration file which others can read.
fn written_out(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    const NOTIFY: &str = "notify.yaml";
    let Some(folder) = patient.folder else { return };
    let Ok(file) = std::fs::metadata(folder.join(NOTIFY)) else { return };
    if file.mode() & OTHERS_READ == 0 {
        return;
    }
    for receiver in &patient.base.notify.receivers {
        if let Way::Webhook(settings) = &receiver.way
            && settings.has_secret_in_clear()
        {
            let place = place::entry(patient.files, NOTIFY, &receiver.id);
            findings.push(Finding::new(&advice::SECRET_IN_CONFIG, place, ""));
        }
    }
}

/// The data folder; what is inside counts only when others can get in.
fn data(data: &Path, findings: &mut Vec<Finding>) {
    let Ok(folder) = std::fs::metadata(data) else { return };
    if folder.mode() & (OTHERS_READ | OTHERS_ENTER) == 0 {
        return;
    }
    findings.push(open(&advice::DATA_OPEN, data, &folder));
    if folder.mode() & OTHERS_ENTER == 0 {
        return;
    }
    for name in INSIDE {
        let path = data.join(name);
        let Ok(file) = std::fs::metadata(&path) else { continue };
        let seen = if file.is_dir() { OTHERS_READ | OTHERS_ENTER } else { OTHERS_READ };
        if file.mode() & seen != 0 {
            findings.push(open(&advice::DATA_OPEN, &path, &file));
        }
    }
    let Ok(keys) = std::fs::read_dir(data.join("personal")) else { return };
    for path in keys.flatten().map(|entry| entry.path()) {
        let Ok(file) = std::fs::metadata(&path) else { continue };
        if file.mode() & OTHERS_READ != 0 {
            findings.push(open(&advice::SECRET_OPEN, &path, &file));
        }
    }
}
