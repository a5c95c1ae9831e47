//! `ioc user`.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use ioc_dashboard::{Auth, Grant, Role, UserRow, check_grants};
use ioc_model::{City, Name, Timestamp};

use crate::cli::{ConfigArgs, GrantArgs, UserAction, UserArgs};
use crate::{check, config};

pub(crate) fn user(args: &UserArgs) -> anyhow::Result<()> {
    if !args.data.is_dir() {
        bail!(
            "{} is no data folder\n  hint: start `ioc run --data {0}` once, or name the folder with --data",
            args.data.display()
        );
    }
    let path = args.data.join("users.sqlite");
    let auth = Auth::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match &args.action {
        UserAction::Add { name, grant } => {
            let grant = checked(grant, &args.config)?;
            let password = auth.add_person(name, &[grant])?;
            println!("added {name}; password (shown once): {password}");
            println!("to be changed at the first sign-in, within 7 days");
        }
        UserAction::Grant { name, grant, also } => {
            let grants = if *also { held(&auth, name)? } else { Vec::new() };
            let grants = [grants, vec![checked(grant, &args.config)?]].concat();
            auth.set_grants(name, &grants)?;
            println!("{name}: {}", described(&grants));
        }
        UserAction::Reset { name } => {
            let password = auth.reset_password(name)?;
            println!("{name} has a new password (shown once): {password}");
            println!("to be changed at the first sign-in, within 7 days; the sessions are ended");
        }
        UserAction::Disable { name } => {
            auth.disable(name)?;
            println!("disabled {name}; its sessions are ended");
        }
        UserAction::Enable { name } => {
            auth.enable(name)?;
            println!("{name} may sign in again");
        }
        UserAction::NoTotp { name } => match auth.remove_totp(name)? {
            true => println!("{name} signs in with the password alone now"),
            false => println!("{name} had no second factor"),
        },
        UserAction::Sessions { name } => {
            for s in auth.sessions(name, None)? {
                println!(
                    "{}\t{}\t{}\t{}\t{}",
                    s.id,
                    when(s.began),
                    when(s.seen),
                    s.address,
                    s.agent
                );
            }
        }
        UserAction::EndSessions { name } => {
            println!("ended {} sessions of {name}", auth.end_sessions(name)?);
        }
        UserAction::List => auth.list()?.iter().for_each(|u| println!("{}", line(u))),
    }
    Ok(())
}

/// A grant whose places are in the configuration.
fn checked(grant: &GrantArgs, args: &ConfigArgs) -> anyhow::Result<Grant> {
    let role: Role = grant.role.parse()?;
    let list = |ids: &Option<Vec<String>>| {
        ids.as_ref().map(|ids| ids.iter().map(|id| Name::from(id.as_str())).collect())
    };
    let grant = Grant { role, areas: list(&grant.areas), services: list(&grant.services) };
    let files = config::read(args)?;
    let base = check::load_all_but_rules(&files)?;
    check_grants(std::slice::from_ref(&grant), &base.city).with_context(|| hint(&base.city))?;
    Ok(grant)
}

fn hint(city: &City) -> String {
    let services: Vec<&str> = city.services.keys().map(|id| &**id).collect();
    format!(
        "the configuration does not know that place\n  hint: areas are ids of areas.csv and clusters.yaml; services are {}",
        services.join(", ")
    )
}

fn held(auth: &Auth, name: &str) -> anyhow::Result<Vec<Grant>> {
    let row = auth.list()?.into_iter().find(|u| u.name == name);
    Ok(row.with_context(|| format!("user {name} does not exist"))?.grants)
}

fn line(u: &UserRow) -> String {
    let state = if u.disabled { "disabled" } else { "active" };
    let factor = if u.totp { "totp" } else { "password" };
    format!("{}\t{}\t{state}\t{factor}", u.name, described(&u.grants))
}

/// `operator hai_chau,son_tra / flood; viewer`.
fn described(grants: &[Grant]) -> String {
    let mut text = String::new();
    for grant in grants {
        let between = if text.is_empty() { "" } else { "; " };
        let list = |ids: &Option<Vec<Name>>| {
            ids.as_ref().map(|ids| ids.iter().map(|id| &**id).collect::<Vec<_>>().join(","))
        };
        // Writing into a String cannot fail.
        let _ = write!(text, "{between}{}", grant.role);
        if let Some(areas) = list(&grant.areas) {
            let _ = write!(text, " {areas}");
        }
        if let Some(services) = list(&grant.services) {
            let _ = write!(text, " / {services}");
        }
    }
    text
}

fn when(at: Timestamp) -> String {
    at.to_rfc3339()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_said_in_words() {
        let some = Grant {
            role: Role::Operator,
            areas: Some(vec!["hai_chau".into(), "son_tra".into()]),
            services: Some(vec!["flood".into()]),
        };
        assert_eq!(
            described(&[some, Grant::city(Role::Viewer)]),
            "operator hai_chau,son_tra / flood; viewer"
        );
    }
}
