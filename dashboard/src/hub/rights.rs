//! What a socket does when its session may do other things than before, and what only some hear.

use std::sync::Arc;

use serde_json::json;

use super::{Client, End, FloodState, POLICY, Standing, Topic, reset_text};

impl Client {
    /// The session has ended, or may do other things than before.
    pub(super) async fn rights_changed(&mut self) -> Result<(), End> {
        let standing = self.place.standing.borrow_and_update().clone();
        let Standing::Holds(who) = standing else {
            return Err(End::Close(POLICY, "session ended"));
        };
        if who == self.who {
            return Ok(());
        }
        let city = Arc::clone(&self.context.parts.city);
        let Ok(scope) = Topic::State.scope(&who, &city) else {
            return Err(End::Close(POLICY, "not permitted any more"));
        };
        self.who = who;
        let (role, can) = (self.who.role(), self.who.can(&city));
        let rights = json!({ "t": "rights", "role": role, "can": can });
        self.say(rights.to_string()).await?;
        let scope = self.wanted(scope);
        if scope == *self.view.scope() {
            return Ok(());
        }
        // From here on nothing of the old scope is sent: all that goes out asks the view.
        self.view = self.context.parts.live.view(&scope);
        (self.sent, self.tiles) = (None, 0);
        self.floods_of_new_scope().await?;
        if self.alerts.is_some() {
            self.listing = None;
            self.say(reset_text()).await?;
        }
        self.changes(true).await
    }

    pub(super) fn hears_floods(&self) -> bool {
        let city = &self.context.parts.city;
        self.alerts.is_some() && Topic::Flood.scope(&self.who, city).is_ok()
    }

    pub(super) async fn tell_flood(&mut self) -> Result<(), End> {
        let state = *self.flood.borrow_and_update();
        self.say_flood(state).await
    }

    async fn floods_of_new_scope(&mut self) -> Result<(), End> {
        match self.hears_floods() {
            true if self.flood.borrow_and_update().on => self.tell_flood().await,
            // What it was told is not for it any more.
            false if self.flooded => self.say_flood(FloodState::default()).await,
            _ => Ok(()),
        }
    }

    async fn say_flood(&mut self, state: FloodState) -> Result<(), End> {
        let FloodState { on, raised, positions } = state;
        self.flooded = on;
        let flood = json!({ "t": "flood", "on": on, "raised": raised, "positions": positions });
        self.say(flood.to_string()).await
    }
}
