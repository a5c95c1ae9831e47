//! A city's certificates, made anew for each test.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

use crate::{ClientCertificates, GatewayTlsConfig};

pub(crate) struct Pki {
    folder: TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// A device's certificate and key.
pub(crate) struct Device {
    pub(crate) certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    serial: SerialNumber,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pki = Self { folder, ca: authority("ioc trial CA") };
        pki.write("ca.pem", &pki.ca.pem());
        pki.serve("ioc");
        pki.revoke(&[]);
        pki
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// Gives the gateway a new certificate with this common name.
    pub(crate) fn serve(&self, name: &str) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.ca).expect("signed");
        self.write("server.pem", &certificate.pem());
        self.write("server.key", &key.serialize_pem());
    }

    /// Writes the list of revoked certificates.
    pub(crate) fn revoke(&self, devices: &[&Device]) {
        self.write("crl.pem", &self.list(devices));
    }

    pub(crate) fn list(&self, devices: &[&Device]) -> String {
        self.list_until(devices, 2100)
    }

    /// A list that should be renewed by the end of January of a year.
    pub(crate) fn list_until(&self, devices: &[&Device], year: i32) -> String {
        let revoked = |device: &&Device| RevokedCertParams {
            serial_number: device.serial.clone(),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(year, 1, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: devices.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.ca).expect("signed").pem().expect("PEM")
    }

    pub(crate) fn device(&self, id: &str) -> Device {
        device(&self.ca, id, 4000)
    }

    /// One whose certificate has ended.
    pub(crate) fn expired(&self, id: &str) -> Device {
        device(&self.ca, id, 2020)
    }

    pub(crate) fn config(&self, client_certificates: ClientCertificates) -> GatewayTlsConfig {
        let shown = client_certificates != ClientCertificates::Off;
        GatewayTlsConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            certificate_file: self.path("server.pem"),
            key_file: self.path("server.key"),
            client_certificates,
            client_ca_file: shown.then(|| self.path("ca.pem")),
            crl_files: if shown { vec![self.path("crl.pem")] } else { Vec::new() },
            tls12: false,
            handshake_timeout_ms: 5_000,
        }
    }

    /// A client that believes this authority; it resumes sessions as long as it lives.
    pub(crate) fn client(&self, device: Option<&Device>) -> Arc<ClientConfig> {
        self.client_of(device, &[&rustls::version::TLS13])
    }

    pub(crate) fn client_of(
        &self,
        device: Option<&Device>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match device {
            None => builder.with_no_client_auth(),
            Some(device) => builder
                .with_client_auth_cert(vec![device.certificate.clone()], device.key.clone_key())
                .expect("a pair"),
        };
        config.alpn_protocols = vec![b"mqtt".to_vec()];
        Arc::new(config)
    }
}

/// A device of an authority that nobody here knows, with the same name as ours.
pub(crate) fn stranger(id: &str) -> Device {
    device(&authority("ioc trial CA"), id, 4000)
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

fn device(ca: &CertifiedIssuer<'static, KeyPair>, id: &str, until: i32) -> Device {
    let serial = SerialNumber::from(rand::random::<u64>() >> 1);
    let mut params = CertificateParams::new([format!("{id}.devices.example.vn")]).expect("names");
    params.distinguished_name.push(DnType::CommonName, id);
    params.subject_alt_names.push(SanType::URI(format!("urn:dev:{id}").try_into().expect("text")));
    params.serial_number = Some(serial.clone());
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, ca).expect("signed").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    Device { certificate, key, serial }
}
