//! The wasmtime host of mcp-edge: composes the components and serves them.
//!
//! [`Gateway`] is the whole of it. The parts are public for tests that need less: [`runtime`] runs a single component with the
//! same interfaces, [`compose`] makes one component of four, [`plugins`] are the interfaces this host implements itself.

mod bindings;
pub mod compose;
mod gateway;
pub mod plugins;
pub mod runtime;
pub mod serve;
pub mod settings;

pub use gateway::{Gateway, GatewayBuilder, Running, StartError, Values, beside_this_program};
pub use settings::Environment;
