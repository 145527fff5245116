//! A whole gateway in a value: what `mcp-edge serve` runs, and what tests start in-process.

mod builder;
mod error;
mod running;
mod start;
mod values;

pub use builder::GatewayBuilder;
pub use error::StartError;
pub use running::Running;
pub use start::beside_this_program;
pub use values::Values;

use crate::runtime::{Clock, LogSink};
use crate::settings::Environment;
use builder::{Components, Source};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Entry to the library.
///
/// ```no_run
/// # async fn example() -> Result<(), mcp_edge::StartError> {
/// let gateway = mcp_edge::Gateway::builder()
///     .listen("127.0.0.1:0".parse().unwrap())
///     .state("/tmp/state")
///     .components("target/mcp-edge")
///     .settings(serde_json::json!({ "mcpServers": { "demo": { "url": "http://127.0.0.1:8788/mcp" } } }))
///     .dev(true)
///     .start()
///     .await?;
/// println!("{}", gateway.mcp_url());
/// gateway.stop().await;
/// # Ok(()) }
/// ```
pub struct Gateway;

impl Gateway {
    /// A gateway with the defaults of `mcp-edge serve`.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            state: PathBuf::from(".mcp-edge"),
            source: Source::None,
            public_url: None,
            components: Components::Beside,
            dev: false,
            trust: None,
            environment: Environment::process(),
            clock: Clock::default(),
            log: LogSink::discard(),
            events: LogSink::discard(),
        }
    }
}
