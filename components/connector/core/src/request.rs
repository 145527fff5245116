//! HTTP requests to an upstream, and the messages in them, in the way of its revision.

use crate::conversation_record::Conversation;
use crate::settings::Target;
use crate::{CONNECT_TIMEOUT, Caller, UpstreamError};
use shared_mcp::{Era, Message, Object, Revision, header, meta};
use shared_ports::Request;
use std::time::Duration;

/// What the gateway says of itself where a client said nothing (legacy `initialize` demands an `Implementation`).
pub(crate) const IMPLEMENTATION: &str =
    concat!(r#"{"name":"mcp-edge","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);

/// Sent unless the settings have another one: some servers refuse requests without.
const USER_AGENT: &str = concat!("mcp-edge/", env!("CARGO_PKG_VERSION"));

/// Members of `_meta` that only the modern era knows in requests.
const MODERN_META: [&str; 4] = [meta::PROTOCOL_VERSION, meta::CLIENT_INFO, meta::CLIENT_CAPABILITIES, meta::LOG_LEVEL];

/// A request without body, with what all have in common.
pub(crate) fn bare(target: &Target, method: &'static str, accept: &'static str) -> Request {
    let mut headers = vec![("accept".to_owned(), accept.as_bytes().to_vec())];
    if !target.headers.iter().any(|(name, _)| name == "user-agent") {
        headers.push(("user-agent".into(), USER_AGENT.into()));
    }
    headers.extend(target.headers.iter().cloned());
    Request {
        method,
        url: target.url.clone(),
        headers,
        body: Vec::new(),
        connect_timeout: CONNECT_TIMEOUT,
        first_byte_timeout: target.timeout,
    }
}

fn post(target: &Target, body: Vec<u8>) -> Request {
    let mut request = bare(target, "POST", "application/json, text/event-stream");
    request.headers.push(("content-type".into(), b"application/json".to_vec()));
    request.body = body;
    request
}

/// A message to a modern upstream: everything it needs to know is in it. `mirrored` are headers that repeat arguments,
/// with their values not coded yet.
pub(crate) fn modern(
    target: &Target,
    caller: &Caller,
    revision: Revision,
    message: &Message<'_>,
    mirrored: &[(String, String)],
) -> Result<Request, UpstreamError> {
    let mut params = params(message)?;
    let mut fields = match params.get("_meta") {
        None => Object::new(),
        Some(text) => Object::parse(text).map_err(|_| malformed())?,
    };
    fields.set_string(meta::PROTOCOL_VERSION, revision.as_str());
    match caller.info() {
        Some(info) => fields.set(meta::CLIENT_INFO, info),
        None => fields.set(meta::CLIENT_INFO, IMPLEMENTATION),
    }
    fields.set(meta::CLIENT_CAPABILITIES, caller.capabilities(Era::Modern));
    let fields = fields.to_string();
    params.set("_meta", fields);
    let mut object = message.object().clone();
    object.set("params", params.to_string());

    let mut request = post(target, object.to_string().into_bytes());
    let mut set = |name: &str, value: String| request.headers.push((name.to_owned(), value.into_bytes()));
    set(header::PROTOCOL_VERSION, revision.as_str().into());
    if let Some(method) = message.method() {
        set(header::METHOD, header::encode(method));
        if let Some(name) = header::name_member(method).and_then(|member| params.string(member)) {
            set(header::NAME, header::encode(&name));
        }
    }
    for (name, value) in mirrored {
        set(name, header::encode(value));
    }
    Ok(request)
}

/// A message to a legacy upstream, within a conversation.
pub(crate) fn legacy(
    target: &Target,
    conversation: &Conversation,
    message: &Message<'_>,
    text: &str,
) -> Result<Request, UpstreamError> {
    let body = match without_modern_fields(message)? {
        Some(changed) => changed,
        None => text.to_owned(),
    };
    let mut request = post(target, body.into_bytes());
    within(conversation, &mut request);
    Ok(request)
}

/// A POST to a legacy upstream before there is a conversation.
pub(crate) fn initialize(target: &Target, body: String) -> Request {
    post(target, body.into_bytes())
}

/// The headers of a conversation.
pub(crate) fn within(conversation: &Conversation, request: &mut Request) {
    if let Some(id) = &conversation.session {
        request.headers.push((header::SESSION_ID.into(), id.clone().into_bytes()));
    }
    // The header exists since 2025-06-18; revisions are dates, so they compare as texts.
    if conversation.revision.as_str() >= Revision::V2025_06_18.as_str() {
        request.headers.push((header::PROTOCOL_VERSION.into(), conversation.revision.clone().into_bytes()));
    }
}

/// A message of the gateway's own within a conversation.
pub(crate) fn own(target: &Target, conversation: &Conversation, text: String) -> Request {
    let mut request = post(target, text.into_bytes());
    within(conversation, &mut request);
    request
}

/// A GET for the stream of a conversation's session, or for the one that has this event, from there on.
pub(crate) fn stream(target: &Target, conversation: &Conversation, after: Option<&str>) -> Request {
    let mut request = bare(target, "GET", "text/event-stream");
    within(conversation, &mut request);
    if let Some(event_id) = after {
        request.headers.push((header::LAST_EVENT_ID.into(), event_id.as_bytes().to_vec()));
    }
    request
}

/// `notifications/cancelled` for a request of ours (legacy "Cancellation"). `id` is JSON text.
pub(crate) fn cancelled(target: &Target, conversation: &Conversation, id: &str, limit: Duration) -> Request {
    let body = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
    let mut request = post(target, body.into_bytes());
    within(conversation, &mut request);
    request.connect_timeout = limit;
    request.first_byte_timeout = limit;
    request
}

/// The message with the modern fields of `_meta` taken out; `None` where there are none, so that it travels as it is.
fn without_modern_fields(message: &Message<'_>) -> Result<Option<String>, UpstreamError> {
    let mut params = params(message)?;
    let Some(text) = params.get("_meta").map(str::to_owned) else {
        return Ok(None);
    };
    let mut fields = Object::parse(&text).map_err(|_| malformed())?;
    let mut changed = false;
    for name in MODERN_META {
        changed |= fields.remove(name).is_some();
    }
    if !changed {
        return Ok(None);
    }
    if fields.is_empty() {
        params.remove("_meta");
    } else {
        params.set("_meta", fields.to_string());
    }
    let mut object = message.object().clone();
    object.set("params", params.to_string());
    Ok(Some(object.to_string()))
}

fn params<'a>(message: &'a Message<'_>) -> Result<Object<'a>, UpstreamError> {
    match message {
        Message::Request { params: Some(text), .. } | Message::Notification { params: Some(text), .. } => {
            Object::parse(text).map_err(|_| malformed())
        }
        _ => Ok(Object::new()),
    }
}

/// The caller checks its messages before, so this is a fault of the gateway.
pub(crate) fn malformed() -> UpstreamError {
    UpstreamError::Misconfigured("the gateway was to send something that is not one JSON-RPC message".into())
}
