//! What the rules of the components need of the world, as traits. The adapters plug in WASI, tests plug in memory.
//!
//! No rule reads a clock, draws a random number, opens a store or a connection by itself: it takes one of these.

mod http;
pub mod kept;
pub mod list;
#[cfg(any(test, feature = "memory"))]
pub mod memory;

pub use http::{Body, Http, HttpError, Request, Response};
use std::future::Future;
use std::time::Duration;

/// Largest value in bytes that every host takes. The hosts' own limit is the same; records that grow have to stay below.
pub const MAX_VALUE: usize = 1024 * 1024;

/// The key-value store, as far as every host's backend agrees on its meaning: no compare-and-swap, no time to live, no
/// listing by prefix. [`Store::increment`] is the only atomic operation, so single use and create-if-absent are
/// `increment(key, 1) == 1`, and expiry is a field of the value that the reader checks.
pub trait Store {
    /// The value of a key, or `None` if there is none.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Write a value; the last writer wins.
    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;
    /// Remove a key. No error if there is none.
    fn delete(&self, key: &str) -> Result<(), StoreError>;
    /// Add to a counter and return the new value; a missing counter counts from 0.
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError>;
}

impl<S: Store + ?Sized> Store for &S {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(key)
    }
    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        (**self).set(key, value)
    }
    fn delete(&self, key: &str) -> Result<(), StoreError> {
        (**self).delete(key)
    }
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        (**self).increment(key, delta)
    }
}

/// The store did not do what it was asked. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("store: {0}")]
pub struct StoreError(pub String);

/// Time.
pub trait Clock {
    /// Seconds since the Unix epoch.
    fn now(&self) -> u64;
    /// Time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;
    /// Wait.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// Randomness fit for keys and tokens.
pub trait Random {
    /// Fill a buffer.
    fn fill(&self, buffer: &mut [u8]);
    /// `N` random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N]
    where
        Self: Sized,
    {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// Named settings and secrets (`wasi:config`). Names are `lower_snake_case`: Spin takes no others.
pub trait Config {
    /// The value of a name, or `None` if there is none. The text of the error is for the log.
    fn value(&self, name: &str) -> Result<Option<String>, ConfigError>;
}

/// The settings could not be read. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config: {0}")]
pub struct ConfigError(pub String);
