//! Who holds sockets: how many each may have, and whether they may still have them. A session
//! with sockets is looked at by one task, however many sockets it has: at once when this process
//! changes anything about accounts, and every `session_check_s` for what others change.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::every;
use crate::context::{Context, blocking};
use crate::{Identity, Seat};

/// What is known of a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// It holds, and this is what they may do.
    Holds(Arc<Identity>),
    /// It has ended.
    Ended,
}

type Told = Arc<watch::Sender<Standing>>;

/// Whom a socket counts for. A wall is one screen, whoever has set it up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    User(String),
    Wall(String),
    Address(IpAddr),
}

#[derive(Default)]
struct Held {
    sockets: HashMap<Holder, usize>,
    sessions: HashMap<String, Told>,
}

/// The sockets of a server by who holds them.
#[derive(Default)]
pub(crate) struct Seats(Mutex<Held>);

impl std::fmt::Debug for Seats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seats").finish_non_exhaustive()
    }
}

/// One socket's place; gives it back when dropped.
pub(crate) struct Place {
    seats: Arc<Seats>,
    holders: Vec<Holder>,
    /// What is known of its session.
    pub standing: watch::Receiver<Standing>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.seats.lock();
        for holder in self.holders.drain(..) {
            give_back(&mut held.sockets, holder);
        }
    }
}

impl Seats {
    /// Takes a place for a socket of a session; `None`: they have as many as they may.
    pub fn join(
        self: &Arc<Self>,
        context: &Arc<Context>,
        who: &Identity,
        token: &str,
        from: IpAddr,
    ) -> Option<Place> {
        let mut wanted = vec![(
            match &who.seat {
                Seat::Wall { .. } => Holder::Wall(token.to_owned()),
                Seat::Person | Seat::Token { .. } => Holder::User(who.user.clone()),
            },
            context.config.max_sockets_per_user,
        )];
        if !from.is_loopback() {
            let network = crate::auth::network_of(from);
            wanted.push((Holder::Address(network), context.config.max_sockets_per_address));
        }
        let mut held = self.lock();
        let full = |(holder, most): &(Holder, usize)| {
            held.sockets.get(holder).is_some_and(|n| *n >= *most)
        };
        if wanted.iter().any(full) {
            return None;
        }
        let holders: Vec<Holder> = wanted.into_iter().map(|(holder, _)| holder).collect();
        for holder in &holders {
            *held.sockets.entry(holder.clone()).or_default() += 1;
        }
        let now = Standing::Holds(Arc::new(who.clone()));
        let standing = match held.sessions.entry(token.to_owned()) {
            Entry::Occupied(known) => {
                // The request that brought us here has just looked.
                known.get().send_if_modified(|told| {
                    let news = *told != now;
                    *told = now;
                    news
                });
                known.get().subscribe()
            }
            Entry::Vacant(place) => {
                let told = Arc::new(watch::Sender::new(now));
                let standing = told.subscribe();
                place.insert(Arc::clone(&told));
                context.tracker.spawn(watch_over(Arc::clone(context), token.to_owned(), told));
                standing
            }
        };
        drop(held);
        Some(Place { seats: Arc::clone(self), holders, standing })
    }

    /// Forgets a session that has ended or has no socket any more.
    fn forget(&self, token: &str, told: &Told, ended: bool) -> bool {
        let mut held = self.lock();
        let over = ended || told.receiver_count() == 0;
        if over {
            held.sessions.remove(token);
        }
        over
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // It holds plain numbers, whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn give_back<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut held) = counts.entry(key) {
        *held.get_mut() -= 1;
        if *held.get() == 0 {
            held.remove();
        }
    }
}

/// Looks at a session until it has ended or its last socket has gone.
async fn watch_over(context: Arc<Context>, token: String, told: Told) {
    let mut changes = context.parts.auth.changes();
    let mut checks = every(Duration::from_secs(context.config.session_check_s));
    // What changed between the request's own look and this moment was told to nobody.
    checks.reset_immediately();
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            Ok(()) = changes.changed() => {}
            _ = checks.tick() => {}
        }
        if context.seats.forget(&token, &told, false) {
            return;
        }
        context.stats.session_checks.fetch_add(1, Relaxed);
        let (auth, held) = (Arc::clone(&context.parts.auth), token.clone());
        let found = match blocking("check the session", move || auth.who(&held)).await {
            Ok(Ok(Some(who))) => Standing::Holds(Arc::new(who)),
            Ok(Ok(None)) => Standing::Ended,
            // The database is busy or broken; who was let in stays in until it says otherwise.
            Ok(Err(error)) => {
                tracing::error!(%error, "session of a socket cannot be checked");
                continue;
            }
            Err(_) => continue,
        };
        let ended = found == Standing::Ended;
        told.send_if_modified(|held| {
            let news = *held != found;
            if news {
                context.stats.session_changes.fetch_add(1, Relaxed);
                *held = found;
            }
            news
        });
        if ended {
            context.seats.forget(&token, &told, true);
            return;
        }
    }
}
