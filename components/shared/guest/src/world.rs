//! Store, configuration, time and randomness over WASI.

use crate::bindings::wasi::{config, keyvalue};
use shared_ports::{Clock, Config, ConfigError, Random, Store, StoreError};
use std::future::Future;
use std::time::Duration;
use wasip3::clocks::{monotonic_clock, system_clock};

/// The one bucket of the gateway. Spin knows a store of this name without being told.
const BUCKET: &str = "default";

/// `wasi:keyvalue`. Opens its bucket at the first call and keeps it as long as the value lives.
#[derive(Default)]
pub struct GuestStore(std::cell::OnceCell<keyvalue::store::Bucket>);

impl GuestStore {
    fn bucket(&self) -> Result<&keyvalue::store::Bucket, StoreError> {
        if let Some(bucket) = self.0.get() {
            return Ok(bucket);
        }
        let bucket = keyvalue::store::open(BUCKET).map_err(store_error)?;
        Ok(self.0.get_or_init(|| bucket))
    }
}

impl Store for GuestStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.bucket()?.get(key).map_err(store_error)
    }
    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.bucket()?.set(key, value).map_err(store_error)
    }
    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.bucket()?.delete(key).map_err(store_error)
    }
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        keyvalue::atomics::increment(self.bucket()?, key, delta).map_err(store_error)
    }
}

fn store_error(error: keyvalue::store::Error) -> StoreError {
    StoreError(match error {
        keyvalue::store::Error::NoSuchStore => format!("the host has no store `{BUCKET}`"),
        keyvalue::store::Error::AccessDenied => format!("the host does not give access to the store `{BUCKET}`"),
        keyvalue::store::Error::Other(text) => text,
    })
}

/// `wasi:config`.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuestConfig;

impl Config for GuestConfig {
    fn value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        config::store::get(name).map_err(|error| {
            ConfigError(match error {
                config::store::Error::Upstream(text) | config::store::Error::Io(text) => text,
            })
        })
    }
}

/// `wasi:clocks`.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuestTime;

impl Clock for GuestTime {
    fn now(&self) -> u64 {
        u64::try_from(system_clock::now().seconds).unwrap_or(0)
    }
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now())
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        monotonic_clock::wait_for(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// `wasi:random`.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuestRandom;

impl Random for GuestRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut filled = 0;
        // The host may hand out less than was asked for.
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let bytes = wasip3::random::random::get_random_bytes(rest.len() as u64);
            for (slot, byte) in rest.iter_mut().zip(&bytes) {
                *slot = *byte;
            }
            filled += bytes.len();
        }
    }
}
