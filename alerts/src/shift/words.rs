//! The words of the report in both languages of the product.

use ioc_model::{AlarmState, City, HeldBy, Severity, Timestamp, Work};

use crate::channel::words::severity_word;
use crate::language::Language;

impl Language {
    pub(crate) fn severity(self, severity: Severity) -> &'static str {
        severity_word(severity, self)
    }

    pub(crate) fn work(self, work: Work) -> &'static str {
        match work {
            Work::New => self.pick("Mới phát sinh", "New"),
            Work::Acknowledged => self.pick("Đã tiếp nhận", "Acknowledged"),
            Work::Assigned => self.pick("Đã phân công", "Assigned"),
            Work::InProgress => self.pick("Đang xử lý", "In progress"),
            Work::Resolved => self.pick("Đã xử lý", "Resolved"),
            Work::Closed => self.pick("Đã đóng", "Closed"),
            Work::Rejected => self.pick("Báo động giả", "Rejected"),
        }
    }

    pub(crate) fn state(self, state: AlarmState) -> &'static str {
        match state {
            AlarmState::Norm => self.pick("Bình thường", "Normal"),
            AlarmState::Unack => {
                self.pick("Đang diễn ra, chưa tiếp nhận", "Active, unacknowledged")
            }
            AlarmState::Acked => self.pick("Đang diễn ra, đã tiếp nhận", "Active, acknowledged"),
            AlarmState::Rtnun => self.pick("Đã hết, chưa tiếp nhận", "Returned, unacknowledged"),
            AlarmState::Latun => {
                self.pick("Đã hết, còn chốt, chưa tiếp nhận", "Returned, latched, unacknowledged")
            }
            AlarmState::Latak => {
                self.pick("Đã hết, còn chốt, đã tiếp nhận", "Returned, latched, acknowledged")
            }
            AlarmState::Shlvd => self.pick("Tạm hoãn", "Shelved"),
            AlarmState::Dsupr => self.pick("Tạm ẩn", "Suppressed by design"),
            AlarmState::Oosrv => self.pick("Ngừng sử dụng", "Out of service"),
        }
    }

    pub(crate) fn held(self, by: HeldBy) -> &'static str {
        match by {
            HeldBy::Shelf => self.pick("Tạm hoãn", "Shelved"),
            HeldBy::Maintenance => self.pick("Bảo trì", "Maintenance"),
            HeldBy::Parent => self.pick("Thiết bị cha mất kết nối", "Outage of the parent"),
            HeldBy::OutOfService => self.pick("Ngừng sử dụng", "Out of service"),
        }
    }

    /// Name of a ward; what the city does not know shows as it is.
    pub(crate) fn area<'a>(self, city: &'a City, id: &'a str) -> &'a str {
        if id == "unassigned" {
            return self.pick("Chưa xác định", "Unassigned");
        }
        city.areas.get(id).map_or(id, |area| self.of(&area.name))
    }

    /// Name of a service; what the city does not know shows as it is.
    pub(crate) fn service<'a>(self, city: &'a City, id: &'a str) -> &'a str {
        city.services.get(id).map_or(id, |service| self.of(&service.name))
    }

    /// Local time as people here write it: `31/07/2026 18:05`.
    pub(super) fn time(self, t: Timestamp) -> String {
        let format = self.pick("%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M");
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(7));
        match jiff::Timestamp::from_millisecond(t.0) {
            Ok(moment) => moment.to_zoned(zone).strftime(format).to_string(),
            Err(_) => t.to_string(),
        }
    }

    /// A span of time for people.
    pub(super) fn span(self, s: f64) -> String {
        match s {
            s if s < 60.0 => format!("{s:.0} s"),
            s if s < 7200.0 => format!("{:.0} {}", s / 60.0, self.pick("phút", "min")),
            s => format!("{:.1} {}", s / 3600.0, self.pick("giờ", "h")),
        }
    }
}
