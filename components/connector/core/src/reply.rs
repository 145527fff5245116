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
    /// The JSON-RPC error response, if it has the request's id.
    pub response: Option<Vec<u8>>,
}

impl Refusal {
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
        let mut refusal = Refusal { status, challenge, code: None, response: None };
        if content == Content::Json
            && (400..600).contains(&status)
            // A body that breaks off does not make the refusal another one.
            && let Ok(Some(body)) = pieces.collect(MAX_ANSWER).await
        {
            (refusal.code, refusal.response) = error_in(body, id);
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

/// The code of the JSON-RPC error in the body of a refusal, and the body where it is the response to the request.
fn error_in(body: Vec<u8>, id: Option<&str>) -> (Option<i64>, Option<Vec<u8>>) {
    let Ok(text) = std::str::from_utf8(&body) else {
        return (None, None);
    };
    let Ok(Message::Response { id: theirs, outcome: Err(error), .. }) = Message::parse(text) else {
        return (None, None);
    };
    let code = Object::parse(&error).ok().and_then(|error| error.get("code")?.parse().ok());
    let ours = matches!((theirs, id), (Some(theirs), Some(id)) if same_id(&theirs, id));
    (code, ours.then_some(body))
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
