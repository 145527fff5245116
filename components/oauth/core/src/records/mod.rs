//! What is stored, and under which keys. `STORE.md` is the same for people.

mod client;
mod grant;
mod keys;

pub use client::{AuthMethod, Client, Origin};
pub use grant::{AccessRecord, CodeRecord, GrantRecord, GrantState, PairRecord, Props, RefreshRecord};
pub use keys::*;

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared_ports::{Store, StoreError};

/// Read a record.
pub fn get<T: DeserializeOwned>(store: &dyn Store, key: &str) -> Result<Option<T>, StoreError> {
    let Some(bytes) = store.get(key)? else { return Ok(None) };
    // Only we write here, so this is damage or another version. Saying so is better than taking it for absent.
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError(format!("record under `{key}`: {error}")))
}

/// Write a record.
pub fn set<T: Serialize>(store: &dyn Store, key: &str, record: &T) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(record).map_err(|error| StoreError(error.to_string()))?;
    store.set(key, &bytes)
}
