//! What one component keeps for users, known by lists, so that it can be swept without listing the store: one list for each
//! user, and one of the users who have one. Each request that keeps something new looks at a few of the oldest entries of
//! its own user, and of others: so what belongs to users who never come again goes as well, as long as anybody comes.
//!
//! ```text
//! user:{hash}:{part}:kept:…        the list of a user, see [`crate::list`]
//! user:{hash}:{part}:kept:listed   1: the user is in the list of users
//! {part}:users:…                   the list of users
//! ```

use crate::list::{Entry, Fate, List};
use crate::{Store, StoreError};

/// Age in seconds at which an entry is looked at, and how long after a look it is looked at again. Nothing that is listed
/// here ends sooner.
pub const DAY: u64 = 24 * 3600;

/// Most other users that one sweep looks at. More than the one that a request may add, so that leftovers shrink.
const USERS: u32 = 2;

/// The lists of one component.
pub struct Kept<'a> {
    store: &'a dyn Store,
    part: &'static str,
}

impl<'a> Kept<'a> {
    /// Of the component whose keys begin with `user:{hash}:{part}:`.
    pub fn new(store: &'a dyn Store, part: &'static str) -> Self {
        Self { store, part }
    }

    /// Note that something is going to be kept for a user: before it is, so that nothing is kept that is in no list.
    pub fn note(&self, user: &str, entry: &Entry) -> Result<(), StoreError> {
        self.list(user).add(entry)?;
        // After the entry is there: whoever forgets the user looks for entries after deleting this.
        let listed = self.listed(user);
        if self.store.get(&listed)?.is_none() {
            self.users().append(&Entry { id: user.into(), at: entry.at, also: None })?;
            self.store.set(&listed, b"1")?;
        }
        Ok(())
    }

    /// Look at a few of the oldest entries, of this user and of others. `ended` decides about an entry that is a day old
    /// (user, entry): true when what it names is gone, false when it lives on.
    pub fn sweep(
        &self,
        user: &str,
        now: u64,
        mut ended: impl FnMut(&str, &Entry) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.sweep_user(user, now, &mut ended)?;
        let mut looked = 0;
        self.users().sweep(now, |entry| {
            if entry.at.saturating_add(DAY) > now || looked == USERS {
                return Ok(Fate::Stop);
            }
            looked += 1;
            // Only a list that was found empty goes, a day after its last entry: numbers begin anew then, and nobody may
            // still be about to delete the entry that had the same one.
            if self.list(&entry.id).is_empty()? {
                return Ok(if self.forget(&entry.id)? { Fate::Drop } else { Fate::Requeue });
            }
            if self.sweep_user(&entry.id, now, &mut ended)? {
                // There is more to do: the next one who comes goes on here.
                looked = USERS;
                return Ok(Fate::Stop);
            }
            Ok(Fate::Requeue)
        })?;
        Ok(())
    }

    /// Whether it is worth doing again at once.
    fn sweep_user(
        &self,
        user: &str,
        now: u64,
        ended: &mut impl FnMut(&str, &Entry) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        self.list(user).sweep(now, |entry| {
            Ok(if entry.at.saturating_add(DAY) > now {
                Fate::Stop
            } else if ended(user, entry)? {
                Fate::Drop
            } else {
                Fate::Requeue
            })
        })
    }

    /// Forget a user for whom nothing is kept. False if something came meanwhile.
    fn forget(&self, user: &str) -> Result<bool, StoreError> {
        self.store.delete(&self.listed(user))?;
        let late = self.list(user).close()?;
        for entry in &late {
            self.list(user).add(entry)?;
        }
        if !late.is_empty() {
            self.store.set(&self.listed(user), b"1")?;
        }
        Ok(late.is_empty())
    }

    fn list(&self, user: &str) -> List<'a> {
        List::new(self.store, format!("user:{user}:{}:kept", self.part))
    }

    fn listed(&self, user: &str) -> String {
        format!("user:{user}:{}:kept:listed", self.part)
    }

    fn users(&self) -> List<'a> {
        List::new(self.store, format!("{}:users", self.part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use std::cell::Cell;
    use std::collections::BTreeSet;

    const NOW: u64 = 1_800_000_000;

    fn entry(id: &str, at: u64) -> Entry {
        Entry { id: id.into(), at, also: None }
    }

    /// Keep something, as components do.
    fn keep(store: &dyn Store, user: &str, id: &str, at: u64) {
        Kept::new(store, "p").note(user, &entry(id, at)).unwrap();
        store.set(&format!("user:{user}:p:{id}"), b"x").unwrap();
    }

    /// Sweep; what was begun before `since` has ended.
    fn sweep(store: &dyn Store, user: &str, now: u64, alive: &[&str]) {
        let ended = |user: &str, entry: &Entry| {
            if alive.contains(&entry.id.as_str()) {
                return Ok(false);
            }
            store.delete(&format!("user:{user}:p:{}", entry.id))?;
            Ok(true)
        };
        Kept::new(store, "p").sweep(user, now, ended).unwrap();
    }

    /// Keys of users; those of the list of users, which stays, are not among them.
    fn left(store: &MemoryStore) -> BTreeSet<String> {
        store.entries.borrow().keys().filter(|key| key.starts_with("user:")).cloned().collect()
    }

    #[test]
    fn who_never_returns_leaves_nothing_as_long_as_anybody_comes() {
        let store = MemoryStore::default();
        for user in 0..20 {
            for id in 0..10 {
                keep(&store, &format!("u{user}"), &format!("i{id}"), NOW);
            }
        }
        // Each of those who come keeps something that ends at once.
        for round in 0..200 {
            let now = NOW + DAY + round * 900;
            keep(&store, "visitor", &format!("v{round}"), now);
            sweep(&store, "visitor", now, &[]);
        }
        let left = left(&store);
        assert!(left.iter().all(|key| key.starts_with("user:visitor:")), "{left:?}");
    }

    #[test]
    fn what_lives_on_is_looked_at_once_a_day() {
        let store = MemoryStore::default();
        keep(&store, "u", "alive", NOW);
        keep(&store, "u", "dead", NOW);
        for day in 1..100 {
            for hour in 0..3 {
                sweep(&store, "v", NOW + day * DAY + hour, &["alive"]);
            }
        }
        let left: Vec<String> = left(&store).into_iter().filter(|key| key.starts_with("user:u:")).collect();
        assert_eq!(
            left,
            [
                "user:u:p:alive",
                "user:u:p:kept:101",
                "user:u:p:kept:count",
                "user:u:p:kept:first",
                "user:u:p:kept:listed"
            ]
        );
        sweep(&store, "v", NOW + 101 * DAY, &[]);
        sweep(&store, "v", NOW + 102 * DAY, &[]);
        assert!(!store.entries.borrow().keys().any(|key| key.starts_with("user:u:")));
    }

    #[test]
    fn an_entry_whose_writer_died_is_no_reason_to_keep_a_user() {
        let store = MemoryStore::default();
        keep(&store, "u", "a", NOW);
        store.increment("user:u:p:kept:count", 1).unwrap();
        sweep(&store, "v", NOW + DAY, &[]);
        sweep(&store, "v", NOW + 2 * DAY, &[]);
        assert!(!store.entries.borrow().keys().any(|key| key.starts_with("user:u:")));
    }

    #[test]
    fn a_store_that_fails_leaves_what_the_next_sweep_needs() {
        for fails_at in 0..40 {
            let store = MemoryStore::default();
            keep(&store, "u", "a", NOW);
            keep(&store, "u", "b", NOW);
            let broken = Between { store: &store, calls: Cell::new(0), at: fails_at, act: None };
            let _ = Kept::new(&broken, "p").sweep("v", NOW + DAY, |user, entry| {
                broken.delete(&format!("user:{user}:p:{}", entry.id))?;
                Ok(true)
            });
            nothing_is_left(&store, &format!("failed at {fails_at}"));
        }
    }

    #[test]
    fn those_who_meet_in_the_store_lose_nothing() {
        type Act = fn(&dyn Store);
        let sweeping: Act = |store| sweep(store, "v", NOW + DAY, &["new"]);
        let keeping: Act = |store| keep(store, "u", "new", NOW + DAY);
        let both: Act = |store| {
            sweep(store, "v", NOW + DAY, &["new"]);
            keep(store, "u", "new", NOW + DAY);
        };
        for (name, one, other) in [
            ("sweep, sweep", sweeping, sweeping),
            ("sweep, keep", sweeping, keeping),
            ("keep, sweep", keeping, sweeping),
            ("keep, keep", keeping, keeping),
            ("sweep, sweep and keep", sweeping, both),
        ] {
            for (at, empty) in (0..60).flat_map(|at| [(at, false), (at, true)]) {
                let store = MemoryStore::default();
                keep(&store, "u", "a", NOW - DAY);
                keep(&store, "u", "b", NOW - DAY);
                if empty {
                    sweep(&store, "v", NOW, &[]);
                }
                let inner = &store;
                let act = move || other(inner);
                one(&Between { store: &store, calls: Cell::new(0), at, act: Some(&act) });
                nothing_is_left(&store, &format!("{name}, before call {at}, empty: {empty}"));
            }
        }
    }

    /// Later sweeps find everything.
    #[track_caller]
    fn nothing_is_left(store: &MemoryStore, when: &str) {
        for day in [3, 5, 7, 9] {
            sweep(store, "v", NOW + day * DAY, &[]);
        }
        let left = left(store);
        assert!(!left.iter().any(|key| key.starts_with("user:u:")), "{when}: {left:?}");
    }

    /// A store to which something else happens before one of the calls; or, without that, which fails from that call on.
    struct Between<'a> {
        store: &'a MemoryStore,
        calls: Cell<u64>,
        at: u64,
        act: Option<&'a dyn Fn()>,
    }

    impl Between<'_> {
        fn call(&self) -> Result<(), StoreError> {
            let call = self.calls.replace(self.calls.get() + 1);
            match self.act {
                Some(act) if call == self.at => act(),
                None if call >= self.at => return Err(StoreError("broken".into())),
                _ => {}
            }
            Ok(())
        }
    }

    impl Store for Between<'_> {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.call()?;
            self.store.get(key)
        }
        fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
            self.call()?;
            self.store.set(key, value)
        }
        fn delete(&self, key: &str) -> Result<(), StoreError> {
            self.call()?;
            self.store.delete(key)
        }
        fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
            self.call()?;
            self.store.increment(key, delta)
        }
    }
}
