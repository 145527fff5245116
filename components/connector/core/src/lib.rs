//! MCP towards the upstream servers: which era each one speaks, its sessions, one message there and the answer back.
//!
//! All state that outlives a call is in the store (see `era` and `conversation` for the records), so any instance can
//! serve any call. What an instance keeps besides are caches of the parsed settings, of the eras and of
//! the tools' parameters.

mod alias;
mod backoff;
mod body;
mod connect;
mod conversation;
mod conversation_record;
mod era;
mod errors;
mod exchange;
mod feed;
mod handshake;
mod kept;
mod listen;
mod open;
mod parameters;
mod race;
mod reply;
mod request;
mod settings;
mod status;
mod stream;
mod subscription;
mod tail;
mod turn;
mod types;

pub use errors::UpstreamError;
pub use listen::Listening;
pub use race::{Abandoned, Interest};
pub use stream::Messages;
pub use tail::Tail;
pub use types::{Call, Caller, Description, Event, Position, Reply, Subject};

use shared_ports::{Body, Clock, Config, Http, Store};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Time for a connection to an upstream to stand. A server that takes longer is as good as down, and the caller waits.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most bytes of one message from an upstream. Messages are whole in memory, here and once more in the session, and up
/// to 16 requests share an instance; results with pictures in them are a few megabytes.
pub const MAX_MESSAGE: usize = 8 * 1024 * 1024;

/// What the connector needs of the world.
pub trait Ports: 'static {
    /// Bodies of responses.
    type Body: Body + 'static;
    /// Outbound requests.
    type Http: Http<Body = Self::Body>;
    /// Sessions and eras.
    type Store: Store;
    /// Timeouts, and the age of what is kept.
    type Clock: Clock;
    /// The settings, and the secrets they refer to.
    type Config: Config;
    /// See [`Ports::Http`].
    fn http(&self) -> &Self::Http;
    /// See [`Ports::Store`].
    fn store(&self) -> &Self::Store;
    /// See [`Ports::Clock`].
    fn clock(&self) -> &Self::Clock;
    /// See [`Ports::Config`].
    fn config(&self) -> &Self::Config;
}

/// The connector. One per instance; all its calls may run at the same time.
pub struct Connector<P> {
    ports: P,
    settings: RefCell<settings::Cache>,
    eras: RefCell<era::Cache>,
    parameters: RefCell<parameters::Cache>,
    turns: turn::Turns,
    /// Number of the next alias.
    aliases: Cell<u64>,
}

impl<P: Ports> Connector<P> {
    /// A connector that knows nothing yet.
    pub fn new(ports: P) -> Self {
        Self {
            ports,
            settings: RefCell::default(),
            eras: RefCell::default(),
            parameters: RefCell::default(),
            turns: turn::Turns::default(),
            aliases: Cell::default(),
        }
    }

    /// The names of the upstreams in the settings, in ascending order.
    ///
    /// # Errors
    /// - [`UpstreamError::Misconfigured`]: the settings cannot be read.
    pub fn list(&self) -> Result<Vec<String>, UpstreamError> {
        Ok(self.upstreams()?.keys().cloned().collect())
    }
}
