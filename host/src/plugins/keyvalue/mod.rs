//! `wasi:keyvalue` 0.2.0-draft2: one bucket, named `default`.
//!
//! What a write means is decided once, in [`change`]; a [`Backend`] only keeps bytes. So every backend gives the same
//! answers, and one test suite holds them to it.
//!
//! Keys that start with [`VOLATILE`] are counters whose loss is harmless: they are kept in memory, whatever the backend,
//! and do not appear in `list-keys`. Every other write is on disk before it returns, where the backend has a disk.

mod change;
mod guest;
pub mod memory;
pub mod redb;
#[cfg(test)]
mod suite;
mod volatile;

pub use change::{Change, Outcome};
pub use guest::{Bucket, Cas, KeyValueView, WasiKeyValue};

use std::sync::Arc;
use volatile::Counters;

/// The only bucket there is.
pub const BUCKET: &str = "default";

/// Prefix of keys that are kept in memory only. The router's rate limits: several writes a request, worth nothing
/// after a restart.
pub const VOLATILE: &str = "limit:";

/// Longest key, in bytes. Spin's backends were seen to take 1,000; the longest key of the components is below 200.
pub const MAX_KEY: usize = 1024;

/// Largest value, in bytes. The largest of the components' records is an upstream's tool list; values are copied into
/// the memory of a guest, so this is also a bound on what one read can cost there.
pub const MAX_VALUE: usize = shared_ports::MAX_VALUE;

/// Keys in one answer of `list-keys`: with the longest keys this is 1 MiB.
pub const PAGE: usize = 1024;

/// A future that a backend returns from behind a trait object.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why the store did not do what it was asked. Guests see [`StoreError::guest_text`], nothing of the inner errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The guest's mistake: a key of more than [`MAX_KEY`] bytes, or an empty one.
    #[error("a key has 1 to {MAX_KEY} bytes, not {0}")]
    KeyLength(usize),
    /// The guest's mistake: a value of more than [`MAX_VALUE`] bytes.
    #[error("a value has at most {MAX_VALUE} bytes, not {0}")]
    ValueLength(usize),
    /// The guest's mistake: `increment` of a value that is not a whole number in decimal.
    #[error("the value is not a counter")]
    NotACounter,
    /// The guest's mistake: a counter would leave the range of `s64`.
    #[error("the counter is at its limit")]
    Overflow,
    /// The operator's problem: the backend failed.
    #[error("the backend failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The gateway is stopping.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// What a guest is told: one of a closed set of texts.
    pub fn guest_text(&self) -> &'static str {
        match self {
            Self::KeyLength(_) => "key length",
            Self::ValueLength(_) => "value length",
            Self::NotACounter => "not a counter",
            Self::Overflow => "counter overflow",
            Self::Backend(_) | Self::Closed => "unavailable",
        }
    }

    pub(crate) fn backend(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Backend(Box::new(error))
    }
}

/// One page of `list-keys`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Keys in ascending order.
    pub keys: Vec<String>,
    /// Pass this to get the next page; `None` at the end.
    pub cursor: Option<String>,
}

/// Where the bytes are kept. Lengths are checked before a backend is asked.
pub trait Backend: Send + Sync + 'static {
    /// The value of a key. Sees every change that has returned.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Up to [`PAGE`] keys after `after`, in ascending order.
    fn keys(&self, after: Option<&str>) -> Result<Page, StoreError>;

    /// Make one change, as [`Change::decide`] says, atomically. When it returns `Ok`, the change is as durable as this
    /// backend can make it.
    fn change(&self, change: Change) -> BoxFuture<'_, Result<Outcome, StoreError>>;
}

/// The store of one gateway: a backend and the volatile counters. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    counters: Arc<Counters>,
}

impl Store {
    /// A store on a backend.
    pub fn new(backend: impl Backend) -> Self {
        Self { backend: Arc::new(backend), counters: Arc::default() }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        if key.starts_with(VOLATILE) { Ok(self.counters.get(key)) } else { self.backend.get(key) }
    }

    /// Up to [`PAGE`] keys after the cursor.
    pub fn keys(&self, cursor: Option<&str>) -> Result<Page, StoreError> {
        self.backend.keys(cursor)
    }

    /// Make one change; see [`Backend::change`].
    pub async fn change(&self, change: Change) -> Result<Outcome, StoreError> {
        check_key(change.key())?;
        if let Some(length) = change.value().map(<[u8]>::len).filter(|length| *length > MAX_VALUE) {
            return Err(StoreError::ValueLength(length));
        }
        if change.key().starts_with(VOLATILE) {
            return self.counters.change(change);
        }
        self.backend.change(change).await
    }
}

fn check_key(key: &str) -> Result<(), StoreError> {
    if key.is_empty() || key.len() > MAX_KEY { Err(StoreError::KeyLength(key.len())) } else { Ok(()) }
}
