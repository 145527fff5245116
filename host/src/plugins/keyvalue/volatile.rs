//! Counters in memory, bounded by forgetting the oldest.

use super::change::Effect;
use super::{Change, Outcome, StoreError};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Entries in one generation. A counter is a key of some 60 bytes and a few digits, so two full generations are some tens
/// of megabytes at most.
const GENERATION: usize = 65_536;

/// Age at which a generation is put aside even if it is not full. What was not touched for one to two of these is
/// forgotten; longer than any window that a rate limit can have in practice.
const AGE: Duration = Duration::from_secs(24 * 3600);

/// Two generations of entries: what is touched moves into the young one; when that is full or old, it becomes the old
/// one, and what nobody touched since the last time is gone. Forgetting costs one pointer swap.
#[derive(Default)]
pub(super) struct Counters(Mutex<Generations>);

struct Generations {
    young: HashMap<String, Vec<u8>>,
    old: HashMap<String, Vec<u8>>,
    since: Instant,
}

impl Default for Generations {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), since: Instant::now() }
    }
}

impl Counters {
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let generations = self.lock();
        generations.young.get(key).or_else(|| generations.old.get(key)).cloned()
    }

    pub fn change(&self, change: Change) -> Result<Outcome, StoreError> {
        let mut generations = self.lock();
        if generations.young.len() >= GENERATION || generations.since.elapsed() > AGE {
            generations.old = std::mem::take(&mut generations.young);
            generations.since = Instant::now();
        }
        let key = change.key().to_owned();
        let present = generations.young.get(&key).or_else(|| generations.old.get(&key));
        let (effect, outcome) = change.decide(present.map(Vec::as_slice))?;
        match effect {
            Effect::Keep => {}
            Effect::Put(value) => {
                generations.young.insert(key, value);
            }
            Effect::Remove => {
                generations.young.remove(&key);
                generations.old.remove(&key);
            }
        }
        Ok(outcome)
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(counters: &Counters, key: &str) -> Outcome {
        counters.change(Change::Increment { key: key.into(), delta: 1 }).unwrap()
    }

    #[test]
    fn a_flood_of_keys_forgets_the_untouched_ones_only() {
        let counters = Counters::default();
        add(&counters, "idle");
        add(&counters, "busy");
        for n in 0..GENERATION {
            add(&counters, &format!("a{n}"));
        }
        assert_eq!(add(&counters, "busy"), Outcome::Counted(2));
        for n in 0..GENERATION {
            add(&counters, &format!("b{n}"));
        }
        assert_eq!(add(&counters, "busy"), Outcome::Counted(3));
        assert_eq!(counters.get("idle"), None);
        let generations = counters.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
