//! Messages of an upstream as the client gets them: names, URIs and ids become the client's, results of the modern era
//! get what that era wants in each of them. Everything else stays the text it was.

use crate::describe::GATEWAY_INFO;
use crate::names::Naming;
use crate::tags;
use serde_json::value::RawValue;
use shared_mcp::{Era, ErrorObject, Message, Object, code, error_response, meta, result_response};
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
    /// Give this to the client; it is the response.
    Last(String),
    /// Send this back to the upstream.
    Answer(String),
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
            Message::Response { id, outcome, .. } => Step::Last(self.outcome(id.as_deref(), outcome, &text)?.text),
            Message::Request { id, object, .. } if self.era == Era::Legacy => Step::Pass(self.request(&id, object)),
            // The modern era has no requests to clients (streamable-http, "Receiving Messages").
            Message::Request { .. } => Step::Answer(decline(&text).unwrap_or_default()),
            Message::Notification { method, object, .. } => {
                let changed = self.notification(&method, object);
                Step::Pass(changed.unwrap_or(text))
            }
            _ => return Err("not a JSON-RPC message"),
        })
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
                let text = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, self.id);
                return Ok(Finished { text, error: Some(code) });
            }
        };
        Ok(match self.result(&result) {
            Ok(None) if id == Some(&self.id) => Finished { text: text.into(), error: None },
            Ok(None) => Finished { text: result_response(&self.id, &result), error: None },
            Ok(Some(changed)) => Finished { text: result_response(&self.id, &changed), error: None },
            Err(error) => Finished { text: self.failure(&error), error: Some(error.code) },
        })
    }

    /// The result as the client gets it; `None` if that is as it is.
    fn result(&self, text: &str) -> Result<Option<String>, ErrorObject> {
        let renames = self.naming.prefixes() && matches!(self.method.as_str(), "tools/list" | "prompts/list");
        let wraps = self.naming.wraps_uris();
        let modern = self.era == Era::Modern;
        // Most results of the legacy era need no look inside.
        let typed = text.contains("\"resultType\"");
        if !(renames || wraps || modern || typed) {
            return Ok(None);
        }
        let Ok(mut object) = Object::parse(text) else {
            return Ok(None);
        };
        let translated = !modern && typed && to_legacy(&mut object)?;
        let changed = if renames || wraps {
            match self.method.as_str() {
                "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => {
                    self.replace(&mut object, item_member(&self.method), |item| self.item(item))
                }
                "tools/call" => self.replace(&mut object, "content", |block| Some(self.block(block))),
                "prompts/get" => self.replace(&mut object, "messages", |message| Some(self.prompt_message(message))),
                "resources/read" => {
                    self.replace(&mut object, "contents", |content| Some(self.with_uri(content, "uri")))
                }
                _ => false,
            }
        } else {
            false
        };
        if modern {
            complete(&mut object, &self.method);
        }
        Ok((changed || translated || modern).then(|| object.to_string()))
    }

    /// Replace each element of an array by what `change` makes of it; whether there is such an array.
    fn replace(&self, object: &mut Object<'_>, member: &'static str, change: impl Fn(&str) -> Option<String>) -> bool {
        let Some(items) = object.get(member).and_then(elements) else {
            return false;
        };
        let items: Vec<String> = items.into_iter().filter_map(change).collect();
        object.set(member, format!("[{}]", items.join(",")));
        true
    }

    /// One definition of a list; `None` for one that has no name or URI, which nobody could use.
    pub fn item(&self, text: &str) -> Option<String> {
        let mut item = Object::parse(text).ok()?;
        match self.method.as_str() {
            "tools/list" | "prompts/list" => {
                let name = item.string("name")?;
                item.set_string("name", &self.naming.outward(&self.upstream, &name));
                self.app(&mut item);
            }
            "resources/list" => return self.uri(item, "uri"),
            _ => return self.uri(item, "uriTemplate"),
        }
        Some(item.to_string())
    }

    /// The page of an MCP App that a tool refers to (`_meta.ui.resourceUri`; before that `_meta["ui/resourceUri"]`).
    fn app(&self, tool: &mut Object<'_>) {
        if !self.naming.wraps_uris() {
            return;
        }
        let Some(mut meta) = tool.object("_meta") else {
            return;
        };
        let page = meta.object("ui").and_then(|ui| self.uri(ui, "resourceUri"));
        let older = meta.string("ui/resourceUri");
        if let Some(ui) = &page {
            meta.set("ui", ui.clone());
        }
        if let Some(uri) = &older {
            meta.set_string("ui/resourceUri", &self.naming.uri_outward(&self.upstream, uri));
        }
        if page.is_some() || older.is_some() {
            let meta = meta.to_string();
            tool.set("_meta", meta);
        }
    }

    /// The object with the URI in it as the client sees it; `None` if it has none.
    fn uri(&self, mut object: Object<'_>, member: &'static str) -> Option<String> {
        let uri = object.string(member)?;
        object.set_string(member, &self.naming.uri_outward(&self.upstream, &uri));
        Some(object.to_string())
    }

    fn with_uri(&self, text: &str, member: &'static str) -> String {
        Object::parse(text).ok().and_then(|object| self.uri(object, member)).unwrap_or_else(|| text.into())
    }

    /// One block of content: links to and copies of resources name them.
    fn block(&self, text: &str) -> String {
        let Ok(mut block) = Object::parse(text) else {
            return text.into();
        };
        match block.string("type").as_deref() {
            Some("resource_link") => self.uri(block, "uri").unwrap_or_else(|| text.into()),
            Some("resource") => {
                let Some(resource) = block.get("resource").map(|resource| self.with_uri(resource, "uri")) else {
                    return text.into();
                };
                block.set("resource", resource);
                block.to_string()
            }
            _ => text.into(),
        }
    }

    fn prompt_message(&self, text: &str) -> String {
        let Ok(mut message) = Object::parse(text) else {
            return text.into();
        };
        let Some(content) = message.get("content").map(|content| self.block(content)) else {
            return text.into();
        };
        message.set("content", content);
        message.to_string()
    }

    /// A request of the upstream to the client: its id, and the token of its progress, say where they belong.
    fn request(&self, id: &str, mut object: Object<'_>) -> String {
        object.set("id", tags::tag(&self.upstream, id));
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
            _ => return None,
        }
        let params = params.to_string();
        object.set("params", params);
        Some(object.to_string())
    }
}

/// The member of a list's result that holds the items.
pub(crate) fn item_member(method: &str) -> &'static str {
    match method {
        "tools/list" => "tools",
        "prompts/list" => "prompts",
        "resources/list" => "resources",
        _ => "resourceTemplates",
    }
}

/// The elements of an array, each as its text; `None` if it is none.
pub(crate) fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// Add what every result of the modern era has: its type, who made it, and how long lists and contents may be kept.
/// Never longer than the upstream says, and by nobody but this user: what is seen depends on who asks.
pub(crate) fn complete(result: &mut Object<'_>, method: &str) {
    if result.get("resultType").is_none() {
        result.set_string("resultType", "complete");
    }
    let mut meta = result.object("_meta").unwrap_or_default();
    meta.set(meta::SERVER_INFO, GATEWAY_INFO);
    let meta = meta.to_string();
    result.set("_meta", meta);
    let cacheable = matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    );
    if cacheable && result.string("resultType").as_deref() == Some("complete") {
        let ttl = result.get("ttlMs").and_then(|ttl| ttl.parse::<u64>().ok()).unwrap_or(0);
        result.set("ttlMs", ttl.to_string());
        result.set_string("cacheScope", "private");
    }
}

/// Take out of a result of the modern era what a client of the legacy era does not know; whether it was one.
fn to_legacy(result: &mut Object<'_>) -> Result<bool, ErrorObject> {
    match result.string("resultType").as_deref() {
        None => Ok(false),
        Some("complete") => {
            for member in ["resultType", "ttlMs", "cacheScope"] {
                result.remove(member);
            }
            Ok(true)
        }
        // Input requests and tasks look like empty results to a client that knows none of them.
        Some(_) => Err(ErrorObject::new(
            code::INTERNAL_ERROR,
            "The upstream wants something of the client that the protocol version of this session cannot express.",
        )),
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
