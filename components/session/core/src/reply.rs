//! Messages of an upstream as the client gets them: names, URIs and ids become the client's, results of the modern era
//! get what that era wants in each of them. Everything else stays the text it was.

use crate::complete::url_elicitations;
use crate::tags;
use crate::tasks;
use crate::view::Naming;
use shared_mcp::{Era, ErrorObject, Message, Object, code, error_response, result_response};
use std::rc::Rc;

/// What is needed to translate the messages that belong to one request.
#[derive(Debug, Clone)]
pub(crate) struct Translation {
    /// The client's.
    pub era: Era,
    pub naming: Rc<Naming>,
    /// Where the request went.
    pub upstream: String,
    /// The request's id: JSON text.
    pub id: String,
    /// The request's method.
    pub method: String,
}

/// A response for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// JSON text.
    pub text: String,
    /// The code, where it is an error.
    pub error: Option<i64>,
}

/// What to do with a message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Give this to the client.
    Pass(String),
    /// Nothing.
    Drop,
    /// It is the response, as the upstream sent it: [`Translation::response`] makes it the client's.
    Response(String),
    /// It is a request that the client's era has no way to send, as the upstream sent it.
    Ask(String),
}

impl Translation {
    /// The response, from the text of the upstream's. There is one response to one request, so its id is the client's
    /// whatever the upstream made of it: some servers cannot keep large integers.
    pub fn response(&self, text: String) -> Result<Finished, &'static str> {
        match Message::parse(&text) {
            Ok(Message::Response { id, outcome, .. }) => self.outcome(id.as_deref(), outcome, &text),
            Ok(_) => Err("not a response"),
            Err(_) => Err("not a JSON-RPC message"),
        }
    }

    /// One message of a stream.
    pub fn event(&self, text: String) -> Result<Step, &'static str> {
        let message = Message::parse(&text).map_err(|_| "not a JSON-RPC message")?;
        Ok(match message {
            Message::Response { .. } => Step::Response(text),
            Message::Request { id, object, .. } if self.era == Era::Legacy => Step::Pass(self.request(&id, object)),
            // The modern era has no requests to clients (streamable-http, "Receiving Messages").
            Message::Request { .. } => Step::Ask(text),
            Message::Notification { method, object, .. } if self.hides(&method, &object) => Step::Drop,
            Message::Notification { method, object, .. } => {
                let changed = self.notification(&method, object);
                Step::Pass(changed.unwrap_or(text))
            }
            _ => return Err("not a JSON-RPC message"),
        })
    }

    /// Whether it is about a resource that the client may not see.
    fn hides(&self, method: &str, object: &Object<'_>) -> bool {
        method == "notifications/resources/updated"
            && object
                .object("params")
                .and_then(|params| params.string("uri"))
                .is_some_and(|uri| !self.naming.shows_resource(&self.upstream, &uri))
    }

    /// An error response made here.
    pub fn failure(&self, error: &ErrorObject) -> String {
        error_response(Some(&self.id), error)
    }

    fn outcome(&self, id: Option<&str>, outcome: Result<String, String>, text: &str) -> Result<Finished, &'static str> {
        let result = match outcome {
            Ok(result) => result,
            Err(error) => {
                let code = Object::parse(&error).ok().and_then(|error| error.get("code")?.parse().ok());
                let code = code.ok_or("an error without a code")?;
                return Ok(self.error(code, &error));
            }
        };
        Ok(match self.result(&result) {
            Ok(None) if id == Some(&self.id) => Finished { text: text.into(), error: None },
            Ok(None) => Finished { text: result_response(&self.id, &result), error: None },
            Ok(Some(changed)) => Finished { text: result_response(&self.id, &changed), error: None },
            Err(error) => Finished { text: self.failure(&error), error: Some(error.code) },
        })
    }

    fn error(&self, code: i64, error: &str) -> Finished {
        let text = |error: &str| format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, self.id);
        // The modern era has another code for it, and none may use this one (basic/index, "Error Codes").
        if self.era == Era::Modern
            && code == code::RESOURCE_NOT_FOUND
            && let Ok(mut object) = Object::parse(error)
        {
            object.set("code", code::INVALID_PARAMS.to_string());
            return Finished { text: text(&object.to_string()), error: Some(code::INVALID_PARAMS) };
        }
        if self.era == Era::Modern
            && code == code::URL_ELICITATION_REQUIRED
            && let Some(result) = url_elicitations(error)
        {
            return Finished { text: result_response(&self.id, &result), error: None };
        }
        Finished { text: text(error), error: Some(code) }
    }

    /// A request of the upstream to the client: its id, and the token of its progress, say where they belong.
    fn request(&self, id: &str, mut object: Object<'_>) -> String {
        object.set("id", tags::tag(&self.upstream, id));
        let mut params = object.object("params").unwrap_or_default();
        // The ids of tasks in it are the client's own, but for the one that the request belongs to.
        if tasks::related_outward(&self.naming, &self.upstream, &mut params) {
            let params = params.to_string();
            object.set("params", params);
        }
        let mut params = object.object("params").unwrap_or_default();
        if let Some(mut meta) = params.object("_meta")
            && let Some(token) = meta.get("progressToken").map(|token| tags::tag(&self.upstream, token))
        {
            meta.set("progressToken", token);
            let meta = meta.to_string();
            params.set("_meta", meta);
            let params = params.to_string();
            object.set("params", params);
        }
        object.to_string()
    }

    /// A notification, if anything in it changes.
    fn notification(&self, method: &str, mut object: Object<'_>) -> Option<String> {
        let mut params = object.object("params")?;
        let tasks = tasks::outward(&self.naming, &self.upstream, &mut params);
        match method {
            // Upstreams of the legacy era cancel requests of their own.
            "notifications/cancelled" if self.era == Era::Legacy => {
                let id = tags::tag(&self.upstream, params.get("requestId")?);
                params.set("requestId", id);
            }
            "notifications/resources/updated" if self.naming.wraps_uris() => {
                let uri = params.string("uri")?;
                params.set_string("uri", &self.naming.uri_outward(&self.upstream, &uri));
            }
            _ if tasks => {}
            _ => return None,
        }
        let params = params.to_string();
        object.set("params", params);
        Some(object.to_string())
    }
}

/// The answer to an upstream's request that no client can be asked; `None` if the message is no request.
pub(crate) fn decline(text: &str) -> Option<String> {
    match Message::parse(text).ok()? {
        Message::Request { id, method, .. } if method == "ping" => Some(result_response(&id, "{}")),
        Message::Request { id, .. } => {
            let error = ErrorObject::new(code::METHOD_NOT_FOUND, "The client cannot be asked during this request.");
            Some(error_response(Some(&id), &error))
        }
        _ => None,
    }
}
