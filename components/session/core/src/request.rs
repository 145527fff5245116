//! What comes in: the HTTP request, what the router has proven, the settings, and the ports.

pub use crate::settings::Settings;
use crate::upstreams::{Caller, Upstreams};
use futures::future::LocalBoxFuture;
use shared_mcp::{Object, Revision};
use shared_ports::{Clock, Random, Store};

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
    /// The path, without the query.
    pub path: String,
    /// Header names in lower case, values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// At most [`crate::MAX_BODY`] bytes.
    pub body: Vec<u8>,
}

/// What the router has proven about the request, and what its address asks for.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Name of the request, unique per request: 32 lower-case hex digits.
    pub request_id: String,
    /// Keyed hash of the user, 32 lower-case hex digits.
    pub user_hash: String,
    /// The OAuth client the user speaks through.
    pub client_id: String,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Roles of the user.
    pub roles: Vec<String>,
    /// Tenant of the user.
    pub tenant: Option<String>,
    /// The project in the path.
    pub project: Option<String>,
    /// The region in the query.
    pub region: Option<String>,
    /// The features in the query.
    pub features: Vec<String>,
    /// Whether the query wants tools to be searched for instead of listed.
    pub tool_search: bool,
}

/// The client of one request: its revision, and how it is named towards upstreams.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub revision: Revision,
    /// The OAuth client.
    pub client_id: String,
    /// The level of log messages that it has set for its session.
    pub log_level: Option<String>,
    /// What the event ids of its session are marked with; those without a session get no ids.
    pub event_key: Option<String>,
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
    /// Whether the gateway has made it of the client's request for something else. The client's headers are about that one.
    pub stands_for_another: bool,
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
