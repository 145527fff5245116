//! Resources of upstreams of the modern era that a client of the legacy era has subscribed to. Such an upstream is told by
//! listening to it, on the client's open GET stream, perhaps in another instance; so what is subscribed is kept in the
//! store, as a list of steps that only grows: each one has a number that nobody else gets.

use crate::answer::Out;
use crate::calls::{STATUS_DEADLINE, Turn};
use crate::errors::{self, Refusal, invalid_params};
use crate::keys::UserKeys;
use crate::request::{Ports, RpcRequest};
use crate::stream::LOOK;
use crate::upstreams::{Caller, UpstreamError, Upstreams};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared_mcp::{Era, Object, result_response};
use shared_ports::{Clock, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Subscribe, or end a subscription, at an upstream of the modern era; `None` if it is of the legacy era, which has requests
/// for that.
pub(crate) async fn route<P: Ports>(
    turn: &Turn<'_, P>,
    upstream: &str,
    message: &str,
    rpc: &RpcRequest<'_>,
) -> Result<Option<Out>, Refusal> {
    let on = match rpc.method.as_str() {
        "resources/subscribe" => true,
        "resources/unsubscribe" => false,
        _ => return Ok(None),
    };
    let caller = &turn.client()?.caller;
    let status = turn.within(STATUS_DEADLINE, turn.ports.upstreams().status(upstream, caller)).await;
    let late = || Err(UpstreamError::TimedOut(format!("no description within {STATUS_DEADLINE:?}")));
    let description = status.unwrap_or_else(late).map_err(|error| errors::upstream(upstream, &error))?;
    if description.era() == Era::Legacy {
        return Ok(None);
    }
    let capabilities = Object::parse(&description.capabilities).unwrap_or_default();
    let subscribes =
        capabilities.object("resources").is_some_and(|resources| resources.get("subscribe") == Some("true"));
    if !subscribes {
        return Err(errors::no_method(&rpc.method));
    }
    let uri = Object::parse(message).ok().and_then(|message| message.object("params")?.string("uri"));
    let uri = uri.ok_or_else(|| invalid_params("`uri` is missing."))?;
    let subscriptions = Subscriptions::of(turn.ports, caller).map_err(|error| errors::store(&error))?;
    subscriptions.note(upstream, &uri, on)?;
    Ok(Some(Out::json(200, result_response(&rpc.id, "{}"))))
}

/// Most steps in one session. Clients watch what they show; this is many times that.
const MAX_STEPS: i64 = 1000;

/// One step.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    upstream: String,
    /// The upstream's own.
    uri: String,
    /// Whether it is a subscription, or the end of one.
    on: bool,
}

/// The subscriptions of one session, as far as they were read.
#[derive(Clone)]
pub(crate) struct Subscriptions<P: Ports> {
    ports: P,
    keys: UserKeys,
    session: String,
    /// Number of the last step that was read.
    read: i64,
    uris: BTreeMap<String, BTreeSet<String>>,
}

impl<P: Ports> Subscriptions<P> {
    /// Of the caller's session; nothing is read yet.
    pub fn of(ports: &P, caller: &Caller) -> Result<Self, StoreError> {
        let keys = UserKeys::new(&caller.user_hash);
        let keys = keys.ok_or_else(|| StoreError("the user hash is not 32 hex digits".into()))?;
        Ok(Self { ports: ports.clone(), keys, session: caller.conversation.clone(), read: 0, uris: BTreeMap::new() })
    }

    fn step(&self, number: i64) -> String {
        self.keys.of(&self.session, &format!("subscription:{number}"))
    }

    /// Note one more step.
    pub fn note(&self, upstream: &str, uri: &str, on: bool) -> Result<(), Refusal> {
        let failed = |error: StoreError| errors::store(&error);
        let number = self.ports.store().increment(&self.keys.of(&self.session, "subscriptions"), 1).map_err(failed)?;
        if number > MAX_STEPS {
            return Err(invalid_params(format!(
                "This session has subscribed and unsubscribed {MAX_STEPS} times. Start a new one."
            )));
        }
        let step = json!({ "upstream": upstream, "uri": uri, "on": on }).to_string();
        self.ports.store().set(&self.step(number), step.as_bytes()).map_err(failed)
    }

    /// Read the steps that were made since; the URIs that are new, by the upstreams where anything has changed.
    pub fn read(&mut self) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
        let mut changed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        // A step may have a number before it is written; it is read the next time.
        while let Some(text) = self.ports.store().get(&self.step(self.read.saturating_add(1)))? {
            self.read = self.read.saturating_add(1);
            let Ok(step) = serde_json::from_slice::<Step>(&text) else { continue };
            let uris = self.uris.entry(step.upstream.clone()).or_default();
            if step.on && uris.insert(step.uri.clone()) {
                changed.entry(step.upstream).or_default().push(step.uri);
            } else if !step.on && uris.remove(&step.uri) {
                changed.entry(step.upstream).or_default().retain(|uri| *uri != step.uri);
            }
        }
        Ok(changed)
    }

    /// Resolves when what is subscribed of this upstream has changed; the URIs that are new.
    pub async fn changed(&mut self, upstream: &str) -> Vec<String> {
        loop {
            self.ports.clock().sleep(LOOK).await;
            // A store that fails is asked again.
            if let Some(new) = self.read().ok().and_then(|mut changed| changed.remove(upstream)) {
                return new;
            }
        }
    }

    /// The `notifications` object for listening to an upstream.
    pub fn interest(&self, upstream: &str) -> String {
        let mut notifications =
            json!({ "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true });
        if let Some(uris) = self.uris.get(upstream).filter(|uris| !uris.is_empty())
            && let Some(members) = notifications.as_object_mut()
        {
            members.insert("resourceSubscriptions".into(), json!(uris));
        }
        notifications.to_string()
    }

    /// Remove everything; the session is over.
    pub fn clear(&self) -> Result<(), StoreError> {
        let counter = self.keys.of(&self.session, "subscriptions");
        let mut number = 1;
        while self.ports.store().get(&self.step(number))?.is_some() {
            self.ports.store().delete(&self.step(number))?;
            number = number.saturating_add(1);
        }
        self.ports.store().delete(&counter)
    }
}
