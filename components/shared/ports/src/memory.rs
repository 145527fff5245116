//! The ports in memory, for tests of the rules.

use crate::{Clock, Config, ConfigError, Random, Store, StoreError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

/// A store in a map. `failing` makes every call fail, to test what happens then.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// All there is in it.
    pub entries: RefCell<BTreeMap<String, Vec<u8>>>,
    /// While true, every call is an error.
    pub failing: Cell<bool>,
    /// Most bytes of a value, where there is a limit: more is an error.
    pub largest: Cell<Option<usize>>,
    /// How many calls were made.
    pub calls: Cell<u64>,
}

impl MemoryStore {
    fn call(&self) -> Result<(), StoreError> {
        self.calls.set(self.calls.get() + 1);
        if self.failing.get() { Err(StoreError("switched off by the test".into())) } else { Ok(()) }
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.call()?;
        Ok(self.entries.borrow().get(key).cloned())
    }
    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.call()?;
        if self.largest.get().is_some_and(|largest| value.len() > largest) {
            return Err(StoreError("the value is too large".into()));
        }
        self.entries.borrow_mut().insert(key.into(), value.into());
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.call()?;
        self.entries.borrow_mut().remove(key);
        Ok(())
    }
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.call()?;
        let mut entries = self.entries.borrow_mut();
        let old = match entries.get(key) {
            None => 0,
            Some(value) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .ok_or_else(|| StoreError(format!("{key} is not a counter")))?,
        };
        let new = old.checked_add(delta).ok_or_else(|| StoreError("counter overflow".into()))?;
        entries.insert(key.into(), new.to_string().into_bytes());
        Ok(new)
    }
}

/// A clock that stands still until the test moves it. Sleeping moves it.
#[derive(Debug)]
pub struct MemoryClock {
    /// Seconds since the Unix epoch.
    pub now: Cell<u64>,
    /// See [`Clock::elapsed`].
    pub elapsed: Cell<Duration>,
}

impl MemoryClock {
    /// A clock at this time.
    pub fn at(now: u64) -> Self {
        Self { now: Cell::new(now), elapsed: Cell::new(Duration::ZERO) }
    }
    /// Let time pass.
    pub fn advance(&self, duration: Duration) {
        self.elapsed.set(self.elapsed.get() + duration);
        self.now.set(self.now.get() + duration.as_secs());
    }
}

impl Clock for MemoryClock {
    fn now(&self) -> u64 {
        self.now.get()
    }
    fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        self.advance(duration);
        std::future::ready(())
    }
}

/// A generator that never repeats itself within a test and is the same in each run. Nothing about it is secret.
#[derive(Debug, Default)]
pub struct MemoryRandom(Cell<u64>);

impl Random for MemoryRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            // SplitMix64, one step a byte: plenty for tests, and no two buffers alike.
            let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            self.0.set(state);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed ^ (mixed >> 27)).to_be_bytes()[0];
        }
    }
}

/// Settings in a map.
#[derive(Debug, Default, Clone)]
pub struct MemoryConfig(pub BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for MemoryConfig {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(values: I) -> Self {
        Self(values.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl Config for MemoryConfig {
    fn value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        Ok(self.0.get(name).cloned())
    }
}
