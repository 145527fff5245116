//! Several messages in one POST, which only revision 2025-03-26 knows (basic, "Batching").

use crate::answer::{AnswerBody, Facts, Out};
use crate::calls::Turn;
use crate::classify::MODERN_ONLY;
use crate::content::elements;
use crate::errors::Refusal;
use crate::legacy;
use crate::request::{Client, Context, HttpRequest, Ports};
use crate::stream::Streaming;
use futures::future::join_all;
use shared_mcp::{Message, ParseError, Revision, code, error_response};

/// Most messages of a batch. They are served at the same time, and each may cost a request to each upstream.
const MAX_MESSAGES: usize = 32;

/// Serve a batch: all requests at once. The responses come in one array, or as a stream if one of them does.
pub(crate) async fn serve<P: Ports>(
    turn: Turn<'_, P>,
    request: &HttpRequest,
    context: &Context,
    text: &str,
) -> Result<Out, Refusal> {
    let refuse = |message: String| Refusal::new(400, code::INVALID_REQUEST, message);
    let alone =
        || refuse("Batches are for sessions of revision 2025-03-26: send each message in a POST of its own.".into());
    let client = match legacy::named(turn.ports, request, context) {
        Ok(session) => session.client,
        Err(refusal) if refusal.status == 400 => return Err(alone()),
        Err(refusal) => return Err(refusal),
    };
    turn.facts.revision = Some(client.revision.as_str());
    turn.facts.method = Some("batch".into());
    if client.revision != Revision::V2025_03_26 {
        return Err(alone());
    }
    let messages = elements(text).unwrap_or_default();
    if messages.is_empty() {
        return Err(refuse("The batch has no message in it.".into()));
    }
    if messages.len() > MAX_MESSAGES {
        return Err(refuse(format!("A batch may have at most {MAX_MESSAGES} messages.")));
    }
    let served = messages.into_iter().map(|message| one(&turn, &client, message));
    let answers: Vec<Out> = join_all(served).await.into_iter().flatten().collect();
    if answers.is_empty() {
        return Ok(Out::empty(202));
    }
    let streams = answers.iter().any(|out| matches!(out.body, AnswerBody::Stream(_)));
    let mut texts = Vec::new();
    let mut streaming = Vec::new();
    for out in answers {
        match out.body {
            AnswerBody::Empty => {}
            AnswerBody::Whole(text) => texts.push(text),
            AnswerBody::Stream(stream) => streaming.push(*stream),
        }
    }
    if !streams {
        return Ok(Out::json(200, format!("[{}]", texts.join(","))));
    }
    Ok(Out::stream(Streaming::new(turn.keep_alive, |mut out| async move {
        for text in texts {
            out.message(&text, None).await;
        }
        join_all(streaming.into_iter().map(|stream| stream.into_outbox(out.clone()))).await;
    })))
}

/// Serve one message of a batch; `None` if there is no response to it.
async fn one<P: Ports>(turn: &Turn<'_, P>, client: &Client, text: &str) -> Option<Out> {
    let message = match Message::parse(text) {
        Ok(message) => message,
        Err(error) => {
            let id = if let ParseError::Invalid { id, .. } = &error { id.clone() } else { None };
            let refusal = Refusal::new(400, code::INVALID_REQUEST, "This is not a JSON-RPC message.");
            return Some(Out::json(200, error_response(id.as_deref(), &refusal.error)));
        }
    };
    let mut facts = Facts::default();
    let part = Turn {
        ports: turn.ports,
        naming: turn.naming.clone(),
        client: None,
        facts: &mut facts,
        request: turn.request,
        keep_alive: turn.keep_alive,
    };
    let id = match &message {
        Message::Request { id, method, .. } => {
            // It starts a session, so it comes before everything else (lifecycle, "Initialization").
            if method == "initialize" || MODERN_ONLY.contains(&method.as_str()) {
                let error = crate::errors::no_method(method).error;
                return Some(Out::json(200, error_response(Some(id), &error)));
            }
            Some(id.clone())
        }
        _ => None,
    };
    let served = legacy::message(part, client.clone(), message).await;
    match (served, id) {
        (Ok(out), Some(_)) => Some(out),
        (Err(refusal), Some(id)) => Some(Out::json(200, error_response(Some(&id), &refusal.error))),
        (_, None) => None,
    }
}
