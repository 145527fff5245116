//! One message to an upstream, and the answer back.

use crate::connect::Link;
use crate::conversation::FAREWELL;
use crate::era::is_modern_code;
use crate::race::{Abandoned, Interest, Stop, race};
use crate::reply::{self, Outcome, Refusal};
use crate::settings::Target;
use crate::stream::{Asked, Messages, Tail};
use crate::{CONNECT_TIMEOUT, Call, Caller, Connector, Ports, Reply, UpstreamError, request};
use shared_mcp::{Message, code, result_response};
use shared_ports::{Http, Request};
use std::rc::Rc;

impl<P: Ports> Connector<P> {
    /// Send one message. The upstream is initialised first where its revision has sessions and none is kept for this
    /// conversation; a session that the upstream has forgotten is renewed once. Not safe to repeat.
    ///
    /// # Errors
    /// As `exchange` of `mcp-edge:upstreams` says.
    pub async fn exchange(
        &self,
        call: &Call,
        caller: &Caller,
        mut abandoned: Abandoned,
    ) -> Result<Reply<P::Body>, UpstreamError> {
        let target = self.target(&call.upstream)?;
        let text = std::str::from_utf8(&call.message).map_err(|_| request::malformed())?;
        let message = Message::parse(text).map_err(|_| request::malformed())?;
        let mut link = match delivery(&message) {
            Delivery::Never => return Ok(Reply::Accepted),
            Delivery::Always => self.connect(&target, caller).await?,
            Delivery::InConversation => match self.kept(&target, caller)? {
                Some(link @ Link::Legacy(_)) => link,
                // The session that asked is gone, so nobody waits for this response.
                None if matches!(message, Message::Response { .. }) => return Err(UpstreamError::Refused(404)),
                None | Some(Link::Modern(_)) => return Ok(Reply::Accepted),
            },
        };
        if let (Link::Modern(_), Message::Request { id, method, .. }) = (&link, &message)
            && method == "ping"
        {
            let data = result_response(id, "{}").into_bytes();
            return Ok(Reply::Response { data, tail: Tail::none() });
        }
        let mut first = true;
        loop {
            let request = match &link {
                Link::Modern(revision) => request::modern(&target, caller, *revision, &message)?,
                Link::Legacy(conversation) => request::legacy(&target, conversation, &message, text)?,
            };
            let refusal = match self.send(&target, &link, request, &message, &mut abandoned).await? {
                Outcome::Accepted => return Ok(Reply::Accepted),
                Outcome::Response(data) => return Ok(Reply::Response { data, tail: Tail::none() }),
                Outcome::Refused(refusal) => refusal,
                Outcome::Stream(pieces) => {
                    let id = message.id().unwrap_or_default().to_owned();
                    let method = message.method().unwrap_or_default().to_owned();
                    let asked = Asked { id, method, target: Rc::clone(&target), link, abandoned };
                    let mut messages = Messages::new(pieces, asked);
                    return Ok(match messages.single(self.ports.clock()).await {
                        Some(data) => Reply::Response { data, tail: messages.into_tail() },
                        None => Reply::Messages(Box::new(messages)),
                    });
                }
            };
            // The upstream did not act on the message, so it may be sent once more, another way.
            let other = if first { self.another(&target, caller, &link, &message, &refusal).await? } else { None };
            match other {
                Some(other) => link = other,
                None => return refusal.settle().map(|data| Reply::Response { data, tail: Tail::none() }),
            }
            first = false;
        }
    }

    /// Send a request and read the reply to it, or the beginning of a stream.
    async fn send(
        &self,
        target: &Target,
        link: &Link,
        request: Request,
        message: &Message<'_>,
        abandoned: &mut Abandoned,
    ) -> Result<Outcome<P::Body>, UpstreamError> {
        let id = match message {
            Message::Request { id, .. } => Some(id.as_str()),
            _ => None,
        };
        if abandoned.now().await.is_some() {
            return Err(UpstreamError::TimedOut("nobody waited any more; nothing was sent".into()));
        }
        let clock = self.ports.clock();
        // The host has the same two limits; this one holds where it has none.
        let limit = CONNECT_TIMEOUT.saturating_add(target.timeout);
        let head = match race(clock, Some(limit), abandoned, self.ports.http().send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let error = UpstreamError::from(error);
                if let (UpstreamError::TimedOut(_), Some(id)) = (&error, id) {
                    self.withdraw(target, link, id, Stop::TimedOut).await;
                }
                return Err(error);
            }
            Err(stop) => return Err(self.interrupted(target, link, id, stop).await),
        };
        match race(clock, Some(target.timeout), abandoned, reply::read(head, id)).await {
            Ok(read) => read?,
            Err(stop) => Err(self.interrupted(target, link, id, stop).await),
        }
    }

    async fn interrupted(&self, target: &Target, link: &Link, id: Option<&str>, stop: Stop) -> UpstreamError {
        if let Some(id) = id {
            self.withdraw(target, link, id, stop).await;
        }
        UpstreamError::TimedOut(match stop {
            Stop::Abandoned(_) => "nobody waited any more".into(),
            Stop::TimedOut => format!("no answer in {} s", target.timeout.as_secs()),
        })
    }

    /// Tell an upstream that the response to a request (JSON text of its id) is not waited for any more. To a modern one,
    /// the end of the connection says so; a legacy one takes that for an accident and has to be told, unless an accident
    /// is all it was.
    pub(crate) async fn withdraw(&self, target: &Target, link: &Link, id: &str, stop: Stop) {
        if let (Link::Legacy(conversation), Stop::TimedOut | Stop::Abandoned(Interest::Cancelled)) = (link, stop) {
            self.farewell(request::cancelled(target, conversation, id, FAREWELL)).await;
        }
    }

    /// Another way to send a message that was refused, if the refusal shows that what was kept of the upstream is wrong.
    async fn another(
        &self,
        target: &Target,
        caller: &Caller,
        link: &Link,
        message: &Message<'_>,
        refusal: &Refusal,
    ) -> Result<Option<Link>, UpstreamError> {
        let is_request = matches!(message, Message::Request { .. });
        match link {
            Link::Legacy(conversation) if refusal.status == 404 && conversation.session.is_some() => {
                if is_request {
                    return self.renew(target, caller, conversation).await.map(Some);
                }
                // What was said in the old session means nothing in a new one.
                self.forget(target, caller, conversation)?;
                Ok(None)
            }
            Link::Legacy(conversation) if refusal.status == 400 && refusal.code.is_some_and(is_modern_code) => {
                self.forget(target, caller, conversation)?;
                self.unlearn(target)?;
                self.connect(target, caller).await.map(Some)
            }
            Link::Modern(revision) if is_request && not_modern(refusal) => {
                self.unlearn(target)?;
                match self.connect(target, caller).await? {
                    Link::Modern(same) if same == *revision => Ok(None),
                    other => Ok(Some(other)),
                }
            }
            _ => Ok(None),
        }
    }
}

/// Whether a refusal is one that a modern server does not give: it has no error for the request in it, or says that the
/// revision is not spoken.
fn not_modern(refusal: &Refusal) -> bool {
    let silent = matches!(refusal.status, 400 | 404 | 405 | 406 | 415) && refusal.response.is_none();
    silent || refusal.code == Some(code::UNSUPPORTED_PROTOCOL_VERSION)
}

/// When a message is worth an upstream's while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    /// The connector has said it itself.
    Never,
    /// Only where there is a conversation that it is about. The modern era has none of these messages over HTTP.
    InConversation,
    /// Connect if need be.
    Always,
}

fn delivery(message: &Message<'_>) -> Delivery {
    match message {
        Message::Request { .. } => Delivery::Always,
        Message::Response { .. } => Delivery::InConversation,
        Message::Notification { method, .. } => match method.as_str() {
            "notifications/initialized" => Delivery::Never,
            "notifications/cancelled" | "notifications/progress" | "notifications/roots/list_changed" => {
                Delivery::InConversation
            }
            _ => Delivery::Always,
        },
        _ => Delivery::Always,
    }
}
