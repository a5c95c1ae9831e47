//! What a client's certificate says, and which open connections stand on one.

use std::sync::{Arc, Mutex, MutexGuard};

use ahash::AHashMap;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

/// Which certificate: hash of issuer and serial number, by which lists of revoked ones name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CertificateId([u8; 32]);

impl CertificateId {
    fn new(issuer: &[u8], serial: &[u8]) -> Self {
        // DER puts a zero before a serial whose first bit is set; not every writer does.
        let zeros = serial.iter().take_while(|b| **b == 0).count();
        let mut hash = Sha256::new();
        hash.update((issuer.len() as u64).to_be_bytes());
        hash.update(issuer);
        hash.update(&serial[zeros..]);
        Self(hash.finalize().into())
    }
}

/// Reads a certificate that has been verified: its id and its names (subject CN, DNS and URI
/// alternative names). `None`: it cannot be read, so nobody is known by it.
pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<(CertificateId, Vec<String>)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let id = CertificateId::new(certificate.issuer().as_raw(), certificate.raw_serial());
    let common = certificate.subject().iter_common_name().filter_map(|cn| cn.as_str().ok());
    let mut names: Vec<String> = common.map(str::to_owned).collect();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        for name in &alternative.value.general_names {
            if let GeneralName::DNSName(name) | GeneralName::URI(name) = name
                && !names.iter().any(|n| n == name)
            {
                names.push((*name).to_owned());
            }
        }
    }
    Some((id, names))
}

/// Ids of everything a list revokes. `None`: not a list.
pub(super) fn revoked(list: &[u8]) -> Option<Vec<CertificateId>> {
    let (_, list) = CertificateRevocationList::from_der(list).ok()?;
    let issuer = list.issuer().as_raw();
    let ids = list.iter_revoked_certificates().map(|r| CertificateId::new(issuer, r.raw_serial()));
    Some(ids.collect())
}

/// Open connections by the certificate they stand on.
#[derive(Debug, Default)]
pub(super) struct Standing {
    open: Mutex<AHashMap<CertificateId, Vec<(u64, CancellationToken)>>>,
}

impl Standing {
    fn lock(&self) -> MutexGuard<'_, AHashMap<CertificateId, Vec<(u64, CancellationToken)>>> {
        self.open.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Notes a connection; it ends when `life` is cancelled.
    pub(super) fn enter(
        self: &Arc<Self>,
        id: CertificateId,
        number: u64,
        life: CancellationToken,
    ) -> Stay {
        self.lock().entry(id).or_default().push((number, life));
        Stay { standing: Arc::clone(self), id, number }
    }

    /// Ends every connection that stands on one of `ids`; returns how many.
    pub(super) fn end(&self, ids: impl IntoIterator<Item = CertificateId>) -> usize {
        let open = self.lock();
        let lives = ids.into_iter().filter_map(|id| open.get(&id)).flatten();
        lives.filter(|(_, life)| !life.is_cancelled()).map(|(_, life)| life.cancel()).count()
    }
}

/// A connection's entry in [`Standing`]; gone when dropped.
#[derive(Debug)]
pub(crate) struct Stay {
    standing: Arc<Standing>,
    id: CertificateId,
    number: u64,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut open = self.standing.lock();
        if let Some(lives) = open.get_mut(&self.id) {
            lives.retain(|(number, _)| *number != self.number);
            if lives.is_empty() {
                open.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::tests::pki::Pki;

    #[test]
    fn reads_common_name_and_dns_and_uri_names() {
        let device = Pki::new().device("air-hc-01");
        let (_, names) = read(&device.certificate).expect("readable");
        let expect = ["air-hc-01", "air-hc-01.devices.example.vn", "urn:dev:air-hc-01"];
        assert_eq!(names, expect);
    }

    #[test]
    fn a_list_names_the_certificates_it_revokes_whatever_zeros_their_serials_have() {
        let pki = Pki::new();
        let devices = ["d1", "d2"].map(|id| pki.device(id));
        let list = pki.list(&[&devices[0]]);
        let (_, list) = x509_parser::pem::parse_x509_pem(list.as_bytes()).expect("PEM");
        let [a, b] = devices.map(|d| read(&d.certificate).expect("readable").0);
        assert_eq!(revoked(&list.contents), Some(vec![a]));
        assert_ne!(a, b);
        assert_eq!(CertificateId::new(b"i", &[0, 0x80]), CertificateId::new(b"i", &[0x80]));
        assert_ne!(CertificateId::new(b"i", &[1]), CertificateId::new(b"j", &[1]));
        assert_eq!(revoked(b"no list"), None);
    }

    #[test]
    fn a_connection_that_is_gone_leaves_nothing_behind() {
        let standing = Arc::<Standing>::default();
        let id = CertificateId::new(b"i", &[1]);
        let lives = [CancellationToken::new(), CancellationToken::new()];
        let first = standing.enter(id, 1, lives[0].clone());
        let second = standing.enter(id, 2, lives[1].clone());
        drop(first);
        assert_eq!(standing.end([id, CertificateId::new(b"i", &[2])]), 1);
        assert!(lives[1].is_cancelled() && !lives[0].is_cancelled());
        assert_eq!(standing.end([id]), 0, "ended already");
        drop(second);
        assert!(standing.lock().is_empty());
    }
}
