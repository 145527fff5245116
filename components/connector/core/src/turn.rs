//! One at a time, within an instance.

use shared_ports::Clock;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often somebody who waits looks whether it is his turn. There is no waking one call from another: calls are tasks
/// of the component model, and those wake only by what the host does. Waiting is rare (the first calls of a
/// conversation that come together), so looking is cheap enough.
const STEP: Duration = Duration::from_millis(5);

/// Names that somebody is busy with.
#[derive(Debug, Default)]
pub(crate) struct Turns(RefCell<BTreeSet<String>>);

/// A turn; it ends when this is dropped, also when the call it belongs to is.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    name: String,
}

impl Turns {
    /// Wait until nobody else is busy with this name, but not longer than `limit`: then `None`, and the caller goes on
    /// without. Whatever is done in a turn must therefore be right, if wasteful, without one; other instances know
    /// nothing of it anyway.
    pub(crate) async fn take(&self, name: String, clock: &impl Clock, limit: Duration) -> Option<Turn<'_>> {
        let start = clock.elapsed();
        while self.0.borrow().contains(&name) {
            if clock.elapsed().saturating_sub(start) >= limit {
                return None;
            }
            clock.sleep(STEP).await;
        }
        self.0.borrow_mut().insert(name.clone());
        Some(Turn { turns: self, name })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.0.borrow_mut().remove(&self.name);
    }
}
