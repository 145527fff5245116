//! Listening to what an upstream has to say outside of calls: the GET stream of a session, or `subscriptions/listen`.

use crate::backoff::Backoff;
use crate::connect::Link;
use crate::feed::{End, Feed, Item, is_usable};
use crate::open::{NotOpen, Opened, Opening};
use crate::race::{Abandoned, race};
use crate::reply::invalid;
use crate::settings::Target;
use crate::stream::{AT_ONCE, nothing_more};
use crate::subscription::{self, Filter};
use crate::{Caller, Connector, Event, Ports, Subject, UpstreamError, request};
use shared_mcp::Message;
use shared_ports::{Body, Clock};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// How often a stream that is taken up after a certain event may be silent or out of reach in a row.
const MAX_RESUMES: u32 = 20;

/// How often it may end at once with no event in it: the upstream has forgotten it, or its response was read before. With
/// the waits in between that is a quarter of a minute, if the upstream asks for no other.
const MAX_EMPTY: u32 = 5;

/// How often a session's stream is asked for while the upstream says that somebody else has it (409 of the SDKs' servers):
/// the one before may have been given up a moment ago.
const MAX_CONFLICTS: u32 = 4;

/// Wait between those: 0.25 s, 0.5 s, 1 s.
const CONFLICT_WAIT: Duration = Duration::from_millis(250);

/// A connection that stood for this long was none that failed, also if nothing came.
const LASTING: Duration = Duration::from_secs(10);

/// What an upstream says outside of calls.
pub struct Listening<B> {
    feed: Feed<B>,
    /// To be handed on before anything else.
    pending: VecDeque<Event>,
    link: Link,
    target: Rc<Target>,
    caller: Caller,
    /// What to ask a modern upstream for.
    filter: Filter,
    /// Whether the stream is to go on after one event, and with nothing else.
    bound: bool,
    backoff: Backoff,
    /// Whether anything was handed on since the connection was opened.
    heard: bool,
    /// When the connection was opened.
    since: Duration,
    /// Connections in a row that ended at once with no event.
    empty: u32,
    abandoned: Abandoned,
    done: bool,
}

impl<P: Ports> Connector<P> {
    /// Listen to what an upstream has to say outside of calls, or go on after an event. `None`: it says nothing.
    ///
    /// # Errors
    /// As `listen` of `mcp-edge:upstreams` says.
    pub async fn listen(
        &self,
        subject: &Subject,
        caller: &Caller,
        mut abandoned: Abandoned,
    ) -> Result<Option<Listening<P::Body>>, UpstreamError> {
        let target = self.target(&subject.upstream)?;
        let filter = Filter::parse(&subject.notifications).ok_or_else(request::malformed)?;
        let link = match &subject.after {
            None => self.connect(&target, caller).await?,
            Some(event_id) if !is_usable(event_id) => return Err(UpstreamError::Refused(400)),
            // The event is one of a session that is gone, or of an upstream that has become a modern one.
            Some(_) => match self.conversing(&target, caller)? {
                Some(link @ Link::Legacy(_)) => link,
                _ => return Err(UpstreamError::Refused(404)),
            },
        };
        let after = subject.after.as_deref();
        let opening = Opening { target: &target, caller, filter: &filter, after, bound: after.is_some() };
        let mut conflicts = 0;
        let (link, opened) = loop {
            match self.open(opening, link.clone(), &mut abandoned).await {
                Ok(opened) => break opened,
                Err(NotOpen::Later(UpstreamError::Refused(409))) if conflicts < MAX_CONFLICTS - 1 => {
                    let wait = CONFLICT_WAIT.saturating_mul(1 << conflicts);
                    conflicts += 1;
                    let clock = self.ports.clock();
                    if race(clock, None, &mut abandoned, clock.sleep(wait)).await.is_err() {
                        return Ok(None);
                    }
                }
                Err(NotOpen::Later(error) | NotOpen::Useless(error)) => return Err(error),
                Err(NotOpen::Stopped) => return Ok(None),
            }
        };
        let Opened::Stream { feed, first } = opened else {
            return Ok(None);
        };
        Ok(Some(Listening {
            feed: *feed,
            pending: first.into_iter().collect(),
            link,
            target,
            backoff: Backoff::new(&caller.request_id),
            caller: caller.clone(),
            heard: false,
            filter,
            bound: after.is_some(),
            since: self.ports.clock().elapsed(),
            empty: 0,
            abandoned,
            done: false,
        }))
    }
}

impl<B: Body + 'static> Listening<B> {
    /// The next message, waiting for it as long as it takes; `None` after the last one, and when nobody listens any more.
    /// To be awaited to its end, or dropped together with this.
    pub async fn next<P: Ports<Body = B>>(&mut self, connector: &Connector<P>) -> Option<Event> {
        while !self.done {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            match self.feed.next(connector.ports.clock(), None, &mut self.abandoned).await {
                Ok(Item::Reached(position)) => {
                    self.heard = true;
                    return Some(Event::Reached(position));
                }
                Ok(Item::Data { data, event_id }) => match self.sort(connector, &data).await {
                    Sort::HandOn(changed) => {
                        self.heard = true;
                        let data = changed.unwrap_or(data).into_bytes();
                        return Some(Event::Message { data, event_id });
                    }
                    Sort::Ignore => {}
                    Sort::Over => self.feed.close(),
                    Sort::Broken => return Some(self.fail(invalid("an event that is not one JSON-RPC message"))),
                },
                Err(End::Broken(error)) => return Some(self.fail(error)),
                Err(End::Stopped(_)) => self.finish(),
                Err(End::Over(end)) => match self.again(connector, end).await {
                    Ok(()) => {}
                    Err(NotOpen::Later(error) | NotOpen::Useless(error)) => return Some(self.fail(error)),
                    Err(NotOpen::Stopped) => self.finish(),
                },
            }
        }
        None
    }

    /// Resolves when nobody listens any more.
    pub async fn abandoned(&mut self) {
        self.abandoned.wait().await;
    }

    fn finish(&mut self) {
        self.done = true;
        self.feed.close();
    }

    fn fail(&mut self, error: UpstreamError) -> Event {
        self.finish();
        Event::Failed(error)
    }

    async fn sort<P: Ports<Body = B>>(&mut self, connector: &Connector<P>, data: &str) -> Sort {
        let Ok(message) = Message::parse(data) else {
            return Sort::Broken;
        };
        match (&self.link, message) {
            (Link::Legacy(_), Message::Response { .. }) if self.bound => {
                self.done = true;
                Sort::HandOn(None)
            }
            // Responses belong on the stream of their request (2025-11-25, "Listening for Messages from the Server").
            (Link::Legacy(_), Message::Response { .. }) => Sort::Ignore,
            (Link::Legacy(conversation), Message::Request { id, method, .. }) if method == "ping" => {
                connector.pong(&self.target, conversation, &id).await;
                Sort::Ignore
            }
            (Link::Legacy(_), _) => Sort::HandOn(None),
            // The end of the subscription (2026-07-28, "Graceful Closure"). Responses to anything else do not belong here,
            // requests not at all.
            (Link::Modern(_), Message::Response { .. }) => Sort::Over,
            (Link::Modern(_), Message::Request { .. }) => Sort::Ignore,
            (Link::Modern(_), message) => match message.method() {
                Some(subscription::ACKNOWLEDGED) => Sort::Ignore,
                _ => Sort::HandOn(subscription::without_id(&message)),
            },
        }
    }

    /// Open the stream again, waiting and trying for as long as there is sense in it.
    async fn again<P: Ports<Body = B>>(
        &mut self,
        connector: &Connector<P>,
        mut why: UpstreamError,
    ) -> Result<(), NotOpen> {
        let clock = connector.ports.clock();
        let mut missed = false;
        let at_once = clock.elapsed().saturating_sub(self.since) < AT_ONCE;
        self.empty = if self.feed.is_empty() && at_once { self.empty.saturating_add(1) } else { 0 };
        if self.bound && self.empty >= MAX_EMPTY {
            return Err(NotOpen::Useless(nothing_more()));
        }
        let news = self.feed.news() && std::mem::take(&mut self.heard);
        if news || clock.elapsed().saturating_sub(self.since) >= LASTING {
            self.backoff.reset();
        }
        loop {
            if self.bound && self.backoff.failures() >= MAX_RESUMES {
                return Err(NotOpen::Useless(why));
            }
            let wait = self.backoff.next(self.feed.retry());
            race(clock, None, &mut self.abandoned, clock.sleep(wait)).await.map_err(|_| NotOpen::Stopped)?;
            match self.open(connector).await {
                Ok(renewed) => {
                    self.since = clock.elapsed();
                    if let (true, Link::Legacy(conversation)) = (renewed, &self.link) {
                        // The new session knows nothing of what was subscribed to in the old one.
                        for text in self.filter.subscribe() {
                            connector.farewell(request::own(&self.target, conversation, text)).await;
                        }
                    }
                    if renewed || missed || matches!(self.link, Link::Modern(_)) {
                        // Nobody can tell what was not heard meanwhile.
                        self.pending.extend(self.filter.changed(&self.link));
                    }
                    return Ok(());
                }
                Err(NotOpen::Later(error)) => {
                    missed = missed || self.feed.last_event_id().is_none();
                    why = error;
                }
                Err(end) => return Err(end),
            }
        }
    }

    /// Whether it is the stream of another session now.
    async fn open<P: Ports<Body = B>>(&mut self, connector: &Connector<P>) -> Result<bool, NotOpen> {
        let opening = Opening {
            target: &self.target,
            caller: &self.caller,
            filter: &self.filter,
            after: self.feed.last_event_id(),
            bound: self.bound,
        };
        let (link, mut feed) = match connector.open(opening, self.link.clone(), &mut self.abandoned).await? {
            (link, Opened::Stream { feed, .. }) => (link, feed),
            (_, Opened::Nothing) => return Err(NotOpen::Stopped),
        };
        feed.inherit(&self.feed);
        self.feed = *feed;
        let renewed = !self.link.is(&link);
        self.link = link;
        Ok(renewed)
    }
}

/// What becomes of a message.
enum Sort {
    /// It is handed on, changed if there is a text.
    HandOn(Option<String>),
    /// It is not.
    Ignore,
    /// It ends the stream.
    Over,
    /// It is none.
    Broken,
}
