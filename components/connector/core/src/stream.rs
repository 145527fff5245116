//! A reply in several messages: server-sent events, one at a time, never more in memory than came in one piece.

use crate::alias::Alias;
use crate::body::Pieces;
use crate::connect::Link;
use crate::conversation::FAREWELL;
use crate::race::{Abandoned, Interest, Stop, race};
use crate::reply::{Content, content, invalid, same_id, too_large};
use crate::settings::Target;
use crate::{CONNECT_TIMEOUT, Connector, Event, MAX_MESSAGE, Ports, UpstreamError, request};
use shared_mcp::{Message, header, sse};
use shared_ports::{Body, Clock, Http};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Most bytes of one event: a message and its field names.
const MAX_EVENT: usize = MAX_MESSAGE + 1024;

/// How long a stream is looked at before it is handed on as one. Many servers send every response as a stream of one
/// event, right behind the head; those are handed on as what they are, a single response.
const PEEK: Duration = Duration::from_millis(20);

/// Wait before a broken stream is resumed, where the upstream named none, and the bounds of what it may name: a server
/// must not make the gateway spin, nor hold a client's request open for ever.
const RETRY: Duration = Duration::from_secs(1);
const MIN_RETRY: Duration = Duration::from_millis(50);
const MAX_RETRY: Duration = Duration::from_secs(300);

/// How often a stream is resumed at the same event. Servers may close connections to be polled instead (2025-11-25), so
/// one connection without news is no failure yet.
const MAX_RESUMES: u32 = 20;

/// Time and bytes for the rest of a response after the JSON-RPC response. Reading it to its end lets the connection be
/// used again; a server that goes on sending has its connection closed.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 64 * 1024;

/// The messages of a reply, the response being the last.
pub struct Messages<B> {
    pieces: Pieces<B>,
    parser: sse::Parser,
    /// Events of the last piece that nobody took yet.
    queue: VecDeque<sse::Event>,
    /// What broke the stream behind the queue.
    broken: Option<UpstreamError>,
    /// Whether the response, or a failure, was handed on.
    done: bool,
    last_event_id: Option<String>,
    retry: Duration,
    /// Connections in a row that began at the last event.
    resumes: u32,
    /// Longest silence; `None` where silence is normal.
    idle: Option<Duration>,
    /// The request's id as the upstream knows it, as JSON text.
    id: String,
    alias: Option<Alias>,
    target: Rc<Target>,
    link: Link,
    abandoned: Abandoned,
}

/// What is left of an HTTP response behind the JSON-RPC response.
pub struct Tail<B>(Option<Pieces<B>>);

/// A request whose reply is a stream.
pub(crate) struct Asked {
    /// Its id as it was sent, as JSON text.
    pub id: String,
    /// Where that is not the client's.
    pub alias: Option<Alias>,
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
            pieces,
            parser: sse::Parser::new(MAX_EVENT),
            queue: VecDeque::new(),
            broken: None,
            done: false,
            last_event_id: None,
            retry: RETRY,
            resumes: 0,
            idle,
            id: asked.id,
            alias: asked.alias,
            target: asked.target,
            link: asked.link,
            abandoned: asked.abandoned,
        }
    }

    /// The response, if it is the first message and comes at once.
    pub(crate) async fn single(&mut self, clock: &impl Clock) -> Option<Vec<u8>> {
        let start = clock.elapsed();
        while self.queue.is_empty() && self.broken.is_none() {
            let left = PEEK.checked_sub(clock.elapsed().saturating_sub(start))?;
            match race(clock, Some(left), &mut self.abandoned, self.pieces.next()).await {
                Ok(Ok(Some(piece))) => self.push(&piece),
                // Ends and errors show again, or were not yet seen by anybody, when the stream is read.
                Ok(Ok(None)) | Err(_) => return None,
                Ok(Err(error)) => self.broken = Some(error.into()),
            }
        }
        let event = self.queue.front()?;
        if !matches!(self.sort(&event.data), Ok(Sort::Response)) {
            return None;
        }
        self.done = true;
        self.queue.pop_front().map(|event| self.restored(event.data))
    }

    /// The next message, waiting for it if need be; `None` after the last one, and when the call was abandoned. To be
    /// awaited to its end, or dropped together with the stream.
    pub async fn next<P: Ports<Body = B>>(&mut self, connector: &Connector<P>) -> Option<Event> {
        while !self.done {
            if let Some(event) = self.queue.pop_front() {
                return Some(self.hand_on(event));
            }
            if let Some(error) = self.broken.take() {
                return Some(self.fail(error));
            }
            let clock = connector.ports.clock();
            let end = match race(clock, self.idle, &mut self.abandoned, self.pieces.next()).await {
                Ok(Ok(Some(piece))) => {
                    self.push(&piece);
                    continue;
                }
                Ok(Ok(None)) => invalid("the stream ended before the response"),
                Ok(Err(error)) => error.into(),
                Err(stop) => return self.stop(connector, stop).await,
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
            self.pieces = Pieces::ended();
            let clock = connector.ports.clock();
            let leaving = race(clock, Some(FAREWELL), &mut Abandoned::never(), self.abandoned.wait()).await;
            let interest = leaving.unwrap_or(Interest::Ended);
            self.stop(connector, Stop::Abandoned(interest)).await;
        }
    }

    /// What is left of the HTTP response.
    pub fn into_tail(self) -> Tail<B> {
        // A stream that failed has nothing in it worth waiting for, but then it has ended or is cut off by the limits.
        Tail(self.done.then_some(self.pieces))
    }

    async fn stop<P: Ports<Body = B>>(&mut self, connector: &Connector<P>, stop: Stop) -> Option<Event> {
        self.done = true;
        connector.withdraw(&self.target, &self.link, &self.id, stop).await;
        self.pieces = Pieces::ended();
        match stop {
            Stop::Abandoned(_) => None,
            Stop::TimedOut => Some(Event::Failed(UpstreamError::TimedOut(format!(
                "the stream was silent for {} s",
                self.target.timeout.as_secs()
            )))),
        }
    }

    fn push(&mut self, piece: &[u8]) {
        match self.parser.push(piece) {
            Err(sse::SseError::TooLarge(_)) => self.broken = Some(too_large()),
            Err(_) => self.broken = Some(invalid("the stream is not UTF-8")),
            Ok(events) => {
                for event in events {
                    if let Some(milliseconds) = event.retry {
                        self.retry = Duration::from_millis(milliseconds).clamp(MIN_RETRY, MAX_RETRY);
                    }
                    if event.id.is_some() && event.id != self.last_event_id {
                        self.last_event_id.clone_from(&event.id);
                        self.resumes = 0;
                    }
                    // No data: a priming event. Other kinds of events are not MCP's.
                    if !event.data.is_empty() && (event.event.is_empty() || event.event == "message") {
                        self.queue.push_back(event);
                    }
                }
            }
        }
    }

    fn hand_on(&mut self, event: sse::Event) -> Event {
        match self.sort(&event.data) {
            Err(error) => return self.fail(error),
            Ok(Sort::Response) => self.done = true,
            Ok(Sort::Before) => {}
        }
        Event::Message { data: self.restored(event.data), event_id: event.id }
    }

    /// A message as the client gets it.
    fn restored(&self, data: String) -> Vec<u8> {
        match &self.alias {
            None => data.into_bytes(),
            Some(alias) => alias.inward(data).into_bytes(),
        }
    }

    fn sort(&self, data: &str) -> Result<Sort, UpstreamError> {
        match Message::parse(data) {
            Ok(Message::Response { id: Some(id), .. }) if same_id(&id, &self.id) => Ok(Sort::Response),
            Ok(Message::Response { .. }) => Err(invalid("a response to another request")),
            Ok(_) => Ok(Sort::Before),
            Err(_) => Err(invalid("an event that is not one JSON-RPC message")),
        }
    }

    fn fail(&mut self, error: UpstreamError) -> Event {
        self.done = true;
        self.pieces = Pieces::ended();
        Event::Failed(error)
    }

    /// Go on with a stream that ended too early, where the revision and the upstream allow it (2025-11-25,
    /// "Resumability and Redelivery"). `end` is the error where they do not.
    async fn resume<P: Ports<Body = B>>(&mut self, connector: &Connector<P>, end: UpstreamError) -> Result<(), Ended> {
        let Link::Legacy(conversation) = &self.link else {
            return Err(Ended::Failed(end));
        };
        let resumable = |id: &&String| !id.is_empty() && !id.chars().any(char::is_control);
        let Some(event_id) = self.last_event_id.as_ref().filter(resumable).filter(|_| self.resumes < MAX_RESUMES)
        else {
            return Err(Ended::Failed(end));
        };
        self.resumes += 1;
        let clock = connector.ports.clock();
        race(clock, None, &mut self.abandoned, clock.sleep(self.retry)).await.map_err(Ended::Stopped)?;
        let mut request = request::bare(&self.target, "GET", "text/event-stream");
        request::within(conversation, &mut request);
        request.headers.push((header::LAST_EVENT_ID.into(), event_id.clone().into_bytes()));
        let limit = CONNECT_TIMEOUT.saturating_add(self.target.timeout);
        let sending = connector.ports.http().send(request);
        let response = race(clock, Some(limit), &mut self.abandoned, sending).await.map_err(Ended::Stopped)?;
        let response = response.map_err(|error| Ended::Failed(error.into()))?;
        if response.status != 200 || content(&response) != Content::Events {
            return Err(Ended::Failed(end));
        }
        self.pieces = Pieces::new(response.body);
        self.parser = sse::Parser::new(MAX_EVENT);
        Ok(())
    }
}

/// Which message of a stream it is.
enum Sort {
    Before,
    Response,
}

/// Why a stream was not resumed.
enum Ended {
    Failed(UpstreamError),
    Stopped(Stop),
}

impl<B: Body + 'static> Tail<B> {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Read it to its end, within limits.
    pub async fn drain<P: Ports<Body = B>>(self, connector: &Connector<P>) {
        let Some(mut pieces) = self.0 else { return };
        let draining = async {
            let mut left = DRAIN_BYTES;
            while let Ok(Some(piece)) = pieces.next().await {
                match left.checked_sub(piece.len()) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        let _ = race(connector.ports.clock(), Some(DRAIN_TIME), &mut Abandoned::never(), draining).await;
    }
}
