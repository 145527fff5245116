//! Engine, linker and the data of a store: all that is needed to run a component, without any listener.
//!
//! ```no_run
//! # async fn example(wasm: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_edge::runtime::{Runtime, Services};
//!
//! let runtime = Runtime::new()?;
//! let component = runtime.compile(wasm)?;
//! let services = Services::in_memory()?;
//! let mut store = runtime.store(&services);
//! let instance = runtime.linker.instantiate_async(&mut store, &component).await?;
//! # Ok(()) }
//! ```

pub mod cache;
mod clock;
mod engine;
mod guest;
mod log;
mod pace;

pub use clock::Clock;
pub use guest::Guest;
pub use log::{LogSink, LogWriter};
pub use pace::Pace;

use crate::bindings::wasi::{config, keyvalue};
use crate::plugins::config::{ConfigValues, WasiConfig};
use crate::plugins::keyvalue::memory::MemoryBackend;
use crate::plugins::keyvalue::{Store, WasiKeyValue};
use crate::plugins::outbound::{Outbound, Trust};
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// Engine and linker with every interface that a guest may import.
#[derive(Clone)]
pub struct Runtime {
    /// The engine. Its epoch advances every [`Pace::SLICE`].
    pub engine: Engine,
    /// `wasi:*` of 0.3.0, what Rust's std needs of 0.2, `wasi:keyvalue` and `wasi:config`.
    pub linker: Linker<Guest>,
}

/// What the guests of one gateway share. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Behind `wasi:keyvalue`.
    pub store: Store,
    /// Behind `wasi:config`.
    pub config: Arc<ConfigValues>,
    /// Behind `wasi:http/client`.
    pub outbound: Arc<Outbound>,
    /// Behind the wall clocks.
    pub clock: Clock,
    /// Where the lines go that guests print: one for each request.
    pub log: LogSink,
    /// Where the lines go that guests print on standard error: events, panics.
    pub events: LogSink,
}

impl Services {
    /// An empty store in memory, no settings, the system's clock, and logs that go nowhere: for tests, which replace
    /// what they need.
    pub fn in_memory() -> Result<Self, rustls::Error> {
        Ok(Self {
            store: Store::new(MemoryBackend::default()),
            config: Arc::default(),
            outbound: Arc::new(Outbound::new(&Trust::default())?),
            clock: Clock::default(),
            log: LogSink::discard(),
            events: LogSink::discard(),
        })
    }
}

impl Runtime {
    /// An engine and a linker. Instances come from a pool if the machine has the address space for it.
    pub fn new() -> wasmtime::Result<Self> {
        let engine = engine::new()?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        keyvalue::store::add_to_linker::<_, WasiKeyValue>(&mut linker, Guest::keyvalue)?;
        keyvalue::atomics::add_to_linker::<_, WasiKeyValue>(&mut linker, Guest::keyvalue)?;
        keyvalue::batch::add_to_linker::<_, WasiKeyValue>(&mut linker, Guest::keyvalue)?;
        config::store::add_to_linker::<_, WasiConfig>(&mut linker, Guest::config)?;
        Ok(Self { engine, linker })
    }

    /// Compile a component. Takes seconds for a composed one; see [`cache`].
    pub fn compile(&self, wasm: &[u8]) -> wasmtime::Result<Component> {
        Component::new(&self.engine, wasm)
    }

    /// A store for one instance, with its memory and CPU limits in force.
    pub fn store(&self, services: &Services) -> wasmtime::Store<Guest> {
        let mut store = wasmtime::Store::new(&self.engine, Guest::new(services));
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| store.data().pace.slice());
        store
    }
}
