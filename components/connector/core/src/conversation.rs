//! Conversations with legacy upstreams: `initialize`, the session, and its end.

use crate::conversation_record::{About, Conversation};
use crate::race::{Abandoned, race};
use crate::reply::{invalid, no_evidence, unauthorized};
use crate::request::IMPLEMENTATION;
use crate::settings::Target;
use crate::{CONNECT_TIMEOUT, Caller, Connector, Ports, UpstreamError, request};
use futures::future::join_all;
use shared_mcp::{Era, Message, Object, Revision, code};
use shared_ports::{Clock, Http, Request, Store};
use std::time::Duration;

/// The revision before Streamable HTTP. Servers exist that speak the new transport and still name it.
const OLDEST: &str = "2024-11-05";

/// Id of `initialize` requests, as JSON text. Callers' ids are the gateway's own, so nobody else uses it in a session.
const INITIALIZE_ID: &str = "\"mcp-edge-initialize\"";

/// Time for a message that nobody waits for: the end of a session, a cancellation.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// Why there is no new conversation.
#[derive(Debug)]
pub(crate) enum NoConversation {
    /// The server does not take `initialize`: it may be a modern one.
    NotLegacy {
        /// What it answered.
        error: UpstreamError,
        /// Whether it answers so whatever a client says of itself.
        sure: bool,
    },
    /// Any other reason.
    Failed(UpstreamError),
}

impl<E: Into<UpstreamError>> From<E> for NoConversation {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl<P: Ports> Connector<P> {
    /// The kept conversation, if there is one with this address.
    pub(crate) fn conversation(&self, target: &Target, caller: &Caller) -> Result<Option<Conversation>, UpstreamError> {
        let key = key(caller, &target.name)?;
        let record = self.ports.store().get(&key)?;
        let conversation: Option<Conversation> = record.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let conversation = conversation.filter(|conversation| conversation.address == target.address);
        if let Some(conversation) = &conversation {
            self.touch(&key, conversation)?;
        }
        Ok(conversation)
    }

    /// Forget the conversation, unless another call has replaced it meanwhile.
    pub(crate) fn forget(&self, target: &Target, caller: &Caller, dead: &Conversation) -> Result<(), UpstreamError> {
        if self.conversation(target, caller)?.is_some_and(|kept| kept.session == dead.session) {
            self.ports.store().delete(&key(caller, &target.name)?)?;
        }
        Ok(())
    }

    /// Begin a conversation and keep it, while none is kept. Instances that do so at the same time agree on the one that
    /// was kept first, and the others end theirs. Two that write in the same instant both get one that works; the one
    /// that is kept last is used from then on.
    pub(crate) async fn begin(&self, target: &Target, caller: &Caller) -> Result<Conversation, NoConversation> {
        let key = key(caller, &target.name)?;
        let conversation = self.initialize(target, caller).await?;
        self.confirm(target, &conversation).await?;
        if let Some(other) = self.conversation(target, caller)? {
            self.end(target, &conversation).await;
            return Ok(other);
        }
        let over = self.note(target, caller)?;
        self.write(&key, &conversation)?;
        self.tell(over).await;
        Ok(conversation)
    }

    /// Whether `initialize` is refused also if nothing in it is a client's; `None` if the answer says nothing about that.
    /// Asked where the refusal of a client's may be due to what the client says of itself.
    pub(crate) async fn refuses_everybody(&self, target: &Target) -> Option<bool> {
        match self.initialize(target, &Caller::default()).await {
            Err(NoConversation::NotLegacy { .. }) => Some(true),
            Err(NoConversation::Failed(_)) => None,
            Ok(conversation) => {
                self.end(target, &conversation).await;
                Some(false)
            }
        }
    }

    async fn initialize(&self, target: &Target, caller: &Caller) -> Result<Conversation, NoConversation> {
        let info = caller.info().unwrap_or(IMPLEMENTATION);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{INITIALIZE_ID},"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{},"clientInfo":{info}}}}}"#,
            Revision::NEWEST_LEGACY,
            caller.capabilities(Era::Legacy),
        );
        let answer = self.ask(target, request::initialize(target, body), INITIALIZE_ID).await?;
        if let Some(error) = no_evidence(answer.status, answer.challenge.as_deref()) {
            return Err(error.into());
        }
        let Some(Ok(Message::Response { outcome, .. })) = answer.response.as_deref().map(Message::parse) else {
            return Err(match answer.status {
                200..300 => invalid("no response to `initialize`").into(),
                status => NoConversation::NotLegacy { error: UpstreamError::Refused(status), sure: status != 400 },
            });
        };
        let result = outcome.map_err(|error| not_initialized(&error))?;
        let result = Object::parse(&result).map_err(|_| invalid("the result of `initialize` is no object"))?;
        let revision = result.string("protocolVersion").unwrap_or_default();
        let era = Revision::parse(&revision).map(Revision::era);
        if era != Some(Era::Legacy) && revision != OLDEST {
            let error = invalid("`initialize` was answered with a protocol revision that is not spoken here");
            return Err(match era {
                Some(_) => NoConversation::NotLegacy { error, sure: true },
                None => error.into(),
            });
        }
        // Visible ASCII only (2025-11-25, "Session Management"); anything else could not travel back as a header.
        if answer.session.as_deref().is_some_and(|id| id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(invalid("the session id has characters that are not allowed").into());
        }
        Ok(Conversation {
            address: target.address.clone(),
            session: answer.session,
            revision,
            since: self.ports.clock().now(),
            used: None,
            about: About::of(&result, result.get("serverInfo")).ok_or_else(|| invalid("broken `initialize` result"))?,
        })
    }

    /// `notifications/initialized`. Servers may answer requests before, but need not.
    async fn confirm(&self, target: &Target, conversation: &Conversation) -> Result<(), UpstreamError> {
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let mut request = request::initialize(target, body.into());
        request::within(conversation, &mut request);
        let limit = CONNECT_TIMEOUT.saturating_add(target.timeout);
        let sending = self.ports.http().send(request);
        let Ok(response) = race(self.ports.clock(), Some(limit), &mut Abandoned::never(), sending).await else {
            return Err(UpstreamError::TimedOut("no answer to `notifications/initialized`".into()));
        };
        let response = response?;
        match response.status {
            200..300 => Ok(()),
            401 | 403 => Err(unauthorized(response.status, response.header("www-authenticate"))),
            status => Err(UpstreamError::Refused(status)),
        }
    }

    /// Forget what is kept for a conversation and end the upstreams' sessions that belong to it. The upstreams are told
    /// at the same time, each has 2 s, and none has to agree.
    ///
    /// # Errors
    /// - [`UpstreamError::Misconfigured`]: the settings cannot be read.
    /// - [`UpstreamError::Unavailable`]: the store did not answer; some sessions may still be kept.
    pub async fn close(&self, caller: &Caller) -> Result<(), UpstreamError> {
        let mut farewells = Vec::new();
        for name in self.upstreams()?.keys() {
            let key = key(caller, name)?;
            let Some(record) = self.ports.store().get(&key)? else { continue };
            self.ports.store().delete(&key)?;
            // An upstream that cannot be used any more cannot be told; its record is gone all the same.
            if let Ok(target) = self.target(name)
                && let Ok(conversation) = serde_json::from_slice::<Conversation>(&record)
                && conversation.address == target.address
            {
                farewells.push(async move { self.end(&target, &conversation).await });
            }
        }
        join_all(farewells).await;
        Ok(())
    }

    /// End the session of a conversation, where it has one.
    pub(crate) async fn end(&self, target: &Target, conversation: &Conversation) {
        if conversation.session.is_some() {
            let mut request = request::bare(target, "DELETE", "application/json, text/event-stream");
            request::within(conversation, &mut request);
            self.farewell(request).await;
        }
    }

    /// Send something whose answer changes nothing.
    pub(crate) async fn farewell(&self, mut request: Request) {
        request.connect_timeout = FAREWELL;
        request.first_byte_timeout = FAREWELL;
        let sending = self.ports.http().send(request);
        let _ = race(self.ports.clock(), Some(FAREWELL), &mut Abandoned::never(), sending).await;
    }
}

/// The error that `initialize` was answered with.
fn not_initialized(error: &str) -> NoConversation {
    let code = Object::parse(error).ok().and_then(|error| error.get("code")?.parse::<i64>().ok());
    let error = UpstreamError::InvalidReply(format!(
        "`initialize` was answered with the JSON-RPC error {}",
        code.map_or_else(|| "without a code".into(), |code| code.to_string())
    ));
    match code {
        Some(code::INTERNAL_ERROR) | None => NoConversation::Failed(error),
        Some(code) => {
            let sure = code == code::METHOD_NOT_FOUND || crate::era::is_modern_code(code);
            NoConversation::NotLegacy { error, sure }
        }
    }
}

/// Key of the record. What the names may consist of keeps one user's key from being another's.
pub(crate) fn key(caller: &Caller, upstream: &str) -> Result<String, UpstreamError> {
    let legal = |text: &str| {
        !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    // `kept` is where the lists are.
    if !legal(&caller.user_hash) || !legal(&caller.conversation) || caller.conversation == "kept" {
        return Err(UpstreamError::Misconfigured("the gateway gave a user or a conversation no legal name".into()));
    }
    Ok(kept_under(&caller.user_hash, &caller.conversation, upstream))
}

/// Key of the record, for names that were found legal when they were noted.
pub(crate) fn kept_under(user_hash: &str, conversation: &str, upstream: &str) -> String {
    format!("user:{user_hash}:upstream:{conversation}:{upstream}")
}
