//! What one upstream says outside of calls, for as long as somebody listens.

use crate::calls::within;
use crate::request::Ports;
use crate::upstreams::{Caller, Event, Interest, MessageStream, UpstreamError, Upstreams};
use shared_ports::Clock;
use std::collections::VecDeque;
use std::time::Duration;

/// First and longest pause before an upstream is listened to again that cannot be used. One that is down for an hour is
/// asked once in two minutes for each open stream.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(120);

/// How long the stream before may have nothing more to say before it is dropped for another one, and how much more it may
/// say: an upstream does not wait for the old one to be empty.
const REST: Duration = Duration::from_millis(50);
const MAX_PENDING: usize = 256;

/// The answer to `listen`.
pub(crate) type Opened<P> = Result<Option<<<P as Ports>::Upstreams as Upstreams>::Stream>, UpstreamError>;

/// Listening to one upstream.
pub(crate) struct Feed<P: Ports> {
    pub ports: P,
    pub caller: Caller,
    pub interest: Interest,
    /// What the first `listen` gave, where it was already made.
    pub opened: Option<Opened<P>>,
    /// To be handed on before anything else.
    pub pending: VecDeque<Event>,
    stream: Option<<P::Upstreams as Upstreams>::Stream>,
    /// Whether anything came since it was listened to last.
    heard: bool,
    pause: Duration,
}

impl<P: Ports> Feed<P> {
    pub fn new(ports: &P, caller: &Caller, interest: Interest, opened: Option<Opened<P>>) -> Self {
        let (ports, caller) = (ports.clone(), caller.clone());
        Self { ports, caller, interest, opened, pending: VecDeque::new(), stream: None, heard: false, pause: FIRST }
    }

    /// Begin, or begin again with another interest. What came before that is handed on first.
    pub async fn open(&mut self) -> &Opened<P> {
        let opened = self.ports.upstreams().listen(self.interest.clone(), &self.caller).await;
        if let Some(mut before) = self.stream.take() {
            while self.pending.len() < MAX_PENDING
                && let Some(Some(event)) = within(&self.ports, REST, before.next()).await
                && !matches!(event, Event::Failed(_))
            {
                self.pending.push_back(event);
            }
        }
        self.heard = false;
        self.opened.insert(opened)
    }

    /// The next event; `None` if there will be none. An upstream that cannot be used now is asked again, after a pause.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if let Some(stream) = &mut self.stream {
                match stream.next().await {
                    Some(Event::Failed(_)) | None => {
                        self.stream = None;
                        if !self.heard {
                            // There is nothing behind that event, time and again.
                            self.interest.after = None;
                        }
                    }
                    Some(event) => {
                        self.pause = FIRST;
                        self.heard = true;
                        if let Event::Message { event_id: Some(id), .. } | Event::Reached { event_id: id, .. } = &event
                        {
                            self.interest.after = Some(id.clone());
                        }
                        return Some(event);
                    }
                }
            } else {
                if self.opened.is_none() {
                    self.open().await;
                }
                match self.opened.take() {
                    Some(Ok(Some(stream))) => {
                        self.stream = Some(stream);
                        continue;
                    }
                    Some(Ok(None) | Err(UpstreamError::NotFound | UpstreamError::Misconfigured(_))) => return None,
                    // It cannot go on after that event. What came since is lost; what comes now is not.
                    Some(Err(UpstreamError::Refused(_))) if self.interest.after.is_some() => {
                        self.interest.after = None;
                        continue;
                    }
                    Some(Err(_)) | None => {}
                }
            }
            self.ports.clock().sleep(self.pause).await;
            self.pause = self.pause.saturating_mul(2).min(LONGEST);
        }
    }
}
