//! Answers that the router gives itself.

use serde_json::json;
use shared_mcp::{ErrorObject, error_response};

/// JSON-RPC code for requests that the door refuses: within the range JSON-RPC leaves to servers, and outside the one
/// MCP 2026-07-28 claims.
const REFUSED: i64 = -32000;

/// A whole response, and the reason for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Why; for the log only.
    pub reason: String,
}

impl Answer {
    /// A response without a body.
    pub fn empty(status: u16, reason: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), reason: reason.into() }
    }

    /// A JSON body of this router's own: `error` for programs, `text` for people.
    pub fn problem(status: u16, error: &str, text: &str, reason: impl Into<String>) -> Self {
        let body = json!({ "error": error, "error_description": text }).to_string().into_bytes();
        Self::empty(status, reason).with("content-type", "application/json").with_body(body)
    }

    /// The same as a JSON-RPC error, for MCP clients. The id is null: the body was not read.
    pub fn rpc_problem(status: u16, text: &str, reason: impl Into<String>) -> Self {
        let body = error_response(None, &ErrorObject::new(REFUSED, text)).into_bytes();
        Self::empty(status, reason).with("content-type", "application/json").with_body(body)
    }

    /// Add a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.as_bytes().to_vec()));
        self
    }

    /// Set the body.
    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}
