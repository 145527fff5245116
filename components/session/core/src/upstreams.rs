//! What is behind the gateway, as a port: the interface `mcp-edge:upstreams` in plain Rust.

use shared_mcp::{Era, Revision};
use std::future::Future;

/// MCP servers behind the gateway. A clone is another handle to the same servers.
pub trait Upstreams: Clone + 'static {
    /// A stream of messages from one of them.
    type Stream: MessageStream + 'static;

    /// Their names, in ascending order. Does not connect.
    fn list(&self) -> Result<Vec<String>, UpstreamError>;

    /// What one says of itself; connects if it has to.
    fn status(&self, name: &str, caller: &Caller) -> impl Future<Output = Result<Description, UpstreamError>>;

    /// Send one message. Dropping the returned future or the stream before the response is there means `hang_up`.
    fn exchange(
        &self,
        call: Call,
        caller: &Caller,
        hang_up: HangUp,
    ) -> impl Future<Output = Result<Reply<Self::Stream>, UpstreamError>>;

    /// Listen to what one of them has to say outside of calls; `None` if it says nothing then. Dropping the stream ends the
    /// listening.
    fn listen(
        &self,
        interest: Interest,
        caller: &Caller,
    ) -> impl Future<Output = Result<Option<Self::Stream>, UpstreamError>>;

    /// Forget what is kept for a conversation, ending the upstreams' sessions that belong to it.
    fn close(&self, caller: &Caller) -> impl Future<Output = Result<(), UpstreamError>>;
}

/// Messages that arrive one by one.
pub trait MessageStream {
    /// The next step, or `None` at the end.
    fn next(&mut self) -> impl Future<Output = Option<Event>>;
}

/// What it means for the upstream when nobody waits for its answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// The request is cancelled, and the upstream is told so (2026-07-28, "Cancellation").
    Cancel,
    /// Nothing: a lost connection is no cancellation (2025-11-25, "Sending Messages" 6), so the upstream is not told.
    LetRun,
}

/// The client on whose behalf a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Keyed hash of the user, 32 lower-case hex digits.
    pub user_hash: String,
    /// Under what the conversations with upstreams are kept: at most 64 bytes of `[A-Za-z0-9_-]`.
    pub conversation: String,
    /// Name of the request, unique per request.
    pub request_id: String,
    /// The revision the client speaks.
    pub revision: Revision,
    /// The client's `Implementation`: JSON text.
    pub client_info: String,
    /// The client's `ClientCapabilities`: JSON text.
    pub client_capabilities: String,
}

/// What an upstream says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The revision spoken with it.
    pub revision: String,
    /// `ServerCapabilities`: JSON text.
    pub capabilities: String,
    /// `Implementation`: JSON text.
    pub server_info: String,
    /// Instructions for the model.
    pub instructions: Option<String>,
}

impl Description {
    /// The era of its revision. Revisions that the gateway itself does not speak are those before it.
    pub(crate) fn era(&self) -> Era {
        Revision::parse(&self.revision).map_or(Era::Legacy, Revision::era)
    }
}

/// A JSON-RPC message on its way to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Name of the upstream.
    pub upstream: String,
    /// JSON text with names, URIs and ids that are the upstream's own.
    pub message: String,
}

/// What to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Name of the upstream.
    pub upstream: String,
    /// The upstream's event id after which to go on; `None` begins now.
    pub after: Option<String>,
    /// The `notifications` object of `subscriptions/listen`, URIs already the upstream's own: JSON text.
    pub notifications: String,
}

/// The answer to a call.
#[derive(Debug)]
pub enum Reply<S> {
    /// Taken; the only answer to a notification or a response.
    Accepted,
    /// The JSON-RPC response: JSON text.
    Response(Vec<u8>),
    /// Notifications and requests, then the response.
    Messages(S),
}

/// One step of a stream of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The next message.
    Message {
        /// JSON text.
        data: Vec<u8>,
        /// The upstream's event id.
        event_id: Option<String>,
    },
    /// No message, but a place to take the stream up from.
    Reached {
        /// The upstream's event id.
        event_id: String,
        /// How long it wants a client to wait before it comes again: milliseconds.
        retry: Option<u32>,
    },
    /// The stream broke before the response; nothing follows.
    Failed(UpstreamError),
}

/// Why an upstream could not be used. Texts are for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The settings have no upstream of this name, or it may not be used.
    #[error("not found")]
    NotFound,
    /// No connection; nothing was sent.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// It wants other credentials.
    #[error("unauthorized: {0}")]
    Unauthorized(String),
    /// It answered with an HTTP status that MCP does not allow here.
    #[error("refused with status {0}")]
    Refused(u16),
    /// It answered with something that is not MCP.
    #[error("invalid reply: {0}")]
    InvalidReply(String),
    /// Its settings cannot be used.
    #[error("misconfigured: {0}")]
    Misconfigured(String),
    /// The store did not answer.
    #[error("unavailable: {0}")]
    Unavailable(String),
}
