//! `ioc check`.

use std::sync::Arc;

use ioc_alerts::notify::NotifyConfig;
use ioc_alerts::policy::Policy;
use ioc_dashboard::OidcConfig;
use ioc_model::{City, ConfigError, ConfigFiles};
use ioc_rules::RuleSet;
use ioc_share::opendata::OpenData;

use crate::cli::ConfigArgs;
use crate::exit::BadConfig;
use crate::settings::Settings;
use crate::{config, settings};

/// Everything a start needs but the rules, checked.
pub(crate) struct Base {
    pub settings: Settings,
    pub city: Arc<City>,
    /// How alerts are worked on.
    pub policy: Arc<Policy>,
    /// Who is told.
    pub notify: NotifyConfig,
    /// What is published of the measurements.
    pub open_data: Arc<OpenData>,
}

/// Everything a start needs, checked.
pub(crate) struct Checked {
    pub base: Base,
    pub rules: RuleSet,
}

pub(crate) fn check(args: &ConfigArgs) -> anyhow::Result<()> {
    let files = config::read(args)?;
    let checked = load(&files)?;
    for note in checked.rules.notes() {
        println!("note: {note}");
    }
    let tests = checked.rules.run_tests().map_err(BadConfig)?;
    let city = &checked.base.city;
    println!(
        "ok: {} areas, {} services, {} properties, {} thresholds, {} devices, {} rules, \
         {} rule tests passed, {} classes of alerts, {} receivers, {} routes",
        city.areas.len(),
        city.services.len(),
        city.properties.len(),
        city.thresholds.len(),
        city.devices.len(),
        checked.rules.len(),
        tests,
        checked.base.policy.classes.len(),
        checked.base.notify.receivers.len(),
        checked.base.notify.routes.len(),
    );
    Ok(())
}

/// All but the rules; on a mistake all mistakes, those of the rules too.
pub(crate) fn load_all_but_rules(files: &ConfigFiles) -> Result<Base, BadConfig> {
    let mut mistakes = Vec::new();
    match base(files, &mut mistakes) {
        Some(base) if mistakes.is_empty() => Ok(base),
        _ => Err(load(files).err().unwrap_or(BadConfig(mistakes))),
    }
}

/// Reads everything; all mistakes of all files at once.
pub(crate) fn load(files: &ConfigFiles) -> Result<Checked, BadConfig> {
    let mut mistakes = Vec::new();
    let base = base(files, &mut mistakes);
    // Without a city there is nothing to check rules against.
    let alone = if base.is_none() { City::load(files).ok() } else { None };
    let rules = base
        .as_ref()
        .map(|b| &*b.city)
        .or(alone.as_ref())
        .and_then(|city| RuleSet::load(files, city).map_err(|e| mistakes.extend(e)).ok());
    match (base, rules) {
        (Some(base), Some(rules)) if mistakes.is_empty() => Ok(Checked { base, rules }),
        _ => {
            mistakes.sort();
            Err(BadConfig(mistakes))
        }
    }
}

fn base(files: &ConfigFiles, mistakes: &mut Vec<ConfigError>) -> Option<Base> {
    let mut keep = |e: Vec<ConfigError>| mistakes.extend(e);
    let settings = settings::load(files).map_err(&mut keep).ok();
    let city = City::load(files).map_err(&mut keep).ok()?;
    if let Some(settings) = &settings {
        let wrong = settings.personal.check(|service| city.services.contains_key(service));
        let tell = |m| ConfigError::new(settings::FILE, 0, 0, m);
        keep(wrong.into_iter().map(tell).collect());
        let wrong = OidcConfig::mistakes(&settings.dashboard.oidc, &city);
        keep(wrong.into_iter().map(tell).collect());
    }
    let policy = Policy::load(files, &city).map_err(&mut keep).ok();
    let notify = NotifyConfig::load(files, &city).map_err(&mut keep).ok();
    let open_data = OpenData::load(files, &city).map_err(&mut keep).ok();
    Some(Base {
        settings: settings?,
        city: Arc::new(city),
        policy: Arc::new(policy?),
        notify: notify?,
        open_data: Arc::new(open_data?),
    })
}
