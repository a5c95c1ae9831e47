//! People who are signed in without the sign-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::testing::{Client, PASSWORD, Server};
use crate::{Grant, Role};

impl Server {
    /// A session of a new user with this role, as the value of the cookie.
    pub async fn session(&self, role: Role) -> String {
        let auth = Arc::clone(&self.auth);
        let work = move || {
            if !auth.list().expect("lists").iter().any(|u| u.name == role.as_str()) {
                auth.add_user(role.as_str(), PASSWORD, role).expect("adds");
            }
            let link = auth.signin_link(role.as_str()).expect("a link");
            let from = "127.0.0.1".parse().expect("an address");
            auth.sign_in_by_link(&link, from).expect("signs in").token.text()
        };
        tokio::task::spawn_blocking(work).await.expect("no panic")
    }

    /// A client of a person with these grants.
    pub async fn client_with(&self, user: &'static str, grants: Vec<Grant>) -> Client {
        let auth = Arc::clone(&self.auth);
        let work = move || {
            if !auth.list().expect("lists").iter().any(|u| u.name == user) {
                auth.add_user(user, PASSWORD, Role::Viewer).expect("adds");
            }
            auth.set_grants(user, &grants).expect("sets");
            let link = auth.signin_link(user).expect("a link");
            // Each from an address of its own: addresses are slowed.
            static NEXT: AtomicI64 = AtomicI64::new(0);
            let n = NEXT.fetch_add(1, Relaxed) as u8;
            let from = std::net::IpAddr::from([10, 0, 0, n]);
            auth.sign_in_by_link(&link, from).expect("signs in").token.text()
        };
        let session = tokio::task::spawn_blocking(work).await.expect("no panic");
        Client { session: Some(session), ..self.stranger() }
    }

    /// A client with a session.
    pub async fn client(&self, role: Role) -> Client {
        Client { session: Some(self.session(role).await), ..self.stranger() }
    }
}
