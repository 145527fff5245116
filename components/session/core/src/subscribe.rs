//! `subscriptions/listen` of the modern era over several upstreams of either era (2026-07-28, "Subscriptions").
//!
//! Each stream listens under a conversation of its own: an upstream with sessions sends each message on one stream of a
//! session only, and knows for a session which resources it has subscribed to. The conversation ends with the stream.

use crate::answer::Out;
use crate::calls::{STATUS_DEADLINE, Turn, within};
use crate::complete::complete;
use crate::errors::{Refusal, invalid_params};
use crate::feed::Feed;
use crate::filter::Filter;
use crate::listen::acknowledges;
use crate::reply::{Step, Translation};
use crate::request::{Ports, RpcRequest};
use crate::stream::{Outbox, Streaming};
use crate::tasks;
use crate::upstreams::{Call, Caller, Event, HangUp, Interest, MessageStream, Reply, Upstreams};
use crate::uris::UriTarget;
use crate::view::Naming;
use futures::FutureExt;
use futures::future::join_all;
use shared_mcp::{Era, Message, Object, meta, result_response};
use std::cell::RefCell;
use std::rc::Rc;

/// Most resources of one subscription: a legacy upstream gets a request for each.
const MAX_RESOURCES: usize = 256;

/// How many of them are on their way at the same time.
const TOGETHER: usize = 8;

/// One upstream that is listened to, and what it has agreed to say.
struct Part<P: Ports> {
    feed: Feed<P>,
    agreed: Filter,
}

/// Serve the request. Its answer ends when the client hangs up, or when no upstream has anything to say any more.
pub(crate) async fn listen<P: Ports>(turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    let params = rpc.params();
    let wanted = params.object("notifications").and_then(|wanted| Filter::parse(&wanted));
    let wanted = wanted.ok_or_else(|| invalid_params("`notifications` is missing or not what it should be."))?;
    if wanted.resources.len() > MAX_RESOURCES {
        return Err(invalid_params(format!("`resourceSubscriptions` may have at most {MAX_RESOURCES} entries.")));
    }
    let client = turn.client()?;
    // Nobody is there to answer what an upstream might ask on such a stream.
    let caller = Caller {
        conversation: format!("listen-{}", client.caller.request_id),
        client_capabilities: "{}".into(),
        ..client.caller.clone()
    };
    // From here on there may be a conversation, also if the client goes before it is answered.
    let ending = Ending { ports: turn.ports.clone(), caller: caller.clone() };
    let naming = turn.naming.clone();
    let parts = naming.upstreams.iter().map(|upstream| {
        let filter = for_upstream(&naming, upstream, &wanted);
        open(turn.ports, &caller, upstream, filter)
    });
    let parts: Vec<Part<P>> = join_all(parts).await.into_iter().flatten().collect();
    let mut agreed = Filter::default();
    for part in &parts {
        agreed.join(&part.agreed, |uri| naming.uri_outward(&part.feed.interest.upstream, uri).into_owned());
    }
    let tasks = parts.iter().flat_map(|part| tasks::agreed(&naming, &part.feed.interest.upstream, &part.agreed.other));
    let tasks: Vec<String> = tasks.collect();
    agreed.other.retain(|(name, _)| name != tasks::IDS);
    if !tasks.is_empty() {
        agreed.other.push((tasks::IDS.into(), serde_json::Value::from(tasks).to_string()));
    }
    // In the client's own words and order.
    agreed.resources = wanted.resources.into_iter().filter(|uri| agreed.resources.contains(uri)).collect();
    let id = rpc.id.clone();
    Ok(Out::stream(Streaming::new(turn.keep_alive, |mut out| async move {
        out.message(&acknowledgement(&id, &agreed), None).await;
        join_all(parts.into_iter().map(|part| follow(part, naming.clone(), &id, out.clone()))).await;
        drop(ending);
        let mut result = Object::new();
        let mut meta = Object::new();
        meta.set(meta::SUBSCRIPTION_ID, id.as_str());
        let meta = meta.to_string();
        result.set("_meta", meta);
        complete(&mut result, "subscriptions/listen");
        out.message(&result_response(&id, &result.to_string()), None).await;
    })))
}

/// What to ask of one upstream: URIs as it knows them, and only such as the client may read.
fn for_upstream(naming: &Naming, upstream: &str, wanted: &Filter) -> Filter {
    let own = wanted.resources.iter().filter_map(|uri| match naming.uri_inward(uri) {
        UriTarget::Upstream(name, inner) if name == upstream => Some(inner.into_owned()),
        UriTarget::Anywhere => Some(uri.clone()),
        _ => None,
    });
    let resources = own.filter(|uri| naming.shows_resource(upstream, uri)).collect();
    // What nobody knows yet can only be meant for a single upstream.
    let only = naming.only().is_some();
    let other = wanted.other.iter().filter_map(|(name, value)| match name.as_str() {
        tasks::IDS => Some((name.clone(), tasks::wanted(naming, upstream, value)?)),
        _ => only.then(|| (name.clone(), value.clone())),
    });
    let other = other.collect();
    Filter { resources, other, ..wanted.clone() }
}

/// Begin to listen to one upstream; `None` if it will not say anything that is wanted. One that cannot be used now may say
/// all of it when it is back.
async fn open<P: Ports>(ports: &P, caller: &Caller, upstream: &str, wanted: Filter) -> Option<Part<P>> {
    if wanted.is_empty() {
        return None;
    }
    let interest = Interest { upstream: upstream.into(), after: None, notifications: wanted.to_string() };
    let mut part = Part { feed: Feed::new(ports, caller, interest, None), agreed: wanted };
    let status = within(ports, STATUS_DEADLINE, ports.upstreams().status(upstream, caller)).await;
    let Some(Ok(description)) = status else {
        return Some(part);
    };
    part.agreed = part.agreed.promised(&description.capabilities);
    if part.agreed.is_empty() {
        return None;
    }
    part.feed.interest.notifications = part.agreed.to_string();
    match description.era() {
        Era::Legacy => open_legacy(ports, caller, &mut part).await,
        Era::Modern => open_modern(ports, &mut part).await,
    }
    .then_some(part)
}

/// An upstream with sessions: subscribe to each resource, then listen. Whether it listens.
async fn open_legacy<P: Ports>(ports: &P, caller: &Caller, part: &mut Part<P>) -> bool {
    let upstream = part.feed.interest.upstream.clone();
    let opened = ports.upstreams().listen(part.feed.interest.clone(), caller);
    part.feed.opened = within(ports, STATUS_DEADLINE, opened).await;
    if matches!(part.feed.opened, Some(Ok(None))) {
        return false;
    }
    let subscribed = RefCell::new(Vec::new());
    let subscribing = async {
        for (chunk, uris) in part.agreed.resources.chunks(TOGETHER).enumerate() {
            join_all(uris.iter().enumerate().map(|(number, uri)| {
                let call = Call { upstream: upstream.clone(), message: subscribe(caller, chunk, number, uri) };
                let subscribed = &subscribed;
                async move {
                    if succeeds(ports, call, caller).await {
                        subscribed.borrow_mut().push(uri.clone());
                    }
                }
            }))
            .await;
        }
    };
    within(ports, STATUS_DEADLINE, subscribing).await;
    part.agreed.resources = subscribed.into_inner();
    !part.agreed.is_empty()
}

/// The request that subscribes to a resource.
fn subscribe(caller: &Caller, chunk: usize, number: usize, uri: &str) -> String {
    let mut params = Object::new();
    params.set_string("uri", uri);
    let mut request = Object::new();
    request.set_string("jsonrpc", "2.0");
    request.set_string("id", &format!("mcp-edge:{}:{chunk}.{number}", caller.request_id));
    request.set_string("method", "resources/subscribe");
    request.set("params", params.to_string());
    request.to_string()
}

/// Whether a request is answered with a result.
async fn succeeds<P: Ports>(ports: &P, call: Call, caller: &Caller) -> bool {
    let is_result = |data: &[u8]| {
        let message = std::str::from_utf8(data).ok().and_then(|text| Message::parse(text).ok());
        matches!(message, Some(Message::Response { outcome: Ok(_), .. }))
    };
    match ports.upstreams().exchange(call, caller, HangUp::LetRun).await {
        Ok(Reply::Response(data)) => is_result(&data),
        Ok(Reply::Messages(mut stream)) => {
            let mut last = None;
            while let Some(event) = stream.next().await {
                if let Event::Message { data, .. } = event {
                    last = Some(data);
                }
            }
            last.is_some_and(|data| is_result(&data))
        }
        _ => false,
    }
}

/// An upstream without sessions says first what it will say. Whether it listens.
async fn open_modern<P: Ports>(ports: &P, part: &mut Part<P>) -> bool {
    let acknowledged = async {
        if matches!(part.feed.open().await, Ok(None)) {
            return None;
        }
        Some(part.feed.next().await)
    };
    match within(ports, STATUS_DEADLINE, acknowledged).await {
        Some(None) => return false,
        Some(Some(Some(event))) => match filter_of(&event) {
            Some(agreed) => part.agreed = agreed.within(&part.agreed),
            // It says something else first: what it promised stands.
            None => part.feed.pending.push_front(event),
        },
        // It says nothing in time; the same.
        Some(Some(None)) | None => {}
    }
    !part.agreed.is_empty()
}

/// What an upstream agrees to; `None` if the event is another one.
fn filter_of(event: &Event) -> Option<Filter> {
    let Event::Message { data, .. } = event else { return None };
    let text = std::str::from_utf8(data).ok().filter(|text| acknowledges(text))?;
    let object = Object::parse(text).ok()?;
    let params = object.object("params").unwrap_or_default();
    Filter::parse(&params.object("notifications")?)
}

/// Pass on what one upstream says, as far as it was asked for.
async fn follow<P: Ports>(part: Part<P>, naming: Rc<Naming>, id: &str, mut out: Outbox) {
    let Part { mut feed, agreed } = part;
    let upstream = feed.interest.upstream.clone();
    let translation =
        Translation { era: Era::Modern, naming, upstream, id: id.into(), method: "subscriptions/listen".into() };
    while let Some(event) = feed.next().await {
        let Event::Message { data, .. } = event else { continue };
        let Ok(text) = String::from_utf8(data) else { continue };
        if !agreed.passes(&text) {
            continue;
        }
        if let Ok(Step::Pass(text)) = translation.event(text)
            && let Some(text) = of_subscription(&text, id)
        {
            out.message(&text, None).await;
        }
    }
}

/// The notification with the id of the subscription in it.
fn of_subscription(text: &str, id: &str) -> Option<String> {
    let mut object = Object::parse(text).ok()?;
    let mut params = object.object("params").unwrap_or_default();
    let mut meta = params.object("_meta").unwrap_or_default();
    meta.set(meta::SUBSCRIPTION_ID, id.to_owned());
    let meta = meta.to_string();
    params.set("_meta", meta);
    let params = params.to_string();
    object.set("params", params);
    Some(object.to_string())
}

fn acknowledgement(id: &str, agreed: &Filter) -> String {
    let notifications = agreed.to_string();
    let meta = format!(r#"{{"{}":{id}}}"#, meta::SUBSCRIPTION_ID);
    let params = format!(r#"{{"_meta":{meta},"notifications":{notifications}}}"#);
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{params}}}"#)
}

/// Ends the conversation when the stream has ended, by whatever way.
struct Ending<P: Ports> {
    ports: P,
    caller: Caller,
}

impl<P: Ports> Drop for Ending<P> {
    fn drop(&mut self) {
        let (ports, caller) = (self.ports.clone(), self.caller.clone());
        let close = async move {
            // The upstreams end sessions that are idle; this is only sooner.
            let _ = within(&ports, STATUS_DEADLINE, ports.upstreams().close(&caller)).await;
        };
        self.ports.spawn(close.boxed_local());
    }
}
