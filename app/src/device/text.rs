//! Devices and tokens as people read them.

use ioc_model::{Device, DeviceOrigin, DeviceState, Imported, NewToken, Timestamp, TokenInfo};

use crate::cli::Language;
use crate::words::{count, one_line};

fn by(language: Language, vi: String, en: String) -> String {
    match language {
        Language::Vi => vi,
        Language::En => en,
    }
}

/// One line, fields separated by tabs; words of the interface, not of a language.
pub(super) fn row(device: &Device, language: Language) -> String {
    let state = match device.state {
        DeviceState::Approved => "approved",
        DeviceState::Pending => "pending",
        DeviceState::Blocked => "blocked",
    };
    let origin = match device.origin {
        DeviceOrigin::Config => "config",
        DeviceOrigin::People => "people",
        DeviceOrigin::Auto => "auto",
    };
    let name = one_line(language.pick(&device.name));
    format!("{}\t{state}\t{origin}\t{}\t{}\t{name}", device.id, device.service, device.area)
}

pub(super) fn counted(shown: usize, all: usize, language: Language) -> String {
    let (shown, all) = (count(shown as u64), count(all as u64));
    by(language, format!("{shown} trong {all} thiết bị"), format!("{shown} of {all} devices"))
}

pub(super) fn imported(done: &Imported, dry_run: bool, language: Language) -> String {
    let [added, changed, same] = [done.added, done.changed, done.same].map(count);
    let vi = format!("{added} thiết bị mới, {changed} thay đổi, {same} như cũ");
    let en = format!("{added} new, {changed} changed, {same} as they were");
    match dry_run {
        true => by(language, format!("{vi} (thử, chưa ghi gì)"), format!("{en} (dry run)")),
        false => by(language, vi, en),
    }
}

pub(super) fn removed(id: &str, language: Language) -> String {
    by(language, format!("đã xóa {id} và các mã của nó"), format!("removed {id} and its tokens"))
}

pub(super) fn revoked(id: &str, number: i64, language: Language) -> String {
    by(
        language,
        format!("đã thu hồi mã {number} của {id}"),
        format!("revoked token {number} of {id}"),
    )
}

pub(super) fn token(made: &NewToken, name: &str, language: Language) -> String {
    let (id, number, name) = (&made.device, made.info.id, one_line(name));
    by(
        language,
        format!(
            "mã {number} của {id} ({name}); chỉ hiện một lần này\n  \
             MQTT: client id và user name là {id}, mật khẩu là mã"
        ),
        format!(
            "token {number} of {id} ({name}); it is shown this once\n  \
             MQTT: client id and user name are {id}, the password is the token"
        ),
    )
}

pub(super) fn token_row(token: &TokenInfo) -> String {
    let used = token.last_used.map_or_else(|| "-".into(), time);
    let (by, label) = (one_line(&token.created_by), one_line(&token.label));
    format!("{}\t{}\t{by}\t{used}\t{label}", token.id, time(token.created))
}

fn time(at: Timestamp) -> String {
    at.to_string()
}
