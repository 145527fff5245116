//! Resources that a client of the legacy era has subscribed to. An upstream of the modern era is told by listening to it, on
//! the client's open GET stream, perhaps in another instance; one of the legacy era is told by the request, and has to be
//! told again when its session is another one. So what is subscribed is kept in the store, as a list of steps that only
//! grows: each one has a number that nobody else gets.

use crate::answer::Out;
use crate::calls::{STATUS_DEADLINE, Turn};
use crate::errors::{self, Refusal, invalid_params};
use crate::keys::UserKeys;
use crate::request::{Ports, RpcRequest};
use crate::upstreams::{Caller, UpstreamError, Upstreams};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared_mcp::{Era, Message, Object, result_response};
use shared_ports::{Store, StoreError};
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
    subscriptions.note(upstream, &uri, on, false)?;
    Ok(Some(Out::json(200, result_response(&rpc.id, "{}"))))
}

/// Note what an upstream of the legacy era has agreed to; `message` is the request as it got it. What cannot be noted has no
/// consequence until the upstream's session is another one.
pub(crate) fn note_response<P: Ports>(ports: &P, caller: &Caller, upstream: &str, message: &str, response: &str) {
    let Ok(Message::Request { method, object, .. }) = Message::parse(message) else { return };
    let on = match method.as_str() {
        "resources/subscribe" => true,
        "resources/unsubscribe" => false,
        _ => return,
    };
    let agreed = matches!(Message::parse(response), Ok(Message::Response { outcome: Ok(_), .. }));
    if let Some(uri) = object.object("params").and_then(|params| params.string("uri"))
        && agreed
        && let Ok(subscriptions) = Subscriptions::of(ports, caller)
    {
        let _ = subscriptions.note(upstream, &uri, on, true);
    }
}

/// Most steps in one session. Clients watch what they show; this is many times that.
const MAX_STEPS: i64 = 1000;

/// How many numbers ahead it is looked for a step where one is missing: a step may have a number before it is written, and
/// one that the store did not take never is.
const AHEAD: i64 = 16;

/// How often it is looked for steps after a number was given: the last one may be written some seconds later.
const LOOKS: u8 = 4;

/// One step.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    upstream: String,
    /// The upstream's own.
    uri: String,
    /// Whether it is a subscription, or the end of one.
    on: bool,
    /// Whether the upstream was told with a request, so that it need not be listened to for that.
    #[serde(default)]
    told: bool,
}

/// What has changed for one upstream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Whether it has to be listened to anew.
    pub listen: bool,
    /// The URIs that are new.
    pub new: Vec<String>,
}

/// The subscriptions of one session, as far as they were read.
pub(crate) struct Subscriptions<P: Ports> {
    ports: P,
    keys: UserKeys,
    session: String,
    /// Number of the last step that was read.
    read: i64,
    /// Numbers before it whose steps were not there.
    holes: BTreeSet<i64>,
    /// The counter when it was looked at last, and how often it is looked for steps although it stays so.
    counter: Option<Vec<u8>>,
    looks: u8,
    uris: BTreeMap<String, BTreeSet<String>>,
}

impl<P: Ports> Subscriptions<P> {
    /// Of the caller's session; nothing is read yet.
    pub fn of(ports: &P, caller: &Caller) -> Result<Self, StoreError> {
        let keys = UserKeys::new(&caller.user_hash);
        Ok(Self {
            ports: ports.clone(),
            keys: keys.ok_or_else(|| StoreError("the user hash is not 32 hex digits".into()))?,
            session: caller.conversation.clone(),
            read: 0,
            holes: BTreeSet::new(),
            counter: None,
            looks: 0,
            uris: BTreeMap::new(),
        })
    }

    fn step(&self, number: i64) -> String {
        self.keys.of(&self.session, &format!("subscription:{number}"))
    }

    fn counter(&self) -> String {
        self.keys.of(&self.session, "subscriptions")
    }

    /// Note one more step.
    fn note(&self, upstream: &str, uri: &str, on: bool, told: bool) -> Result<(), Refusal> {
        let failed = |error: StoreError| errors::store(&error);
        let number = self.ports.store().increment(&self.counter(), 1).map_err(failed)?;
        if number > MAX_STEPS {
            return Err(invalid_params(format!(
                "This session has subscribed and unsubscribed {MAX_STEPS} times. Start a new one."
            )));
        }
        let step = json!({ "upstream": upstream, "uri": uri, "on": on, "told": told }).to_string();
        self.ports.store().set(&self.step(number), step.as_bytes()).map_err(failed)
    }

    /// Read the steps that were made since; by the upstreams where anything has changed.
    pub fn read(&mut self) -> Result<BTreeMap<String, Changed>, StoreError> {
        let counter = self.ports.store().get(&self.counter())?;
        if counter != self.counter {
            self.looks = LOOKS;
        } else if self.looks == 0 {
            return Ok(BTreeMap::new());
        }
        let mut steps = Vec::new();
        let mut last = self.read;
        let ahead = self.read.saturating_add(1)..=MAX_STEPS;
        for number in self.holes.iter().copied().chain(ahead) {
            if number > last.saturating_add(AHEAD) {
                break;
            }
            if let Some(text) = self.ports.store().get(&self.step(number))? {
                last = last.max(number);
                steps.push((number, text));
            }
        }
        // Nothing fails from here on, so nothing is read and then forgotten.
        self.counter = counter;
        self.looks = self.looks.saturating_sub(1);
        self.holes.extend(self.read.saturating_add(1)..last);
        self.read = last;
        let mut changed: BTreeMap<String, Changed> = BTreeMap::new();
        for (number, text) in steps {
            self.holes.remove(&number);
            let Ok(step) = serde_json::from_slice::<Step>(&text) else { continue };
            let uris = self.uris.entry(step.upstream.clone()).or_default();
            let differs = if step.on { uris.insert(step.uri.clone()) } else { uris.remove(&step.uri) };
            if differs {
                let changed = changed.entry(step.upstream).or_default();
                changed.listen |= !step.told;
                changed.new.retain(|uri| *uri != step.uri);
                changed.new.extend(step.on.then_some(step.uri));
            }
        }
        Ok(changed)
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
        let counter = self.counter();
        if self.ports.store().get(&counter)?.is_none() {
            return Ok(());
        }
        for number in 1..=self.ports.store().increment(&counter, 0)?.min(MAX_STEPS) {
            self.ports.store().delete(&self.step(number))?;
        }
        self.ports.store().delete(&counter)
    }
}
