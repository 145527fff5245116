//! How long to wait before a stream is opened again.

use std::time::Duration;

/// Longest wait after failures. An upstream that comes back is heard again within this time.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Waits that double with each failure, spread so that those who lost the same upstream do not all come back at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    seed: u64,
    failures: u32,
}

impl Backoff {
    /// `name` tells one stream from another: its spread is taken from there, which needs no randomness.
    pub(crate) fn new(name: &str) -> Self {
        // FNV-1a. The name is random already; it only has to become a number.
        let seed = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self { seed, failures: 0 }
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How often it did not, since it worked last.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The next wait: never less than `least`, which is what the upstream asks for (2025-11-25: "MUST respect the `retry`
    /// field"), and up to a quarter more.
    pub(crate) fn next(&mut self, least: Duration) -> Duration {
        let doubled = least.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.min(MAX_WAIT).max(least);
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let spread = u32::try_from(self.seed >> 54).unwrap_or(0);
        wait.saturating_add(wait.saturating_mul(spread) / 4096)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_double_up_to_a_minute_and_never_go_below_what_is_asked(name in "[0-9a-f]{32}", least in 50_u64..300_000) {
            let least = Duration::from_millis(least);
            let mut backoff = Backoff::new(&name);
            for failures in 0..40 {
                prop_assert_eq!(backoff.failures(), failures);
                let floor = least.saturating_mul(1 << failures.min(16)).min(MAX_WAIT).max(least);
                let wait = backoff.next(least);
                prop_assert!(wait >= floor && wait <= floor + floor / 4, "{failures}: {wait:?}");
            }
            backoff.reset();
            prop_assert!(backoff.next(least) <= least + least / 4);
        }
    }

    #[test]
    fn two_streams_do_not_come_back_together() {
        let wait = |name: &str| Backoff::new(name).next(Duration::from_secs(1));
        assert_ne!(wait("0123456789abcdef0123456789abcdef"), wait("0123456789abcdef0123456789abcdee"));
    }
}
