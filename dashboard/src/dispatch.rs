//! From an endpoint of the table to its handler.

use warp::http::StatusCode;
use warp::reply::Response;

use crate::auth::oidc;
use crate::reply::ApiError;
use crate::router::Admitted;
use crate::routes::Endpoint;
use crate::{api, hub};

/// Calls the handler of a route.
pub(crate) async fn dispatch(endpoint: Endpoint, mut call: Admitted) -> Result<Response, ApiError> {
    match endpoint {
        Endpoint::SignIn => api::sign_in(call).await,
        Endpoint::SignInLink => api::sign_in_by_link(call).await,
        Endpoint::SignInOidc => oidc::begin(call).await,
        Endpoint::OidcCallback => oidc::callback(call).await,
        Endpoint::WhoAmI => api::who_am_i(&call),
        Endpoint::SignOut => api::sign_out(call).await,
        Endpoint::City => Ok(call.document(&call.context.city)),
        Endpoint::Map => Ok(call.document(&call.context.map)),
        Endpoint::Rules => api::rules(call).await,
        Endpoint::Rule => api::rule(call).await,
        Endpoint::PutRule => api::put_rule(call).await,
        Endpoint::PatchRule => api::patch_rule(call).await,
        Endpoint::DeleteRule => api::delete_rule(call).await,
        Endpoint::CheckRules => api::check_rules(call).await,
        Endpoint::RuleVersions => api::rule_versions(call).await,
        Endpoint::RuleVersion => api::rule_version(call).await,
        Endpoint::RollBack => api::roll_back(call).await,
        Endpoint::ExplainRule => api::explain_rule(call).await,
        Endpoint::RuleEntities => api::rule_entities(call).await,
        Endpoint::RuleShadow => api::rule_shadow(call).await,
        Endpoint::StartBacktest => api::start_backtest(call).await,
        Endpoint::Backtest => api::backtest(call).await,
        Endpoint::OpenApi => Ok(call.document(&call.context.openapi)),
        Endpoint::Devices => api::devices(call).await,
        Endpoint::Device => api::device(call).await,
        Endpoint::Alerts => api::alerts(call).await,
        Endpoint::Alert => api::alert(call).await,
        Endpoint::Acknowledge => api::acknowledge(call).await,
        Endpoint::Act => api::act(call).await,
        Endpoint::ActOnMany => api::act_on_many(call).await,
        Endpoint::Undo => api::undo(call).await,
        Endpoint::Incidents => api::incidents(call).await,
        Endpoint::Incident => api::incident(call).await,
        Endpoint::Holds => api::holds(call).await,
        Endpoint::OpenHold => api::hold(call).await,
        Endpoint::EndHold => api::end_hold(call).await,
        Endpoint::Audit => api::audit(call).await,
        Endpoint::Kpi => api::kpi(call).await,
        Endpoint::Shifts => api::shifts(call).await,
        Endpoint::BeginShift => api::begin_shift(call).await,
        Endpoint::EndShift => api::end_shift(call).await,
        Endpoint::ShiftLog => api::shift_log(call).await,
        Endpoint::WriteEntry => api::write_entry(call).await,
        Endpoint::EntryDone => api::entry_done(call).await,
        Endpoint::Handover => api::handover(call).await,
        Endpoint::HandoverHtml => api::handover_html(call).await,
        Endpoint::HandoverCsv => api::handover_csv(call).await,
        Endpoint::Receivers => api::receivers(call).await,
        Endpoint::TestReceiver => api::test_receiver(call).await,
        Endpoint::Deliveries => api::deliveries(call).await,
        Endpoint::RetryDelivery => api::retry_delivery(call).await,
        Endpoint::CapFeed => api::cap_feed(call).await,
        Endpoint::Cap => api::cap(call).await,
        Endpoint::Services => Ok(api::services(&call)),
        Endpoint::History => api::history(call).await,
        Endpoint::HistorySeries => api::history_series(call).await,
        Endpoint::Export => api::export(call).await,
        Endpoint::OpenData | Endpoint::OpenDataPart => api::open_data(call).await,
        Endpoint::SensorThings | Endpoint::SensorThingsPart => api::sensorthings(call).await,
        Endpoint::Ledger => api::ledger(&call),
        Endpoint::Quarantine => api::quarantine(call).await,
        Endpoint::Personal => api::personal(call).await,
        Endpoint::Registry => api::registry(call).await,
        Endpoint::ExportDevices => api::export_devices(call).await,
        Endpoint::ImportDevices => api::import_devices(call).await,
        Endpoint::Registered => api::registered(&call),
        Endpoint::PutDevice => api::put_device(call).await,
        Endpoint::RemoveDevice => api::remove_device(call).await,
        Endpoint::SetDeviceState => api::set_device_state(call).await,
        Endpoint::DeviceTokens => api::device_tokens(call).await,
        Endpoint::IssueDeviceToken => api::issue_device_token(call).await,
        Endpoint::RevokeDeviceToken => api::revoke_device_token(call).await,
        Endpoint::Received => api::received(call).await,
        Endpoint::Rerun => api::rerun(call).await,
        Endpoint::Reveal => api::reveal(call).await,
        Endpoint::Status => api::status(call).await,
        Endpoint::CspReport => api::csp_report(call).await,
        Endpoint::Health => Ok(api::text(StatusCode::OK, "ok\n")),
        Endpoint::Ready => Ok(api::ready(&call)),
        Endpoint::Metrics => api::metrics(call).await,
        Endpoint::Mqtt => crate::mqtt::accept(call),
        Endpoint::Socket => {
            let socket = call.request.socket.take();
            let upgrade = || {
                let status = StatusCode::UPGRADE_REQUIRED;
                ApiError::new(status, "not_a_websocket", "this is a WebSocket")
            };
            hub::accept(socket.ok_or_else(upgrade)?, call)
        }
    }
}
