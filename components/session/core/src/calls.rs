//! What is done with a request, in either era: answered here, or handed to the upstream that it belongs to.
//!
//! With exactly one upstream, methods that the gateway does not know go to it as they are: nothing else could be meant.
//! With several, nothing says whom they are for, so they are refused.

use crate::address::{self, Addressed, Resource};
use crate::answer::{Facts, Out};
use crate::catalogue;
use crate::describe;
use crate::errors::{self, Refusal, invalid_params};
use crate::forward::{finished, forward, translation};
use crate::gather::{Outcome, gather};
use crate::logging;
use crate::request::{Client, HttpRequest, Ports, RpcRequest};
use crate::search;
use crate::session;
use crate::state;
use crate::subscribe;
use crate::subscriptions;
use crate::tasks;
use crate::upstreams::{Call, Upstreams};
use crate::view::{Kind, Naming};
use futures::future::{Either, join_all, select};
use shared_mcp::{Era, Object, result_response};
use shared_ports::Clock;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Time for an upstream to say what it is: a client waits for all of them before it can do anything.
pub(crate) const STATUS_DEADLINE: Duration = Duration::from_secs(5);

/// Time for one of several upstreams to give its part of a list: the others are held up by it.
pub(crate) const LIST_DEADLINE: Duration = Duration::from_secs(10);

/// Time for an upstream to take a notification: the client waits for its 202.
pub(crate) const NOTIFY_DEADLINE: Duration = Duration::from_secs(5);

/// One request on its way through.
pub(crate) struct Turn<'a, P: Ports> {
    pub ports: &'a P,
    pub naming: Rc<Naming>,
    /// Set as soon as it is known who asks.
    pub client: Option<Client>,
    pub facts: &'a mut Facts,
    /// The HTTP request.
    pub request: &'a HttpRequest,
    /// Silence on a stream after which a comment is sent.
    pub keep_alive: Duration,
}

impl<P: Ports> Turn<'_, P> {
    /// The result of `work`, unless it takes longer than `deadline`.
    pub async fn within<T>(&self, deadline: Duration, work: impl Future<Output = T>) -> Option<T> {
        within(self.ports, deadline, work).await
    }

    pub fn client(&self) -> Result<&Client, Refusal> {
        self.client.as_ref().ok_or_else(|| errors::misconfigured("a request without a client"))
    }
}

/// The result of `work`, unless it takes longer than `deadline`.
pub(crate) async fn within<T>(ports: &impl Ports, deadline: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(ports.clock().sleep(deadline))).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// Serve a request whose headers and session are in order.
pub(crate) async fn serve<P: Ports>(mut turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    let era = turn.client()?.revision.era();
    match (rpc.method.as_str(), era) {
        ("ping", Era::Legacy) => Ok(Out::json(200, result_response(&rpc.id, "{}"))),
        ("server/discover", Era::Modern) => {
            let client = turn.client()?.clone();
            let result = describe::discover(&mut turn, &client).await;
            Ok(Out::json(200, result_response(&rpc.id, &result)))
        }
        ("subscriptions/listen", Era::Modern) => subscribe::listen(turn, rpc).await,
        ("logging/setLevel", Era::Legacy) => set_level(turn, rpc).await,
        ("tools/list", _) if turn.naming.tool_search => search::list(turn, &rpc),
        ("tools/list" | "prompts/list" | "resources/list" | "resources/templates/list", _) => {
            match turn.naming.only().map(str::to_owned) {
                Some(only) => forward(turn, only, rpc.object.to_string(), rpc).await,
                None => catalogue::list(turn, rpc).await,
            }
        }
        ("tools/call", _) if turn.naming.tool_search => search::call(turn, rpc).await,
        ("tools/call", _) => named(turn, rpc, Kind::Tool).await,
        ("prompts/get", _) => named(turn, rpc, Kind::Prompt).await,
        ("resources/read" | "resources/subscribe" | "resources/unsubscribe", _) => resource(turn, rpc).await,
        ("completion/complete", _) => completion(turn, rpc).await,
        (method, _) if method.starts_with("tasks/") => tasks::serve(turn, rpc).await,
        (_, _) => match turn.naming.only().map(str::to_owned) {
            // What the gateway does not know it cannot check. Tasks, above, are what was made by calls that it has checked.
            Some(only) if !turn.naming.restricts(&only) => forward(turn, only, rpc.object.to_string(), rpc).await,
            _ => Err(errors::no_method(&rpc.method)),
        },
    }
}

/// A call of a tool or prompt by name.
pub(crate) async fn named<P: Ports>(mut turn: Turn<'_, P>, rpc: RpcRequest<'_>, kind: Kind) -> Result<Out, Refusal> {
    let Addressed { upstream, message } = address::named(&mut turn, kind, &rpc).await?;
    forward(turn, upstream, message, rpc).await
}

/// A request about a resource.
async fn resource<P: Ports>(turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    let uri = rpc.params().string("uri").ok_or_else(|| invalid_params("`uri` is missing."))?;
    match address::resource(&turn, &rpc, &uri)? {
        Resource::At(Addressed { upstream, message }) => forward(turn, upstream, message, rpc).await,
        Resource::Anywhere(upstreams) => match state::inward(&rpc.params()) {
            // The answers are for the one that has asked.
            Some((asked, _)) if turn.client()?.revision.era() == Era::Modern => {
                let upstream = upstreams.into_iter().find(|upstream| *upstream == asked).ok_or_else(state::unknown)?;
                forward(turn, upstream, rpc.object.to_string(), rpc).await
            }
            _ if state::goes_on(&rpc.params()) => Err(state::unknown()),
            _ => anywhere(turn, rpc, &uri, &upstreams).await,
        },
    }
}

/// A request about a resource that any of these upstreams may have: the first one that has it answers.
async fn anywhere<P: Ports>(
    turn: Turn<'_, P>,
    rpc: RpcRequest<'_>,
    uri: &str,
    upstreams: &[String],
) -> Result<Out, Refusal> {
    let caller = turn.client()?.caller.clone();
    let era = turn.client()?.revision.era();
    let mut failures = Vec::new();
    let mut noted = None;
    for upstream in upstreams {
        let message = rpc.object.to_string();
        // Of an upstream of the modern era nobody can tell before it is listened to.
        if era == Era::Legacy
            && let Ok(Some(out)) = subscriptions::route(&turn, upstream, &message, &rpc).await
        {
            noted = Some(out);
            continue;
        }
        let call = Call { upstream: upstream.clone(), message: message.clone() };
        match gather(turn.ports, call, &caller, era, LIST_DEADLINE).await {
            Ok(Outcome::Result(result)) => {
                turn.facts.upstream = Some(upstream.clone());
                let translation = translation(&turn, upstream, &rpc)?;
                let response = result_response(&rpc.id, &result);
                if era == Era::Legacy {
                    subscriptions::note_response(turn.ports, &caller, upstream, &message, &response);
                }
                return finished(translation.response(response), upstream, era);
            }
            Ok(Outcome::Error(_)) => {}
            Err(error) => failures.push((upstream.clone(), error)),
        }
    }
    if let Some(out) = noted {
        return Ok(out);
    }
    if failures.len() == upstreams.len() {
        return Err(errors::all_down(&failures));
    }
    Err(errors::unknown_resource(uri))
}

/// A completion, for an argument of a prompt or of a resource template.
async fn completion<P: Ports>(mut turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    let Addressed { upstream, message } = address::completion(&mut turn, &rpc).await?;
    forward(turn, upstream, message, rpc).await
}

/// `logging/setLevel`: for every upstream that logs. One of the modern era is told with each request, so the session keeps
/// the level.
async fn set_level<P: Ports>(turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    let client = turn.client()?.clone();
    let asked = turn.naming.upstreams.iter().map(|upstream| async {
        let status = turn.ports.upstreams().status(upstream, &client.caller);
        let description = turn.within(STATUS_DEADLINE, status).await?.ok()?;
        let logs = Object::parse(&description.capabilities).ok()?.get("logging").is_some();
        logs.then(|| (upstream.clone(), description.era()))
    });
    let logging: Vec<(String, Era)> = join_all(asked).await.into_iter().flatten().collect();
    if logging.is_empty() {
        return Err(errors::no_method(&rpc.method));
    }
    if let ([(only, Era::Legacy)], Some(_)) = (logging.as_slice(), turn.naming.only()) {
        return forward(turn, only.clone(), rpc.object.to_string(), rpc).await;
    }
    let mut results: Vec<Result<(), String>> = Vec::new();
    if logging.iter().any(|(_, era)| *era == Era::Modern) {
        let level = rpc.params().string("level").filter(|level| logging::is_level(level));
        let level = level.ok_or_else(|| invalid_params("`level` is missing or no level."))?;
        session::set_level(turn.ports, &client, &level)?;
        results.push(Ok(()));
    }
    let set = logging.iter().filter(|(_, era)| *era == Era::Legacy).map(|(upstream, _)| async {
        let call = Call { upstream: upstream.clone(), message: rpc.object.to_string() };
        match gather(turn.ports, call, &client.caller, Era::Legacy, NOTIFY_DEADLINE).await {
            Ok(Outcome::Result(_)) => Some(Ok(())),
            Ok(Outcome::Error(error)) => Some(Err(error)),
            // It is gone for now; its next session starts with its own level anyway.
            Err(_) => None,
        }
    });
    results.extend(join_all(set).await.into_iter().flatten());
    match results.into_iter().reduce(Result::or) {
        None => Err(errors::no_method(&rpc.method)),
        Some(Ok(())) => Ok(Out::json(200, result_response(&rpc.id, "{}"))),
        Some(Err(error)) => Ok(Out::json(200, format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, rpc.id))),
    }
}
