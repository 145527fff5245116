//! An answer that comes message by message: server-sent events for the client, each sent as soon as it is there.

use futures::channel::mpsc;
use futures::future::{Either, LocalBoxFuture, select};
use futures::{FutureExt, SinkExt, StreamExt};
use shared_mcp::sse;
use shared_ports::Clock;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

/// How often it is looked whether the client is still there. Short, because an upstream goes on working for a client of
/// the modern era until it is told; not shorter, because every look wakes the instance for each open stream.
pub(crate) const LOOK: Duration = Duration::from_millis(2500);

/// The body of the response on its way to the client.
pub trait Sink {
    /// Send a piece; `false` if the client has gone.
    fn send(&mut self, text: String) -> impl Future<Output = bool>;

    /// Whether the client is still there, without sending anything. May take as long as the client takes to read what
    /// was sent before.
    fn alive(&mut self) -> impl Future<Output = bool>;
}

/// Events on their way to the client. Each is handed over before the next one is made, so nothing piles up.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(mpsc::Sender<String>);

impl Outbox {
    /// Send a message, with the id that its stream can be taken up after.
    pub async fn message(&mut self, text: &str, id: Option<&str>) {
        self.raw(sse::encode(text, id)).await;
    }

    /// Send a place that the stream can be taken up after, and how many milliseconds to wait before that.
    pub async fn reached(&mut self, id: &str, retry: Option<u32>) {
        let retry = retry.map(|milliseconds| format!("retry: {milliseconds}\n")).unwrap_or_default();
        self.raw(retry + &sse::encode("", Some(id))).await;
    }

    /// Send bytes of the stream.
    pub async fn raw(&mut self, text: String) {
        // A stream whose client has gone is dropped as a whole, this future with it.
        let _ = self.0.send(text).await;
    }
}

/// The answer to a request, still to come.
pub struct Streaming {
    /// Makes the events; ends with the last one.
    work: LocalBoxFuture<'static, ()>,
    events: mpsc::Receiver<String>,
    keep_alive: Duration,
}

impl Streaming {
    /// A stream of what `work` puts into its outbox. A comment is sent after `keep_alive` of silence.
    pub(crate) fn new<F: Future<Output = ()> + 'static>(keep_alive: Duration, work: impl FnOnce(Outbox) -> F) -> Self {
        let (sender, events) = mpsc::channel(0);
        Self { work: work(Outbox(sender)).boxed_local(), events, keep_alive }
    }

    /// Send everything as a part of another stream.
    pub(crate) async fn into_outbox(self, mut out: Outbox) {
        let Self { work, mut events, .. } = self;
        let mut work = Work(Some(work));
        while let Some(text) = work.event(&mut events).await {
            out.raw(text).await;
        }
    }

    /// Send everything to the client, until the end or until the client has gone. `gone` resolves when the host knows
    /// that it has; without that it is noticed when something is sent, or at the next look.
    ///
    /// A client that has gone loses the rest. In the modern era that is what it means by going. In the legacy era the
    /// upstream goes on, and is not told; a client that has got an event with an id may take the stream up after it.
    pub async fn run(self, clock: &impl Clock, sink: &mut impl Sink, gone: impl Future<Output = ()>) {
        let Self { work, mut events, keep_alive } = self;
        let mut gone = pin!(gone);
        let mut silent_since = clock.elapsed();
        let mut work = Work(Some(work));
        loop {
            let pause = clock.sleep(LOOK.min(keep_alive)).map(|()| true);
            let mut event = work.event_or(&mut events, gone.as_mut(), pause).await;
            if matches!(event, Next::Else(true)) {
                if clock.elapsed().saturating_sub(silent_since) >= keep_alive {
                    event = Next::Event(sse::KEEP_ALIVE.into());
                } else {
                    // Looking may take as long as the client takes to read; what comes meanwhile shows that it is there.
                    event = work.event_or(&mut events, gone.as_mut(), sink.alive()).await;
                }
            }
            match event {
                Next::Event(text) => {
                    if !sink.send(text).await {
                        return;
                    }
                    silent_since = clock.elapsed();
                }
                Next::Else(true) => {}
                Next::Else(false) | Next::End => return,
            }
        }
    }
}

/// What a stream waits for.
enum Next {
    Event(String),
    /// There is nothing more to send, or nobody to send it to.
    End,
    /// Neither; something else is there.
    Else(bool),
}

/// The work, until it is done.
struct Work(Option<LocalBoxFuture<'static, ()>>);

impl Work {
    /// The next event, unless the client goes or something else is there before.
    async fn event_or(
        &mut self,
        events: &mut mpsc::Receiver<String>,
        gone: Pin<&mut impl Future<Output = ()>>,
        other: impl Future<Output = bool>,
    ) -> Next {
        let event = pin!(self.event(events));
        match select(event, select(gone, pin!(other))).await {
            Either::Left((Some(text), _)) => Next::Event(text),
            Either::Left((None, _)) | Either::Right((Either::Left(_), _)) => Next::End,
            Either::Right((Either::Right((value, _)), _)) => Next::Else(value),
        }
    }

    /// The next event; `None` after the last one.
    async fn event(&mut self, events: &mut mpsc::Receiver<String>) -> Option<String> {
        if let Some(work) = &mut self.0 {
            match select(work, events.next()).await {
                Either::Left(((), _)) => self.0 = None,
                Either::Right((event, _)) => return event,
            }
        }
        // All outboxes are gone with the work, so the events end.
        events.next().await
    }
}
