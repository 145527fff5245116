//! The data of a wasmtime store: one instance of the composed component.

use super::log::Lines;
use super::{Pace, Services};
use crate::plugins::config::ConfigView;
use crate::plugins::keyvalue::KeyValueView;
use crate::plugins::outbound::Hooks;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Linear memory of one instance, all its components together, in bytes. A password check needs 19 MiB in `oauth`; the
/// rest is 16 requests and their streams with messages of some megabytes each. A guest that asks for more gets none, and
/// then usually traps.
pub const MAX_INSTANCE_MEMORY: usize = 256 * 1024 * 1024;

/// Entries of one table. Rust's tables hold function pointers: some thousands.
pub const MAX_TABLE: usize = 20_000;

/// Handles (streams, requests, headers, buckets) that an instance may hold at once.
const MAX_HANDLES: usize = 100_000;

/// One instance's data. It has no files, no environment, no arguments, no sockets: what a guest may use is in
/// [`Services`].
pub struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: Hooks,
    services: Services,
    pub(super) memory: Memory,
    /// How long it has been computing.
    pub pace: Pace,
}

impl Guest {
    pub(super) fn new(services: &Services) -> Self {
        let mut wasi = WasiCtxBuilder::new();
        wasi.wall_clock(services.clock.clone())
            .stdout(Lines::new(services.log.clone()))
            .stderr(Lines::new(services.events.clone()));
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            wasi: wasi.build(),
            table,
            http: WasiHttpCtx::new(),
            hooks: Hooks(services.outbound.clone()),
            services: services.clone(),
            memory: Memory::default(),
            pace: Pace::default(),
        }
    }

    /// For the linker.
    pub fn keyvalue(&mut self) -> KeyValueView<'_> {
        KeyValueView { store: &self.services.store, table: &mut self.table }
    }

    /// For the linker.
    pub fn config(&mut self) -> ConfigView<'_> {
        ConfigView(&self.services.config)
    }

    /// Bytes of linear memory in use.
    pub fn memory_in_use(&self) -> usize {
        self.memory.total
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// All linear memories of an instance, counted together.
#[derive(Default)]
pub(super) struct Memory {
    total: usize,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.total.saturating_sub(current).saturating_add(desired);
        if total > MAX_INSTANCE_MEMORY {
            tracing::warn!(asked = total, limit = MAX_INSTANCE_MEMORY, "an instance wants too much memory");
            return Ok(false);
        }
        self.total = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_counted_together() {
        let mut memory = Memory::default();
        let half = MAX_INSTANCE_MEMORY / 2;
        assert!(memory.memory_growing(0, half, None).unwrap());
        assert!(memory.memory_growing(0, half, None).unwrap());
        assert!(!memory.memory_growing(half, half + 1, None).unwrap());
        assert_eq!(memory.total, MAX_INSTANCE_MEMORY);
    }
}
