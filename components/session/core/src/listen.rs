//! GET in the legacy era: the stream of what comes outside of requests, of all upstreams together; or the rest of another
//! stream, for a client that has lost it (2025-11-25, "Listening for Messages from the Server", "Resumability").
//!
//! A client opens one such stream. Of two in one session, each gets what upstreams of the modern era say; upstreams of the
//! legacy era have one stream for a session, so the second one waits there until the first has gone.

use crate::answer::{Out, header};
use crate::calls::{NOTIFY_DEADLINE, STATUS_DEADLINE, Turn, within};
use crate::errors::{self, Refusal, invalid_params};
use crate::feed::Feed;
use crate::headers;
use crate::legacy;
use crate::position::Position;
use crate::relay::{Relay, Source};
use crate::reply::{Step, Translation};
use crate::request::{Client, Context, HttpRequest, Ports};
use crate::stream::{Outbox, Streaming};
use crate::subscriptions::{Changed, Subscriptions};
use crate::upstreams::{Event, Interest, UpstreamError, Upstreams};
use crate::watch::Watch;
use futures::channel::mpsc::UnboundedReceiver;
use futures::future::{Either, join_all, select};
use futures::{FutureExt, StreamExt};
use serde_json::json;
use shared_mcp::{Era, Object, Revision, code, header as mcp_header};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;

/// Serve a GET.
pub(crate) async fn get<P: Ports>(
    mut turn: Turn<'_, P>,
    request: &HttpRequest,
    context: &Context,
) -> Result<Out, Refusal> {
    let version = request.header(mcp_header::PROTOCOL_VERSION)?.and_then(Revision::parse);
    if version.is_some_and(|revision| revision.era() == Era::Modern) {
        return Err(no_stream(
            "POST",
            "This revision of the protocol has no stream to GET: use `subscriptions/listen`.",
        ));
    }
    headers::check_accept_events(request)?;
    let client = legacy::named(turn.ports, request, context)?.client;
    turn.facts.revision = Some(client.revision.as_str());
    turn.client = Some(client.clone());
    let unknown = || {
        let message = "`Last-Event-ID` names no event of this session. Open a stream without it.";
        Refusal { status: 400, ..invalid_params(message) }
    };
    let position = match request.header(mcp_header::LAST_EVENT_ID)?.filter(|id| !id.is_empty()) {
        None => Position::Listen(BTreeMap::new()),
        Some(id) => {
            let key = client.event_key.as_deref().ok_or_else(unknown)?;
            Position::decode(key, id, &turn.naming.upstreams).ok_or_else(unknown)?
        }
    };
    match position {
        Position::Listen(events) => listen(turn, client, events).await,
        Position::Call { upstream, method, id, event } => {
            let translation =
                Translation { era: Era::Legacy, naming: turn.naming.clone(), upstream: upstream.clone(), id, method };
            let interest =
                Interest { upstream: upstream.clone(), after: Some(event.clone()), notifications: "{}".into() };
            turn.facts.upstream = Some(upstream.clone());
            let stream = match turn.ports.upstreams().listen(interest, &client.caller).await {
                Ok(Some(stream)) => stream,
                Ok(None) | Err(UpstreamError::Refused(_)) => return Err(unknown().because("not known to the upstream")),
                Err(error) => return Err(Refusal { status: 502, ..errors::upstream(&upstream, &error) }),
            };
            let ports = turn.ports.clone();
            let relay = Relay {
                ports,
                client,
                translation,
                message: String::new(),
                token: None,
                step: None,
                after: Some(event),
            };
            Ok(Out::stream(Streaming::new(turn.keep_alive, |out| relay.run(Source::Started(stream), out))))
        }
    }
}

fn no_stream(allow: &str, message: &str) -> Refusal {
    let refusal = Refusal::new(405, code::INVALID_REQUEST, message);
    Refusal { headers: vec![header("allow", allow)], ..refusal }
}

/// All upstreams at once, each from its own event on.
async fn listen<P: Ports>(turn: Turn<'_, P>, client: Client, events: BTreeMap<String, String>) -> Result<Out, Refusal> {
    let store_failed = |error| errors::store(&error);
    let mut subscriptions = Subscriptions::of(turn.ports, &client.caller).map_err(store_failed)?;
    subscriptions.read().map_err(store_failed)?;
    let subscriptions = Rc::new(RefCell::new(subscriptions));
    let mut feeds: Vec<Feed<P>> = turn
        .naming
        .upstreams
        .iter()
        .map(|upstream| {
            let interest = Interest {
                upstream: upstream.clone(),
                after: events.get(upstream).cloned(),
                notifications: subscriptions.borrow().interest(upstream),
            };
            Feed::new(turn.ports, &client.caller, interest, None)
        })
        .collect();
    // Only when all have said that nothing will come is there no stream. One that takes long may still say something.
    let asked = feeds.iter_mut().map(|feed| async {
        let upstreams = feed.ports.upstreams();
        let opened = upstreams.listen(feed.interest.clone(), &feed.caller);
        feed.opened = within(turn.ports, STATUS_DEADLINE, opened).await;
        let may_come = !matches!(feed.opened, Some(Ok(None)));
        let sessions = if matches!(feed.opened, Some(Ok(Some(_)))) {
            let status = upstreams.status(&feed.interest.upstream, &feed.caller);
            let status = within(turn.ports, STATUS_DEADLINE, status).await;
            matches!(status, Some(Ok(description)) if description.era() == Era::Legacy)
        } else {
            !may_come
        };
        (may_come, !sessions)
    });
    let asked = join_all(asked).await;
    if !asked.iter().any(|(may_come, _)| *may_come) {
        return Err(no_stream("POST, DELETE", "Nothing behind the gateway says anything outside of requests."));
    }
    let often = asked.iter().any(|(_, by_listening)| *by_listening);
    let mut watch = Watch::new(turn.ports, &client.caller, subscriptions.clone(), often);
    let feeds: Vec<_> = feeds.into_iter().map(|feed| (watch.reader(&feed.interest.upstream), feed)).collect();
    let (ports, caller) = (turn.ports.clone(), client.caller.clone());
    let shared = Rc::new(Shared { naming: turn.naming.clone(), client, events: RefCell::new(events), subscriptions });
    Ok(Out::stream(Streaming::new(turn.keep_alive, |out| async move {
        let follow = |(news, feed)| shared.clone().follow(feed, news, out.clone());
        let following = join_all(feeds.into_iter().map(follow)).boxed_local();
        if let Either::Right((_, following)) = select(following, watch.run().boxed_local()).await {
            // The session has ended. While the stream was there, its upstreams' sessions may have been renewed.
            drop(following);
            let _ = within(&ports, NOTIFY_DEADLINE, ports.upstreams().close(&caller)).await;
        }
    })))
}

/// What the feeds of one stream share.
struct Shared<P: Ports> {
    naming: Rc<crate::view::Naming>,
    client: Client,
    /// The last event of each upstream.
    events: RefCell<BTreeMap<String, String>>,
    subscriptions: Rc<RefCell<Subscriptions<P>>>,
}

impl<P: Ports> Shared<P> {
    /// Pass on what one upstream says.
    async fn follow(self: Rc<Self>, mut feed: Feed<P>, mut news: UnboundedReceiver<Changed>, mut out: Outbox) {
        let upstream = feed.interest.upstream.clone();
        let translation = Translation {
            era: Era::Legacy,
            naming: self.naming.clone(),
            upstream: upstream.clone(),
            id: "null".into(),
            method: String::new(),
        };
        loop {
            // Resources of upstreams of the modern era are subscribed to by listening, so another subscription means to
            // listen again.
            let event = match select(pin!(feed.next()), news.next()).await {
                Either::Left((event, _)) => Ok(event),
                Either::Right((changed, _)) => Err(changed),
            };
            match event {
                Err(None) => return,
                Err(Some(changed)) => {
                    feed.interest.notifications = self.subscriptions.borrow().interest(&upstream);
                    if !changed.listen {
                        continue;
                    }
                    feed.open().await;
                    // They may have changed before anybody listened.
                    for uri in changed.new {
                        if let Ok(Step::Pass(text)) = translation.event(updated(&uri)) {
                            out.message(&text, None).await;
                        }
                    }
                }
                Ok(None) => return,
                Ok(Some(Event::Reached { event_id, retry })) => {
                    if let Some(id) = self.position(&upstream, Some(event_id))
                        && self.client.revision >= Revision::V2025_11_25
                    {
                        out.reached(&id, retry).await;
                    }
                }
                Ok(Some(Event::Message { data, event_id })) => {
                    let id = self.position(&upstream, event_id);
                    let Ok(text) = String::from_utf8(data) else { continue };
                    if let Ok(Step::Pass(text)) = translation.event(text)
                        && !acknowledges(&text)
                    {
                        out.message(&text, id.as_deref()).await;
                    }
                }
                Ok(Some(Event::Failed(_))) => {}
            }
        }
    }

    /// The id of an event of this upstream, as the client sees it.
    fn position(&self, upstream: &str, event: Option<String>) -> Option<String> {
        let mut events = self.events.borrow_mut();
        events.insert(upstream.into(), event?);
        Position::Listen(events.clone()).encode(self.client.event_key.as_deref()?)
    }
}

/// Whether it is the beginning of a subscription at one upstream.
pub(crate) fn acknowledges(text: &str) -> bool {
    text.contains("notifications/subscriptions/acknowledged")
        && Object::parse(text)
            .is_ok_and(|object| object.string("method").as_deref() == Some("notifications/subscriptions/acknowledged"))
}

/// The notification that a resource has changed; the URI is the upstream's own.
pub(crate) fn updated(uri: &str) -> String {
    let params = json!({ "uri": uri });
    json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": params }).to_string()
}
