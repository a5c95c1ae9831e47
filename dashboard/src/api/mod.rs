//! The handlers, one file per noun.

mod alerts;
mod city;
mod devices;
mod history;
mod operation;
mod rules;
mod session;

pub(crate) use alerts::{acknowledge, alert, alerts};
pub(crate) use city::{city_document, map_document};
pub(crate) use devices::{device, devices, services};
pub(crate) use history::{history, history_series};
pub(crate) use operation::{ledger, metrics, quarantine, ready, status, text};
pub(crate) use rules::{
    backtest, check_rules, delete_rule, explain_rule, patch_rule, put_rule, roll_back, rule,
    rule_entities, rule_shadow, rule_version, rule_versions, rules, start_backtest,
};
pub(crate) use session::{sign_in, sign_in_by_link, sign_out, who_am_i};

/// Documents with a version: the browser keeps them and asks whether they still hold.
pub(crate) const REVALIDATE: &str = "private, no-cache";
