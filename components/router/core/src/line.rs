//! One line a request: everything worth knowing about it, and no secret.

use crate::Principal;
use serde::Serialize;

/// What the session found out about a request to the MCP endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The protocol revision it was served in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// JSON-RPC method.
    #[serde(skip_serializing_if = "Option::is_none", rename = "rpc_method")]
    pub method: Option<String>,
    /// Tool, prompt or resource.
    #[serde(skip_serializing_if = "Option::is_none", rename = "rpc_name")]
    pub name: Option<String>,
    /// The upstream that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// JSON-RPC error code of an error that the gateway made.
    #[serde(skip_serializing_if = "Option::is_none", rename = "rpc_error")]
    pub error: Option<i64>,
    /// The precise reason of that error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Line {
    /// Seconds since the Unix epoch when the request came.
    pub time: u64,
    /// Unique name of the request; the client gets it as `x-request-id`.
    pub request_id: String,
    /// Name of the route; `none` where there is none.
    pub route: &'static str,
    /// HTTP method.
    pub http_method: String,
    /// HTTP status.
    pub status: u16,
    /// Keyed hash of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Tenant of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What the session found out, or why the router refused.
    #[serde(flatten)]
    pub facts: Facts,
    /// Milliseconds until the head of the response was ready.
    pub headers_ms: f64,
    /// Milliseconds until the response was over.
    pub total_ms: f64,
    /// How it ended: `done`, or `aborted` where the client or the connection was gone before the end.
    pub outcome: &'static str,
}

impl Line {
    /// Note who asked.
    pub fn set_principal(&mut self, principal: &Principal) {
        self.user = Some(principal.user_hash.clone());
        self.client = Some(principal.client_id.clone());
        self.tenant.clone_from(&principal.tenant);
    }

    /// As JSON, without a line end.
    pub fn to_json(&self) -> String {
        // Only maps with keys that are not strings fail; there is none.
        serde_json::to_string(self).unwrap_or_default()
    }
}
