//! Input that an upstream of the modern era wants, from a client of the legacy era: each input request becomes a request on
//! the stream of the call. The client's answers come in POSTs of their own, perhaps to other instances, so they meet the
//! stream in the store. Then the request is sent again with all of them (2026-07-28, "Multi Round-Trip Requests").

use crate::errors::{self, Refusal};
use crate::keys::UserKeys;
use crate::relay::Relay;
use crate::request::{Client, Ports};
use crate::stream::Outbox;
use crate::wait::{Pace, random_name};
use serde_json::json;
use shared_mcp::{Era, ErrorObject, Message, Object, code};
use shared_ports::{Clock, Store, StoreError};
use std::time::Duration;

/// Time for a client to answer. People have to read, think and type; nobody has a dialog open for longer.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(600);

/// Most things that are asked at once: each is a record in the store.
const MAX_QUESTIONS: usize = 32;

/// In front of the ids of the gateway's own requests. Names of upstreams have no dot in them, so none looks like this.
const OWN: &str = "ask.";

/// What stands in the store until the answer is there.
const WAITING: &[u8] = b"?";

/// What stands there instead of an answer that could not be kept.
const LOST: &[u8] = b"!";

/// Most bytes of an answer: as much as the store takes as one value.
const MAX_ANSWER: usize = shared_ports::MAX_VALUE;

/// Wait before a request is sent again that the upstream only wants to see once more.
const AGAIN: Duration = Duration::from_secs(1);

/// The requests that may need input (2026-07-28, "Supported Requests").
const ASKING: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// What may be asked.
const ASKABLE: [&str; 3] = ["elicitation/create", "sampling/createMessage", "roots/list"];

/// A result that says what is needed first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InputRequired {
    /// Key, method, and params as JSON text where there are any.
    requests: Vec<(String, String, Option<String>)>,
    state: Option<String>,
}

impl InputRequired {
    /// What a response asks of a client of the legacy era; `None` if it is any other response.
    pub fn wanted(era: Era, response: &str) -> Option<Self> {
        // Most responses need no look inside.
        if era == Era::Modern || !response.contains("\"input_required\"") {
            return None;
        }
        let Ok(Message::Response { outcome: Ok(result), .. }) = Message::parse(response) else {
            return None;
        };
        let result = Object::parse(&result).ok()?;
        if result.string("resultType").as_deref() != Some("input_required") {
            return None;
        }
        let requests = result.object("inputRequests").unwrap_or_default();
        let requests = requests.iter().map(|(key, request)| {
            let request = Object::parse(request).unwrap_or_default();
            (key.to_owned(), request.string("method").unwrap_or_default(), request.get("params").map(str::to_owned))
        });
        Some(Self { requests: requests.collect(), state: result.string("requestState") })
    }
}

/// Whether the upstream's request (its text) is one that a client of the modern era can be asked with the result of a
/// request of this method.
pub(crate) fn may_ask(method: &str, client: &Client, request: &str) -> bool {
    let Ok(Message::Request { method: asked, object, .. }) = Message::parse(request) else {
        return false;
    };
    ASKING.contains(&method)
        && ASKABLE.contains(&asked.as_str())
        && missing(client, &asked, object.get("params")).is_none()
}

/// The `ClientCapabilities` that the client would need for this and has not declared.
pub(crate) fn missing(client: &Client, method: &str, params: Option<&str>) -> Option<serde_json::Value> {
    let declared = Object::parse(&client.caller.client_capabilities).unwrap_or_default();
    let (name, needed) = match method {
        "sampling/createMessage" => ("sampling", json!({})),
        "roots/list" => ("roots", json!({})),
        _ => {
            let mode = params.and_then(|params| Object::parse(params).ok()?.string("mode"));
            match mode.as_deref() {
                Some("url") => ("elicitation", json!({ "url": {} })),
                _ => ("elicitation", json!({})),
            }
        }
    };
    let enough = declared.object(name).is_some_and(|capability| match needed.get("url") {
        Some(_) => capability.get("url").is_some(),
        // Without any mode, forms are meant (2025-11-25, "Elicitation", "Capabilities").
        None => name != "elicitation" || capability.get("form").is_some() || capability.get("url").is_none(),
    });
    (!enough).then(|| json!({ name: needed }))
}

/// The error for a client that would have to be asked for something that it has not declared.
pub(crate) fn cannot(upstream: &str, method: &str, needed: serde_json::Value) -> ErrorObject {
    let message = format!(
        "Upstream `{upstream}` needs the answer to `{}`, which this client has not declared to support.",
        crate::answer::column(method)
    );
    ErrorObject::new(code::MISSING_CLIENT_CAPABILITY, message)
        .with_data(json!({ "upstream": upstream, "requiredCapabilities": needed }))
}

/// Ask the client on its stream; the request to send again, with its answers.
pub(crate) async fn by_requests<P: Ports>(
    relay: &Relay<P>,
    required: &InputRequired,
    round: u32,
    out: &mut Outbox,
) -> Result<String, ErrorObject> {
    let upstream = &relay.translation.upstream;
    let nothing = required.requests.is_empty() && required.state.is_none();
    if nothing || !ASKING.contains(&relay.translation.method.as_str()) {
        let message = format!("Upstream `{upstream}` asks for input where its revision does not allow it.");
        return Err(ErrorObject::new(code::INTERNAL_ERROR, message));
    }
    if required.requests.len() > MAX_QUESTIONS {
        let message = format!("Upstream `{upstream}` asks for more than {MAX_QUESTIONS} things at once.");
        return Err(ErrorObject::new(code::INTERNAL_ERROR, message));
    }
    for (_, method, params) in &required.requests {
        if !ASKABLE.contains(&method.as_str()) {
            let method = crate::answer::column(method);
            let message =
                format!("Upstream `{upstream}` asks for `{method}`, which clients of this revision do not know.");
            return Err(ErrorObject::new(code::INTERNAL_ERROR, message));
        }
        if let Some(needed) = missing(&relay.client, method, params.as_deref()) {
            return Err(cannot(upstream, method, needed));
        }
    }
    let store_failed = |error: StoreError| errors::store(&error).error;
    let questions = Questions::open(relay, required.requests.len()).map_err(store_failed)?;
    for ((_, method, params), name) in required.requests.iter().zip(&questions.names) {
        let mut request = Object::new();
        request.set_string("jsonrpc", "2.0");
        request.set_string("id", &format!("{OWN}{name}"));
        request.set_string("method", method);
        if let Some(params) = params {
            request.set("params", params.as_str());
        }
        out.message(&request.to_string(), None).await;
    }
    if required.requests.is_empty() {
        relay.ports.clock().sleep(AGAIN).await;
    }
    let mut answers = Object::new();
    let mut pace = Pace::new(&relay.ports, ANSWER_DEADLINE);
    for ((key, method, _), name) in required.requests.iter().zip(&questions.names) {
        let answer = loop {
            if let Some(answer) = questions.answer(name).map_err(store_failed)? {
                break answer;
            }
            if !pace.wait().await {
                let message = format!(
                    "The client did not answer `{method}` of upstream `{upstream}` within {} s.",
                    ANSWER_DEADLINE.as_secs()
                );
                return Err(ErrorObject::new(code::INTERNAL_ERROR, message));
            }
        };
        if answer.as_bytes() == LOST {
            let message = format!(
                "The client's answer to `{method}` of upstream `{upstream}` could not be kept: an answer may have at most {MAX_ANSWER} bytes."
            );
            return Err(ErrorObject::new(code::INTERNAL_ERROR, message));
        }
        let result = match Message::parse(&answer) {
            Ok(Message::Response { outcome: Ok(result), .. }) => result,
            // To the upstream that is a user who closed the dialog.
            Ok(Message::Response { .. }) if method == "elicitation/create" => r#"{"action":"cancel"}"#.into(),
            _ => {
                let message = format!("The client answered `{method}` of upstream `{upstream}` with an error.");
                return Err(ErrorObject::new(code::INTERNAL_ERROR, message));
            }
        };
        answers.set(key.clone(), result);
    }
    again(relay, &answers, required.state.as_deref(), round)
        .ok_or_else(|| ErrorObject::new(code::INTERNAL_ERROR, "The request cannot be sent again."))
}

/// The request once more, under an id of its own: it is a request of its own to the upstream.
fn again<P: Ports>(relay: &Relay<P>, answers: &Object<'_>, state: Option<&str>, round: u32) -> Option<String> {
    let mut message = Object::parse(&relay.message).ok()?;
    let mut params = message.object("params").unwrap_or_default();
    params.set("inputResponses", answers.to_string());
    match state {
        Some(state) => params.set_string("requestState", state),
        None => {
            params.remove("requestState");
        }
    }
    let params = params.to_string();
    message.set("params", params);
    message.set_string("id", &format!("mcp-edge:{}:{round}", relay.client.caller.request_id));
    Some(message.to_string())
}

/// Questions that a client was asked: records in the store, for as long as this lives.
struct Questions<'a, P: Ports> {
    relay: &'a Relay<P>,
    keys: UserKeys,
    names: Vec<String>,
}

impl<'a, P: Ports> Questions<'a, P> {
    fn open(relay: &'a Relay<P>, count: usize) -> Result<Self, StoreError> {
        let keys = UserKeys::new(&relay.client.caller.user_hash);
        let keys = keys.ok_or_else(|| StoreError("the user hash is not 32 hex digits".into()))?;
        let names = (0..count).map(|_| random_name(relay.ports.random())).collect();
        let questions = Self { relay, keys, names };
        for name in &questions.names {
            relay.ports.store().set(&questions.key(name), WAITING)?;
        }
        Ok(questions)
    }

    fn key(&self, name: &str) -> String {
        self.keys.answer(&self.relay.client.caller.conversation, name)
    }

    /// The client's answer, if it is there.
    fn answer(&self, name: &str) -> Result<Option<String>, StoreError> {
        let stored = self.relay.ports.store().get(&self.key(name))?;
        Ok(stored.filter(|text| text != WAITING).and_then(|text| String::from_utf8(text).ok()))
    }
}

impl<P: Ports> Drop for Questions<'_, P> {
    fn drop(&mut self) {
        for name in &self.names {
            // What stays if the store fails now is a small record that nobody can use.
            let _ = self.relay.ports.store().delete(&self.key(name));
        }
    }
}

/// The name of the question that a response (its id as JSON text) answers; `None` if the gateway has not asked it.
pub(crate) fn question(id: &str) -> Option<String> {
    let id: String = serde_json::from_str(id).ok()?;
    let name = id.strip_prefix(OWN)?;
    crate::keys::is_hex(name).then(|| name.to_owned())
}

/// Lay the client's answer where the stream that asked finds it.
pub(crate) fn deliver(ports: &impl Ports, client: &Client, name: &str, response: &str) -> Result<(), Refusal> {
    let keys = UserKeys::new(&client.caller.user_hash)
        .ok_or_else(|| errors::misconfigured("the user hash is not 32 hex digits"))?;
    let key = keys.answer(&client.caller.conversation, name);
    let store = ports.store();
    match store.get(&key).map_err(|error| errors::store(&error))? {
        Some(value) if value == WAITING => {
            let kept = if response.len() > MAX_ANSWER {
                let message =
                    format!("An answer may have at most {MAX_ANSWER} bytes. The request that needed it has failed.");
                Err(Refusal::new(413, code::INVALID_REQUEST, message))
            } else {
                store.set(&key, response.as_bytes()).map_err(|error| errors::store(&error))
            };
            // Nobody has to wait for what will not come.
            kept.inspect_err(|_| drop(store.set(&key, LOST)))
        }
        // The first answer counts.
        Some(_) => Ok(()),
        None => {
            let message = "Nobody waits for this response any more: the request that it answers has ended.";
            Err(Refusal::new(400, code::INVALID_REQUEST, message))
        }
    }
}
