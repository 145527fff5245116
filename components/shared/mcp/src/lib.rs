//! The MCP wire, as far as a gateway has to understand it.
//!
//! Messages are kept as the text they came in: [`Message`] and [`Object`] borrow from it and replace single members.
//! Typed models of the protocol drop what they do not know (vendor fields, new capabilities, integers beyond 64 bits),
//! and a gateway must pass on what nobody has invented yet.

pub mod header;
mod message;
pub mod mirror;
mod object;
mod revision;
pub mod sse;

pub use message::{ErrorObject, Message, ParseError, error_response, result_response};
pub use object::Object;
pub use revision::{Era, Revision};

/// JSON-RPC error codes in use, by the names of the specifications.
pub mod code {
    /// The body is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The body is not a JSON-RPC message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters are wrong: also an unknown tool, prompt or resource.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The gateway failed.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// The upstream cannot be used now; `data` says which one. The code is this gateway's.
    pub const NOT_CONNECTED: i64 = -32001;
    /// The legacy era's code for an unknown resource.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// The legacy era's code for a request that needs the user at some URL first (2025-11-25, "URL Elicitation Required").
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// A header says other than the body (2026-07-28, "Server Validation").
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The client lacks a capability that the request needs; `data.requiredCapabilities` (2026-07-28).
    pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
    /// The revision is not spoken here; `data.supported`, `data.requested` (2026-07-28).
    pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
}

/// Members of `_meta` that the protocol itself uses (2026-07-28, "Per-request protocol fields").
pub mod meta {
    /// The revision of the request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// The client's `Implementation`.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// The client's `ClientCapabilities`.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// The level from which on the client wants log notifications.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// In results: the server's `Implementation`.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// In notifications of a subscription: the id of its request.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
}
