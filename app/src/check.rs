//! `ioc check`.

use ioc_model::{City, ConfigFiles};
use ioc_rules::RuleSet;

use crate::cli::ConfigArgs;
use crate::exit::BadConfig;
use crate::settings::Settings;
use crate::{config, settings};

/// Everything a start needs, checked.
pub(crate) struct Checked {
    pub settings: Settings,
    pub city: City,
    pub rules: RuleSet,
}

pub(crate) fn check(args: &ConfigArgs) -> anyhow::Result<()> {
    let files = config::read(args)?;
    let checked = load(&files)?;
    for note in checked.rules.notes() {
        println!("note: {note}");
    }
    let tests = checked.rules.run_tests().map_err(BadConfig)?;
    println!(
        "ok: {} areas, {} services, {} properties, {} thresholds, {} devices, {} rules, {} rule tests passed",
        checked.city.areas.len(),
        checked.city.services.len(),
        checked.city.properties.len(),
        checked.city.thresholds.len(),
        checked.city.devices.len(),
        checked.rules.len(),
        tests,
    );
    Ok(())
}

/// Settings and city; on a mistake all mistakes, those of the rules too.
pub(crate) fn load_all_but_rules(files: &ConfigFiles) -> Result<(Settings, City), BadConfig> {
    let mut mistakes = Vec::new();
    let settings = settings::load(files).map_err(|e| mistakes.extend(e)).ok();
    let city = City::load(files).map_err(|e| mistakes.extend(e)).ok();
    match (settings, city) {
        (Some(settings), Some(city)) if mistakes.is_empty() => Ok((settings, city)),
        _ => Err(load(files).err().unwrap_or(BadConfig(mistakes))),
    }
}

/// Reads settings, city and rules; all mistakes of all three at once.
pub(crate) fn load(files: &ConfigFiles) -> Result<Checked, BadConfig> {
    let mut mistakes = Vec::new();
    let settings = settings::load(files).map_err(|e| mistakes.extend(e)).ok();
    let city = City::load(files).map_err(|e| mistakes.extend(e)).ok();
    let rules = city
        .as_ref()
        .and_then(|city| RuleSet::load(files, city).map_err(|e| mistakes.extend(e)).ok());
    match (settings, city, rules) {
        (Some(settings), Some(city), Some(rules)) if mistakes.is_empty() => {
            Ok(Checked { settings, city, rules })
        }
        _ => {
            mistakes.sort();
            Err(BadConfig(mistakes))
        }
    }
}
