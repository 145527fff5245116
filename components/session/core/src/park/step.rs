//! Asking the client with a result, and going on with its answers.

use super::{Mailbox, Records};
use crate::answer::Out;
use crate::calls::Turn;
use crate::complete::complete;
use crate::errors::{self, Refusal, invalid_params};
use crate::keys::{hex, is_hex};
use crate::relay::{Relay, Source};
use crate::reply::Translation;
use crate::request::{Client, Ports, RpcRequest};
use crate::stream::Streaming;
use crate::upstreams::{Call, Caller, HangUp, Upstreams};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared_mcp::{Message, Object, result_response};
use shared_ports::{Store, StoreError};
use std::collections::BTreeMap;

/// Most steps of one call.
pub(super) const MAX_STEPS: u32 = 32;

/// In front of the name in `requestState`.
const STATE: &str = "mcp-edge.";

/// What the client was asked, and what it takes to go on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    client_id: String,
    upstream: String,
    /// Under which the call runs at the upstream.
    conversation: String,
    /// Of the request, without what changes from one time to the next.
    digest: String,
    /// Progress token that the upstream reports to: JSON text.
    token: Option<String>,
    /// Number of the message after those that ask.
    next: u64,
    /// By the keys of `inputRequests`.
    questions: BTreeMap<String, Question>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Question {
    /// The upstream's id of it: JSON text.
    id: String,
    /// As the client gets it: JSON text.
    request: String,
}

/// Number of the message after those that the last step asked; 0 before the first.
pub(super) fn last<P: Ports>(ports: &P, records: &Records) -> Result<u64, StoreError> {
    let mut next = 0;
    for number in 0..=MAX_STEPS {
        let Some(record) = ports.store().get(&records.key(&format!("step:{number}")))? else { break };
        next = serde_json::from_slice::<Step>(&record).map_or(next, |step| step.next);
    }
    Ok(next)
}

/// The call and the step that a `requestState` names; `None` if it is one of an upstream's.
pub(crate) fn state(params: &Object<'_>) -> Option<(String, u32)> {
    let state = params.string("requestState")?;
    let (name, step) = state.strip_prefix(STATE)?.split_once('.')?;
    let step = step.parse().ok().filter(|step| *step <= MAX_STEPS)?;
    is_hex(name).then(|| (name.to_owned(), step))
}

/// The response that asks the client: requests are the texts of the upstream's.
pub(crate) fn ask<P: Ports>(relay: &Relay<P>, requests: &[String], mailbox: Mailbox<P>) -> Result<String, StoreError> {
    let number = relay.step.map_or(0, |step| step.saturating_add(1));
    if number > MAX_STEPS {
        return Err(StoreError(format!("a call with more than {MAX_STEPS} steps")));
    }
    let mut questions = BTreeMap::new();
    for (index, text) in requests.iter().enumerate() {
        if let Ok(Message::Request { id, method, object, .. }) = Message::parse(text) {
            let mut request = Object::new();
            request.set_string("method", &method);
            if let Some(mut params) = object.object("params") {
                // Progress of an answer has no way back in the modern era.
                params.remove("_meta");
                request.set("params", params.to_string());
            }
            let request = request.to_string();
            questions.insert(format!("{number}-{index}"), Question { id, request });
        }
    }
    let (records, next) = mailbox.place();
    let request = Object::parse(&relay.message).unwrap_or_default();
    let params = request.object("params").unwrap_or_default();
    let step = Step {
        client_id: relay.client.client_id.clone(),
        upstream: relay.translation.upstream.clone(),
        conversation: relay.client.caller.conversation.clone(),
        digest: digest(&relay.translation.method, &params),
        token: match &relay.token {
            Some((theirs, _)) => Some(theirs.clone()),
            None => token(&params),
        },
        next,
        questions,
    };
    let record = serde_json::to_vec(&step).map_err(|error| StoreError(error.to_string()))?;
    relay.ports.store().set(&records.key(&format!("step:{number}")), &record)?;
    let response = result_response(&relay.translation.id, &required(&step, &records.name, number));
    // Only now: a mailbox that is dropped before ends the call.
    mailbox.leave();
    Ok(response)
}

fn required(step: &Step, name: &str, number: u32) -> String {
    let mut requests = Object::new();
    for (key, question) in &step.questions {
        requests.set(key.as_str(), question.request.as_str());
    }
    let mut result = Object::new();
    result.set_string("resultType", "input_required");
    result.set("inputRequests", requests.to_string());
    result.set_string("requestState", &format!("{STATE}{name}.{number}"));
    complete(&mut result, "");
    result.to_string()
}

/// Serve the request that brings the answers. `message` is the request as the upstream would get it if it were the first;
/// `upstream` is the one that it is for, and may be used.
pub(crate) async fn resume<P: Ports>(
    turn: Turn<'_, P>,
    rpc: &RpcRequest<'_>,
    upstream: &str,
    message: String,
    (name, number): (String, u32),
) -> Result<Out, Refusal> {
    let client = turn.client()?.clone();
    let ports = turn.ports.clone();
    let store_refused = |error: StoreError| errors::store(&error);
    let records = Records::of(&client.caller.user_hash, &name).map_err(store_refused)?;
    let unknown = || invalid_params("`requestState` is not known, or not any more. Make the request again without it.");
    let record = records.get(&ports, &format!("step:{number}")).map_err(store_refused)?.ok_or_else(unknown)?;
    let step: Step = serde_json::from_str(&record).map_err(|error| unknown().because(error.to_string()))?;
    if step.client_id != client.client_id {
        return Err(unknown().because("requestState of another client"));
    }
    let sent = Object::parse(&message).unwrap_or_default();
    let sent = sent.object("params").unwrap_or_default();
    if step.digest != digest(&rpc.method, &sent) || step.upstream != upstream {
        return Err(unknown().because("requestState of another request"));
    }
    let params = rpc.params();
    let answers = params.object("inputResponses").unwrap_or_default();
    if step.questions.keys().any(|key| answers.get(key).is_none_or(|answer| !answer.starts_with('{'))) {
        // It asks again for what is missing (2026-07-28, "Error Handling" of multi round-trip requests).
        return Ok(Out::json(200, result_response(&rpc.id, &required(&step, &name, number))));
    }
    let used = ports.store().increment(&records.key(&format!("used:{number}")), 1).map_err(store_refused)?;
    if used != 1 {
        return Err(invalid_params("`requestState` was used before. Make the request again without it."));
    }
    records.stamp(&ports, "seen").map_err(store_refused)?;
    turn.facts.upstream = Some(step.upstream.clone());
    let caller = Caller { conversation: step.conversation.clone(), ..client.caller.clone() };
    let mailbox = Mailbox::new(ports.clone(), records, step.next);
    for (key, question) in &step.questions {
        let response = result_response(&question.id, answers.get(key).unwrap_or("{}"));
        let call = Call { upstream: step.upstream.clone(), message: response };
        let sent = ports.upstreams().exchange(call, &caller, HangUp::LetRun).await;
        sent.map_err(|error| errors::upstream(&step.upstream, &error))?;
    }
    let translation = Translation {
        era: client.revision.era(),
        naming: turn.naming.clone(),
        upstream: step.upstream,
        id: rpc.id.clone(),
        method: rpc.method.clone(),
    };
    let token = step.token.map(|theirs| (theirs, token(&sent)));
    let client = Client { caller, ..client };
    let relay = Relay { ports, client, translation, message, token, step: Some(number), after: None };
    let keep_alive = turn.keep_alive;
    Ok(Out::stream(Streaming::new(keep_alive, |out| relay.run(Source::Parked(mailbox), out))))
}

fn token(params: &Object<'_>) -> Option<String> {
    params.object("_meta")?.get("progressToken").map(str::to_owned)
}

/// What makes two requests the same one: method and params, without what differs from one time to the next.
fn digest(method: &str, params: &Object<'_>) -> String {
    let mut params = params.clone();
    for member in ["_meta", "inputResponses", "requestState"] {
        params.remove(member);
    }
    // Sorted, and without meaningless space.
    let value: serde_json::Value = serde_json::from_str(&params.to_string()).unwrap_or_default();
    hex(&Sha256::digest(format!("{method} {value}")))
}
