//! Why an upstream could not be used.

use shared_ports::{HttpError, StoreError};

/// Why an upstream could not be used; the cases of `upstream-error`. Texts are for the log and hold no header value, no
/// address and no part of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The settings have no upstream of this name.
    #[error("the settings have no such upstream")]
    NotFound,
    /// No connection; nothing was sent.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No answer in time; it may have acted on the message.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// It wants other credentials (401 or 403).
    #[error("unauthorized: {0}")]
    Unauthorized(String),
    /// Another HTTP status than MCP allows for this message.
    #[error("refused with HTTP status {0}")]
    Refused(u16),
    /// Something that is not MCP; it may have acted on the message.
    #[error("invalid reply: {0}")]
    InvalidReply(String),
    /// The settings of this upstream cannot be used.
    #[error("misconfigured: {0}")]
    Misconfigured(String),
    /// The store did not answer.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl From<HttpError> for UpstreamError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable(why) => Self::Unreachable(why),
            HttpError::TimedOut(why) => Self::TimedOut(why),
            HttpError::Broken(why) => Self::InvalidReply(format!("the connection broke: {why}")),
            other => Self::InvalidReply(other.to_string()),
        }
    }
}

impl From<StoreError> for UpstreamError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
