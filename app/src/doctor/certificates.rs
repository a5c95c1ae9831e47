//! Certificates and lists of revoked ones: do they still hold?

use std::path::Path;

use ioc_model::Timestamp;
use x509_parser::pem::Pem;
use x509_parser::prelude::{CertificateRevocationList, FromDer};
use x509_parser::time::ASN1Time;

use super::{Finding, Patient, advice};

const DAY_MS: i64 = 24 * 3_600_000;
/// A certificate should be renewed so long before its end.
const SOON_MS: i64 = 30 * DAY_MS;

pub(super) fn look(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let settings = &patient.base.settings;
    let gateway = settings.ingest.gateway.tls.as_ref();
    let own = gateway.iter().map(|t| &t.certificate_file);
    let page = settings.dashboard.tls.as_ref();
    let own = own.chain(page.iter().map(|t| &t.certificate_file));
    let authorities = gateway.iter().filter_map(|t| t.client_ca_file.as_ref());
    for path in own.chain(authorities) {
        match ends(path) {
            Ok(ends) => findings.extend(certificate(path, ends, patient.now)),
            Err(problem) => unreadable(path, &problem, findings),
        }
    }
    for path in gateway.iter().flat_map(|t| &t.crl_files) {
        match renewal(path) {
            Ok(Some(next)) if next.0 < patient.now.0 => {
                let place = path.display().to_string();
                findings.push(Finding::new(&advice::CRL_OLD, place, date(next)));
            }
            Ok(_) => {}
            Err(problem) => unreadable(path, &problem, findings),
        }
    }
}

fn unreadable(path: &Path, problem: &str, findings: &mut Vec<Finding>) {
    let place = path.display().to_string();
    findings.push(Finding::new(&advice::FILE_UNREADABLE, place, problem));
}

fn certificate(path: &Path, ends: Timestamp, now: Timestamp) -> Option<Finding> {
    let advice = match ends.since_ms(now) {
        ..=0 => &advice::CERTIFICATE_EXPIRED,
        1..SOON_MS => &advice::CERTIFICATE_SOON,
        _ => return None,
    };
    Some(Finding::new(advice, path.display().to_string(), date(ends)))
}

/// When the first certificate of a file ends whose end is the nearest.
fn ends(path: &Path) -> Result<Timestamp, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let mut nearest: Option<Timestamp> = None;
    for pem in Pem::iter_from_buffer(&bytes) {
        let pem = pem.map_err(|e| e.to_string())?;
        if pem.label != "CERTIFICATE" {
            continue;
        }
        let certificate = pem.parse_x509().map_err(|e| e.to_string())?;
        let end = time(certificate.validity().not_after);
        nearest = Some(nearest.map_or(end, |n| n.min(end)));
    }
    nearest.ok_or_else(|| "there is no certificate in it".to_owned())
}

/// When a list should be renewed, if it says so.
fn renewal(path: &Path) -> Result<Option<Timestamp>, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let read = |der: &[u8]| -> Result<Option<Timestamp>, String> {
        let (_, list) = CertificateRevocationList::from_der(der).map_err(|e| e.to_string())?;
        Ok(list.next_update().map(time))
    };
    if !bytes.starts_with(b"-----") {
        return read(&bytes);
    }
    let mut nearest: Option<Timestamp> = None;
    for pem in Pem::iter_from_buffer(&bytes) {
        let pem = pem.map_err(|e| e.to_string())?;
        let Some(next) = read(&pem.contents)? else { continue };
        nearest = Some(nearest.map_or(next, |n| n.min(next)));
    }
    Ok(nearest)
}

fn time(time: ASN1Time) -> Timestamp {
    Timestamp(time.timestamp().saturating_mul(1_000))
}

fn date(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
