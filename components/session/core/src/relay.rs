//! The answer to one request, from the upstream to the client, when it comes as a stream or needs something of the client.

use crate::ask::{self, InputRequired};
use crate::calls::{NOTIFY_DEADLINE, within};
use crate::cancel;
use crate::errors;
use crate::mirrored;
use crate::park::{self, Mailbox};
use crate::position::Position;
use crate::reply::{Step, Translation, decline};
use crate::request::{Client, Ports};
use crate::stream::Outbox;
use crate::subscriptions;
use crate::upstreams::{Call, Event, HangUp, MessageStream, Reply, UpstreamError, Upstreams};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, select};
use shared_mcp::{Era, Object, Revision};
use std::pin::pin;

/// How often an upstream may ask for something in the course of one request. More is a loop, not a conversation.
const MAX_ROUNDS: u32 = 32;

/// One request on its way.
pub(crate) struct Relay<P: Ports> {
    pub ports: P,
    pub client: Client,
    pub translation: Translation,
    /// The request as the upstream got it.
    pub message: String,
    /// Progress tokens (JSON texts) where the upstream knows another one than the client: its own, and the client's.
    pub token: Option<(String, Option<String>)>,
    /// Number of the step that was answered last, where the call was parked.
    pub step: Option<u32>,
    /// The event that the client has seen, where it takes up a stream. Some servers send that one again.
    pub after: Option<String>,
}

/// Where the answer comes from.
pub(crate) enum Source<P: Ports> {
    /// The upstream has not answered yet.
    Waiting(LocalBoxFuture<'static, Answered<P>>),
    /// It answers with a stream.
    Started(<P::Upstreams as Upstreams>::Stream),
    /// It has answered: the text of its response.
    Whole(String),
    /// Another request has begun it.
    Parked(Mailbox<P>),
}

/// What an upstream answers.
pub(crate) type Answered<P> = Result<Reply<<<P as Ports>::Upstreams as Upstreams>::Stream>, UpstreamError>;

/// How a source came to its end.
enum End<P: Ports> {
    /// With this response, as the upstream sent it, and its event id.
    Response(String, Option<String>),
    /// Not yet: a client of the modern era has to be asked these (texts of requests).
    Asked(Vec<String>, Mailbox<P>),
}

impl<P: Ports> Relay<P> {
    /// Send a message to the upstream of this request.
    pub fn exchange(&self, message: String) -> LocalBoxFuture<'static, Answered<P>> {
        let upstreams = self.ports.upstreams().clone();
        let caller = self.client.caller.clone();
        let call = Call { upstream: self.translation.upstream.clone(), message };
        let hang_up = hang_up(self.translation.era);
        async move { upstreams.exchange(call, &caller, hang_up).await }.boxed_local()
    }

    /// Bring the answer to the client, asking it in between where the upstream wants to know something.
    pub async fn run(self, source: Source<P>, mut out: Outbox) {
        if self.translation.era == Era::Modern {
            return self.answer(source, &mut out).await;
        }
        // A request that was cancelled gets no response (2025-11-25, "Cancellation").
        let cancelled = cancel::cancelled(&self.ports, &self.client, &self.translation.id);
        select(pin!(self.answer(source, &mut out)), pin!(cancelled)).await;
    }

    async fn answer(&self, mut source: Source<P>, out: &mut Outbox) {
        for round in 1..=MAX_ROUNDS {
            match self.pass(source, out).await {
                Err(error) => return out.message(&self.failure(&error), None).await,
                Ok(End::Asked(requests, mailbox)) => {
                    return out.message(&self.ask_by_result(&requests, mailbox), None).await;
                }
                Ok(End::Response(text, event_id)) => {
                    let required = match InputRequired::wanted(self.translation.era, &text) {
                        None => return self.last(text, event_id, out).await,
                        Some(required) => required,
                    };
                    match ask::by_requests(self, &required, round, out).await {
                        Ok(message) => source = Source::Waiting(self.exchange(message)),
                        Err(error) => return out.message(&self.translation.failure(&error), None).await,
                    }
                }
            }
        }
        let error = UpstreamError::InvalidReply(format!("it asked more than {MAX_ROUNDS} times"));
        out.message(&self.failure(&error), None).await;
    }

    /// Pass on what comes before the response.
    async fn pass(&self, source: Source<P>, out: &mut Outbox) -> Result<End<P>, UpstreamError> {
        let mut stream = match source {
            Source::Whole(text) => return Ok(End::Response(text, None)),
            Source::Parked(mailbox) => return self.pass_mailbox(mailbox, out).await,
            Source::Started(stream) => stream,
            Source::Waiting(reply) => match reply.await? {
                Reply::Response(data) => return Ok(End::Response(text(data)?, None)),
                Reply::Accepted => return Err(invalid("202 to a request")),
                Reply::Messages(stream) => stream,
            },
        };
        loop {
            let (data, event_id) = match stream.next().await {
                Some(Event::Message { data, event_id }) => (text(data)?, event_id),
                Some(Event::Reached { event_id, retry }) => {
                    self.reached(event_id, retry, out).await;
                    continue;
                }
                Some(Event::Failed(error)) => return Err(error),
                None => return Err(invalid("the stream ended before the response")),
            };
            match self.step(data)? {
                Step::Response(text) => return Ok(End::Response(text, event_id)),
                Step::Pass(_) if event_id.is_some() && event_id == self.after => {}
                Step::Pass(text) => out.message(&text, self.event_id(event_id).as_deref()).await,
                Step::Drop => {}
                Step::Ask(request) if ask::may_ask(&self.translation.method, &self.client, &request) => {
                    let mailbox = park::park(self, stream, &request).map_err(unavailable)?;
                    return self.pass_mailbox(mailbox, out).await;
                }
                Step::Ask(request) => self.decline(&request).await,
            }
        }
    }

    /// The same from a mailbox. Requests that come close together are asked together.
    async fn pass_mailbox(&self, mut mailbox: Mailbox<P>, out: &mut Outbox) -> Result<End<P>, UpstreamError> {
        let mut requests = Vec::new();
        loop {
            let next = if requests.is_empty() { mailbox.next().await? } else { mailbox.soon().await? };
            let Some(data) = next else {
                return Ok(End::Asked(requests, mailbox));
            };
            match self.step(data)? {
                Step::Response(text) => {
                    mailbox.finish();
                    return Ok(End::Response(text, None));
                }
                Step::Pass(text) => out.message(&text, None).await,
                Step::Drop => {}
                Step::Ask(request) if ask::may_ask(&self.translation.method, &self.client, &request) => {
                    requests.push(request);
                }
                Step::Ask(request) => self.decline(&request).await,
            }
        }
    }

    fn step(&self, data: String) -> Result<Step, UpstreamError> {
        Ok(match self.translation.event(data).map_err(invalid)? {
            Step::Pass(text) if self.translation.era == Era::Modern && unwanted(&text, &self.message) => Step::Drop,
            Step::Pass(text) => match &self.token {
                Some((theirs, ours)) => retoken(text, theirs, ours.as_deref()),
                None => Step::Pass(text),
            },
            step => step,
        })
    }

    /// An upstream's request that its client cannot be asked.
    async fn decline(&self, request: &str) {
        if let Some(message) = decline(request) {
            let call = Call { upstream: self.translation.upstream.clone(), message };
            let answer = self.ports.upstreams().exchange(call, &self.client.caller, HangUp::LetRun);
            let _ = within(&self.ports, NOTIFY_DEADLINE, answer).await;
        }
    }

    async fn last(&self, text: String, event_id: Option<String>, out: &mut Outbox) {
        let Translation { era, method, upstream, .. } = &self.translation;
        if *era == Era::Modern && method == "tools/list" {
            // Without it, headers of calls are only checked by the upstream.
            let _ = mirrored::note_response(&self.ports, &self.client.caller, upstream, &text);
        }
        if *era == Era::Legacy {
            subscriptions::note_response(&self.ports, &self.client.caller, upstream, &self.message, &text);
        }
        let text = match self.translation.response(text) {
            Ok(finished) => finished.text,
            Err(why) => self.failure(&invalid(why)),
        };
        out.message(&text, self.event_id(event_id).as_deref()).await;
    }

    /// A place to go on from, and when, for clients that know it: older ones take an event without data for a broken
    /// message.
    async fn reached(&self, event: String, retry: Option<u32>, out: &mut Outbox) {
        if self.client.revision >= Revision::V2025_11_25
            && let Some(id) = self.event_id(Some(event))
        {
            out.reached(&id, retry).await;
        }
    }

    /// The id of an event as the client sees it. The modern era has none.
    fn event_id(&self, event: Option<String>) -> Option<String> {
        let Translation { era: Era::Legacy, upstream, method, id, .. } = &self.translation else {
            return None;
        };
        let position =
            Position::Call { upstream: upstream.clone(), method: method.clone(), id: id.clone(), event: event? };
        position.encode(self.client.event_key.as_deref()?)
    }

    fn ask_by_result(&self, requests: &[String], mailbox: Mailbox<P>) -> String {
        match park::ask(self, requests, mailbox) {
            Ok(result) => result,
            Err(error) => self.failure(&unavailable(error)),
        }
    }

    /// The error response that says what is wrong with the upstream.
    pub fn failure(&self, error: &UpstreamError) -> String {
        self.translation.failure(&errors::upstream(&self.translation.upstream, error).error)
    }
}

/// What it means to the upstream when a client of this era goes.
pub(crate) fn hang_up(era: Era) -> HangUp {
    match era {
        Era::Modern => HangUp::Cancel,
        Era::Legacy => HangUp::LetRun,
    }
}

fn text(data: Vec<u8>) -> Result<String, UpstreamError> {
    String::from_utf8(data).map_err(|_| invalid("not UTF-8"))
}

fn invalid(why: &str) -> UpstreamError {
    UpstreamError::InvalidReply(why.into())
}

fn unavailable(error: impl std::fmt::Display) -> UpstreamError {
    UpstreamError::Unavailable(error.to_string())
}

/// Progress with the token of the request that waits for it now; dropped if that one did not ask for any.
fn retoken(text: String, theirs: &str, ours: Option<&str>) -> Step {
    let Ok(mut object) = Object::parse(&text) else {
        return Step::Pass(text);
    };
    if object.string("method").as_deref() != Some("notifications/progress") {
        return Step::Pass(text);
    }
    let mut params = object.object("params").unwrap_or_default();
    if params.get("progressToken") != Some(theirs) {
        return Step::Pass(text.clone());
    }
    let Some(ours) = ours else {
        return Step::Drop;
    };
    params.set("progressToken", ours.to_owned());
    let params = params.to_string();
    object.set("params", params);
    Step::Pass(object.to_string())
}

/// A log message that the request did not ask for: upstreams of the legacy era send theirs unasked (2026-07-28, "Logging").
fn unwanted(text: &str, request: &str) -> bool {
    let is_log = text.contains("\"notifications/message\"")
        && Object::parse(text).is_ok_and(|object| object.string("method").as_deref() == Some("notifications/message"));
    if !is_log {
        return false;
    }
    let level = |text: &str| crate::logging::level_of_request(text);
    let wanted = level(request);
    let sent = Object::parse(text).ok().and_then(|object| object.object("params")?.string("level"));
    !crate::logging::reaches(sent.as_deref(), wanted.as_deref())
}
