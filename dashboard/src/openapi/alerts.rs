//! Schemas of alerts and what is done with them.

use ioc_model::{ActionKind, AutoKind, RefusedCode, Work};
use serde_json::{Value, json};

use super::shapes::{
    array, both, flag, int, maybe, maybe_int, maybe_number, maybe_text, moment_and_user, number,
    object, reference, severity, text,
};

/// Why a rule changed its mind; what there is nothing of is left out.
pub(super) fn evidence() -> Value {
    let reading = json!({
        "device": text(), "property": text(), "time": int(), "value": { "type": "number" },
    });
    let window = json!({
        "from": int(), "to": int(), "count": int(), "min": maybe_number(),
        "max": maybe_number(), "value": maybe_number(),
    });
    let limit = json!({
        "comparison": text(), "threshold": maybe_text(), "source": maybe_text(),
        "effective": maybe_text(),
    });
    let timer = json!({ "name": text(), "since": int(), "until": int() });
    let fact = json!({ "name": text(), "value": maybe_number(), "text": maybe_text() });
    object(
        &[],
        json!({
            "readings": array(object(&["device", "property", "time", "value"], reading)),
            "window": object(&["from", "to", "count"], window),
            "limit": object(&["comparison"], limit),
            "timers": array(object(&["name", "since", "until"], timer)),
            "inhibited_by": array(text()),
            "facts": array(object(&["name"], fact)),
        }),
    )
}

fn work() -> Value {
    json!({ "enum": Work::ALL.map(Work::as_str) })
}

fn held() -> Value {
    object(
        &["by", "until", "who", "reason"],
        json!({
            "by": { "enum": ["shelf", "maintenance", "parent", "out_of_service"] },
            "id": text(), "until": maybe_int(), "who": text(), "reason": text(),
        }),
    )
}

pub(super) fn assignee() -> Value {
    object(&["kind", "name"], json!({ "kind": { "enum": ["person", "agency"] }, "name": text() }))
}

pub(super) fn link() -> Value {
    object(&["url", "title"], json!({ "url": text(), "title": text() }))
}

pub(super) fn scope() -> Value {
    let id = maybe_text;
    object(&[], json!({ "rule": id(), "device": id(), "area": id(), "service": id() }))
}

fn alert() -> Value {
    let states = ["NORM", "UNACK", "ACKED", "RTNUN", "LATUN", "LATAK", "SHLVD", "DSUPR", "OOSRV"];
    object(
        &["id", "ver", "change", "severity", "condition", "acknowledged", "work", "state"],
        json!({
            "id": text(), "ver": int(), "change": int(), "rule": text(),
            "entity": { "type": "object" }, "device": maybe_text(), "area": text(),
            "service": text(), "severity": severity(), "severity_max": severity(),
            "condition": { "enum": ["active", "returned"] }, "acknowledged": flag(),
            "raised_at": int(), "changed_at": int(), "cleared_at": maybe_int(),
            "acknowledged_at": maybe_int(), "acknowledged_by": maybe_text(),
            "note": maybe_text(), "value": maybe_number(), "limit": maybe_number(),
            "unit": text(), "name": both(), "message": both(), "cause": text(),
            "latched": flag(), "work": work(), "state": { "enum": states },
            "held": array(held()), "assignee": assignee(), "incident": text(),
            "resolved_at": int(), "closed_at": int(), "ack_due": int(), "resolve_due": int(),
            "overdue": flag(), "escalated": int(), "links": array(link()), "comments": int(),
        }),
    )
}

/// A line of the audit log; `alert` only in the log of all.
fn audit() -> Value {
    let words = ActionKind::ALL.iter().map(|a| a.as_str());
    let words: Vec<_> = words.chain(AutoKind::ALL.iter().map(|a| a.as_str())).collect();
    object(
        &["seq", "action", "actor", "at", "severity"],
        json!({
            "seq": int(), "alert": text(),
            // Other acts (holds, shifts, tests of channels) have words of their own.
            "action": { "type": "string", "examples": words },
            "actor": text(), "origin": maybe_text(), "at": int(), "severity": severity(),
            "value": maybe_number(), "limit": maybe_number(), "note": maybe_text(),
            "message": maybe("Text"), "evidence": maybe("Evidence"), "detail": {},
        }),
    )
}

fn refused() -> Value {
    let codes: Vec<_> = RefusedCode::ALL.iter().map(|c| c.as_str()).collect();
    object(
        &["code", "message", "by", "at"],
        json!({ "code": { "enum": codes }, "message": text(), "by": maybe_text(), "at": maybe_int() }),
    )
}

fn counts() -> Value {
    let by_severity = json!({ "type": "object", "additionalProperties": int() });
    object(
        &["open", "listed", "held", "unacknowledged", "overdue", "by_severity"],
        json!({
            "open": int(), "listed": int(), "held": int(), "unacknowledged": int(),
            "overdue": int(), "by_severity": by_severity,
        }),
    )
}

/// Alerts, their log and what is done to them.
pub(super) fn alerts() -> Value {
    let result = object(
        &["alert", "row", "refused"],
        json!({ "alert": text(), "row": maybe("Alert"), "refused": maybe("Refused") }),
    );
    json!({
        "Alert": alert(),
        "Counts": counts(),
        "Alerts": object(&["alerts", "change", "next", "counts"], json!({
            "alerts": array(reference("Alert")), "change": int(), "next": maybe_text(),
            "counts": reference("Counts"),
        })),
        "AlertWithAudit": object(&["alert", "allowed", "audit"], json!({
            "alert": reference("Alert"), "allowed": array(text()),
            "audit": array(reference("Audit")),
        })),
        "Audit": audit(),
        "AuditLog": object(&["lines", "next"], json!({
            "lines": array(reference("Audit")), "next": maybe_int(),
        })),
        "Evidence": evidence(),
        "Refused": refused(),
        "ActionOutcome": object(&["alert", "act", "undo_until"], json!({
            "alert": reference("Alert"), "act": int(), "undo_until": int(),
        })),
        "BulkOutcome": object(&["act", "undo_until", "repeated", "done", "results"], json!({
            "act": int(), "undo_until": int(), "repeated": flag(), "done": int(),
            "results": array(result),
        })),
    })
}

/// Incidents and holds.
pub(super) fn groups() -> Value {
    let incident = json!({
        "id": text(), "ver": int(), "kind": { "enum": ["cause", "parent", "flood", "manual"] },
        "area": text(), "service": text(), "cause": text(), "parent": maybe_text(),
        "root": text(), "name": both(), "severity": severity(), "opened_at": int(),
        "last_at": int(), "closed_at": maybe_int(), "alerts": int(), "open": int(),
        "unacknowledged": int(),
    });
    let hold = json!({
        "id": int(), "by": { "enum": ["maintenance", "out_of_service"] }, "scope": scope(),
        "from": int(), "until": maybe_int(), "reason": text(), "who": text(),
        "ended": moment_and_user(),
    });
    json!({
        "Incident": object(&["id", "ver", "kind", "root", "severity", "alerts", "open"], incident),
        "Incidents": object(&["incidents", "next"], json!({
            "incidents": array(reference("Incident")), "next": maybe_text(),
        })),
        "IncidentWithAlerts": object(&["incident", "alerts"], json!({
            "incident": reference("Incident"), "alerts": array(reference("Alert")),
        })),
        "Hold": object(&["id", "by", "scope", "from", "reason", "who"], hold),
        "Holds": object(&["holds"], json!({ "holds": array(reference("Hold")) })),
        "HoldAnswer": object(&["hold"], json!({ "hold": reference("Hold") })),
    })
}

/// Figures of the alarm system.
pub(super) fn kpi() -> Value {
    let verdict = json!({ "enum": ["good", "manageable", "bad", null] });
    let pair = json!({ "type": "array", "prefixItems": [severity(), int()], "maxItems": 2 });
    json!({
        "Kpi": object(&["from", "to", "positions", "alarms", "figures", "periods"], json!({
            "from": int(), "to": int(), "positions": int(), "alarms": int(), "incidents": int(),
            "held": int(), "figures": array(reference("KpiFigure")),
            "periods": array(reference("KpiPeriod")), "step_ms": int(),
            "priorities": array(pair), "rules": array(reference("KpiGroup")),
            "areas": array(reference("KpiGroup")), "services": array(reference("KpiGroup")),
            "suggestions": array(reference("KpiSuggestion")),
        })),
        "KpiFigure": object(&["id", "value", "unit"], json!({
            "id": text(), "value": maybe_number(), "unit": text(), "target": maybe_number(),
            "limit": maybe_number(), "source": maybe_text(), "verdict": verdict,
        })),
        "KpiPeriod": object(&["at", "alarms", "incidents", "flood"], json!({
            "at": int(), "alarms": int(), "incidents": int(), "flood": flag(),
        })),
        "KpiGroup": object(&["id", "alarms", "share"], json!({
            "id": text(), "name": maybe("Text"), "alarms": int(), "share": number(),
            "standing": int(), "stale": int(), "chattering": int(), "fleeting": int(),
            "ack_p50_s": maybe_number(), "ack_p90_s": maybe_number(),
            "resolve_p50_s": maybe_number(), "resolve_p90_s": maybe_number(),
            "false_share": maybe_number(),
        })),
        "KpiSuggestion": object(&["rule", "why", "field", "value", "spares"], json!({
            "rule": text(), "why": both(), "field": text(), "value": text(), "spares": int(),
        })),
    })
}

/// Shifts and notifications.
pub(super) fn desk() -> Value {
    let handover = json!({
        "from": int(), "to": int(), "shifts": array(reference("Shift")),
        "entries": array(reference("ShiftEntry")), "to_do": array(reference("ShiftEntry")),
        "open": array(reference("Alert")), "open_total": int(),
        "held": array(reference("Alert")), "incidents": array(reference("Incident")),
        "raised": int(), "closed": int(), "ack_p50_s": maybe_number(),
    });
    let delivery = json!({
        "id": text(), "seq": int(), "receiver": text(), "route": text(),
        "alerts": array(text()), "reasons": array(text()),
        "state": { "enum": ["waiting", "delivered", "dead"] }, "attempts": int(),
        "created_at": int(), "next_at": maybe_int(), "ended_at": maybe_int(),
        "answer": maybe_text(),
    });
    json!({
        "Shift": object(&["id", "user", "position", "from"], json!({
            "id": int(), "user": text(), "position": text(), "from": int(),
            "until": maybe_int(), "handover": maybe_text(),
        })),
        "Shifts": object(&["on_duty", "user"], json!({
            "on_duty": array(reference("Shift")), "user": text(),
        })),
        "PersonalRow": object(
            &["id", "device", "area", "service", "kind", "time", "mask", "pseudonym",
              "has_snapshot", "expires"],
            json!({
                "id": int(), "device": text(), "area": text(), "service": text(), "kind": text(),
                "time": int(), "mask": text(), "pseudonym": text(), "has_snapshot": flag(),
                "expires": int(),
            }),
        ),
        "PersonalRows": object(&["rows", "next"], json!({
            "rows": array(reference("PersonalRow")), "next": maybe_int(),
        })),
        "Revealed": object(&["plate", "snapshot"], json!({
            "plate": maybe_text(), "snapshot": maybe_text(),
        })),
        "ShiftAnswer": object(&["shift"], json!({ "shift": reference("Shift") })),
        "ShiftEntry": object(&["id", "at", "user", "text", "open"], json!({
            "id": int(), "at": int(), "user": text(), "text": text(), "alert": maybe_text(),
            "open": flag(), "done": moment_and_user(),
        })),
        "ShiftLog": object(&["entries"], json!({ "entries": array(reference("ShiftEntry")) })),
        "EntryAnswer": object(&["entry"], json!({ "entry": reference("ShiftEntry") })),
        "Handover": object(&["from", "to", "shifts", "entries", "open"], handover),
        "Receiver": object(&["id", "kind", "target"], json!({
            "id": text(), "kind": text(), "target": text(), "waiting": int(), "dead": int(),
            "delivered_at": maybe_int(), "trouble": maybe_text(),
        })),
        "Receivers": object(&["receivers"], json!({ "receivers": array(reference("Receiver")) })),
        "Delivery": object(&["id", "seq", "receiver", "state"], delivery),
        "Deliveries": object(&["deliveries", "next"], json!({
            "deliveries": array(reference("Delivery")), "next": maybe_int(),
        })),
        "DeliveryAnswer": object(&["delivery"], json!({ "delivery": reference("Delivery") })),
    })
}
