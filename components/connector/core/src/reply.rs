//! What the head and the body of a reply mean.

use crate::body::Pieces;
use crate::handshake::MAX_ANSWER;
use crate::{MAX_MESSAGE, UpstreamError};
use shared_mcp::{Message, Object};
use shared_ports::{Body, HttpError, Response};

/// Kinds of bodies that MCP knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// `application/json`.
    Json,
    /// `text/event-stream`.
    Events,
    /// Anything else, or nothing.
    Other,
}

/// The kind of a response's body.
pub(crate) fn content<B>(response: &Response<B>) -> Content {
    let text = response.header("content-type").unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Content::Json
    } else if media_type.eq_ignore_ascii_case("text/event-stream") {
        Content::Events
    } else {
        Content::Other
    }
}

/// A reply to a message, with its body read unless it is a stream.
pub(crate) enum Outcome<B> {
    /// Taken; nothing follows.
    Accepted,
    /// The JSON-RPC response with the request's id.
    Response(Vec<u8>),
    /// Server-sent events.
    Stream(Pieces<B>),
    /// Not acted on.
    Refused(Refusal),
}

/// A reply with an HTTP status that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// Code of the JSON-RPC error in it, whatever its id.
    pub code: Option<i64>,
    /// What it says in words: the message of that error, or a short body that is no JSON.
    pub says: Option<String>,
    /// The JSON-RPC error response, if it has the request's id.
    pub response: Option<Vec<u8>>,
}

/// What servers say, with status 400, of a session that they do not have any more: their process was started again. The
/// first is what `StreamableHTTPServerTransport` of the TypeScript SDK 1.x says where one transport serves all; the second
/// is in the example servers of that SDK and so in many others, and the Python SDK up to 1.x has it as plain text.
const SESSION_GONE: [&str; 2] = ["Bad Request: Server not initialized", "Bad Request: No valid session ID provided"];

/// Code of the JSON-RPC errors with those texts.
const SESSION_GONE_CODE: i64 = -32000;

/// Most bytes of a body that is no JSON which are looked at: more than the longest of those texts.
const MAX_WORDS: usize = 256;

impl Refusal {
    /// Whether the upstream does not have the session of the message any more: 404 (2025-11-25, "Session Management"), or
    /// exactly one of the answers that servers are known to give instead. An error for this very request is none.
    pub(crate) fn session_gone(&self) -> bool {
        let words = || self.says.as_deref().is_some_and(|says| SESSION_GONE.contains(&says));
        match (self.status, self.code) {
            (404, _) => true,
            (400, None | Some(SESSION_GONE_CODE)) => self.response.is_none() && words(),
            _ => false,
        }
    }

    /// What the caller gets to see: an error of the upstream's own for this very request, or the status.
    pub(crate) fn settle(self) -> Result<Vec<u8>, UpstreamError> {
        match (self.status, self.response) {
            (401 | 403, _) => Err(unauthorized(self.status, self.challenge.as_deref())),
            (_, Some(response)) => Ok(response),
            (status, None) => Err(UpstreamError::Refused(status)),
        }
    }
}

/// Longest part of a challenge that goes into the log.
const MAX_CHALLENGE: usize = 200;

/// The error for 401 and 403. A challenge (RFC 9110 section 11.6.1) tells an operator what is missing and holds no secret.
pub(crate) fn unauthorized(status: u16, challenge: Option<&str>) -> UpstreamError {
    let challenge: String =
        challenge.unwrap_or("none").chars().filter(|c| !c.is_control()).take(MAX_CHALLENGE).collect();
    UpstreamError::Unauthorized(format!("HTTP status {status}, challenge: {challenge}; check the upstream's headers"))
}

/// The error for an answer to a handshake whose status says nothing about the era: wrong credentials, a redirect, a server
/// that is busy or broken.
pub(crate) fn no_evidence(status: u16, challenge: Option<&str>) -> Option<UpstreamError> {
    match status {
        401 | 403 => Some(unauthorized(status, challenge)),
        300..=399 | 408 | 429 | 500.. => Some(UpstreamError::Refused(status)),
        _ => None,
    }
}

/// Read a reply. `id` is that of the request as JSON text, or `None` where the message was no request.
pub(crate) async fn read<B: Body + 'static>(
    response: Response<B>,
    id: Option<&str>,
) -> Result<Result<Outcome<B>, UpstreamError>, HttpError> {
    let status = response.status;
    let content = content(&response);
    let challenge = response.header("www-authenticate").map(str::to_owned);
    let mut pieces = Pieces::new(response.body);
    if !(200..300).contains(&status) {
        let mut refusal = Refusal { status, challenge, code: None, says: None, response: None };
        let cap = if content == Content::Json { MAX_ANSWER } else { MAX_WORDS };
        // In words only 400 says something that its status does not.
        let wanted = match content {
            Content::Json => (400..600).contains(&status),
            Content::Events => false,
            Content::Other => status == 400,
        };
        if wanted
            // A body that breaks off does not make the refusal another one.
            && let Ok(Some(body)) = pieces.collect(cap).await
        {
            if content == Content::Json {
                error_in(body, id, &mut refusal);
            } else {
                refusal.says = String::from_utf8(body).ok().map(|text| text.trim_ascii().to_owned());
            }
        }
        return Ok(Ok(Outcome::Refused(refusal)));
    }
    let Some(id) = id else {
        return Ok(Ok(Outcome::Accepted));
    };
    if matches!(status, 202 | 204) {
        return Ok(Err(invalid("a request was answered without a response")));
    }
    match content {
        Content::Events => Ok(Ok(Outcome::Stream(pieces))),
        Content::Other => Ok(Err(invalid("neither JSON nor server-sent events"))),
        Content::Json => match pieces.collect(MAX_MESSAGE).await? {
            None => Ok(Err(too_large())),
            Some(body) => Ok(response_in(body, id).map(Outcome::Response)),
        },
    }
}

/// Check that a body is the response to the request with this id.
fn response_in(body: Vec<u8>, id: &str) -> Result<Vec<u8>, UpstreamError> {
    let text = std::str::from_utf8(&body).map_err(|_| invalid("not UTF-8"))?;
    match Message::parse(text) {
        Ok(Message::Response { id: Some(theirs), .. }) if same_id(&theirs, id) => Ok(body),
        Ok(Message::Response { .. }) => Err(invalid("a response to another request")),
        Ok(_) => Err(invalid("a JSON body that is no response")),
        Err(_) => Err(invalid("not a JSON-RPC message")),
    }
}

/// Note the JSON-RPC error in the body of a refusal, and the body where it is the response to the request.
fn error_in(body: Vec<u8>, id: Option<&str>, refusal: &mut Refusal) {
    let Ok(text) = std::str::from_utf8(&body) else {
        return;
    };
    let Ok(Message::Response { id: theirs, outcome: Err(error), .. }) = Message::parse(text) else {
        return;
    };
    if let Ok(error) = Object::parse(&error) {
        refusal.code = error.get("code").and_then(|code| code.parse().ok());
        refusal.says = error.string("message");
    }
    if matches!((theirs, id), (Some(theirs), Some(id)) if same_id(&theirs, id)) {
        refusal.response = Some(body);
    }
}

/// Whether two ids, as JSON texts, are the same: strings may be written with other escapes.
pub(crate) fn same_id(a: &str, b: &str) -> bool {
    let string = |text: &str| serde_json::from_str::<String>(text).ok();
    a == b || (a.starts_with('"') && b.starts_with('"') && string(a).is_some() && string(a) == string(b))
}

pub(crate) fn invalid(why: &str) -> UpstreamError {
    UpstreamError::InvalidReply(why.into())
}

pub(crate) fn too_large() -> UpstreamError {
    UpstreamError::InvalidReply(format!("a message of more than {MAX_MESSAGE} bytes"))
}
