//! What goes in and what comes out; the shapes of `mcp-edge:upstreams`.

use crate::UpstreamError;
use crate::stream::Messages;
use crate::tail::Tail;
use shared_mcp::{Era, Object, Revision};

/// The client on whose behalf a call is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Keyed hash of the user, lower-case hex.
    pub user_hash: String,
    /// Name of the client's own session, or of the user where the client has none.
    pub conversation: String,
    /// Name of the client's request, unlike that of any other.
    pub request_id: String,
    /// The protocol revision the client speaks.
    pub revision: String,
    /// The client's `Implementation`, as JSON text; empty where it sent none.
    pub client_info: String,
    /// The client's `ClientCapabilities`, as JSON text; empty where it sent none.
    pub client_capabilities: String,
}

impl Caller {
    /// Which way of talking the client uses. What is newer than all that is known here counts as modern.
    pub(crate) fn era(&self) -> Era {
        if self.revision.as_str() < Revision::V2026_07_28.as_str() { Era::Legacy } else { Era::Modern }
    }

    /// The client's `Implementation`, where it sent a usable one.
    pub(crate) fn info(&self) -> Option<&str> {
        let info = Object::parse(&self.client_info).ok()?;
        (info.get("name").is_some() && info.get("version").is_some()).then_some(self.client_info.as_str())
    }

    /// What the client can do, in the shape of the upstream's era. What an upstream may ask of a client (elicitation,
    /// sampling, roots) is promised across eras too: the session carries the questions and answers over.
    pub(crate) fn capabilities(&self, upstream: Era) -> String {
        let Ok(mut capabilities) = Object::parse(&self.client_capabilities) else {
            return "{}".into();
        };
        if upstream == self.era() {
            return self.client_capabilities.clone();
        }
        if upstream == Era::Modern {
            // Tasks are an extension there, with other messages; and no client can tell that its roots changed.
            capabilities.remove("tasks");
            if capabilities.get("roots").is_some_and(|roots| roots.starts_with('{')) {
                capabilities.set("roots", "{}");
            }
        }
        capabilities.to_string()
    }
}

/// A JSON-RPC message on its way to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Name of the upstream.
    pub upstream: String,
    /// One request, notification or response, as JSON text.
    pub message: Vec<u8>,
}

/// What an upstream says of itself; JSON texts as it sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The protocol revision spoken with it.
    pub revision: String,
    /// Its `ServerCapabilities`.
    pub capabilities: String,
    /// Its `Implementation`.
    pub server_info: String,
    /// Its instructions for the model.
    pub instructions: Option<String>,
}

/// The answer to a call.
pub enum Reply<B> {
    /// Taken; nothing follows.
    Accepted,
    /// The response and nothing before it.
    Response {
        /// JSON text.
        data: Vec<u8>,
        /// What is left of the HTTP response, to be [drained](Tail::drain) when the response was handed on.
        tail: Tail<B>,
    },
    /// Several messages; boxed because it is much larger than the others.
    Messages(Box<Messages<B>>),
}

/// What to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name of the upstream.
    pub upstream: String,
    /// The event id after which to go on.
    pub after: Option<String>,
    /// The `notifications` object of `subscriptions/listen`, as JSON text.
    pub notifications: String,
}

/// Where a stream can be taken up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The upstream's event id.
    pub event_id: String,
    /// How long it wants a client to wait before it comes again: milliseconds.
    pub retry: Option<u32>,
}

/// One step of a stream of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The next message. The response to the call is the last one.
    Message {
        /// JSON text.
        data: Vec<u8>,
        /// The upstream's event id, where it gave one.
        event_id: Option<String>,
    },
    /// No message, but a place to take the stream up from.
    Reached(Position),
    /// The stream broke before the response; nothing follows.
    Failed(UpstreamError),
}
