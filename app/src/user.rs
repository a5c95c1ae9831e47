//! `ioc user`.

use anyhow::{Context, bail};
use ioc_dashboard::{Auth, Role};

use crate::cli::{UserAction, UserArgs};

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
        UserAction::Add { name, role } => {
            let role: Role = role.parse()?;
            let password = Auth::random_password();
            auth.add_user(name, &password, role)?;
            println!("added {name}; password (shown once): {password}");
        }
        UserAction::Reset { name } => {
            let password = Auth::random_password();
            auth.set_password(name, &password)?;
            println!("{name} has a new password (shown once): {password}");
        }
        UserAction::Disable { name } => {
            auth.disable(name)?;
            println!("disabled {name}; its sessions are ended");
        }
        UserAction::List => {
            for u in auth.list()? {
                println!(
                    "{}\t{}\t{}",
                    u.name,
                    u.grants.iter().map(|g| g.role.as_str()).collect::<Vec<_>>().join(","),
                    if u.disabled { "disabled" } else { "active" }
                );
            }
        }
    }
    Ok(())
}
