//! What the one who holds the stream has put down, read by the one who serves the client.

use super::{BEAT_SECONDS, LOST_SECONDS, Records};
use crate::request::Ports;
use crate::upstreams::UpstreamError;
use crate::wait::Pace;
use shared_ports::{Clock, Store, StoreError};
use std::time::Duration;

/// How long it is waited whether more is asked at the same time: upstreams that want several things send several requests
/// right after each other.
const TOGETHER: Duration = Duration::from_millis(50);

/// Most messages that are read in that time. An upstream that says more talks without end.
const MAX_TOGETHER: u32 = 64;

/// How long one wait lasts at most; what ends it before is the message, or the silence of the one who holds the stream.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A mailbox that is being read. Dropped before it is finished or left, it means that the client has hung up.
pub(crate) struct Mailbox<P: Ports> {
    ports: P,
    records: Records,
    /// Of the next message.
    number: u64,
    /// Until when what comes is asked together, and how much more may come.
    together: Option<(Duration, u32)>,
    /// Whether there is nothing more to say to the one who holds the stream.
    done: bool,
}

impl<P: Ports> Mailbox<P> {
    pub(super) fn new(ports: P, records: Records, number: u64) -> Self {
        Self { ports, records, number, together: None, done: false }
    }

    /// The next message. It is removed as it is read.
    pub async fn next(&mut self) -> Result<Option<String>, UpstreamError> {
        let ports = self.ports.clone();
        let mut pace = Pace::new(&ports, DAY);
        let mut seen = ports.clock().now();
        loop {
            if let Some(text) = self.take()? {
                return Ok(Some(text));
            }
            let now = ports.clock().now();
            if now.saturating_sub(seen) >= BEAT_SECONDS {
                seen = now;
                self.records.stamp(&ports, "seen").map_err(unavailable)?;
                let beat = self.records.seconds(&ports, "beat").map_err(unavailable)?.unwrap_or(0);
                if now.saturating_sub(beat) >= LOST_SECONDS {
                    self.finish();
                    return Err(UpstreamError::InvalidReply("the host that held its stream has gone".into()));
                }
            }
            if !pace.wait().await {
                return Err(UpstreamError::TimedOut("no message for a day".into()));
            }
        }
    }

    /// The next message, if it is there within a moment of the first time that this is asked.
    pub async fn soon(&mut self) -> Result<Option<String>, UpstreamError> {
        let ports = self.ports.clone();
        let now = ports.clock().elapsed();
        let (until, left) = self.together.unwrap_or((now.saturating_add(TOGETHER), MAX_TOGETHER));
        self.together = Some((until, left.saturating_sub(1)));
        if left == 0 {
            return Ok(None);
        }
        let mut pace = Pace::new(&ports, until.saturating_sub(now));
        loop {
            if let Some(text) = self.take()? {
                return Ok(Some(text));
            }
            if !pace.wait().await {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) -> Result<Option<String>, UpstreamError> {
        let key = self.records.message(self.number);
        let Some(value) = self.ports.store().get(&key).map_err(unavailable)? else {
            return Ok(None);
        };
        self.ports.store().delete(&key).map_err(unavailable)?;
        self.number = self.number.saturating_add(1);
        let text = String::from_utf8(value).map_err(|_| UpstreamError::InvalidReply("not UTF-8".into()))?;
        match text.strip_prefix('!') {
            Some(why) => Err(UpstreamError::InvalidReply(format!("while its call was parked: {why}"))),
            None => Ok(Some(text)),
        }
    }

    /// The response was read.
    pub fn finish(&mut self) {
        self.done = true;
        self.records.clear(&self.ports, 0..0);
    }

    /// What it reads, and the number of the next message.
    pub(super) fn place(&self) -> (&Records, u64) {
        (&self.records, self.number)
    }

    /// Leave it to the next request of the client.
    pub(super) fn leave(mut self) {
        self.done = true;
    }
}

impl<P: Ports> Drop for Mailbox<P> {
    fn drop(&mut self) {
        if !self.done {
            // If the store fails now, the call ends when its time is over.
            let _ = self.ports.store().set(&self.records.key("seen"), b"0");
        }
    }
}

fn unavailable(error: StoreError) -> UpstreamError {
    UpstreamError::Unavailable(error.to_string())
}
