//! The way in: methods and headers of HTTP, the message, the era.

use crate::answer::{Answer, Facts, Out, column, header};
use crate::calls::Turn;
use crate::errors::{self, Refusal};
use crate::pins;
use crate::request::{Context, HttpRequest, Ports, Settings};
use crate::view::Naming;
use crate::{batch, classify, headers, legacy, listen, modern};
use shared_mcp::{Era, Message, ParseError, code, header as mcp_header};
use std::rc::Rc;

/// Most bytes of a message from a client. Messages carry pictures and documents in Base64, and 4 MiB are what the
/// official SDKs' servers take; each is in memory as a whole while it is served.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// Serve one request. Every error is an answer.
pub async fn handle<P: Ports>(ports: &P, settings: &Settings, request: &HttpRequest, context: &Context) -> Answer {
    let mut facts = Facts::default();
    let mut id = None;
    match serve(ports, settings, request, context, &mut facts, &mut id).await {
        Ok(out) => out.with_facts(facts),
        Err(refusal) => Answer::refuse(refusal, id.as_deref(), facts),
    }
}

/// The answer to a body of more than [`MAX_BODY`] bytes.
pub fn too_large() -> Answer {
    let message = format!("A message may have at most {MAX_BODY} bytes.");
    Answer::refuse(Refusal::new(413, code::INVALID_REQUEST, message), None, Facts::default())
}

/// The answer while the settings cannot be used; the reason is for the log.
pub fn misconfigured(reason: &str) -> Answer {
    Answer::refuse(errors::misconfigured(reason), None, Facts::default())
}

async fn serve<P: Ports>(
    ports: &P,
    settings: &Settings,
    request: &HttpRequest,
    context: &Context,
    facts: &mut Facts,
    id: &mut Option<String>,
) -> Result<Out, Refusal> {
    if request.path.starts_with(pins::PATH) {
        return pins::serve(ports, settings, request, context).await;
    }
    let get = match request.method.as_str() {
        "POST" => false,
        "GET" => true,
        "DELETE" => {
            classify::check_version(request)?;
            return legacy::end(ports, request, context).await;
        }
        _ => {
            let message = "Send messages with POST; GET is for the stream of a session, and DELETE ends it.";
            let refusal = Refusal::new(405, code::INVALID_REQUEST, message);
            return Err(Refusal { headers: vec![header("allow", "POST, GET, DELETE")], ..refusal });
        }
    };
    let naming = Rc::new(Naming::of(ports, settings, context)?);
    let turn = Turn { ports, naming, client: None, facts, request, keep_alive: settings.keep_alive.duration() };
    if get {
        classify::check_version(request)?;
        return listen::get(turn, request, context).await;
    }
    headers::check_content_type(request)?;
    headers::check_accept(request)?;
    let text = std::str::from_utf8(&request.body)
        .map_err(|_| Refusal::new(400, code::PARSE_ERROR, "The body is not UTF-8."))?;
    let message = match Message::parse(text) {
        Err(ParseError::Batch) => {
            classify::check_version(request)?;
            return batch::serve(turn, request, context, text).await;
        }
        parsed => parsed.map_err(|error| unreadable(error, id))?,
    };
    if let Message::Request { id: request_id, .. } = &message {
        *id = Some(request_id.clone());
    }
    note(&message, turn.facts);
    match classify::era(request, &message)? {
        Era::Modern => modern::serve(turn, request, context, message).await,
        Era::Legacy => legacy::serve(turn, request, context, message).await,
    }
}

/// The columns of the log line that the message itself gives.
fn note(message: &Message<'_>, facts: &mut Facts) {
    facts.method = message.method().map(column);
    let member = message.method().and_then(mcp_header::name_member);
    facts.name = member.and_then(|member| message.params().string(member)).as_deref().map(column);
}

fn unreadable(error: ParseError, id: &mut Option<String>) -> Refusal {
    match error {
        ParseError::Json(reason) => Refusal::new(400, code::PARSE_ERROR, "The body is not JSON.").because(reason),
        ParseError::Invalid { why, id: found } => {
            *id = found;
            Refusal::new(400, code::INVALID_REQUEST, format!("The body is not a JSON-RPC message: {why}."))
        }
        _ => Refusal::new(400, code::INVALID_REQUEST, "The body is not a JSON-RPC message."),
    }
}
