//! Topics that a device may publish to beside its native ones.

/// Longest topic that decoders look at.
const TOPIC_BYTES: usize = 256;

/// Why a pattern cannot be one of the device's, and what to do.
pub(super) fn check(pattern: &str, device: &str) -> Result<(), (String, &'static str)> {
    let bad = |what: String, hint| Err((what, hint));
    if pattern.is_empty() || pattern.len() > TOPIC_BYTES {
        return bad("a topic has 1 to 256 bytes".into(), "");
    }
    if pattern.chars().any(char::is_control) {
        return bad(format!("`{}` holds a control character", pattern.escape_debug()), "");
    }
    if pattern.starts_with('$') {
        let hint = "topics that begin with `$` belong to brokers";
        return bad(format!("`{pattern}` cannot be published to"), hint);
    }
    let levels: Vec<&str> = pattern.split('/').collect();
    if levels.iter().any(|l| l.contains('+') && *l != "+") {
        return bad(format!("`{pattern}`: `+` stands alone in its level"), "as in a/+/b");
    }
    let misplaced = |(n, l): (usize, &&str)| l.contains('#') && (*l != "#" || n + 1 < levels.len());
    if levels.iter().enumerate().any(misplaced) {
        return bad(format!("`{pattern}`: `#` stands alone in the last level"), "as in a/b/#");
    }
    if !overlap(&levels, &["ioc", "v1", "#"]) {
        return Ok(());
    }
    let ours = ["alerts", "devices"];
    if ours.iter().any(|own| overlap(&levels, &["ioc", "v1", own, "#"])) {
        let hint = "begin with words that the topics of the device have, not with `+` or `#`";
        return bad(format!("`{pattern}` covers topics that only the IOC publishes"), hint);
    }
    let own =
        matches!(levels[..], ["ioc", "v1", _, _, id, "obs" | "event" | "status"] if id == device);
    match own {
        true => Ok(()),
        false => bad(
            format!("`{pattern}` covers native topics of other devices"),
            "its own native topics are given; other patterns begin with other words",
        ),
    }
}

/// Whether a topic can match both.
fn overlap(a: &[&str], b: &[&str]) -> bool {
    match (a.split_first(), b.split_first()) {
        (Some((&"#", _)), _) | (_, Some((&"#", _))) | (None, None) => true,
        (Some((x, a)), Some((y, b))) => (x == y || *x == "+" || *y == "+") && overlap(a, b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_topics_of_other_formats_and_its_own() {
        for good in [
            "application/7/device/+/event/up",
            "v3/app@ttn/devices/#",
            "+/sensor/temp",
            "spBv1.0/g/+/edge/#",
            "ioc/v1/hai_chau/air/d1/obs",
            "ioc/v1/hai_chau/+/d1/status",
            "ioc/v2/x",
            "zigbee2mqtt/Phòng khách",
        ] {
            assert_eq!(check(good, "d1"), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_belongs_to_the_ioc_to_others_or_to_nobody() {
        for (bad, word) in [
            ("", "1 to 256"),
            ("#", "only the IOC"),
            ("+/#", "only the IOC"),
            ("+/v1/+/x", "only the IOC"),
            ("ioc/#", "only the IOC"),
            ("ioc/v1/+/air/d1/obs", "only the IOC"),
            ("ioc/v1/alerts/x", "only the IOC"),
            ("ioc/v1/devices/d1/errors", "only the IOC"),
            ("ioc/v1/hai_chau/air/d2/obs", "other devices"),
            ("ioc/v1/hai_chau/air/+/obs", "other devices"),
            ("ioc/v1/hai_chau/#", "other devices"),
            ("+/v1/hai_chau/air/d1/obs", "other devices"),
            ("a/b+/c", "`+` stands alone"),
            ("a/#/c", "`#` stands alone"),
            ("a/b#", "`#` stands alone"),
            ("$SYS/x", "cannot be published"),
            ("$share/g/a", "cannot be published"),
            ("a/\u{0}", "control"),
        ] {
            let (what, _) = check(bad, "d1").expect_err(bad);
            assert!(what.contains(word), "{bad}: {what}");
        }
        assert!(check(&"x".repeat(257), "d1").is_err());
    }
}
