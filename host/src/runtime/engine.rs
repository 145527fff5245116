//! The engine: its features, its pool, its epochs.

use super::guest::{MAX_INSTANCE_MEMORY, MAX_TABLE};
use super::pace::Pace;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Instances that may exist at once. Each serves up to 16 waiting requests and many more open streams, so this is
/// thousands of clients.
pub const MAX_INSTANCES: u32 = 256;

/// Core instances in one composed component: four components, each with its shims, and room for some policies.
const CORE_INSTANCES: u32 = 64;

/// Linear memories and tables in one composed component; four of each are in use now, the shims have tables too.
const MEMORIES: u32 = 12;
const TABLES: u32 = 48;

/// Stacks: one for each call that is waiting inside a guest's synchronous function. Address space only.
const STACKS: u32 = 16 * MAX_INSTANCES;

pub(super) fn new() -> wasmtime::Result<Engine> {
    let engine = match Engine::new(config().allocation_strategy(InstanceAllocationStrategy::Pooling(pool()))) {
        Ok(engine) => engine,
        Err(error) => {
            // A small address space (some containers, `ulimit -v`). Slower, and limited by memory only.
            tracing::warn!(%error, "no pool of instances: too little address space");
            Engine::new(&config())?
        }
    };
    let weak = engine.weak();
    std::thread::Builder::new().name("epochs".into()).spawn(move || {
        loop {
            std::thread::sleep(Pace::SLICE);
            match weak.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    })?;
    Ok(engine)
}

fn config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(MAX_INSTANCES)
        .max_component_instance_size(4 * 1024 * 1024)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .total_core_instances(MAX_INSTANCES * CORE_INSTANCES)
        .total_memories(MAX_INSTANCES * MEMORIES)
        .total_tables(MAX_INSTANCES * TABLES)
        .total_stacks(STACKS)
        .max_memory_size(MAX_INSTANCE_MEMORY)
        .table_elements(MAX_TABLE);
    // Memory of an instance that is gone goes back to the system at once: keeping some of it for the next one was tried
    // and cost 70 MB under load. Instances live long, so few are made.
    pool
}
