//! The listener: HTTP/1.1 and HTTP/2 (with prior knowledge) in front of the instances. Bodies stream both ways.

mod handler;
mod inbound;
pub mod limits;
mod outcome;

pub use inbound::CLIENT_ADDRESS;

use crate::runtime::{Guest, Runtime, Services};
use handler::{HealthSlot, Instances};
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use limits::{
    GRACE, HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD, MAX_REQUESTS, MAX_STREAMS_PER_CONNECTION, PING_INTERVAL,
    PING_TIMEOUT,
};
use outcome::{GuardedBody, busy_bytes, refusal};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime::component::Component;
use wasmtime_wasi_http::handler::{InstantiationError, ProxyHandler, ProxyPre};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;

/// A listener at work.
pub struct Server {
    shared: Arc<Shared>,
    connections: TaskTracker,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    handler: ProxyHandler<Instances>,
    requests: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    instances: TaskTracker,
    /// Stop accepting, finish what is open.
    drain: CancellationToken,
    /// End what is still open.
    end: CancellationToken,
}

impl Server {
    /// Serve a component that exports `wasi:http/handler@0.3.0` on a bound listener.
    pub fn start(
        listener: TcpListener,
        runtime: Runtime,
        services: Services,
        component: &Component,
    ) -> wasmtime::Result<Self> {
        let pre = ServicePre::new(runtime.linker.instantiate_pre(component)?)?;
        let (drain, end) = (CancellationToken::new(), CancellationToken::new());
        let instances = TaskTracker::new();
        let handler = ProxyHandler::new(Instances {
            pre: ProxyPre::<Guest>::P3(pre),
            runtime,
            services,
            end: end.clone(),
            alive: instances.clone(),
        });
        let shared = Arc::new(Shared {
            handler,
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            instances,
            drain,
            end,
        });
        let connections = TaskTracker::new();
        let accepting = tokio::spawn(accept(listener, shared.clone(), connections.clone()));
        Ok(Self { shared, connections, accepting })
    }

    /// Stop accepting; give open requests some time; end what is left; wait until every instance is gone.
    pub async fn stop(self) {
        self.stop_within(GRACE).await;
    }

    async fn stop_within(self, grace: Duration) {
        self.shared.drain.cancel();
        let _ = self.accepting.await;
        self.connections.close();
        if tokio::time::timeout(grace, self.connections.wait()).await.is_err() {
            tracing::warn!(open = self.connections.len(), "requests were still open and are ended");
        }
        self.shared.end.cancel();
        self.connections.wait().await;
        self.shared.instances.close();
        // An instance that computes is ended at its next slice.
        if tokio::time::timeout(grace, self.shared.instances.wait()).await.is_err() {
            tracing::warn!(left = self.shared.instances.len(), "instances did not end");
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, connections: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly. Waiting lets some connections end.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        match shared.connections.clone().try_acquire_owned() {
            Ok(permit) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    converse(stream, peer, shared).await;
                    drop(permit);
                });
            }
            Err(_) => {
                tracing::warn!(%peer, "too many connections");
                // The buffer of a new connection takes these few bytes; if not, closing says it too.
                let _ = stream.try_write(&busy_bytes());
            }
        }
    }
}

/// Serve one connection to its end.
async fn converse(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    // Small pieces of a stream must not wait for an acknowledgement of the ones before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "set_nodelay");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD as u32)
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .adaptive_window(true)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let (shared, asked) = (shared.clone(), asked.clone());
        move |request| {
            asked.store(true, Ordering::Relaxed);
            let shared = shared.clone();
            async move { Ok::<_, Infallible>(respond(request, peer.ip(), &shared).await) }
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // Until the protocol is known hyper's own timeout does not run.
    let mut silence = pin!(tokio::time::sleep(HEAD_TIMEOUT));
    let mut silence_over = false;
    let mut draining = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(error = error.as_ref(), %peer, "connection");
                }
                return;
            }
            () = &mut silence, if !silence_over => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                silence_over = true;
            }
            () = shared.drain.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = shared.end.cancelled() => return,
        }
    }
}

/// Answer one request.
async fn respond(mut request: Request<Incoming>, client: IpAddr, shared: &Shared) -> Response<GuardedBody> {
    if let Err(error) = inbound::prepare(&mut request, client) {
        return refusal(StatusCode::BAD_REQUEST, "invalid_request", &error.to_string());
    }
    let Ok(permit) = shared.requests.clone().try_acquire_owned() else {
        tracing::warn!("too many requests at once");
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many requests at once: try again");
    };
    let waits_for_news = request.method() == Method::GET;
    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    let slot = HealthSlot::default();
    match shared.handler.handle(slot.clone(), request).await {
        Ok(response) => {
            let stop = (waits_for_news && is_event_stream(&response)).then(|| shared.drain.clone());
            response.map(|body| GuardedBody::guard(body, slot.get().cloned(), stop, permit))
        }
        Err(error) => failure(&error),
    }
}

fn is_event_stream<B>(response: &Response<B>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// The one place where a failure inside becomes a response: generic outside, precise in the log.
fn failure(error: &wasmtime::Error) -> Response<GuardedBody> {
    if error.is::<InstantiationError<HealthSlot>>() {
        tracing::error!("no instance: {error:#}");
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "no capacity at the moment: try again");
    }
    if let Some(code) = error.downcast_ref::<ErrorCode>() {
        // Mostly a client that went away in the middle of its body, so nobody reads this.
        tracing::debug!(?code, "the request broke off");
        return refusal(StatusCode::BAD_GATEWAY, "request_failed", "the request could not be completed");
    }
    // A trap. Its reason is logged with the instance.
    tracing::error!("a request failed: {error:#}");
    refusal(StatusCode::BAD_GATEWAY, "gateway_failed", "the gateway failed on this request; its log says why")
}
