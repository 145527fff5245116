//! What comes in: the HTTP request, what the router has proven, the settings, and the ports.

use crate::upstreams::{Caller, Upstreams};
use futures::future::LocalBoxFuture;
use shared_mcp::{Object, Revision};
use shared_ports::{Clock, Config, Random, Store};
use shared_settings::{KeepAlive, Names, SettingsError};

/// What the rules are given of the world. A clone is another handle to the same.
pub trait Ports: Clone + 'static {
    /// See [`Self::upstreams`].
    type Upstreams: Upstreams;
    /// What is behind the gateway.
    fn upstreams(&self) -> &Self::Upstreams;
    /// Sessions.
    fn store(&self) -> &impl Store;
    /// Idle expiry, deadlines, keep-alives.
    fn clock(&self) -> &impl Clock;
    /// Session ids, and names of what is kept for a while.
    fn random(&self) -> &impl Random;
    /// Work that goes on when the response is over.
    fn spawn(&self, work: LocalBoxFuture<'static, ()>);
}

/// One request to the MCP endpoint, with its whole body.
#[derive(Debug, Clone, Default)]
pub struct HttpRequest {
    /// Upper-case method.
    pub method: String,
    /// Header names in lower case, values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// At most [`crate::MAX_BODY`] bytes.
    pub body: Vec<u8>,
}

/// What the router has proven about the request.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Name of the request, unique per request: 32 lower-case hex digits.
    pub request_id: String,
    /// Keyed hash of the user, 32 lower-case hex digits.
    pub user_hash: String,
    /// The OAuth client the user speaks through.
    pub client_id: String,
}

/// The sections of the settings that the session reads.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub struct Settings {
    /// How names are made.
    #[serde(default)]
    pub names: Names,
    /// Silence on a stream after which a comment is sent.
    #[serde(default, rename = "keepAliveSeconds")]
    pub keep_alive: KeepAlive,
}

impl Settings {
    /// Read them from `wasi:config`.
    pub fn read(config: &impl Config) -> Result<Self, SettingsError> {
        shared_settings::read(config, &["names", "keepAliveSeconds"])
    }
}

/// The client of one request: its revision, and how it is named towards upstreams.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub revision: Revision,
    /// The OAuth client.
    pub client_id: String,
    pub caller: Caller,
}

/// One JSON-RPC request of the client.
#[derive(Debug)]
pub(crate) struct RpcRequest<'a> {
    /// JSON text.
    pub id: String,
    pub method: String,
    /// The whole message.
    pub object: Object<'a>,
}

impl RpcRequest<'_> {
    /// The params, opened; an empty object where there are none.
    pub fn params(&self) -> Object<'_> {
        self.object.object("params").unwrap_or_default()
    }

    /// The message with other params.
    pub fn with_params(&self, params: &Object<'_>) -> String {
        let mut object = self.object.clone();
        object.set("params", params.to_string());
        object.to_string()
    }
}
