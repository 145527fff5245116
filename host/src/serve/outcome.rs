//! Responses: the guests', guarded while they are open, and the few that the host makes itself.

use super::handler::Health;
use super::limits::RETRY_AFTER;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER as RETRY_AFTER_NAME};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use wasmtime_wasi_http::{Error, WasiBody};

/// The body of a response. It holds the request's place among the [`super::limits::MAX_REQUESTS`] until it ends.
pub struct GuardedBody {
    body: WasiBody,
    /// Of the instance it comes from; `None` for the host's own responses.
    health: Option<Arc<Health>>,
    /// Ends a stream that only waits for news when the gateway stops.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl GuardedBody {
    /// Guard a guest's body. `stop`, where given, ends it.
    pub(super) fn guard(
        body: WasiBody,
        health: Option<Arc<Health>>,
        stop: Option<CancellationToken>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        if let Some(health) = &health {
            health.stream_opened();
        }
        let stop = stop.map(|stop| Box::pin(stop.cancelled_owned()));
        Self { body, health, stop, _permit: Some(permit) }
    }
}

impl Drop for GuardedBody {
    fn drop(&mut self) {
        if let Some(health) = &self.health {
            health.stream_closed();
        }
    }
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            // The end of a stream whose instance trapped is not its end: break the connection, so that the client sees it.
            Poll::Ready(None) if self.health.as_ref().is_some_and(|health| health.has_failed()) => {
                Poll::Ready(Some(Err(Error::HttpResponseIncomplete)))
            }
            Poll::Pending => match self.stop.as_mut().map(|stop| stop.as_mut().poll(context)) {
                Some(Poll::Ready(())) => Poll::Ready(None),
                Some(Poll::Pending) | None => Poll::Pending,
            },
            ready => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.health.as_ref().is_some_and(|health| health.has_failed())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response that the host makes itself: a small JSON object, never a detail of what went wrong inside.
pub(super) fn refusal(status: StatusCode, error: &'static str, message: &str) -> Response<GuardedBody> {
    let text = serde_json::json!({ "error": error, "message": message }).to_string();
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(GuardedBody { body, health: None, stop: None, _permit: None });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER_NAME, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

/// What a client gets that has no connection of its own any more: the same as [`refusal`], as bytes.
pub(super) fn busy_bytes() -> Vec<u8> {
    let body = r#"{"error":"overloaded","message":"too many connections: try again"}"#;
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: {RETRY_AFTER}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
