//! Bodies of responses, piece by piece.

use shared_ports::{Body, HttpError};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

type Reading<B> = Pin<Box<dyn Future<Output = (B, Result<Option<Vec<u8>>, HttpError>)>>>;

/// A body whose reading may be interrupted: a wait for the next piece that is given up loses nothing, the piece comes
/// with the next wait. Dropping it closes the connection.
pub(crate) struct Pieces<B>(State<B>);

enum State<B> {
    Idle(B),
    Reading(Reading<B>),
    Ended,
}

impl<B: Body + 'static> Pieces<B> {
    pub(crate) fn new(body: B) -> Self {
        Self(State::Idle(body))
    }

    /// A body that has nothing in it any more.
    pub(crate) fn ended() -> Self {
        Self(State::Ended)
    }

    /// The next piece, or `None` at the end and from then on.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>, HttpError>> {
        let mut reading = match std::mem::replace(&mut self.0, State::Ended) {
            State::Ended => return Poll::Ready(Ok(None)),
            State::Reading(reading) => reading,
            State::Idle(mut body) => Box::pin(async move {
                let piece = body.next().await;
                (body, piece)
            }),
        };
        match reading.as_mut().poll(cx) {
            Poll::Pending => {
                self.0 = State::Reading(reading);
                Poll::Pending
            }
            Poll::Ready((body, piece)) => {
                if matches!(piece, Ok(Some(_))) {
                    self.0 = State::Idle(body);
                }
                Poll::Ready(piece)
            }
        }
    }

    /// All that is left, if it is at most `cap` bytes; `None` if it is more.
    pub(crate) async fn collect(&mut self, cap: usize) -> Result<Option<Vec<u8>>, HttpError> {
        let mut all = Vec::new();
        while let Some(mut piece) = self.next().await? {
            if all.len().saturating_add(piece.len()) > cap {
                self.0 = State::Ended;
                return Ok(None);
            }
            if all.is_empty() {
                all = piece;
            } else {
                all.append(&mut piece);
            }
        }
        Ok(Some(all))
    }
}
