//! Starts the real gateway, real upstreams and real clients, so that tests see what a user would see.
//!
//! * [`Gateway`]: the host as a process of its own, on a free port, with its state in a temporary folder; it can be killed
//!   and started again on the same state and port.
//! * [`Upstream`]: the rmcp server of `tests/upstream`, likewise.
//! * [`oauth`]: a scripted OAuth client that goes the whole way, pages included.
//! * [`mcp`]: a small MCP client that shows each message as it came.
//! * [`scenarios`]: what must hold on every host. A new one is a function there and a line in its list.
//!
//! Nothing here measures time; every wait ends by an event, or with an error after [`PATIENCE`].

pub mod artefacts;
pub mod browser;
pub mod conformance;
pub mod converse;
pub mod gateway;
pub mod html;
pub mod http;
pub mod https;
pub mod mcp;
pub mod oauth;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod redis;
pub mod scenarios;
pub mod settings;
pub mod spin;
pub mod sse;
pub mod upstream;
pub mod warm;

pub use gateway::{Gateway, HostKind};
pub use mcp::{McpClient, Revision};
pub use settings::{ALICE, BOB, Person, Settings};
pub use upstream::Upstream;

/// How long anything may take before a test gives up on it; generous, because test machines are busy.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A text that nobody can guess and no other test uses.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:016x}", rand::random::<u64>())
}
