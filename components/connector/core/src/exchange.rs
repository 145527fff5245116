//! One message to an upstream, and the answer back.

use crate::alias::Alias;
use crate::connect::Link;
use crate::conversation::FAREWELL;
use crate::conversation_record::Conversation;
use crate::era::is_modern_code;
use crate::parameters::Page;
use crate::race::{Abandoned, Interest, Stop, race};
use crate::reply::{self, Outcome, Refusal};
use crate::settings::Target;
use crate::stream::{Asked, Messages};
use crate::tail::Tail;
use crate::{CONNECT_TIMEOUT, Call, Caller, Connector, Ports, Reply, UpstreamError, request};
use shared_mcp::{Era, Message, code, result_response};
use shared_ports::{Http, Request};
use std::borrow::Cow;
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
        let mut link = match delivery(&message, caller.era()) {
            Delivery::Never => return Ok(Reply::Accepted),
            Delivery::Always => self.connect(&target, caller).await?,
            Delivery::InConversation => match self.conversing(&target, caller)? {
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
            if abandoned.now().await.is_some() {
                return Err(not_sent());
            }
            let alias = self.alias(&link, caller, &message);
            let renamed = alias.as_ref().map(|alias| alias.outward(&message)).transpose()?;
            let text = renamed.as_deref().unwrap_or(text);
            // Parsed again only if it is another one.
            let sent = match &renamed {
                None => Cow::Borrowed(&message),
                Some(text) => Cow::Owned(Message::parse(text).map_err(|_| request::malformed())?),
            };
            let request = match &link {
                Link::Modern(revision) => {
                    let asking = self.mirrored(&target, caller, *revision, &sent);
                    let mirrored = race(self.ports.clock(), None, &mut abandoned, asking).await;
                    let mirrored = mirrored.map_err(|_| not_sent())?;
                    request::modern(&target, caller, *revision, &sent, &mirrored)?
                }
                Link::Legacy(conversation) => request::legacy(&target, conversation, &sent, text)?,
            };
            let page = Page::of(&sent).filter(|_| matches!(link, Link::Modern(_)));
            let restore = |data: Vec<u8>| match (&alias, &page) {
                (None, None) => data,
                (None, Some(page)) => self.listed(&target, page, data),
                (Some(alias), _) => {
                    String::from_utf8(data).map_or_else(|e| e.into_bytes(), |text| alias.inward(text).into())
                }
            };
            let refusal = match self.send(&target, &link, request, &sent, &mut abandoned).await? {
                Outcome::Accepted => return Ok(Reply::Accepted),
                Outcome::Response(data) => return Ok(Reply::Response { data: restore(data), tail: Tail::none() }),
                Outcome::Refused(refusal) => refusal,
                Outcome::Stream(pieces) => {
                    let id = sent.id().unwrap_or_default().to_owned();
                    let method = sent.method().unwrap_or_default().to_owned();
                    let asked = Asked { id, alias, page, method, target: Rc::clone(&target), link, abandoned };
                    let mut messages = Messages::new(pieces, asked);
                    return Ok(match messages.single(self).await {
                        Some(data) => Reply::Response { data, tail: messages.into_tail() },
                        None => Reply::Messages(Box::new(messages)),
                    });
                }
            };
            // The upstream did not act on the message, so it may be sent once more, another way.
            let other = if first { self.another(&target, caller, &link, &message, &refusal).await? } else { None };
            match other {
                Some(other) => link = other,
                None => {
                    return refusal.settle().map(|data| Reply::Response { data: restore(data), tail: Tail::none() });
                }
            }
            first = false;
        }
    }

    /// The conversation that a message is about; or the modern way, in which there is none.
    pub(crate) fn conversing(&self, target: &Target, caller: &Caller) -> Result<Option<Link>, UpstreamError> {
        if let Some(link) = self.kept(target, caller)? {
            return Ok(Some(link));
        }
        // A request may still be running in it while what is known of the eras has become too old to begin another one.
        Ok(self.conversation(target, caller)?.map(|conversation| Link::Legacy(conversation.into())))
    }

    fn alias(&self, link: &Link, caller: &Caller, message: &Message<'_>) -> Option<Alias> {
        let Link::Legacy(_) = link else {
            return None;
        };
        let number = self.aliases.get();
        self.aliases.set(number.wrapping_add(1));
        Alias::new(caller, message, number)
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
            return Err(not_sent());
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

    /// Answer a ping of an upstream. It asks for whoever speaks with it, and that is the gateway.
    pub(crate) async fn pong(&self, target: &Target, conversation: &Conversation, id: &str) {
        self.farewell(request::own(target, conversation, result_response(id, "{}"))).await;
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
    pub(crate) async fn another(
        &self,
        target: &Target,
        caller: &Caller,
        link: &Link,
        message: &Message<'_>,
        refusal: &Refusal,
    ) -> Result<Option<Link>, UpstreamError> {
        let is_request = matches!(message, Message::Request { .. });
        match link {
            Link::Legacy(conversation) if refusal.session_gone() && conversation.session.is_some() => {
                if is_request {
                    return self.renew(target, caller, conversation).await.map(Some);
                }
                // What was said in the old session means nothing in a new one.
                self.forget(target, caller, conversation)?;
                Ok(None)
            }
            Link::Legacy(conversation) if refusal.status == 400 && refusal.code.is_some_and(is_modern_code) => {
                self.forget(target, caller, conversation)?;
                self.unlearn(target, Era::Modern)?;
                self.connect(target, caller).await.map(Some)
            }
            Link::Legacy(conversation)
                if is_request && refusal.status == 400 && refusal.code == Some(code::INVALID_PARAMS) =>
            {
                if !self.only_modern(target, caller).await? {
                    return Ok(None);
                }
                self.forget(target, caller, conversation)?;
                self.connect(target, caller).await.map(Some)
            }
            // The arguments in the headers are not what the upstream wants: the tool has changed.
            Link::Modern(revision)
                if message.method() == Some("tools/call") && refusal.code == Some(code::HEADER_MISMATCH) =>
            {
                Ok(self.relist(target, caller, *revision).await.then(|| link.clone()))
            }
            Link::Modern(revision) if is_request && not_modern(refusal) => {
                self.unlearn(target, Era::Modern)?;
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

fn not_sent() -> UpstreamError {
    UpstreamError::TimedOut("nobody waited any more; nothing was sent".into())
}

/// When a message is worth an upstream's while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    /// The connector says such things itself.
    Never,
    /// Only where there is a conversation that it is about.
    InConversation,
    /// Connect if need be.
    Always,
}

fn delivery(message: &Message<'_>, caller: Era) -> Delivery {
    match message {
        Message::Request { .. } => Delivery::Always,
        Message::Response { .. } => Delivery::InConversation,
        Message::Notification { method, .. } => match method.as_str() {
            "notifications/initialized" => Delivery::Never,
            "notifications/cancelled" | "notifications/progress" | "notifications/roots/list_changed" => match caller {
                Era::Legacy => Delivery::InConversation,
                // Their era has none of them over HTTP, and an id in one would mean a request of another window.
                Era::Modern => Delivery::Never,
            },
            _ => Delivery::Always,
        },
        _ => Delivery::Always,
    }
}
