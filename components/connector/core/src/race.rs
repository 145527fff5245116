//! Waiting for something, but not for ever.

use shared_ports::Clock;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

/// Resolves when nobody waits for the answer any more, and stays so.
pub struct Abandoned(State);

enum State {
    Never,
    Waiting(Pin<Box<dyn Future<Output = Interest>>>),
    Resolved(Interest),
}

/// What has become of the interest in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// The request is cancelled: the upstream is to be told.
    Cancelled,
    /// Nobody listens any more, but nobody cancelled the request either.
    Ended,
}

impl Abandoned {
    /// Resolves with the future.
    pub fn when(future: impl Future<Output = Interest> + 'static) -> Self {
        Self(State::Waiting(Box::pin(future)))
    }

    /// Somebody always waits.
    pub fn never() -> Self {
        Self(State::Never)
    }

    /// What it has resolved to by now, if it has.
    pub async fn now(&mut self) -> Option<Interest> {
        poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(interest) => Poll::Ready(Some(interest)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Wait until it resolves.
    pub async fn wait(&mut self) -> Interest {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Interest> {
        match &mut self.0 {
            State::Never => Poll::Pending,
            State::Resolved(interest) => Poll::Ready(*interest),
            State::Waiting(future) => {
                let poll = future.as_mut().poll(cx);
                if let Poll::Ready(interest) = poll {
                    self.0 = State::Resolved(interest);
                }
                poll
            }
        }
    }
}

/// Why waiting ended before what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nobody waits for the answer any more.
    Abandoned(Interest),
    /// The time is over.
    TimedOut,
}

/// The output of `wanted`, unless the call is abandoned or `limit` passes before. The clock is asked only if there is
/// something to wait for.
pub(crate) async fn race<T>(
    clock: &impl Clock,
    limit: Option<Duration>,
    abandoned: &mut Abandoned,
    wanted: impl Future<Output = T>,
) -> Result<T, Stop> {
    let mut wanted = pin!(wanted);
    let mut over = pin!(async {
        match limit {
            Some(limit) => clock.sleep(limit).await,
            None => std::future::pending().await,
        }
    });
    poll_fn(|cx| {
        if let Poll::Ready(value) = wanted.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        if let Poll::Ready(interest) = abandoned.poll(cx) {
            return Poll::Ready(Err(Stop::Abandoned(interest)));
        }
        over.as_mut().poll(cx).map(|()| Err(Stop::TimedOut))
    })
    .await
}
