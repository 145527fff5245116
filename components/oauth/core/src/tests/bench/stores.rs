//! Stores to which something happens in the middle of a request.

use shared_ports::memory::MemoryStore;
use shared_ports::{Store, StoreError};
use std::cell::{Cell, RefCell};

type Act<'a> = Box<dyn FnOnce() + 'a>;

/// A store to which something happens before the call of one number.
pub struct Interrupted<'a> {
    inner: &'a MemoryStore,
    at: u64,
    /// How many calls there were.
    pub calls: Cell<u64>,
    act: RefCell<Option<Act<'a>>>,
    crashes: bool,
}

impl<'a> Interrupted<'a> {
    /// Runs something in the middle.
    pub fn new(inner: &'a MemoryStore, at: u64, act: impl FnOnce() + 'a) -> Self {
        Self { inner, at, calls: Cell::new(0), act: RefCell::new(Some(Box::new(act))), crashes: false }
    }

    /// Fails from then on.
    pub fn crashing(inner: &'a MemoryStore, at: u64) -> Self {
        Self { inner, at, calls: Cell::new(0), act: RefCell::new(None), crashes: true }
    }

    /// Whether the call was reached.
    pub fn was_reached(&self) -> bool {
        self.calls.get() >= self.at
    }

    fn call(&self) -> Result<(), StoreError> {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() == self.at
            && let Some(act) = self.act.take()
        {
            act();
        }
        if self.crashes && self.was_reached() { Err(StoreError("crashed".into())) } else { Ok(()) }
    }
}

impl Store for Interrupted<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.call().and_then(|()| self.inner.get(key))
    }
    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.call().and_then(|()| self.inner.set(key, value))
    }
    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.call().and_then(|()| self.inner.delete(key))
    }
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.call().and_then(|()| self.inner.increment(key, delta))
    }
}
