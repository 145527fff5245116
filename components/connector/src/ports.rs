//! The ports over WASI.

use connector_core::Ports;
use shared_guest::client::{GuestBody, GuestHttp};
use shared_guest::{GuestConfig, GuestStore, GuestTime};

/// See [`Ports`].
#[derive(Default)]
pub(crate) struct GuestPorts {
    http: GuestHttp,
    store: GuestStore,
    clock: GuestTime,
    config: GuestConfig,
}

impl Ports for GuestPorts {
    type Body = GuestBody;
    type Http = GuestHttp;
    type Store = GuestStore;
    type Clock = GuestTime;
    type Config = GuestConfig;

    fn http(&self) -> &GuestHttp {
        &self.http
    }
    fn store(&self) -> &GuestStore {
        &self.store
    }
    fn clock(&self) -> &GuestTime {
        &self.clock
    }
    fn config(&self) -> &GuestConfig {
        &self.config
    }
}
