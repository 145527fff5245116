//! One request with its client: progress, log messages, capabilities.

// Sampling, roots and logging are deprecated by SEP-2577; clients of today use them.
#![expect(deprecated, reason = "what clients still use is what a fixture has to send")]

use crate::content::typed;
use crate::http::StreamCloser;
use crate::state::State;
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam, ProtocolVersion};
use rmcp::service::{Peer, RequestContext};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use std::sync::Arc;

/// One request.
pub struct Turn {
    /// State of the process.
    pub state: Arc<State>,
    context: RequestContext<RoleServer>,
    session_log_level: Option<LoggingLevel>,
}

impl Turn {
    /// A request within a session that has set this log level, if any.
    pub fn new(
        state: Arc<State>,
        context: RequestContext<RoleServer>,
        session_log_level: Option<LoggingLevel>,
    ) -> Self {
        Self { state, context, session_log_level }
    }

    /// Whether the request is of revision 2026-07-28 or later: no requests towards the client.
    pub fn is_stateless(&self) -> bool {
        self.context.protocol_version().is_some_and(|v| v.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
    }

    /// The client.
    pub fn peer(&self) -> &Peer<RoleServer> {
        &self.context.peer
    }

    /// Resolves when the client cancels the request or hangs up.
    pub async fn cancelled(&self) {
        self.context.ct.cancelled().await;
    }

    /// Whether the client declared a capability, by its key in `ClientCapabilities`.
    pub fn declares(&self, capability: &str) -> bool {
        let declared = self.context.client_capabilities().and_then(|c| serde_json::to_value(c).ok());
        declared.is_some_and(|c| c.get(capability).is_some())
    }

    /// Whether the client declared the tasks extension.
    pub fn declares_tasks(&self) -> bool {
        self.context.client_capabilities().is_some_and(|c| c.supports_tasks())
    }

    /// Send progress, if the client asked for it.
    pub async fn progress(&self, progress: u64, total: u64, message: Option<String>) -> Result<(), ErrorData> {
        let Some(token) = self.context.meta.get_progress_token() else {
            return Ok(());
        };
        let mut params = json!({ "progressToken": token, "progress": progress, "total": total });
        if let Some(message) = message {
            params["message"] = message.into();
        }
        // A client that is gone does not need to know.
        let _ = self.context.peer.notify_progress(typed(params)?).await;
        Ok(())
    }

    /// Send a log message at info level, if the client wants it: by `_meta` in 2026-07-28, by `logging/setLevel` or
    /// without asking before.
    pub async fn log(&self, data: Value) {
        let level = match self.is_stateless() {
            true => self.context.meta.log_level(),
            false => Some(self.session_log_level.unwrap_or(LoggingLevel::Info)),
        };
        if level.is_some_and(|level| severity(level) <= severity(LoggingLevel::Info)) {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, data).with_logger("fixtures");
            let _ = self.context.peer.notify_logging_message(message).await;
        }
    }

    /// End the response stream of this call while the call goes on.
    pub fn close_stream(&self) {
        let closer =
            self.context.extensions.get::<http::request::Parts>().and_then(|p| p.extensions.get::<StreamCloser>());
        if let Some(closer) = closer {
            closer.close();
        }
    }
}

fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
