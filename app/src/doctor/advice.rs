//! What can be unsafe, how bad it is, why, and what to do. `{}` stands for the value found.

use serde::Serialize;

/// How bad it is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Somebody can get in, or data can be lost, as it stands.
    Danger,
    /// A protection is missing that should be there.
    Warning,
    /// It may be meant; see that it is.
    Note,
}

/// Vietnamese and English.
pub(super) type Both = (&'static str, &'static str);

/// One kind of finding.
#[derive(Debug)]
pub(super) struct Advice {
    /// For programs; never changes.
    pub code: &'static str,
    pub level: Level,
    pub what: Both,
    pub why: Both,
    pub todo: Both,
}

use Level::{Danger, Note, Warning};

pub(super) const HTTP_PLAIN: Advice = Advice {
    code: "http_plain",
    level: Danger,
    what: ("trang vận hành ở {} không có TLS", "the dashboard on {} has no TLS"),
    why: (
        "mật khẩu và phiên làm việc đi qua mạng ở dạng rõ",
        "passwords and sessions cross the network in clear",
    ),
    todo: (
        "đặt dashboard.tls, hoặc nghe ở 127.0.0.1 sau một proxy có TLS",
        "set dashboard.tls, or listen on 127.0.0.1 behind a proxy with TLS",
    ),
};
pub(super) const HTTP_BEHIND_PROXY: Advice = Advice {
    code: "http_behind_proxy",
    level: Warning,
    what: (
        "trang vận hành ở {} chỉ được TLS của proxy bảo vệ",
        "the dashboard on {} relies on its proxies for TLS",
    ),
    why: (
        "đoạn từ proxy đến đây là dạng rõ, và ai đến thẳng đây thì không có TLS",
        "the way from the proxy is in clear, and who comes here directly has no TLS at all",
    ),
    todo: (
        "cho proxy chạy cùng máy và nghe ở 127.0.0.1, hoặc đặt dashboard.tls",
        "put the proxy on this machine and listen on 127.0.0.1, or set dashboard.tls",
    ),
};
pub(super) const COOKIE_NOT_SECURE: Advice = Advice {
    code: "cookie_not_secure",
    level: Warning,
    what: (
        "{} là https nhưng máy chủ không biết rằng trình duyệt đến qua TLS",
        "{} is https, but the server does not know that browsers come over TLS",
    ),
    why: (
        "cookie phiên không được đánh dấu Secure và không có HSTS",
        "the session cookie is not marked Secure, and there is no HSTS",
    ),
    todo: (
        "đặt dashboard.trusted_proxies hoặc dashboard.secure: true",
        "set dashboard.trusted_proxies, or dashboard.secure: true",
    ),
};
pub(super) const ORIGIN_PLAIN: Advice = Advice {
    code: "origin_plain",
    level: Warning,
    what: ("nguồn được phép {} là http", "the allowed origin {} is http"),
    why: (
        "trang dưới tên đó có thể bị thay đổi trên đường đi và hành động thay người dùng",
        "a page under that name can be changed on its way and act for its user",
    ),
    todo: ("dùng tên https://", "use the https:// name"),
};
pub(super) const METRICS_FOR_ALL: Advice = Advice {
    code: "metrics_for_all",
    level: Warning,
    what: ("/metrics trả lời cho mọi máy", "/metrics answers to every machine"),
    why: (
        "ai cũng thấy khối lượng, tên cổng và trạng thái của trung tâm",
        "anybody sees volumes, names of doors and the state of the centre",
    ),
    todo: (
        "để metrics_for_all: false và lấy số liệu từ chính máy này",
        "leave metrics_for_all: false and scrape from this machine",
    ),
};
pub(super) const PUBLIC_CAP: Advice = Advice {
    code: "public_cap",
    level: Note,
    what: (
        "cảnh báo công cộng (CAP) đọc được không cần đăng nhập",
        "public warnings (CAP) are read without signing in",
    ),
    why: ("đúng nếu thành phố muốn thế", "right if the city means it"),
    todo: ("nếu không, bỏ dashboard.public_cap", "if not, remove dashboard.public_cap"),
};
pub(super) const OPEN_DATA: Advice = Advice {
    code: "open_data",
    level: Note,
    what: ("dữ liệu mở đang được công bố", "open data are published"),
    why: (
        "ai cũng đọc được những tập trong opendata.yaml",
        "anybody reads the datasets of opendata.yaml",
    ),
    todo: (
        "xem lại danh sách tập và độ trễ trong opendata.yaml",
        "look through the datasets and their delay in opendata.yaml",
    ),
};
pub(super) const PROXIES_ALL: Advice = Advice {
    code: "proxies_all",
    level: Danger,
    what: ("mọi máy ({}) đều là proxy tin cậy", "every machine ({}) is a trusted proxy"),
    why: (
        "ai cũng tự đặt được địa chỉ của mình: giới hạn đăng nhập và nhật ký mất giá trị",
        "anybody chooses the address they come from: limits on sign-ins and the audit log are worth nothing",
    ),
    todo: ("chỉ ghi địa chỉ của các proxy", "name the addresses of the proxies alone"),
};
pub(super) const SESSIONS_LONG: Advice = Advice {
    code: "sessions_long",
    level: Warning,
    what: ("phiên làm việc dài đến {} giờ", "sessions last up to {} hours"),
    why: (
        "máy bỏ quên hoặc cookie bị lấy mở cửa cả ngày",
        "a forgotten machine or a stolen cookie opens the door for a day and more",
    ),
    todo: (
        "đặt dashboard.sessions.max_hours không quá 24",
        "set dashboard.sessions.max_hours to 24 at most",
    ),
};
pub(super) const MQTT_PLAIN: Advice = Advice {
    code: "mqtt_plain",
    level: Danger,
    what: ("MQTT ở {} không có TLS", "MQTT on {} has no TLS"),
    why: (
        "số đo và lệnh có thể bị đọc và sửa trên đường đi",
        "readings and commands can be read and changed on their way",
    ),
    todo: (
        "đặt ingest.gateway.tls và để listen ở 127.0.0.1 hoặc null",
        "set ingest.gateway.tls, and leave listen on 127.0.0.1 or null",
    ),
};
pub(super) const TOKENS_PLAIN: Advice = Advice {
    code: "tokens_plain",
    level: Danger,
    what: (
        "mã của thiết bị được nhận qua kết nối không mã hoá",
        "tokens of devices are taken over connections in clear",
    ),
    why: ("ai nghe được mạng thì có mã", "whoever can listen has the token"),
    todo: ("bỏ ingest.gateway.plaintext_tokens", "remove ingest.gateway.plaintext_tokens"),
};
pub(super) const ANONYMOUS_ALL: Advice = Advice {
    code: "anonymous_all",
    level: Danger,
    what: ("ai cũng được gửi dữ liệu không cần mã", "anybody may publish without a token"),
    why: (
        "một máy lạ trong mạng tạo được số đo và cảnh báo giả",
        "a stranger in the network makes false readings and alerts",
    ),
    todo: (
        "đặt ingest.gateway.anonymous: loopback hoặc never",
        "set ingest.gateway.anonymous: loopback or never",
    ),
};
pub(super) const UNKNOWN_DEVICES: Advice = Advice {
    code: "unknown_devices",
    level: Warning,
    what: (
        "dữ liệu của thiết bị chưa được duyệt vẫn được nhận",
        "data of devices that nobody approved are taken",
    ),
    why: (
        "MQTT mở ra ngoài máy này, và một thiết bị lạ có thể gây cảnh báo",
        "MQTT is open beyond this machine, and a stranger's device can raise alerts",
    ),
    todo: (
        "đặt ingest.registry.unknown_devices: hold hoặc refuse",
        "set ingest.registry.unknown_devices: hold or refuse",
    ),
};
pub(super) const BROKER_PLAIN: Advice = Advice {
    code: "broker_plain",
    level: Warning,
    what: ("mật khẩu cho broker {} đi ở dạng rõ", "the password for the broker {} goes in clear"),
    why: ("ai nghe được mạng thì có mật khẩu", "whoever can listen on the way has the password"),
    todo: (
        "đặt một đường hầm TLS trên máy này và trỏ host vào 127.0.0.1",
        "put a TLS tunnel on this machine and point host to 127.0.0.1",
    ),
};
pub(super) const SYNC_OFF: Advice = Advice {
    code: "sync_off",
    level: Danger,
    what: ("nhật ký không được ghi xuống đĩa", "the journal is not written through to the disk"),
    why: (
        "mất điện là mất số đo đã được xác nhận",
        "a power cut loses readings that were acknowledged",
    ),
    todo: ("đặt journal.sync: commit", "set journal.sync: commit"),
};
pub(super) const SYNC_INTERVAL: Advice = Advice {
    code: "sync_interval",
    level: Warning,
    what: (
        "nhật ký chỉ được ghi xuống đĩa mỗi {} ms",
        "the journal is written through to the disk every {} ms only",
    ),
    why: (
        "mất điện có thể mất chừng ấy số đo đã được xác nhận",
        "a power cut may lose so much of what was acknowledged",
    ),
    todo: ("đặt journal.sync: commit", "set journal.sync: commit"),
};
pub(super) const ANCHORS_BESIDE: Advice = Advice {
    code: "anchors_beside",
    level: Note,
    what: (
        "mốc của nhật ký kiểm toán nằm cạnh chính nhật ký",
        "the anchors of the audit log lie beside the log",
    ),
    why: (
        "ai sửa được nhật ký thì cũng sửa được mốc",
        "who can change the log can change them too",
    ),
    todo: (
        "đặt alerts.anchors vào một đĩa hoặc máy khác",
        "set alerts.anchors to a file on another disk or machine",
    ),
};
pub(super) const ANCHORS_MISSING: Advice = Advice {
    code: "anchors_missing",
    level: Warning,
    what: ("không có mốc kiểm toán ở {}", "there are no audit anchors at {}"),
    why: (
        "không chứng minh được rằng cuối nhật ký kiểm toán chưa bị cắt",
        "nothing proves that the end of the audit log was not cut off",
    ),
    todo: (
        "xem quyền ghi của thư mục đó và nhật ký của máy chủ; `ioc audit verify`",
        "see that the folder can be written, and the server's log; `ioc audit verify`",
    ),
};
pub(super) const CERTIFICATE_EXPIRED: Advice = Advice {
    code: "certificate_expired",
    level: Danger,
    what: ("chứng chỉ đã hết hạn ngày {}", "the certificate expired on {}"),
    why: (
        "trình duyệt và thiết bị từ chối, hoặc người dùng quen bỏ qua cảnh báo",
        "browsers and devices refuse it, or people learn to click warnings away",
    ),
    todo: (
        "thay tệp; nó được dùng ngay, không cần khởi động lại",
        "replace the file; it is used at once, without a restart",
    ),
};
pub(super) const CERTIFICATE_SOON: Advice = Advice {
    code: "certificate_soon",
    level: Warning,
    what: ("chứng chỉ hết hạn ngày {}", "the certificate expires on {}"),
    why: ("còn chưa đến 30 ngày", "that is in less than 30 days"),
    todo: (
        "gia hạn; tệp mới được dùng ngay, không cần khởi động lại",
        "renew it; a new file is used at once, without a restart",
    ),
};
pub(super) const CRL_OLD: Advice = Advice {
    code: "crl_old",
    level: Warning,
    what: (
        "danh sách thu hồi đã quá ngày cập nhật {}",
        "the list of revoked certificates should have been renewed on {}",
    ),
    why: (
        "thiết bị bị đánh cắp sau ngày đó vẫn vào được",
        "devices that were stolen since then still get in",
    ),
    todo: ("lấy danh sách mới từ CA", "fetch a new one from the authority"),
};
pub(super) const FILE_UNREADABLE: Advice = Advice {
    code: "file_unreadable",
    level: Warning,
    what: ("không đọc được: {}", "cannot be read: {}"),
    why: (
        "không kiểm tra được, và máy chủ có thể cũng không đọc được",
        "it could not be looked at, and the server may not be able to read it either",
    ),
    todo: (
        "chạy lệnh này dưới tài khoản của máy chủ; xem đường dẫn",
        "run this command as the server's user; look at the path",
    ),
};
pub(super) const SECRET_OPEN: Advice = Advice {
    code: "secret_open",
    level: Danger,
    what: ("người dùng khác của máy đọc được ({})", "other users of the machine can read it ({})"),
    why: ("đó là khoá hoặc bí mật", "it is a key or a secret"),
    todo: ("chmod 600 và đúng chủ sở hữu", "chmod 600, and the right owner"),
};
pub(super) const DATA_OPEN: Advice = Advice {
    code: "data_open",
    level: Warning,
    what: ("người dùng khác của máy vào được ({})", "other users of the machine can look in ({})"),
    why: (
        "ở đó có tài khoản, khoá và dữ liệu cá nhân",
        "accounts, keys and personal data are there",
    ),
    todo: ("chmod 700 cho thư mục dữ liệu", "chmod 700 for the data folder"),
};
pub(super) const SECRET_IN_CONFIG: Advice = Advice {
    code: "secret_in_config",
    level: Danger,
    what: ("một bí mật nằm ngay trong tệp cấu hình", "a secret stands in a configuration file"),
    why: (
        "người dùng khác của máy đọc được tệp này, và nó đi vào bản sao lưu và git",
        "other users of the machine can read the file, and it goes into backups and git",
    ),
    todo: ("chuyển nó vào secret_file hoặc secret_env", "move it to a secret_file or a secret_env"),
};
pub(super) const RUNS_AS_ROOT: Advice = Advice {
    code: "runs_as_root",
    level: Warning,
    what: ("trung tâm chạy dưới quyền root", "the centre runs as root"),
    why: ("một lỗ hổng trong nó là cả máy", "a hole in it is the whole machine"),
    todo: (
        "chạy dưới một tài khoản riêng (deploy/ có ví dụ)",
        "run it as a user of its own (see deploy/)",
    ),
};
pub(super) const INFLUX_PLAIN: Advice = Advice {
    code: "influx_plain",
    level: Warning,
    what: ("InfluxDB ở {} qua http", "InfluxDB at {} over http"),
    why: (
        "mã truy cập và số đo đi qua mạng ở dạng rõ",
        "its token and the readings cross the network in clear",
    ),
    todo: ("dùng https:// trong history.influxdb.url", "use https:// in history.influxdb.url"),
};
pub(super) const WEBHOOK_PLAIN: Advice = Advice {
    code: "webhook_plain",
    level: Warning,
    what: ("nơi nhận {} cho phép http", "the receiver {} allows http"),
    why: (
        "cảnh báo và mã đi qua mạng ở dạng rõ",
        "alerts and its token cross the network in clear",
    ),
    todo: ("dùng https:// và bỏ allow_http", "use https:// and remove allow_http"),
};
pub(super) const MAIL_PLAIN: Advice = Advice {
    code: "mail_plain",
    level: Warning,
    what: ("nơi nhận {} cho phép thư không mã hoá", "the receiver {} allows mail in clear"),
    why: (
        "cảnh báo và mật khẩu đi qua mạng ở dạng rõ",
        "alerts and the password cross the network in clear",
    ),
    todo: ("dùng tls: required và bỏ allow_plain", "use tls: required and remove allow_plain"),
};
pub(super) const PERSONAL_LONG: Advice = Advice {
    code: "personal_long",
    level: Warning,
    what: ("dữ liệu cá nhân được giữ {} ngày", "personal data are kept for {} days"),
    why: (
        "Luật 91/2025/QH15: không lâu hơn mức mục đích cần",
        "Law 91/2025/QH15: not longer than their purpose needs",
    ),
    todo: (
        "đặt personal.keep_days không quá 90, hoặc ghi lại vì sao cần lâu hơn",
        "set personal.keep_days to 90 at most, or write down why more is needed",
    ),
};
pub(super) const ONE_ADMINISTRATOR: Advice = Advice {
    code: "one_administrator",
    level: Warning,
    what: ("chỉ có một người quản trị: {}", "there is only one administrator: {}"),
    why: (
        "khi người đó vắng hoặc mất mật khẩu, không ai cấp hay thu quyền được",
        "when they are away or locked out, nobody can grant or take rights",
    ),
    todo: ("ioc user add TEN --role administrator", "ioc user add NAME --role administrator"),
};
pub(super) const NO_ADMINISTRATOR: Advice = Advice {
    code: "no_administrator",
    level: Danger,
    what: ("không có người quản trị nào", "there is no administrator"),
    why: (
        "không ai thu được quyền của một tài khoản bị lộ",
        "nobody can take the rights of a stolen account away",
    ),
    todo: ("ioc user add TEN --role administrator", "ioc user add NAME --role administrator"),
};
pub(super) const NO_SECOND_FACTOR: Advice = Advice {
    code: "no_second_factor",
    level: Warning,
    what: (
        "người quản trị {} không có yếu tố thứ hai",
        "the administrator {} has no second factor",
    ),
    why: ("một mật khẩu bị lộ là cả trung tâm", "one password that gets out is the whole centre"),
    todo: (
        "bật mã TOTP ở trang tài khoản; dashboard.second_factor_for: [administrator]",
        "set up TOTP on the account page; dashboard.second_factor_for: [administrator]",
    ),
};
pub(super) const ACCOUNT_UNUSED: Advice = Advice {
    code: "account_unused",
    level: Warning,
    what: ("tài khoản {} không được dùng từ 90 ngày", "the account {} was not used for 90 days"),
    why: ("không ai để ý khi nó bị dùng trộm", "nobody would notice it being used by others"),
    todo: ("ioc user disable TEN", "ioc user disable NAME"),
};
pub(super) const PASSWORD_INITIAL: Advice = Advice {
    code: "password_initial",
    level: Warning,
    what: ("{} chưa đổi mật khẩu ban đầu", "{} has not changed the initial password"),
    why: ("người khác cũng biết mật khẩu đó", "somebody else knows that password too"),
    todo: (
        "đăng nhập và đổi, hoặc ioc user disable TEN",
        "sign in and change it, or ioc user disable NAME",
    ),
};
pub(super) const TOKEN_ENDLESS: Advice = Advice {
    code: "token_endless",
    level: Warning,
    what: ("{} không có ngày hết hạn", "{} has no end"),
    why: ("một mã bị lộ mở cửa mãi mãi", "a token that gets out opens the door for ever"),
    todo: ("thu hồi và cấp mã có hạn", "revoke it and issue one with an end"),
};
pub(super) const TOKEN_LONG: Advice = Advice {
    code: "token_long",
    level: Warning,
    what: ("{} còn hạn hơn 180 ngày", "{} holds for more than 180 days"),
    why: ("một mã bị lộ mở cửa rất lâu", "a token that gets out opens the door for long"),
    todo: ("cấp mã ngắn hạn hơn", "issue one for a shorter time"),
};
