//! The handlers, one file per noun.

mod actions;
mod alerts;
mod ask;
mod audit;
mod cap;
mod city;
mod csp;
mod devices;
mod history;
mod holds;
mod incidents;
mod kpi;
mod notifications;
mod operation;
mod personal;
mod registry;
mod rules;
mod session;
mod share;
mod shifts;
mod within;
mod words;

pub(crate) use actions::{acknowledge, act, act_on_many, undo};
pub(crate) use alerts::{alert, alerts};
pub(crate) use audit::audit;
pub(crate) use cap::{cap, cap_feed};
pub(crate) use city::{city_document, map_document};
pub(crate) use csp::{CspLog, csp_report};
pub(crate) use devices::{device, devices, services};
pub(crate) use history::{history, history_series};
pub(crate) use holds::{end_hold, hold, holds};
pub(crate) use incidents::{incident, incidents};
pub(crate) use kpi::kpi;
pub(crate) use notifications::{deliveries, receivers, retry_delivery, test_receiver};
pub(crate) use operation::{ledger, metrics, quarantine, ready, status, text};
pub(crate) use personal::{personal, reveal};
pub(crate) use registry::{
    device_tokens, export_devices, import_devices, issue_device_token, put_device, received,
    registered, registry, remove_device, rerun, revoke_device_token, set_device_state,
};
pub(crate) use rules::{
    backtest, check_rules, delete_rule, explain_rule, patch_rule, put_rule, roll_back, rule,
    rule_entities, rule_shadow, rule_version, rule_versions, rules, start_backtest,
};
pub(crate) use session::{
    session_cookie, sign_in, sign_in_by_link, sign_in_refused, sign_out, who_am_i,
};
pub(crate) use share::{export, open_data, sensorthings};
pub(crate) use shifts::{
    begin_shift, end_shift, entry_done, handover, handover_csv, handover_html, shift_log, shifts,
    write_entry,
};

/// Documents with a version: the browser keeps them and asks whether they still hold.
pub(crate) const REVALIDATE: &str = "private, no-cache";
