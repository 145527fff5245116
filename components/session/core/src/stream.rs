//! An answer that comes message by message: server-sent events for the client, each sent as soon as it is there.

use crate::calls::NOTIFY_DEADLINE;
use crate::errors;
use crate::reply::{Step, Translation};
use crate::upstreams::{Call, Caller, Event, HangUp, MessageStream, Reply, UpstreamError, Upstreams};
use futures::future::{Either, LocalBoxFuture, select};
use shared_mcp::sse;
use shared_ports::Clock;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

/// Time of silence after which a comment is sent: proxies and clients give up on connections that are silent for 30
/// seconds or more.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// How often it is looked whether the client is still there. Short, because an upstream goes on working for a client of
/// the modern era until it is told; not shorter, because every look wakes the instance for each open stream.
const LOOK: Duration = Duration::from_millis(2500);

/// The body of the response on its way to the client.
pub trait Sink {
    /// Send a piece; `false` if the client has gone.
    fn send(&mut self, text: String) -> impl Future<Output = bool>;

    /// Whether the client is still there, without sending anything. May take as long as the client takes to read what
    /// was sent before.
    fn alive(&mut self) -> impl Future<Output = bool>;
}

/// The answer to a request, still to come.
pub struct Streaming<U: Upstreams> {
    upstreams: U,
    caller: Caller,
    translation: Translation,
    source: Source<U>,
}

enum Source<U: Upstreams> {
    /// The upstream has not answered yet.
    Waiting(LocalBoxFuture<'static, Result<Reply<U::Stream>, UpstreamError>>),
    /// It answers with a stream.
    Started(U::Stream),
}

impl<U: Upstreams> Streaming<U> {
    pub(crate) fn started(upstreams: U, caller: Caller, translation: Translation, stream: U::Stream) -> Self {
        Self { upstreams, caller, translation, source: Source::Started(stream) }
    }

    pub(crate) fn waiting(
        upstreams: U,
        caller: Caller,
        translation: Translation,
        reply: LocalBoxFuture<'static, Result<Reply<U::Stream>, UpstreamError>>,
    ) -> Self {
        Self { upstreams, caller, translation, source: Source::Waiting(reply) }
    }

    /// Send everything to the client, until the response or until the client has gone. `gone` resolves when the host
    /// knows that it has; without that it is noticed when something is sent, or at the next look.
    ///
    /// A client that has gone loses the rest. In the modern era that is what it means by going. In the legacy era the
    /// upstream goes on, and is not told; what it sends after that is not kept by the gateway, as the upstream itself
    /// may (2025-11-25, "Resumability").
    pub async fn run(self, clock: &impl Clock, sink: &mut impl Sink, gone: impl Future<Output = ()>) {
        let Self { upstreams, caller, translation, source } = self;
        let mut line = Line { clock, sink, gone: pin!(gone) };
        let failure =
            |error: &UpstreamError| translation.failure(&errors::upstream(&translation.upstream, error).error);
        let invalid = |why: &str| failure(&UpstreamError::InvalidReply(why.into()));
        let mut stream = match source {
            Source::Started(stream) => stream,
            Source::Waiting(reply) => {
                let text = match line.wait(reply).await {
                    None => return,
                    Some(Ok(Reply::Messages(stream))) => Err(stream),
                    Some(Ok(Reply::Response(data))) => {
                        let text = String::from_utf8(data).map_err(|_| "not UTF-8");
                        let text = text.and_then(|text| translation.response(text));
                        Ok(text.map_or_else(invalid, |finished| finished.text))
                    }
                    Some(Ok(Reply::Accepted)) => Ok(invalid("202 to a request")),
                    Some(Err(error)) => Ok(failure(&error)),
                };
                match text {
                    Err(stream) => stream,
                    Ok(text) => {
                        line.message(&text).await;
                        return;
                    }
                }
            }
        };
        loop {
            let event = match line.wait(stream.next()).await {
                None => return,
                Some(event) => event,
            };
            let step = match event {
                Some(Event::Message { data, .. }) => {
                    let text = String::from_utf8(data).map_err(|_| "not UTF-8");
                    text.and_then(|text| translation.event(text)).unwrap_or_else(|why| Step::Last(invalid(why)))
                }
                Some(Event::Failed(error)) => Step::Last(failure(&error)),
                None => Step::Last(invalid("the stream ended before the response")),
            };
            match step {
                Step::Pass(text) => {
                    if !line.message(&text).await {
                        return;
                    }
                }
                Step::Last(text) => {
                    line.message(&text).await;
                    return;
                }
                Step::Answer(message) => {
                    let call = Call { upstream: translation.upstream.clone(), message };
                    let answer = upstreams.exchange(call, &caller, HangUp::LetRun);
                    let _ = select(pin!(answer), pin!(clock.sleep(NOTIFY_DEADLINE))).await;
                }
            }
        }
    }
}

/// The line to the client.
struct Line<'a, C, S, G> {
    clock: &'a C,
    sink: &'a mut S,
    gone: Pin<&'a mut G>,
}

impl<C: Clock, S: Sink, G: Future<Output = ()>> Line<'_, C, S, G> {
    /// Wait for something while keeping the line alive; `None` if the client has gone.
    async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut silent_since = self.clock.elapsed();
        loop {
            let pause = pin!(self.clock.sleep(LOOK));
            match select(work.as_mut(), select(self.gone.as_mut(), pause)).await {
                Either::Left((value, _)) => return Some(value),
                Either::Right((Either::Left(_), _)) => return None,
                Either::Right((Either::Right(_), _)) => {}
            }
            if self.clock.elapsed().saturating_sub(silent_since) >= KEEP_ALIVE {
                if !self.sink.send(sse::KEEP_ALIVE.into()).await {
                    return None;
                }
                silent_since = self.clock.elapsed();
                continue;
            }
            match select(work.as_mut(), select(self.gone.as_mut(), pin!(self.sink.alive()))).await {
                Either::Left((value, _)) => return Some(value),
                Either::Right((Either::Right((true, _)), _)) => {}
                Either::Right(_) => return None,
            }
        }
    }

    /// Send a message; `false` if the client has gone.
    async fn message(&mut self, text: &str) -> bool {
        self.sink.send(sse::encode(text, None)).await
    }
}
