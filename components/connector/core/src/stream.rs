//! A reply in several messages: server-sent events, the response being the last.

use crate::alias::Alias;
use crate::backoff::Backoff;
use crate::body::Pieces;
use crate::connect::Link;
use crate::conversation::FAREWELL;
use crate::feed::{End, Feed, Item};
use crate::open::{NotOpen, Opened, refused};
use crate::parameters::Page;
use crate::race::{Abandoned, Interest, Stop, race};
use crate::reply::{invalid, same_id};
use crate::settings::Target;
use crate::tail::Tail;
use crate::{Connector, Event, Ports, UpstreamError};
use shared_mcp::Message;
use shared_ports::{Body, Clock};
use std::rc::Rc;
use std::time::Duration;

/// How long a stream is looked at before it is handed on as one. Many servers send every response as a stream of one
/// event, right behind the head; those are handed on as what they are, a single response.
const PEEK: Duration = Duration::from_millis(20);

/// How often a stream is resumed at the same event as soon as the upstream asks for it, and how long at all. Servers may
/// close connections to be polled instead (2025-11-25), so one without news is no failure; one that never has any is.
const MAX_POLLS: u32 = 20;
const MAX_SILENCE: Duration = Duration::from_secs(600);

/// Longest silence of an upstream that has asked the client for something on the stream of its request: people have to
/// read, think and type.
const ANSWER_TIME: Duration = Duration::from_secs(600);

/// How often in a row a stream that is resumed may end at once, with no event in it. Servers that have forgotten a call,
/// or have sent its response to somebody else, say so with nothing; those that want to be polled send an event.
const MAX_EMPTY: u32 = 8;
pub(crate) const AT_ONCE: Duration = Duration::from_secs(1);

/// How often in a row an upstream may be out of reach when a stream is to be resumed: half a minute, with the waits of
/// [`Backoff`].
const MAX_FAILURES: u32 = 5;

/// The messages of a reply, the response being the last.
pub struct Messages<B> {
    feed: Feed<B>,
    /// Whether the response, or a failure, was handed on.
    done: bool,
    /// Connections in a row that brought nothing new, and when there was something.
    polls: u32,
    news: Option<Duration>,
    /// Connections in a row that ended at once with no event, and when the present one was opened.
    empty: u32,
    opened: Duration,
    backoff: Backoff,
    /// Longest silence; `None` where silence is normal.
    idle: Option<Duration>,
    /// The request's id as the upstream knows it, as JSON text.
    id: String,
    alias: Option<Alias>,
    page: Option<Page>,
    target: Rc<Target>,
    link: Link,
    abandoned: Abandoned,
}

/// A request whose reply is a stream.
pub(crate) struct Asked {
    /// Its id as it was sent, as JSON text.
    pub id: String,
    /// Where that is not the client's.
    pub alias: Option<Alias>,
    /// The page of a modern upstream's list of tools, where it asks for one.
    pub page: Option<Page>,
    /// Its method.
    pub method: String,
    /// Where it went.
    pub target: Rc<Target>,
    /// How it went there.
    pub link: Link,
    /// When nobody waits any more.
    pub abandoned: Abandoned,
}

impl<B: Body + 'static> Messages<B> {
    pub(crate) fn new(pieces: Pieces<B>, asked: Asked) -> Self {
        // A subscription is silent until something changes, which may take days.
        let idle = (asked.method != "subscriptions/listen").then_some(asked.target.timeout);
        Self {
            feed: Feed::new(pieces, matches!(asked.link, Link::Legacy(_))),
            done: false,
            polls: 0,
            news: None,
            empty: 0,
            opened: Duration::ZERO,
            backoff: Backoff::new(&asked.id),
            idle,
            id: asked.id,
            alias: asked.alias,
            page: asked.page,
            target: asked.target,
            link: asked.link,
            abandoned: asked.abandoned,
        }
    }

    /// The response, if it is the first message and comes at once.
    pub(crate) async fn single<P: Ports<Body = B>>(&mut self, connector: &Connector<P>) -> Option<Vec<u8>> {
        let first = self.feed.peek(connector.ports.clock(), PEEK, &mut self.abandoned).await?;
        if !matches!(sort(first, &self.id), Ok(Sort::Response)) {
            return None;
        }
        self.done = true;
        self.feed.take_first().map(|data| self.restored(connector, data))
    }

    /// The next message, waiting for it if need be; `None` after the last one, and when the call was abandoned. To be
    /// awaited to its end, or dropped together with the stream.
    pub async fn next<P: Ports<Body = B>>(&mut self, connector: &Connector<P>) -> Option<Event> {
        while !self.done {
            let clock = connector.ports.clock();
            let end = match self.feed.next(clock, self.idle, &mut self.abandoned).await {
                Ok(Item::Reached(position)) => return Some(Event::Reached(position)),
                Ok(Item::Data { data, event_id }) => match self.hand_on(connector, data, event_id).await {
                    None => continue,
                    event => return event,
                },
                Err(End::Broken(error)) => return Some(self.fail(error)),
                Err(End::Stopped(stop)) => return self.stop(connector, stop).await,
                Err(End::Over(error)) => error,
            };
            match self.resume(connector, end).await {
                Ok(()) => {}
                Err(Ended::Failed(error)) => return Some(self.fail(error)),
                Err(Ended::Stopped(stop)) => return self.stop(connector, stop).await,
            }
        }
        None
    }

    /// Resolves when the call is abandoned.
    pub async fn abandoned(&mut self) {
        self.abandoned.wait().await;
    }

    /// The reader has left. What that means says the future that the caller resolves when it leaves; it may come a moment
    /// later.
    pub async fn give_up<P: Ports<Body = B>>(mut self, connector: &Connector<P>) {
        if !self.done {
            self.feed.close();
            let clock = connector.ports.clock();
            let leaving = race(clock, Some(FAREWELL), &mut Abandoned::never(), self.abandoned.wait()).await;
            let interest = leaving.unwrap_or(Interest::Ended);
            self.stop(connector, Stop::Abandoned(interest)).await;
        }
    }

    /// What is left of the HTTP response.
    pub fn into_tail(self) -> Tail<B> {
        // A stream that failed has nothing in it worth waiting for, but then it has ended or is cut off by the limits.
        Tail::of(self.done.then(|| self.feed.into_pieces()))
    }

    async fn stop<P: Ports<Body = B>>(&mut self, connector: &Connector<P>, stop: Stop) -> Option<Event> {
        self.done = true;
        connector.withdraw(&self.target, &self.link, &self.id, stop).await;
        self.feed.close();
        match stop {
            Stop::Abandoned(_) => None,
            Stop::TimedOut => Some(Event::Failed(UpstreamError::TimedOut(format!(
                "the stream was silent for {} s",
                self.idle.unwrap_or(self.target.timeout).as_secs()
            )))),
        }
    }

    async fn hand_on<P: Ports<Body = B>>(
        &mut self,
        connector: &Connector<P>,
        data: String,
        event_id: Option<String>,
    ) -> Option<Event> {
        match (sort(&data, &self.id), &self.link) {
            (Err(error), _) => return Some(self.fail(error)),
            (Ok(Sort::Ping(id)), Link::Legacy(conversation)) => {
                connector.pong(&self.target, conversation, &id).await;
                return None;
            }
            (Ok(Sort::Response), _) => self.done = true,
            // It waits for the client now, and not the client for it.
            (Ok(Sort::Question), _) => self.idle = self.idle.map(|idle| idle.max(ANSWER_TIME)),
            (Ok(Sort::Ping(_) | Sort::Before), _) => {}
        }
        Some(Event::Message { data: self.restored(connector, data), event_id })
    }

    /// A message as the client gets it.
    fn restored<P: Ports<Body = B>>(&self, connector: &Connector<P>, data: String) -> Vec<u8> {
        match (&self.alias, &self.page) {
            (Some(alias), _) => alias.inward(data).into_bytes(),
            (None, Some(page)) if self.done => connector.listed(&self.target, page, data.into_bytes()),
            (None, _) => data.into_bytes(),
        }
    }

    fn fail(&mut self, error: UpstreamError) -> Event {
        self.done = true;
        self.feed.close();
        Event::Failed(error)
    }

    /// Go on with a stream that ended too early, where the revision and the upstream allow it (2025-11-25,
    /// "Resumability and Redelivery"). `end` is the error where they do not.
    async fn resume<P: Ports<Body = B>>(&mut self, connector: &Connector<P>, end: UpstreamError) -> Result<(), Ended> {
        let Link::Legacy(conversation) = &self.link else {
            return Err(Ended::Failed(end));
        };
        let clock = connector.ports.clock();
        let mut failures = 0;
        let at_once = clock.elapsed().saturating_sub(self.opened) < AT_ONCE;
        self.empty = if self.feed.is_empty() && at_once { self.empty.saturating_add(1) } else { 0 };
        if self.empty >= MAX_EMPTY {
            return Err(Ended::Failed(nothing_more()));
        }
        let news = self.feed.news();
        let since = *self.news.get_or_insert_with(|| clock.elapsed());
        if news {
            self.polls = 0;
            self.news = Some(clock.elapsed());
            self.backoff.reset();
        } else if clock.elapsed().saturating_sub(since) >= MAX_SILENCE {
            return Err(Ended::Failed(end));
        }
        let Some(event_id) = self.feed.last_event_id().map(str::to_owned) else {
            return Err(Ended::Failed(end));
        };
        loop {
            let eager = failures == 0 && self.polls < MAX_POLLS;
            let wait = if eager { self.feed.retry() } else { self.backoff.next(self.feed.retry()) };
            self.polls = self.polls.saturating_add(1);
            race(clock, None, &mut self.abandoned, clock.sleep(wait)).await.map_err(Ended::Stopped)?;
            let after = Some(event_id.as_str());
            match connector.open_stream(&self.target, conversation, after, true, &mut self.abandoned).await {
                Ok(Ok(Opened::Stream { mut feed, .. })) => {
                    feed.inherit(&self.feed);
                    self.feed = *feed;
                    self.opened = clock.elapsed();
                    return Ok(());
                }
                Ok(Err(refusal)) if matches!(refused(&refusal), NotOpen::Later(_)) && failures < MAX_FAILURES => {}
                Err(NotOpen::Later(_)) if failures < MAX_FAILURES => {}
                Err(NotOpen::Stopped) => {
                    let interest = self.abandoned.now().await.unwrap_or(Interest::Ended);
                    return Err(Ended::Stopped(Stop::Abandoned(interest)));
                }
                Ok(_) | Err(_) => return Err(Ended::Failed(end)),
            }
            failures += 1;
        }
    }
}

/// Which message of a stream it is.
enum Sort {
    Before,
    /// A question of the upstream whether somebody is there, with its id.
    Ping(String),
    /// Something else that the upstream wants to know.
    Question,
    Response,
}

fn sort(data: &str, id: &str) -> Result<Sort, UpstreamError> {
    match Message::parse(data) {
        Ok(Message::Response { id: Some(theirs), .. }) if same_id(&theirs, id) => Ok(Sort::Response),
        Ok(Message::Response { .. }) => Err(invalid("a response to another request")),
        Ok(Message::Request { id, method, .. }) if method == "ping" => Ok(Sort::Ping(id)),
        Ok(Message::Request { .. }) => Ok(Sort::Question),
        Ok(_) => Ok(Sort::Before),
        Err(_) => Err(invalid("an event that is not one JSON-RPC message")),
    }
}

/// The error where a stream that is resumed has nothing in it, again and again.
pub(crate) fn nothing_more() -> UpstreamError {
    invalid(
        "the stream was taken up again and ended at once, with nothing in it: the upstream has no response any more",
    )
}

/// Why a stream was not resumed.
enum Ended {
    Failed(UpstreamError),
    Stopped(Stop),
}
