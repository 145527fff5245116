//! The body of a response, with a limit on the silence between its pieces.

use super::error;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

/// Fails with `ConnectionReadTimeout` when somebody has been waiting for `silence` without a byte. The time in which
/// nobody reads does not count.
pub(super) struct TimedBody {
    incoming: Incoming,
    silence: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl TimedBody {
    pub fn new(incoming: Incoming, silence: Duration) -> Self {
        Self { incoming, silence, alarm: None, waiting: false }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                self.waiting = false;
                Poll::Ready(frame.map(|result| result.map_err(|error| error::of_exchange(&error))))
            }
            Poll::Pending => {
                let deadline = Instant::now() + self.silence;
                let started = std::mem::replace(&mut self.waiting, true);
                let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                if !started {
                    alarm.as_mut().reset(deadline);
                }
                ready!(alarm.as_mut().poll(context));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
