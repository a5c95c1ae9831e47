//! One sick centre for each finding, and one that is well.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use ioc_alerts::notify::NotifyConfig;
use ioc_dashboard::{Auth, Role};
use ioc_model::{ConfigFiles, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

use super::*;
use crate::settings;

/// 2026-06-01T12:00:00Z.
const NOW: Timestamp = Timestamp(1_780_315_200_000);
const DAY_MS: i64 = 86_400_000;
const PASSWORD: &str = "một mật khẩu dài";

/// The tables of API tokens and wall tokens, where they are not there yet.
const KEYS: &str = "
    CREATE TABLE IF NOT EXISTS tokens (id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT,
      hash BLOB, label TEXT, grants TEXT, created INTEGER, expires INTEGER, used INTEGER);
    CREATE TABLE IF NOT EXISTS walls (id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT,
      hash BLOB, label TEXT, view TEXT, grants TEXT, created INTEGER, expires INTEGER,
      used INTEGER);";

static SHIPPED: LazyLock<ConfigFiles> = LazyLock::new(config::shipped);
static BASE: LazyLock<Base> =
    LazyLock::new(|| check::load_all_but_rules(&SHIPPED).expect("the shipped configuration"));

/// A centre as it should be, in a folder of its own.
struct Centre {
    folder: TempDir,
    /// `ioc.yaml`.
    settings: String,
    notify: String,
    open_data: Option<String>,
    owner: Option<u32>,
}

impl Centre {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(at("data")).expect("makes");
        set_permissions(at("data"), Permissions::from_mode(0o700)).expect("sets");
        write_certificates(folder.path(), (2026, 12, 1), (2026, 6, 10));
        let settings = format!(
            "data: {data}\n\
             journal:\n  sync: commit\n\
             alerts:\n  anchors: {anchors}\n\
             ingest:\n  \
               gateway:\n    \
                 listen: null\n    \
                 tls:\n      \
                   listen: 0.0.0.0:8883\n      \
                   certificate_file: {certificate}\n      \
                   key_file: {key}\n      \
                   client_ca_file: {certificate}\n      \
                   crl_files: [{crl}]\n  \
               registry:\n    \
                 unknown_devices: hold\n\
             dashboard:\n  \
               listen: 0.0.0.0:8443\n  \
               allowed_origins: [https://ioc.example.vn]\n  \
               tls:\n    \
                 certificate_file: {certificate}\n    \
                 key_file: {key}\n",
            data = at("data"),
            anchors = at("audit.anchors"),
            certificate = at("certificate.pem"),
            key = at("key.pem"),
            crl = at("crl.pem"),
        );
        std::fs::write(at("audit.anchors"), "").expect("writes");
        let centre = Self {
            folder,
            settings,
            notify: "receivers: []\nroutes: []\n".into(),
            open_data: None,
            owner: Some(1_000),
        };
        let auth = centre.auth(NOW);
        auth.add_user("an", PASSWORD, Role::Administrator).expect("adds");
        auth.add_user("binh", PASSWORD, Role::Administrator).expect("adds");
        drop(auth);
        centre.sql("UPDATE users SET totp = x'00'");
        centre
    }

    /// Changes the file of accounts as the centre would.
    fn sql(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.path("data/users.sqlite")).expect("opens");
        db.execute_batch("PRAGMA foreign_keys = OFF").expect("sets");
        for column in ["totp BLOB", "initial INTEGER"] {
            // There already, or not yet: the file is of any version.
            let _ = db.execute_batch(&format!("ALTER TABLE users ADD COLUMN {column}"));
        }
        db.execute_batch(KEYS).expect("makes");
        db.execute_batch(sql).expect("changes");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn auth(&self, now: Timestamp) -> Auth {
        let path = self.path("data/users.sqlite");
        Auth::open_with_clock(&path, Arc::new(move || now)).expect("opens")
    }

    /// Exchanges a part of `ioc.yaml`.
    fn with(mut self, old: &str, new: &str) -> Self {
        assert!(self.settings.contains(old), "{old}");
        self.settings = self.settings.replace(old, new);
        self
    }

    fn and(mut self, more: &str) -> Self {
        self.settings.push_str(more);
        self
    }

    fn receivers(mut self, yaml: &str) -> Self {
        self.notify = yaml.into();
        self
    }

    fn secret(&self, name: &str, mode: u32) -> String {
        let path = self.path(name);
        std::fs::write(&path, "s").expect("writes");
        set_permissions(&path, Permissions::from_mode(mode)).expect("sets");
        path.display().to_string()
    }

    fn findings(&self) -> Vec<Finding> {
        let mut files = SHIPPED.clone();
        files.0.insert("ioc.yaml".into(), self.settings.clone());
        files.0.insert("notify.yaml".into(), self.notify.clone());
        let settings = settings::load(&files).expect("settings").for_reading(None);
        let notify = NotifyConfig::load(&files, &BASE.city).expect("receivers");
        let open_data = match &self.open_data {
            None => Arc::clone(&BASE.open_data),
            Some(text) => {
                files.0.insert("opendata.yaml".into(), text.clone());
                let loaded = ioc_share::opendata::OpenData::load(&files, &BASE.city);
                Arc::new(loaded.expect("open data"))
            }
        };
        let base = Base {
            settings,
            city: Arc::clone(&BASE.city),
            policy: Arc::clone(&BASE.policy),
            notify,
            open_data,
        };
        let (files, folder) = (&files, Some(self.folder.path()));
        examine(&Patient { files, folder, base: &base, now: NOW, owner: self.owner })
    }

    /// Exactly these are found.
    fn has(&self, codes: &[&str]) -> Vec<Finding> {
        let findings = self.findings();
        let found: Vec<&str> = findings.iter().map(|f| f.advice.code).collect();
        assert_eq!(found, codes, "{findings:#?}");
        findings
    }
}

fn write_certificates(folder: &Path, ends: (i32, u8, u8), renewed: (i32, u8, u8)) {
    let mut params = CertificateParams::new(["ioc.example.vn".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(ends.0, ends.1, ends.2);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("a key");
    let secret = key.serialize_pem();
    let issuer = CertifiedIssuer::self_signed(params, key).expect("signs");
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(renewed.0, renewed.1, renewed.2),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&issuer).expect("signs").pem().expect("PEM");
    for (name, text) in [("certificate.pem", issuer.pem()), ("key.pem", secret), ("crl.pem", list)]
    {
        std::fs::write(folder.join(name), text).expect("writes");
        set_permissions(folder.join(name), Permissions::from_mode(0o600)).expect("sets");
    }
}

#[test]
fn a_centre_that_is_set_up_well_has_no_findings() {
    Centre::new().has(&[]);
}

/// Its defaults are for one machine; nothing in them is worse than a note.
#[test]
fn the_shipped_settings_are_safe() {
    let mut centre = Centre::new();
    let data = centre.path("data").display().to_string();
    centre.settings = SHIPPED.0["ioc.yaml"].replace("data: data", "");
    centre.settings.push_str(&format!("\ndata: {data}\n"));
    centre.has(&["anchors_beside"]);
}

#[test]
fn each_unsafe_setting_is_found_at_its_line() {
    let open_mqtt = ("    listen: null\n", "    listen: 0.0.0.0:1883\n");
    let no_tls = |centre: Centre| {
        let at = centre.settings.find("  tls:\n    certificate").expect("it is there");
        let settings = centre.settings[..at].to_owned();
        Centre { settings, ..centre }
    };
    let cases: Vec<(Centre, &[&str], &str)> = vec![
        (no_tls(Centre::new()).and("  secure: true\n"), &["http_plain"], "dashboard.listen"),
        (
            no_tls(Centre::new()).and("  trusted_proxies: [10.0.0.7]\n"),
            &["http_behind_proxy"],
            "dashboard.listen",
        ),
        (
            no_tls(Centre::new()).with("listen: 0.0.0.0:8443", "listen: 127.0.0.1:8080"),
            &["cookie_not_secure"],
            "dashboard.allowed_origins",
        ),
        (
            Centre::new()
                .with("[https://ioc.example.vn]", "[http://ioc.example.vn, 'http://[::1]:80']"),
            &["origin_plain"],
            "dashboard.allowed_origins",
        ),
        (
            Centre::new().and("  metrics_for_all: true\n"),
            &["metrics_for_all"],
            "dashboard.metrics_for_all",
        ),
        (Centre::new().and("  public_cap: true\n"), &["public_cap"], "dashboard.public_cap"),
        (
            Centre::new().and("  trusted_proxies: [10.0.0.7, '0.0.0.0/0']\n"),
            &["proxies_all"],
            "dashboard.trusted_proxies",
        ),
        (
            Centre::new().and("  trusted_proxies: ['::/0']\n"),
            &["proxies_all"],
            "dashboard.trusted_proxies",
        ),
        (Centre::new().with(open_mqtt.0, open_mqtt.1), &["mqtt_plain"], "ingest.gateway.listen"),
        (
            Centre::new()
                .with("    listen: null\n", "    listen: null\n    plaintext_tokens: true\n"),
            &["tokens_plain"],
            "ingest.gateway.plaintext_tokens",
        ),
        (
            Centre::new().with("    listen: null\n", "    listen: null\n    anonymous: all\n"),
            &["anonymous_all"],
            "ingest.gateway.anonymous",
        ),
        (
            Centre::new().with("unknown_devices: hold", "unknown_devices: accept"),
            &["unknown_devices"],
            "ingest.registry.unknown_devices",
        ),
        (Centre::new().with("sync: commit", "sync: off"), &["sync_off"], "journal.sync"),
        (
            Centre::new().with("sync: commit", "sync: { interval: { ms: 1000 } }"),
            &["sync_interval"],
            "journal.sync",
        ),
        (
            Centre::new().and(
                "history:\n  backend: influxdb\n  influxdb:\n    url: http://influx.lan:8086\n",
            ),
            &["influx_plain"],
            "history.influxdb.url",
        ),
        (
            Centre::new().and("personal:\n  keep:\n    traffic: [red_light]\n  keep_days: 91\n"),
            &["personal_long"],
            "personal.keep_days",
        ),
    ];
    for (centre, codes, setting) in cases {
        let findings = centre.has(codes);
        let last = setting.rsplit('.').next().expect("a word");
        let Finding { place, .. } = &findings[0];
        let (file, named) = place.split_once(' ').expect("a place");
        assert_eq!(named, setting);
        let line: usize = file.strip_prefix("ioc.yaml:").and_then(|n| n.parse().ok()).expect(place);
        let row = centre.settings.lines().nth(line - 1).expect("the line");
        assert!(row.trim_start().starts_with(last), "{setting}: line {line} is {row:?}");
    }
}

#[test]
fn influxdb_and_brokers_on_this_machine_may_speak_in_clear() {
    let local = "history:\n  backend: influxdb\n  influxdb:\n    url: http://127.0.0.1:8086\n";
    Centre::new().and(local).has(&[]);
    let centre = Centre::new();
    let password = centre.secret("broker", 0o600);
    let broker = |host: &str| {
        format!("  subscribers:\n    - {{ name: b, host: {host}, password_file: {password} }}\n")
    };
    let at = "  registry:\n";
    let centre = centre.with(at, &format!("{}{at}", broker("localhost")));
    centre.has(&[]);
    let centre = centre.with("host: localhost", "host: mqtt.example.vn");
    assert_eq!(centre.has(&["broker_plain"])[0].value, "mqtt.example.vn");
}

#[test]
fn what_is_published_is_noted() {
    let mut centre = Centre::new();
    let text = &SHIPPED.0["opendata.yaml"];
    centre.open_data = Some(text.replace("enabled: false", "enabled: true"));
    let findings = centre.has(&["open_data"]);
    assert_eq!(findings[0].advice.level, Level::Note);
}

#[test]
fn missing_anchors_are_found() {
    let centre = Centre::new();
    std::fs::write(centre.path("data/alerts.sqlite"), "").expect("writes");
    centre.has(&[]);
    std::fs::remove_file(centre.path("audit.anchors")).expect("removes");
    centre.has(&["anchors_missing"]);
    let centre = Centre::new();
    let line = format!("alerts:\n  anchors: {}\n", centre.path("audit.anchors").display());
    centre.with(&line, "").has(&["anchors_beside"]);
}

#[test]
fn certificates_and_lists_that_end_are_found() {
    let centre = Centre::new();
    write_certificates(centre.folder.path(), (2026, 6, 1), (2026, 6, 10));
    let codes = ["certificate_expired"; 3];
    let findings = centre.has(&codes);
    assert_eq!(findings[0].value, "2026-06-01");
    write_certificates(centre.folder.path(), (2026, 7, 1), (2026, 6, 10));
    centre.has(&["certificate_soon"; 3]);
    write_certificates(centre.folder.path(), (2026, 7, 2), (2026, 6, 1));
    let findings = centre.has(&["crl_old"]);
    assert_eq!(findings[0].place, centre.path("crl.pem").display().to_string());
    write_certificates(centre.folder.path(), (2026, 7, 2), (2026, 6, 2));
    centre.has(&[]);
    std::fs::write(centre.path("crl.pem"), "x").expect("writes");
    centre.has(&["file_unreadable"]);
    std::fs::remove_file(centre.path("certificate.pem")).expect("removes");
    centre.has(&["file_unreadable"; 4]);
}

#[test]
fn keys_and_secrets_that_others_can_read_are_found() {
    let centre = Centre::new();
    set_permissions(centre.path("key.pem"), Permissions::from_mode(0o640)).expect("sets");
    centre.has(&[]);
    set_permissions(centre.path("key.pem"), Permissions::from_mode(0o644)).expect("sets");
    assert_eq!(centre.has(&["secret_open"; 2])[0].value, "0644");
    set_permissions(centre.path("key.pem"), Permissions::from_mode(0o600)).expect("sets");

    let hook = centre.secret("hook", 0o604);
    let mail = centre.secret("mail", 0o604);
    let token = centre.secret("influx", 0o604);
    let client = centre.secret("client", 0o604);
    let receivers = format!(
        "receivers:\n  - id: zalo\n    webhook: {{ url: 'https://x.example/{{{{token}}}}', \
         token: {{ secret_file: {hook} }} }}\n  - id: duty\n    email: {{ host: mx.example, \
         from: a@x.example, to: [b@x.example], user: a, password: {{ secret_file: {mail} }} }}\n\
         routes: []\n"
    );
    let centre = centre.receivers(&receivers).and(&format!(
        "  oidc:\n    - {{ id: sso, name: {{ vi: a, en: a }}, issuer: 'https://sso.example', \
         client_id: ioc, secret_file: {client}, groups: [{{ group: g, role: viewer }}] }}\n\
         history:\n  backend: influxdb\n  influxdb:\n    url: https://influx.lan\n    \
         token_file: {token}\n"
    ));
    let findings = centre.has(&["secret_open"; 4]);
    let places: Vec<&str> = findings.iter().map(|f| &*f.place).collect();
    assert_eq!(places, [&*client, &*token, &*hook, &*mail]);
}

#[test]
fn receivers_in_clear_and_secrets_in_the_configuration_are_found() {
    let receivers = "receivers:\n  \
        - id: siren\n    webhook: { url: 'http://siren.example/', allow_http: true }\n  \
        - id: duty\n    email: { host: mx.example, from: a@x.example, to: [b@x.example], \
          tls: none, allow_plain: true }\n  \
        - id: chat\n    webhook:\n      url: https://chat.example/\n      headers:\n        \
          Authorization: Bearer s3cret\n\
        routes: []\n";
    let centre = Centre::new().receivers(receivers);
    let notify = centre.path("notify.yaml");
    std::fs::write(&notify, receivers).expect("writes");
    set_permissions(&notify, Permissions::from_mode(0o600)).expect("sets");
    let findings = centre.has(&["webhook_plain", "mail_plain"]);
    assert_eq!(findings[0].place, "notify.yaml:2 siren");
    assert_eq!(findings[1].place, "notify.yaml:4 duty");
    set_permissions(&notify, Permissions::from_mode(0o644)).expect("sets");
    let findings = centre.has(&["secret_in_config", "webhook_plain", "mail_plain"]);
    assert_eq!(findings[0].place, "notify.yaml:6 chat");
    assert!(!text(&findings, Language::En).contains("s3cret"), "and the secret is not repeated");
}

#[test]
fn a_data_folder_that_others_can_enter_is_found_with_what_they_can_read_there() {
    let centre = Centre::new();
    let data = centre.path("data");
    let mode =
        |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).expect("sets");
    mode(&data.join("users.sqlite"), 0o644);
    centre.has(&[]);
    mode(&data, 0o750);
    centre.has(&[]);
    mode(&data, 0o711);
    let findings = centre.has(&["data_open", "data_open"]);
    assert_eq!(findings[1].place, data.join("users.sqlite").display().to_string());
    mode(&data.join("users.sqlite"), 0o600);
    std::fs::create_dir(data.join("personal")).expect("makes");
    std::fs::write(data.join("personal/day.key"), "k").expect("writes");
    mode(&data.join("personal"), 0o700);
    mode(&data.join("personal/day.key"), 0o644);
    let findings = centre.has(&["secret_open", "data_open"]);
    assert_eq!(findings[0].place, data.join("personal/day.key").display().to_string());
}

#[test]
fn a_centre_that_runs_as_root_is_found() {
    let mut centre = Centre::new();
    centre.owner = Some(0);
    centre.has(&["runs_as_root"]);
    assert_eq!(files::owner(&centre.path("data")), files::owner(&centre.path("data")));
    assert_eq!(files::owner(&centre.path("nowhere")), None, "before the first start");
}

#[test]
fn administrators_are_counted() {
    let centre = Centre::new();
    centre.auth(NOW).disable("binh").expect("disables");
    let findings = centre.has(&["one_administrator"]);
    assert_eq!(findings[0].value, "an");
    // One of a part of the city is none, and needs a second factor all the same.
    let part = r#"[{"role":"administrator","areas":["hai_chau"],"services":null}]"#;
    centre.sql(&format!("UPDATE users SET disabled = 0, grants = '{part}' WHERE name = 'binh'"));
    centre.has(&["one_administrator"]);
    let centre = Centre::new();
    std::fs::remove_file(centre.path("data/users.sqlite")).expect("removes");
    centre.auth(NOW).add_user("an", PASSWORD, Role::Viewer).expect("adds");
    centre.has(&["no_administrator"]);
}

#[test]
fn administrators_without_a_second_factor_are_found() {
    let centre = Centre::new();
    centre.auth(NOW).add_user("cuong", PASSWORD, Role::Viewer).expect("adds");
    centre.has(&[]);
    centre.sql("UPDATE users SET totp = NULL WHERE name = 'an'");
    let findings = centre.has(&["no_second_factor"]);
    assert_eq!(findings[0].value, "an");
    // The provider sees to it.
    centre.sql("INSERT INTO oidc_accounts (iss, sub, user) VALUES ('https://sso', '1', 'an')");
    centre.has(&[]);
}

#[test]
fn passwords_that_others_made_are_found() {
    let centre = Centre::new();
    centre.sql(&format!("UPDATE users SET initial = {} WHERE name = 'binh'", NOW.0 + DAY_MS));
    assert_eq!(centre.has(&["password_initial"])[0].value, "binh");
}

#[test]
fn tokens_that_hold_too_long_are_found() {
    let centre = Centre::new();
    let at = |days: i64| NOW.0 + days * DAY_MS;
    centre.sql(&format!(
        "INSERT INTO tokens (user, hash, label, grants, created, expires) VALUES
           ('an', x'01', 'export', '[]', {now}, {far}), ('an', x'02', 'near', '[]', {now}, {near});
         INSERT INTO walls (user, hash, label, view, grants, created, expires) VALUES
           ('an', x'03', 'hall', 'overview', '[]', {now}, NULL),
           ('an', x'04', 'room', 'overview', '[]', {now}, {far}),
           ('an', x'05', 'door', 'overview', '[]', {now}, {near});",
        now = NOW.0,
        near = at(180),
        far = at(181),
    ));
    let findings = centre.has(&["token_long", "token_endless", "token_long"]);
    let values: Vec<&str> = findings.iter().map(|f| &*f.value).collect();
    let expected =
        ["API token 1 (an: export)", "wall token 1 (an: hall)", "wall token 2 (an: room)"];
    assert_eq!(values, expected);
}

#[test]
fn accounts_that_nobody_uses_are_found() {
    let centre = Centre::new();
    let auth = centre.auth(Timestamp(NOW.0 - 91 * DAY_MS));
    auth.add_user("cuong", PASSWORD, Role::Viewer).expect("adds");
    auth.add_user("dung", PASSWORD, Role::Viewer).expect("adds");
    auth.disable("dung").expect("disables");
    centre
        .auth(Timestamp(NOW.0 - 89 * DAY_MS))
        .add_user("em", PASSWORD, Role::Viewer)
        .expect("adds");
    let findings = centre.has(&["account_unused"]);
    assert_eq!(findings[0].value, "cuong");
}

#[test]
fn the_accounts_are_read_while_the_centre_runs_and_left_as_they_are() {
    let centre = Centre::new();
    let names = || {
        let list = std::fs::read_dir(centre.path("data")).expect("reads").flatten();
        let mut names: Vec<_> = list.map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    let before = (names(), std::fs::read(centre.path("data/users.sqlite")).expect("reads"));
    centre.has(&[]);
    let after = (names(), std::fs::read(centre.path("data/users.sqlite")).expect("reads"));
    assert_eq!(before, after, "nothing is made or changed");
    // An account that is in the log of the file only.
    let running = centre.auth(NOW);
    running.disable("binh").expect("disables");
    centre.has(&["one_administrator"]);
    drop(running);
    std::fs::write(centre.path("data/users.sqlite"), "no database").expect("writes");
    centre.has(&["file_unreadable"]);
}

#[test]
fn the_worst_comes_first_and_every_text_is_there_in_both_languages() {
    let mut centre = Centre::new()
        .and("  public_cap: true\n  metrics_for_all: true\n")
        .with("sync: commit", "sync: off");
    centre.owner = Some(0);
    let findings = centre.has(&["sync_off", "metrics_for_all", "runs_as_root", "public_cap"]);
    let en = text(&findings, Language::En);
    assert!(en.starts_with("DANGER  the journal is not written through to the disk\n"), "{en}");
    assert!(en.contains("  where: ioc.yaml:3 journal.sync\n"), "{en}");
    assert!(en.ends_with("dangers: 1 · warnings: 2 · notes: 1\n"), "{en}");
    let vi = text(&findings, Language::Vi);
    assert!(vi.starts_with("NGUY HIỂM  nhật ký không được ghi xuống đĩa\n"), "{vi}");
    let json = findings[0].json();
    assert_eq!((&json["level"], &json["code"]), (&json!("danger"), &json!("sync_off")));
    for part in ["what", "why", "todo"] {
        assert_ne!(json[part]["vi"], json[part]["en"]);
    }
}
