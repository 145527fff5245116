//! What one upstream says outside of calls, for as long as somebody listens.

use crate::request::Ports;
use crate::upstreams::{Caller, Event, Interest, MessageStream, UpstreamError, Upstreams};
use shared_ports::Clock;
use std::time::Duration;

/// First and longest pause before an upstream is listened to again that cannot be used. One that is down for an hour is
/// asked once in two minutes for each open stream.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(120);

/// The answer to `listen`.
pub(crate) type Opened<P> = Result<Option<<<P as Ports>::Upstreams as Upstreams>::Stream>, UpstreamError>;

/// Listening to one upstream.
pub(crate) struct Feed<P: Ports> {
    pub ports: P,
    pub caller: Caller,
    pub interest: Interest,
    /// What the first `listen` gave, where it was already made.
    pub opened: Option<Opened<P>>,
    stream: Option<<P::Upstreams as Upstreams>::Stream>,
    pause: Duration,
}

impl<P: Ports> Feed<P> {
    pub fn new(ports: &P, caller: &Caller, interest: Interest, opened: Option<Opened<P>>) -> Self {
        let (ports, caller) = (ports.clone(), caller.clone());
        Self { ports, caller, interest, opened, stream: None, pause: FIRST }
    }

    /// Begin, or begin again with another interest.
    pub async fn open(&mut self) -> &Opened<P> {
        self.stream = None;
        let opened = self.ports.upstreams().listen(self.interest.clone(), &self.caller).await;
        self.opened.insert(opened)
    }

    /// The next event; `None` if there will be none. An upstream that cannot be used now is asked again, after a pause.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(stream) = &mut self.stream {
                match stream.next().await {
                    Some(Event::Failed(_)) | None => self.stream = None,
                    // Some servers send again the event that was the last one seen.
                    Some(Event::Message { event_id, .. }) if event_id.is_some() && event_id == self.interest.after => {
                        continue;
                    }
                    Some(event) => {
                        self.pause = FIRST;
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
