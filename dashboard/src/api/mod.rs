//! The handlers, one file per noun.

mod account;
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
mod people;
mod personal;
mod registry;
mod rules;
mod session;
mod share;
mod shifts;
mod walls;
mod within;
mod words;

pub(crate) use account::{
    account, begin_totp, change_password, confirm_totp, end_own_session, issue_own_token,
    own_sessions, own_tokens, remove_totp, revoke_own_token,
};
pub(crate) use actions::{acknowledge, act, act_on_many, undo};
pub(crate) use alerts::{alert, alerts, alerts_csv};
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
pub(crate) use people::{
    add_person, api_tokens, end_person_sessions, people, person_sessions, remove_person,
    remove_person_totp, reset_password, revoke_api_token, set_grants, set_person_state,
};
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
    confirm, sign_in, sign_in_by_link, sign_in_options, sign_in_refused, sign_out, welcome,
    who_am_i,
};
pub(crate) use share::{export, open_data, sensorthings};
pub(crate) use shifts::{
    begin_shift, end_shift, entry_done, handover, handover_csv, handover_html, shift_log, shifts,
    write_entry,
};
pub(crate) use walls::{issue_wall, revoke_wall, sign_in_wall, walls};

/// Documents with a version: the browser keeps them and asks whether they still hold.
pub(crate) const REVALIDATE: &str = "private, no-cache";
