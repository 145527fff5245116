//! Errors of the gateway as the client sees them: one function for each kind of cause. The client gets a sentence that
//! says what to do; the log gets the reason.

use crate::upstreams::UpstreamError;
use serde_json::json;
use shared_mcp::{ErrorObject, Revision, code};
use shared_ports::StoreError;

/// A request that is not served.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// For the client.
    pub error: ErrorObject,
    /// For the log.
    pub reason: String,
    /// More headers of the response.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Refusal {
    /// The client did something wrong, and the sentence that says so is all there is to know.
    pub fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self::of(status, ErrorObject::new(code, message))
    }

    /// The same for an error with data.
    pub fn of(status: u16, error: ErrorObject) -> Self {
        let reason = error.message.clone();
        Self { status, error, reason, headers: Vec::new() }
    }

    /// With another reason for the log.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

/// The session's own store failed.
pub(crate) fn store(error: &StoreError) -> Refusal {
    Refusal::new(503, code::INTERNAL_ERROR, "The gateway cannot read or write its state now. Try again later.")
        .because(error.to_string())
}

/// The settings of the gateway cannot be used.
pub(crate) fn misconfigured(reason: &str) -> Refusal {
    Refusal::new(
        500,
        code::INTERNAL_ERROR,
        "The gateway's settings cannot be used. Tell its operator: the log has the reason.",
    )
    .because(reason)
}

/// No such session. The same for one that never was, has ended, or belongs to somebody else: nobody may learn which.
pub(crate) fn no_session(reason: &str) -> Refusal {
    Refusal::new(404, code::INVALID_REQUEST, "There is no such session. Start a new one with `initialize`.")
        .because(reason)
}

/// No such method.
pub(crate) fn no_method(method: &str) -> Refusal {
    let message = format!("There is no method `{}` in this revision of the protocol.", crate::answer::column(method));
    Refusal::new(200, code::METHOD_NOT_FOUND, message)
}

/// Parameters that cannot be right.
pub(crate) fn invalid_params(message: impl Into<String>) -> Refusal {
    Refusal::new(200, code::INVALID_PARAMS, message)
}

/// No such resource, or one that may not be seen.
pub(crate) fn unknown_resource(uri: &str) -> Refusal {
    let error = ErrorObject::new(code::INVALID_PARAMS, "Unknown resource: list again what there is.");
    Refusal::of(200, error.with_data(json!({ "uri": crate::answer::column(uri) })))
}

/// A revision that is not spoken, or not in this way (a legacy revision needs `initialize`, so it is no answer to
/// itself).
pub(crate) fn unsupported_version(requested: &str) -> Refusal {
    let spoken = Revision::ALL.iter().rev().map(|revision| revision.as_str());
    let supported: Vec<&str> = spoken.filter(|revision| *revision != requested).collect();
    let message = format!("This protocol version is not supported here. Supported: {}.", supported.join(", "));
    let requested = crate::answer::column(requested);
    let reason = format!("protocol version `{requested}`");
    let data = json!({ "supported": supported, "requested": requested });
    Refusal::of(400, ErrorObject::new(code::UNSUPPORTED_PROTOCOL_VERSION, message).with_data(data)).because(reason)
}

/// An upstream could not be used.
pub(crate) fn upstream(name: &str, error: &UpstreamError) -> Refusal {
    let (code, advice) = match error {
        UpstreamError::NotFound => (code::NOT_CONNECTED, "is not known to the gateway. List again what there is."),
        UpstreamError::Unreachable(_) => {
            (code::NOT_CONNECTED, "cannot be reached now; nothing was sent to it. Try again later.")
        }
        UpstreamError::TimedOut(_) => (
            code::NOT_CONNECTED,
            "did not answer in time. It may have acted on the request: check before you repeat it.",
        ),
        UpstreamError::Unauthorized(_) => (
            code::NOT_CONNECTED,
            "does not accept the gateway's credentials. Tell the gateway's operator to renew them.",
        ),
        UpstreamError::Refused(_) => {
            (code::NOT_CONNECTED, "refused the request. Tell the gateway's operator if it stays so.")
        }
        UpstreamError::InvalidReply(_) => (
            code::NOT_CONNECTED,
            "gave an answer that is not valid MCP. It may have acted on the request: check before you repeat it.",
        ),
        UpstreamError::Misconfigured(_) => (
            code::NOT_CONNECTED,
            "cannot be used with its settings. Tell the gateway's operator: the log has the reason.",
        ),
        UpstreamError::Unavailable(_) => (
            code::INTERNAL_ERROR,
            "could not be asked, because the gateway cannot read or write its state now. Try again later.",
        ),
    };
    let object = ErrorObject::new(code, format!("Upstream `{name}` {advice}")).with_data(json!({ "upstream": name }));
    Refusal::of(200, object).because(format!("{name}: {error}"))
}

/// None of the upstreams that were asked could be used.
pub(crate) fn all_down(failures: &[(String, UpstreamError)]) -> Refusal {
    if let [(name, error)] = failures {
        return upstream(name, error);
    }
    let names: Vec<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
    let message = format!("None of the upstreams can be used now: {}. Try again later.", names.join(", "));
    let error = ErrorObject::new(code::NOT_CONNECTED, message).with_data(json!({ "upstreams": names }));
    Refusal::of(200, error).because(reasons(failures))
}

/// Failures for the log.
pub(crate) fn reasons(failures: &[(String, UpstreamError)]) -> String {
    failures.iter().map(|(name, error)| format!("{name}: {error}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_learns_which_upstream_and_what_to_do_but_no_inner_text() {
        let secret = || "10.0.0.7:5432 refused".to_owned();
        for (error, code) in [
            (UpstreamError::NotFound, -32001),
            (UpstreamError::Unreachable(secret()), -32001),
            (UpstreamError::TimedOut(secret()), -32001),
            (UpstreamError::Unauthorized(secret()), -32001),
            (UpstreamError::Refused(500), -32001),
            (UpstreamError::InvalidReply(secret()), -32001),
            (UpstreamError::Misconfigured(secret()), -32001),
            (UpstreamError::Unavailable(secret()), -32603),
        ] {
            let refusal = upstream("demo", &error);
            assert_eq!(refusal.error.code, code);
            assert!(refusal.error.message.starts_with("Upstream `demo` "), "{}", refusal.error.message);
            assert!(!refusal.error.to_json().contains("10.0.0.7"));
            assert_eq!(refusal.error.data, Some(json!({ "upstream": "demo" })));
            assert_eq!(refusal.reason, format!("demo: {error}"));
        }
    }
}
