//! Who may do what where: permission = role × areas × services.
//!
//! A role is a set of permissions ([`Role::may`]); a person has grants, each a role for some areas
//! and services; every route and every topic of `/ws` names the permission it needs
//! (`routes/table.rs`, `hub/topic.rs`). What is asked for is answered for the *scope* of that
//! permission: the union of the areas × services of the grants whose role has it. No grant: no
//! scope, and so nothing.

use ioc_model::{Choice, City, Name, Scope, ScopePart};
use serde::{Deserialize, Serialize};

use crate::AuthError;

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See what is now: devices, values, alerts, tiles.
    Watch,
    /// Read what was, and how it works: history, incidents, shifts, figures, rules, counters.
    Read,
    /// Take measurements away as files.
    Export,
    /// Work on alerts: acknowledge, shelve, assign, windows, shifts.
    Act,
    /// See who is notified, test receivers, try deliveries again.
    Notify,
    /// See personal data, masked.
    Masked,
    /// Open one row of personal data, with a reason.
    Reveal,
    /// See the device registry and what a device sent, as it came.
    Technical,
    /// Change devices and their tokens, put refused messages in again.
    Devices,
    /// Change rules.
    Rules,
    /// Read the audit log.
    Audit,
    /// Manage accounts, tokens, sessions.
    People,
}

impl Permission {
    /// All of them, in the order above.
    pub const ALL: [Self; 12] = [
        Self::Watch,
        Self::Read,
        Self::Export,
        Self::Act,
        Self::Notify,
        Self::Masked,
        Self::Reveal,
        Self::Technical,
        Self::Devices,
        Self::Rules,
        Self::Audit,
        Self::People,
    ];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Read => "read",
            Self::Export => "export",
            Self::Act => "act",
            Self::Notify => "notify",
            Self::Masked => "masked",
            Self::Reveal => "reveal",
            Self::Technical => "technical",
            Self::Devices => "devices",
            Self::Rules => "rules",
            Self::Audit => "audit",
            Self::People => "people",
        }
    }
}

/// What somebody is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A screen on a wall: sees what is now, and nothing else.
    Wall,
    /// Reads.
    Viewer,
    /// Also works on alerts.
    Operator,
    /// Also sees to notifications, and opens personal data with a reason.
    Supervisor,
    /// Reads, and looks after rules and devices.
    Engineer,
    /// Everything.
    Administrator,
    /// Reads, and reads the audit log.
    Auditor,
}

impl Role {
    /// All of them, in the order above.
    pub const ALL: [Self; 7] = [
        Self::Wall,
        Self::Viewer,
        Self::Operator,
        Self::Supervisor,
        Self::Engineer,
        Self::Administrator,
        Self::Auditor,
    ];

    /// The word used in JSON, on the command line and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Engineer => "engineer",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }

    /// The table of roles: which permissions each has.
    pub fn may(self, permission: Permission) -> bool {
        use Permission::{
            Act, Audit, Devices, Export, Masked, Notify, Read, Reveal, Rules, Technical, Watch,
        };
        match self {
            Self::Wall => matches!(permission, Watch),
            Self::Viewer => matches!(permission, Watch | Read | Export),
            Self::Operator => {
                matches!(permission, Watch | Read | Export | Act | Masked | Technical)
            }
            Self::Supervisor => matches!(
                permission,
                Watch | Read | Export | Act | Masked | Technical | Notify | Reveal
            ),
            Self::Engineer => {
                matches!(permission, Watch | Read | Export | Technical | Devices | Rules)
            }
            Self::Administrator => true,
            Self::Auditor => matches!(permission, Watch | Read | Audit),
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = AuthError;

    fn from_str(word: &str) -> Result<Self, AuthError> {
        let unknown = || AuthError::BadRole(word.chars().take(64).collect());
        Self::ALL.into_iter().find(|r| r.as_str() == word).ok_or_else(unknown)
    }
}

/// A role for some areas and services. `null` is everything; a list names wards, communes and
/// clusters (`clusters.yaml`), or services.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What for.
    pub role: Role,
    /// Where; `None`: the whole city.
    #[serde(default)]
    pub areas: Option<Vec<Name>>,
    /// In which services; `None`: in all.
    #[serde(default)]
    pub services: Option<Vec<Name>>,
}

impl Grant {
    /// Most grants of one person.
    pub const MOST: usize = 8;

    /// A role in the whole city.
    pub fn city(role: Role) -> Self {
        Self { role, areas: None, services: None }
    }

    /// Its areas × services today.
    pub fn part(&self, city: &City) -> ScopePart {
        ScopePart {
            areas: self.areas.as_ref().map_or(Choice::All, |areas| city.wards(areas)),
            services: match &self.services {
                None => Choice::All,
                Some(services) => Choice::only(services.iter().cloned()),
            },
        }
    }
}

/// How somebody was let in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Seat {
    /// A person with a session.
    Person,
    /// A screen on a wall, with the one view it shows, such as `overview`.
    Wall {
        /// Which.
        view: String,
    },
    /// A program with an API token.
    Token {
        /// Number of the token.
        token: u64,
    },
}

/// Who a request comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// User name; of a wall or a token: the name of who made it.
    pub user: String,
    /// What they may do, and where.
    pub grants: Vec<Grant>,
    /// A token has what it was given as far as its owner has it too: their grants now.
    #[serde(skip)]
    pub within: Option<Vec<Grant>>,
    /// How they were let in.
    #[serde(flatten)]
    pub seat: Seat,
}

impl Identity {
    /// A person.
    pub fn person(user: impl Into<String>, grants: Vec<Grant>) -> Self {
        Self { user: user.into(), grants, within: None, seat: Seat::Person }
    }

    /// Where a permission holds today; [`Scope::nothing`]: nowhere.
    pub fn scope(&self, permission: Permission, city: &City) -> Scope {
        let own = scope_of(&self.grants, permission, city);
        match &self.within {
            None => own,
            Some(owners) => own.and(&scope_of(owners, permission, city)),
        }
    }

    /// The permissions that hold anywhere.
    pub fn can(&self, city: &City) -> Vec<Permission> {
        let holds = |p: &Permission| !self.scope(*p, city).is_nothing();
        Permission::ALL.into_iter().filter(holds).collect()
    }

    /// The role that names them on screens: that of the first grant.
    pub fn role(&self) -> Option<Role> {
        self.grants.first().map(|g| g.role)
    }
}

fn scope_of(grants: &[Grant], permission: Permission, city: &City) -> Scope {
    Scope::of(grants.iter().filter(|g| g.role.may(permission)).map(|g| g.part(city)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: Role, areas: &[&str], services: &[&str]) -> Grant {
        let list = |ids: &[&str]| match ids {
            ["*"] => None,
            ids => Some(ids.iter().map(|i| Name::from(*i)).collect()),
        };
        Grant { role, areas: list(areas), services: list(services) }
    }

    #[test]
    fn a_permission_holds_where_a_role_that_has_it_was_given() {
        let city = crate::testing::city(0);
        let who = Identity::person(
            "an",
            vec![
                grant(Role::Operator, &["son_tra"], &["*"]),
                grant(Role::Viewer, &["*"], &["air"]),
            ],
        );
        let act = who.scope(Permission::Act, &city);
        assert!(act.allows("son_tra", "fire") && !act.allows("hai_chau", "air"));
        let watch = who.scope(Permission::Watch, &city);
        assert!(watch.allows("hai_chau", "air") && !watch.allows("hai_chau", "fire"));
        assert!(who.scope(Permission::People, &city).is_nothing());
    }

    #[test]
    fn a_ward_that_is_not_there_any_more_opens_nothing() {
        let city = crate::testing::city(0);
        let who = Identity::person("an", vec![grant(Role::Administrator, &["gone"], &["*"])]);
        assert!(who.can(&city).is_empty());
    }

    #[test]
    fn a_token_never_has_more_than_its_owner() {
        let city = crate::testing::city(0);
        let mut who = Identity::person("an", vec![Grant::city(Role::Administrator)]);
        who.within = Some(vec![grant(Role::Viewer, &["hai_chau"], &["*"])]);
        assert_eq!(who.can(&city), [Permission::Watch, Permission::Read, Permission::Export]);
        let watch = who.scope(Permission::Watch, &city);
        assert!(watch.allows("hai_chau", "air") && !watch.allows("son_tra", "air"));
    }

    #[test]
    fn words_of_roles_and_permissions_are_read_back() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>().ok(), Some(role));
            assert_eq!(serde_json::json!(role), role.as_str());
        }
        for permission in Permission::ALL {
            assert_eq!(serde_json::json!(permission), permission.as_str());
        }
        assert!("root".parse::<Role>().is_err());
    }
}
