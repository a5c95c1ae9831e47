use super::*;
use crate::channel::{Language, testing};
use ioc_model::Text;

fn body(template: Template, n: &Notification) -> serde_json::Value {
    let city = testing::city();
    let form = Form {
        template,
        custom: Some(r#"{"a": "{{text}}", "n": {{count}}, "k": "{{token}}"}"#),
        to: "-100\"1",
        token: "se\"cret",
        city: &city,
        base_url: "https://ioc.example.vn",
    };
    serde_json::from_str(&form.body(n)).expect("JSON, whatever the texts are")
}

/// Everything that devices and people can write, as bad as it gets.
fn hostile() -> Notification {
    let mut n = testing::notification(&["raise"]);
    let bad = "\"},\"chat_id\":\"1\",{{token}}\\\n<!channel> & \u{0}\u{202e}{{id}}";
    for row in &mut n.alerts {
        row.name = Text { vi: bad.into(), en: bad.into() };
        row.message = row.name.clone();
        row.unit = bad.into();
    }
    n
}

const ALL: [Template; 6] = [
    Template::Generic,
    Template::Telegram,
    Template::Slack,
    Template::ZaloOa,
    Template::Sms,
    Template::Custom,
];

#[test]
fn every_template_is_json_and_no_text_breaks_out_of_its_field() {
    for template in ALL {
        let hostile = body(template, &hostile());
        let harmless = body(template, &testing::notification(&["raise"]));
        let keys = |v: &serde_json::Value| -> Vec<String> {
            v.as_object().expect("an object").keys().cloned().collect()
        };
        assert_eq!(keys(&hostile), keys(&harmless), "{template:?}");
        if template != Template::Custom {
            assert!(!hostile.to_string().contains("cret"), "{template:?} gives the token away");
        }
    }
}

#[test]
fn each_service_gets_its_form() {
    let n = testing::notification(&["raise"]);
    let telegram = body(Template::Telegram, &n);
    assert_eq!(telegram["chat_id"], "-100\"1");
    let text = telegram["text"].as_str().expect("text");
    assert!(text.starts_with("[Khẩn cấp] Nước sông trên báo động III"), "{text}");
    assert!(text.contains("https://ioc.example.vn/a/"), "{text}");
    assert_eq!(body(Template::ZaloOa, &n)["recipient"]["user_id"], "-100\"1");
    let slack = body(Template::Slack, &hostile());
    let text = slack["text"].as_str().expect("text");
    assert!(text.contains("&lt;!channel&gt; &amp;") && !text.contains('<'), "{text}");
    let sms = body(Template::Sms, &n);
    let text = sms["text"].as_str().expect("text");
    assert!(text.len() <= 160 && text.is_ascii(), "{text}");
    assert!(text.starts_with("(Khan cap) Nuoc song tren bao dong III"), "{text}");
    assert!(text.ends_with(&format!("/a/{}", n.alerts[0].id)), "{text}");
    assert_eq!(sms["id"], n.id);
    let custom = body(Template::Custom, &n);
    assert_eq!((custom["n"].as_i64(), custom["k"].as_str()), (Some(1), Some("se\"cret")));
    let generic = body(Template::Generic, &n);
    assert_eq!(generic["alerts"][0]["id"], n.alerts[0].id.0.as_str());
    assert_eq!(generic["reasons"][0], "raise");
    assert_eq!(generic["version"], 1);
}

#[test]
fn a_message_is_in_the_language_of_its_receiver() {
    let mut n = testing::notification(&["clear"]);
    n.language = Language::En;
    let text = body(Template::Telegram, &n)["text"].to_string();
    assert!(text.contains("River above alarm III") && !text.contains("Nước"), "{text}");
    n.test = true;
    n.alerts.clear();
    n.changes.clear();
    for template in ALL {
        assert!(body(template, &n).to_string().contains("est"), "{template:?}");
    }
}

#[test]
fn a_great_incident_fits_into_every_service() {
    let mut n = testing::notification(&["raise"]);
    let row = n.alerts[0].clone();
    n.alerts = vec![row; 100];
    n.more = 900;
    for (template, most) in [
        (Template::Telegram, 4_096),
        (Template::Slack, 40_000),
        (Template::ZaloOa, 2_000),
        (Template::Sms, 160),
    ] {
        let body = body(template, &n);
        let text = body.pointer("/text").or(body.pointer("/message/text"));
        let length = text.and_then(|t| t.as_str()).expect("text").chars().count();
        assert!((100..=most).contains(&length), "{template:?}: {length}");
    }
}

#[test]
fn zalo_says_no_with_status_200() {
    assert!(Template::ZaloOa.accepts(r#"{"error":0,"message":"Success"}"#));
    assert!(!Template::ZaloOa.accepts(r#"{"error":-216,"message":"Access token is invalid"}"#));
    assert!(!Template::ZaloOa.accepts("<html>captive portal</html>"));
    assert!(Template::Telegram.accepts("anything"));
}
