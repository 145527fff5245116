//! Rate limits on `increment` alone.
//!
//! A sliding window, estimated from two fixed ones: the count of the running window, plus the count of the one before
//! weighted by how much of it still lies within the window's length. Refused requests count too, so a client that does
//! not back off stays refused. Losing a counter lets a few requests more pass, nothing else.

use sha2::{Digest, Sha256};
use shared_ports::{Store, StoreError};
use shared_settings::Rate;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Within the limit.
    Pass,
    /// Over it; the seconds until a request can pass again if none is made.
    Over { retry_after: u64 },
}

/// Count one request of `who` on `route` and say whether it may pass.
pub(crate) fn count(store: &impl Store, rate: Rate, route: &str, who: &str, now: u64) -> Result<Outcome, StoreError> {
    let length = u64::from(rate.seconds).max(1);
    let window = now / length;
    let into = now % length;
    let name = digest(who);
    let key = |window: u64| format!("limit:{route}:{name}:{window}");
    let current = u64::try_from(store.increment(&key(window), 1)?).unwrap_or(0);
    let before = match store.get(&key(window.wrapping_sub(1)))? {
        Some(value) => std::str::from_utf8(&value).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0),
        None => 0,
    };
    if current == 1 {
        // The store has no expiry: whoever opens a window removes the last one that nobody reads any more.
        store.delete(&key(window.wrapping_sub(2)))?;
    }
    let limit = u64::from(rate.count);
    let carried = before.saturating_mul(length - into) / length;
    if current.saturating_add(carried) <= limit {
        return Ok(Outcome::Pass);
    }
    // The next try counts as well. It passes within this window once the one before has faded enough; if it cannot, it
    // has to wait until this window is the one before and has faded.
    let within = limit.checked_sub(current.saturating_add(1)).map(|allowed| fading(before, allowed, length));
    let retry_after = match within {
        Some(at) if at < length => at.saturating_sub(into).max(1),
        _ => (length - into).saturating_add(fading(current, limit.saturating_sub(1), length)),
    };
    Ok(Outcome::Over { retry_after })
}

/// Seconds into a window until `count` of the one before weighs no more than `allowed`.
fn fading(count: u64, allowed: u64, length: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    length.saturating_sub(allowed.saturating_mul(length) / count)
}

/// Addresses and users are not kept in plain.
fn digest(who: &str) -> String {
    Sha256::digest(who.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared_ports::memory::MemoryStore;

    const RATE: Rate = Rate { count: 10, seconds: 60 };

    fn ask(store: &MemoryStore, now: u64) -> Outcome {
        count(store, RATE, "mcp", "somebody", now).unwrap()
    }

    #[test]
    fn the_limit_passes_and_no_more() {
        let store = MemoryStore::default();
        for _ in 0..10 {
            assert_eq!(ask(&store, 600), Outcome::Pass);
        }
        assert!(matches!(ask(&store, 600), Outcome::Over { .. }));
        assert_eq!(count(&store, RATE, "mcp", "another", 600).unwrap(), Outcome::Pass);
        assert_eq!(count(&store, RATE, "oauth", "somebody", 600).unwrap(), Outcome::Pass);
    }

    #[test]
    fn the_end_of_one_window_counts_in_the_next() {
        let store = MemoryStore::default();
        for _ in 0..10 {
            ask(&store, 659);
        }
        assert!(matches!(ask(&store, 660), Outcome::Over { .. }));
        assert_eq!(ask(&store, 690), Outcome::Pass);
    }

    #[test]
    fn old_windows_are_removed() {
        let store = MemoryStore::default();
        for now in [0, 60, 120, 180, 240] {
            ask(&store, now);
        }
        assert_eq!(store.entries.borrow().len(), 2);
    }

    proptest! {
        /// In no span of a window's length does more pass than the limit and its carry-over error: the estimate takes
        /// the requests of the earlier window as evenly spread, so it is off by at most one window's limit.
        #[test]
        fn a_span_never_lets_through_twice_the_limit(gaps in proptest::collection::vec(0_u64..20, 1..200)) {
            let store = MemoryStore::default();
            let mut now = 1000;
            let mut passed = Vec::new();
            for gap in gaps {
                now += gap;
                if ask(&store, now) == Outcome::Pass {
                    passed.push(now);
                }
            }
            for start in &passed {
                let within = passed.iter().filter(|t| **t >= *start && **t < start + 60).count();
                prop_assert!(within < 20, "{within} within a minute");
            }
        }

        /// Whoever waits as long as told may pass.
        #[test]
        fn retry_after_is_true(times in 1_u64..40, offset in 0_u64..60, step in 0_u64..4) {
            let store = MemoryStore::default();
            let mut now = 6000 + offset;
            let mut last = Outcome::Pass;
            for _ in 0..times {
                now += step;
                last = ask(&store, now);
            }
            if let Outcome::Over { retry_after } = last {
                prop_assert!(retry_after <= 120);
                prop_assert_eq!(ask(&store, now + retry_after), Outcome::Pass);
            }
        }
    }
}
