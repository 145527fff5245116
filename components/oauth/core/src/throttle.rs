//! Slowing down whoever guesses passwords: failures are counted for each user and for each client address, in windows
//! of [`WINDOW`] seconds.
//!
//! Names and addresses fall into buckets, so that the number of keys is bounded whatever is tried: at most two for each
//! of the [`BUCKETS`] buckets of a kind. Names that no user has are counted as well, or the throttle would tell which do.

use crate::Server;
use crate::crypto;
use shared_ports::StoreError;

/// Length of a window, in seconds.
const WINDOW: u64 = 300;

/// Failures in one window after which a user is not let in any more, not even with the right password. Who is logged in
/// already, and every token, goes on.
const MAX_PER_USER: i64 = 10;

/// Failures in one window from one address. More than for a user, since many people may share an address.
const MAX_PER_ADDRESS: i64 = 30;

/// Number of buckets of each kind. Two innocent names of a thousand share one with a probability below 0.1 %.
const BUCKETS: u32 = 1 << 20;

/// An attempt that may be made. It counts as a failure until [`Attempt::succeeded`].
#[derive(Debug)]
pub struct Attempt {
    user: (String, i64),
    address: String,
}

/// Whether an attempt may be made.
#[derive(Debug)]
pub enum Verdict {
    /// It may.
    Go(Attempt),
    /// Too many failures; try again after so many seconds.
    Wait(u64),
}

/// Count something that one address may do so often in a window. When it was too often: how many seconds to wait.
pub fn count(server: &Server, kind: &str, address: &str, max: i64) -> Result<Option<u64>, StoreError> {
    // Where the host does not say who is who, this would be one limit for everybody, and anybody could use it up.
    if server.settings.address_header.is_none() {
        return Ok(None);
    }
    let count = server.store.increment(&window_key(server, kind, address)?, 1)?;
    Ok((count > max).then(|| WINDOW - server.now % WINDOW))
}

/// Count an attempt before it is made, so that many at once do not slip through.
pub fn attempt(server: &Server, user: &str, address: &str) -> Result<Verdict, StoreError> {
    let address_key = window_key(server, "address", address)?;
    let user_key = window_key(server, "user", user)?;
    let by_address = server.store.increment(&address_key, 1)?;
    let by_user = server.store.increment(&user_key, 1)?;
    if by_address > MAX_PER_ADDRESS || by_user > MAX_PER_USER {
        return Ok(Verdict::Wait(WINDOW - server.now % WINDOW));
    }
    Ok(Verdict::Go(Attempt { user: (user_key, by_user), address: address_key }))
}

impl Attempt {
    /// The password was right: the user's failures are forgotten, the address keeps its earlier ones, or one good
    /// account would let its owner guess at all others for ever.
    pub fn succeeded(self, server: &Server) -> Result<(), StoreError> {
        server.store.increment(&self.user.0, -self.user.1)?;
        server.store.increment(&self.address, -1)?;
        Ok(())
    }
}

/// The counter of the current window. The one of the window before is deleted by whoever comes first in a new one.
fn window_key(server: &Server, kind: &str, name: &str) -> Result<String, StoreError> {
    let hash = crypto::hmac(&server.settings.keys.throttle, &[kind.as_bytes(), name.as_bytes()]);
    let bucket = u32::from_be_bytes(hash.first_chunk::<4>().copied().unwrap_or_default()) % BUCKETS;
    let base = format!("oauth:throttle:{kind}:{bucket:05x}");
    let window = (server.now / WINDOW).to_string();
    let last = server.store.get(&base)?;
    if last.as_deref() != Some(window.as_bytes()) {
        if let Some(last) = last.as_deref().and_then(|last| std::str::from_utf8(last).ok()) {
            server.store.delete(&format!("{base}:{last}"))?;
        }
        server.store.set(&base, window.as_bytes())?;
    }
    Ok(format!("{base}:{window}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Bench;

    fn go(bench: &Bench, user: &str, address: &str) -> Option<Attempt> {
        match attempt(&bench.server(), user, address).unwrap() {
            Verdict::Go(attempt) => Some(attempt),
            Verdict::Wait(seconds) => {
                assert!((1..=WINDOW).contains(&seconds));
                None
            }
        }
    }

    #[test]
    fn a_user_is_throttled_from_whatever_address_until_the_window_ends() {
        let bench = Bench::new();
        for n in 0..10 {
            assert!(go(&bench, "a", &format!("10.0.0.{n}")).is_some(), "{n}");
        }
        assert!(go(&bench, "a", "10.0.0.99").is_none());
        assert!(go(&bench, "b", "10.0.0.99").is_some());
        bench.advance(WINDOW);
        assert!(go(&bench, "a", "10.0.0.99").is_some());
    }

    #[test]
    fn an_address_is_throttled_for_whatever_user() {
        let bench = Bench::new();
        for n in 0..30 {
            assert!(go(&bench, &format!("user{n}"), "10.0.0.1").is_some(), "{n}");
        }
        assert!(go(&bench, "a", "10.0.0.1").is_none());
        assert!(go(&bench, "a", "10.0.0.2").is_some());
    }

    #[test]
    fn success_forgets_the_users_failures_but_not_those_of_the_address() {
        let bench = Bench::new();
        for _ in 0..200 {
            go(&bench, "a", "10.0.0.1").unwrap().succeeded(&bench.server()).unwrap();
        }
        for _ in 0..9 {
            go(&bench, "a", "10.0.0.1").unwrap();
        }
        go(&bench, "a", "10.0.0.1").unwrap().succeeded(&bench.server()).unwrap();
        for _ in 0..10 {
            go(&bench, "a", "10.0.0.1").unwrap();
        }
        assert!(go(&bench, "a", "10.0.0.1").is_none());
        for n in 0..10 {
            assert!(go(&bench, &format!("user{n}"), "10.0.0.1").is_some(), "{n}");
        }
        assert!(go(&bench, "other", "10.0.0.1").is_none());
    }

    #[test]
    fn old_windows_leave_nothing_behind() {
        let bench = Bench::new();
        for _ in 0..20 {
            go(&bench, "a", "10.0.0.1").unwrap();
            bench.advance(WINDOW * 3);
        }
        assert_eq!(bench.store.entries.borrow().len(), 4);
    }
}
