//! Opening a stream to listen on, once.

use crate::body::Pieces;
use crate::connect::Link;
use crate::conversation_record::Conversation;
use crate::feed::{End, Feed, Item};
use crate::race::{Abandoned, Stop, race};
use crate::reply::{self, Content, Outcome, Refusal, content, invalid, same_id, unauthorized};
use crate::settings::Target;
use crate::subscription::{self, Filter};
use crate::{CONNECT_TIMEOUT, Caller, Connector, Event, Ports, UpstreamError, request};
use shared_mcp::{Message, Object, Revision, code};
use shared_ports::{Http, Request, Response};

/// A stream to listen on.
pub(crate) enum Opened<B> {
    /// It is open.
    Stream {
        /// What comes.
        feed: Box<Feed<B>>,
        /// What came already and is to be handed on.
        first: Option<Event>,
    },
    /// The upstream says nothing outside of calls.
    Nothing,
}

/// Why a stream could not be opened.
#[derive(Debug)]
pub(crate) enum NotOpen {
    /// It may work later.
    Later(UpstreamError),
    /// It will not work.
    Useless(UpstreamError),
    /// Nobody listens any more.
    Stopped,
}

/// What to open, and where.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub target: &'a Target,
    pub caller: &'a Caller,
    /// For a modern upstream.
    pub filter: &'a Filter,
    /// For one with sessions: the event to go on after.
    pub after: Option<&'a str>,
    /// Whether only that will do.
    pub bound: bool,
}

impl<P: Ports> Connector<P> {
    /// Open a stream. A session that the upstream has forgotten is renewed once, and so is what is known of its era. The
    /// way that the stream came may then be another one than was given.
    pub(crate) async fn open(
        &self,
        opening: Opening<'_>,
        mut link: Link,
        abandoned: &mut Abandoned,
    ) -> Result<(Link, Opened<P::Body>), NotOpen> {
        let mut opening = opening;
        for last in [false, true] {
            let opened = match &link {
                Link::Legacy(conversation) => {
                    let Opening { target, after, bound, .. } = opening;
                    self.open_stream(target, conversation, after, bound, abandoned).await?
                }
                Link::Modern(revision) => self.subscribe(opening, *revision, abandoned).await?,
            };
            let refusal = match opened {
                Ok(opened) => return Ok((link, opened)),
                Err(refusal) => refusal,
            };
            if opening.bound || last {
                return Err(refused(&refusal));
            }
            let again = match &link {
                Link::Legacy(conversation) if refusal.session_gone() && conversation.session.is_some() => {
                    Some(self.renew(opening.target, opening.caller, conversation).await)
                }
                // It does not know the event any more.
                Link::Legacy(_) if opening.after.is_some() && matches!(refusal.status, 400 | 404 | 410) => {
                    Some(Ok(link.clone()))
                }
                Link::Legacy(_) => None,
                Link::Modern(_) => {
                    let text = opening.filter.request("\"mcp-edge-listen\"");
                    let message = Message::parse(&text).map_err(|_| NotOpen::Useless(request::malformed()))?;
                    self.another(opening.target, opening.caller, &link, &message, &refusal).await.transpose()
                }
            };
            match again {
                Some(other) => link = other.map_err(sorted)?,
                None => return Err(refused(&refusal)),
            }
            opening.after = None;
        }
        Err(NotOpen::Stopped)
    }

    /// The GET stream of a session (2025-11-25, "Listening for Messages from the Server"), or the one that an event belongs
    /// to, if `bound` no other.
    pub(crate) async fn open_stream(
        &self,
        target: &Target,
        conversation: &Conversation,
        after: Option<&str>,
        bound: bool,
        abandoned: &mut Abandoned,
    ) -> Result<Result<Opened<P::Body>, Refusal>, NotOpen> {
        let response = self.head(target, request::stream(target, conversation, after), abandoned).await?;
        match (response.status, content(&response)) {
            (200, Content::Events) => {
                let mut feed = Feed::new(Pieces::new(response.body), true);
                if let Some(event_id) = after {
                    feed.start_after(event_id);
                }
                return Ok(Ok(Opened::Stream { feed: feed.into(), first: None }));
            }
            (200..300, _) if bound => {
                return Err(NotOpen::Useless(invalid("a GET was not answered with server-sent events")));
            }
            // Many a server has a page there, or nothing.
            (200..300 | 405 | 501, _) if !bound => return Ok(Ok(Opened::Nothing)),
            (404, _) if !bound && conversation.session.is_none() => return Ok(Ok(Opened::Nothing)),
            _ => {}
        }
        let reading = reply::read(response, None);
        match race(self.ports.clock(), Some(target.timeout), abandoned, reading).await {
            Ok(Ok(Ok(Outcome::Refused(refusal)))) => Ok(Err(refusal)),
            Ok(Ok(Ok(_))) => Ok(Ok(Opened::Nothing)),
            Ok(Ok(Err(error))) => Err(sorted(error)),
            Ok(Err(error)) => Err(NotOpen::Later(error.into())),
            Err(stop) => Err(stopped(stop, target)),
        }
    }

    /// A subscription (2026-07-28, "Subscriptions").
    async fn subscribe(
        &self,
        opening: Opening<'_>,
        revision: Revision,
        abandoned: &mut Abandoned,
    ) -> Result<Result<Opened<P::Body>, Refusal>, NotOpen> {
        if opening.filter.is_empty() {
            return Ok(Ok(Opened::Nothing));
        }
        let id = serde_json::Value::from(format!("{}-listen", opening.caller.request_id)).to_string();
        let text = opening.filter.request(&id);
        let message = Message::parse(&text).map_err(|_| NotOpen::Useless(request::malformed()))?;
        let request = request::modern(opening.target, opening.caller, revision, &message, &[]);
        let request = request.map_err(NotOpen::Useless)?;
        let response = self.head(opening.target, request, abandoned).await?;
        let limit = Some(opening.target.timeout);
        let read = match race(self.ports.clock(), limit, abandoned, reply::read(response, Some(&id))).await {
            Ok(Ok(Ok(read))) => read,
            Ok(Ok(Err(error))) => return Err(sorted(error)),
            Ok(Err(error)) => return Err(NotOpen::Later(error.into())),
            Err(stop) => return Err(stopped(stop, opening.target)),
        };
        let pieces = match read {
            Outcome::Refused(refusal) if refusal.code == Some(code::METHOD_NOT_FOUND) => {
                return Ok(Ok(Opened::Nothing));
            }
            Outcome::Refused(refusal) => return Ok(Err(refusal)),
            Outcome::Accepted => return Ok(Ok(Opened::Nothing)),
            Outcome::Response(data) => return answered(&data).map(Ok),
            Outcome::Stream(pieces) => pieces,
        };
        let mut feed = Feed::new(pieces, false);
        let data = match feed.next(self.ports.clock(), limit, abandoned).await {
            Ok(Item::Data { data, .. }) => data,
            Ok(Item::Reached(_)) => return Err(NotOpen::Useless(invalid("event ids where there are none"))),
            Err(End::Over(error)) => return Err(NotOpen::Later(error)),
            Err(End::Broken(error)) => return Err(NotOpen::Useless(error)),
            Err(End::Stopped(stop)) => return Err(stopped(stop, opening.target)),
        };
        let message = Message::parse(&data);
        let message = message.map_err(|_| NotOpen::Useless(invalid("an event that is not one JSON-RPC message")))?;
        if matches!(&message, Message::Response { id: Some(theirs), .. } if same_id(theirs, &id)) {
            return answered(data.as_bytes()).map(Ok);
        }
        if subscription::acknowledged(&message).is_some_and(|accepted| accepted.is_empty()) {
            return Ok(Ok(Opened::Nothing));
        }
        let data = subscription::without_id(&message).unwrap_or_else(|| data.clone());
        let first = Some(Event::Message { data: data.into_bytes(), event_id: None });
        Ok(Ok(Opened::Stream { feed: feed.into(), first }))
    }

    /// Send a request for a stream; the head of what comes.
    async fn head(
        &self,
        target: &Target,
        request: Request,
        abandoned: &mut Abandoned,
    ) -> Result<Response<P::Body>, NotOpen> {
        let limit = CONNECT_TIMEOUT.saturating_add(target.timeout);
        match race(self.ports.clock(), Some(limit), abandoned, self.ports.http().send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(NotOpen::Later(error.into())),
            Err(stop) => Err(stopped(stop, target)),
        }
    }
}

/// The response to a subscription that there is none of.
fn answered<B>(data: &[u8]) -> Result<Opened<B>, NotOpen> {
    let text = std::str::from_utf8(data).unwrap_or_default();
    match Message::parse(text) {
        Ok(Message::Response { outcome: Err(error), .. }) => {
            let error = Object::parse(&error).ok();
            match error.and_then(|error| error.get("code")?.parse::<i64>().ok()) {
                Some(code::METHOD_NOT_FOUND) => Ok(Opened::Nothing),
                code => Err(NotOpen::Useless(UpstreamError::InvalidReply(format!(
                    "`subscriptions/listen` was answered with the JSON-RPC error {}",
                    code.map_or_else(|| "without a code".into(), |code| code.to_string())
                )))),
            }
        }
        // It ends what it has not begun: a server that is about to stop.
        _ => Err(NotOpen::Later(invalid("the subscription ended at once"))),
    }
}

fn stopped(stop: Stop, target: &Target) -> NotOpen {
    match stop {
        Stop::Abandoned(_) => NotOpen::Stopped,
        Stop::TimedOut => {
            NotOpen::Later(UpstreamError::TimedOut(format!("no stream in {} s", target.timeout.as_secs())))
        }
    }
}

/// The error of a refusal.
pub(crate) fn refused(refusal: &Refusal) -> NotOpen {
    sorted(match refusal.status {
        401 | 403 => unauthorized(refusal.status, refusal.challenge.as_deref()),
        status => UpstreamError::Refused(status),
    })
}

/// Whether an error is one that goes away.
fn sorted(error: UpstreamError) -> NotOpen {
    match error {
        UpstreamError::Refused(408 | 409 | 425 | 429 | 500..)
        | UpstreamError::Unreachable(_)
        | UpstreamError::TimedOut(_)
        | UpstreamError::InvalidReply(_)
        | UpstreamError::Unavailable(_) => NotOpen::Later(error),
        UpstreamError::Refused(_)
        | UpstreamError::NotFound
        | UpstreamError::Unauthorized(_)
        | UpstreamError::Misconfigured(_) => NotOpen::Useless(error),
    }
}
