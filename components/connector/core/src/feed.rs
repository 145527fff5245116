//! Server-sent events of an upstream, one at a time, never more in memory than came in one piece.

use crate::body::Pieces;
use crate::race::{Abandoned, Stop, race};
use crate::reply::{invalid, too_large};
use crate::{MAX_MESSAGE, Position, UpstreamError};
use shared_mcp::{Message, sse};
use shared_ports::{Body, Clock};
use std::collections::VecDeque;
use std::time::Duration;

/// Most bytes of one event: a message and its field names.
const MAX_EVENT: usize = MAX_MESSAGE + 1024;

/// Longest event id that is of use: it comes back to the upstream in a header, and servers take some 8 KB of headers in all.
const MAX_EVENT_ID: usize = 1024;

/// Wait before a stream is opened again, where the upstream named none, and the bounds of what it may name: a server must
/// not make the gateway spin, nor hold a client's request open for ever.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
const MIN_RETRY: Duration = Duration::from_millis(50);
const MAX_RETRY: Duration = Duration::from_secs(300);

/// The events of one stream, over as many connections as it takes.
pub(crate) struct Feed<B> {
    pieces: Pieces<B>,
    parser: sse::Parser,
    /// What came in the last piece and nobody took yet.
    queue: VecDeque<Item>,
    /// What broke the stream behind the queue.
    broken: Option<UpstreamError>,
    /// Whether the upstream's revision knows event ids.
    resumable: bool,
    /// Whether no event came on this connection.
    empty: bool,
    last_event_id: Option<String>,
    /// Whether that is the id of a message, and not only of a place.
    message_had_it: bool,
    /// Whether the next message may be the one that came last: some servers begin with it when a stream goes on.
    repeats: bool,
    retry: Option<Duration>,
    /// Whether something new came since it was asked last.
    news: bool,
}

/// What an event is to us.
#[derive(Debug)]
pub(crate) enum Item {
    /// A JSON text.
    Data {
        /// The event's data.
        data: String,
        /// Its id, where a stream may be taken up after it.
        event_id: Option<String>,
    },
    /// No data, but a place to go on from.
    Reached(Position),
}

/// Why nothing came.
pub(crate) enum End {
    /// The connection is over, well or not; the error is for streams that should have gone on.
    Over(UpstreamError),
    /// What came cannot be read, and nothing behind it will be.
    Broken(UpstreamError),
    /// Nobody waits, or the time is over.
    Stopped(Stop),
}

impl<B: Body + 'static> Feed<B> {
    pub(crate) fn new(pieces: Pieces<B>, resumable: bool) -> Self {
        Self {
            pieces,
            parser: sse::Parser::new(MAX_EVENT),
            queue: VecDeque::new(),
            broken: None,
            resumable,
            empty: true,
            last_event_id: None,
            message_had_it: false,
            repeats: false,
            retry: None,
            news: false,
        }
    }

    /// The stream goes on after this event.
    pub(crate) fn start_after(&mut self, event_id: &str) {
        self.last_event_id = Some(event_id.into());
    }

    /// This comes in the place of another one.
    pub(crate) fn inherit(&mut self, before: &Self) {
        self.retry = self.retry.or(before.retry);
        self.message_had_it = before.message_had_it && self.last_event_id == before.last_event_id;
        self.repeats = self.message_had_it;
    }

    /// Close the connection.
    pub(crate) fn close(&mut self) {
        self.pieces = Pieces::ended();
    }

    /// What is left of the connection.
    pub(crate) fn into_pieces(self) -> Pieces<B> {
        self.pieces
    }

    /// Where the stream can be taken up.
    pub(crate) fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// Whether no event, of whatever kind, came on this connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    /// How long the upstream wants a client to wait before it comes again.
    pub(crate) fn retry(&self) -> Duration {
        self.retry.unwrap_or(RETRY)
    }

    /// Whether there was a new event id since this was asked last, or a message where there are no ids.
    pub(crate) fn news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// The next event, waiting for it if need be. `idle` is the longest silence. An interrupted wait loses nothing.
    pub(crate) async fn next(
        &mut self,
        clock: &impl Clock,
        idle: Option<Duration>,
        abandoned: &mut Abandoned,
    ) -> Result<Item, End> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Ok(item);
            }
            if let Some(error) = self.broken.take() {
                return Err(End::Broken(error));
            }
            match race(clock, idle, abandoned, self.pieces.next()).await {
                Ok(Ok(Some(piece))) => self.push(&piece),
                Ok(Ok(None)) => return Err(End::Over(invalid("the stream ended before the response"))),
                Ok(Err(error)) => return Err(End::Over(error.into())),
                Err(stop) => return Err(End::Stopped(stop)),
            }
        }
    }

    /// The first data, without taking it, if it comes within `time`.
    pub(crate) async fn peek(&mut self, clock: &impl Clock, time: Duration, abandoned: &mut Abandoned) -> Option<&str> {
        let start = clock.elapsed();
        while self.first().is_none() && self.broken.is_none() {
            let left = time.checked_sub(clock.elapsed().saturating_sub(start))?;
            match race(clock, Some(left), abandoned, self.pieces.next()).await {
                Ok(Ok(Some(piece))) => self.push(&piece),
                // Ends and errors show again, or were not yet seen by anybody, when the stream is read.
                Ok(Ok(None)) | Err(_) => return None,
                Ok(Err(error)) => self.broken = Some(error.into()),
            }
        }
        self.first()
    }

    fn first(&self) -> Option<&str> {
        self.queue.iter().find_map(|item| match item {
            Item::Data { data, .. } => Some(data.as_str()),
            Item::Reached(_) => None,
        })
    }

    /// Take the first data, and with it what came before.
    pub(crate) fn take_first(&mut self) -> Option<String> {
        while let Some(item) = self.queue.pop_front() {
            if let Item::Data { data, .. } = item {
                return Some(data);
            }
        }
        None
    }

    fn push(&mut self, piece: &[u8]) {
        match self.parser.push(piece) {
            Err(sse::SseError::TooLarge(_)) => self.broken = Some(too_large()),
            Err(_) => self.broken = Some(invalid("the stream is not UTF-8")),
            Ok(events) => {
                for event in events {
                    self.take(event);
                }
            }
        }
    }

    fn take(&mut self, event: sse::Event) {
        self.empty = false;
        let told_to_wait = event.retry.is_some();
        if let Some(milliseconds) = event.retry {
            self.retry = Some(Duration::from_millis(milliseconds).clamp(MIN_RETRY, MAX_RETRY));
        }
        let named = event.id.is_some();
        let event_id = event.id.filter(|id| self.resumable && is_usable(id));
        let after = self.last_event_id.clone();
        if event_id.is_some() && event_id != self.last_event_id {
            self.last_event_id.clone_from(&event_id);
            self.news = true;
        }
        if event.data.is_empty() {
            self.message_had_it &= event_id.is_none() || event_id == after;
            if (named || told_to_wait) && self.resumable {
                self.queue.extend(self.position().map(Item::Reached));
            }
        } else if event.event.is_empty() || event.event == "message" {
            // Other kinds of events are not MCP's. Where there are event ids, only a new one is news: a server may repeat
            // itself for ever.
            self.news |= self.last_event_id.is_none();
            let repeated = std::mem::take(&mut self.repeats) && event_id.is_some() && event_id == after;
            self.message_had_it = event_id.is_some();
            // A response would have been the last message, so it is none that came before.
            if repeated && !matches!(Message::parse(&event.data), Ok(Message::Response { .. })) {
                return;
            }
            self.queue.push_back(Item::Data { data: event.data, event_id });
        }
    }

    fn position(&self) -> Option<Position> {
        let retry = self.retry.map(|retry| u32::try_from(retry.as_millis()).unwrap_or(u32::MAX));
        Some(Position { event_id: self.last_event_id.clone()?, retry })
    }
}

/// Whether an event id can travel back as a header.
pub(crate) fn is_usable(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_EVENT_ID && !id.chars().any(char::is_control)
}
