//! `wasi:http/client` 0.3.0: requests of guests to the outside, over pooled connections.
//!
//! HTTP/1.1 and, where TLS negotiates it, HTTP/2; bodies stream both ways; redirects are the guest's business. Timeouts
//! are those of the guest's `request-options`, inside the bounds below. How far a request may reach is in its header
//! [`PUBLIC_ONLY`].

mod body;
mod error;
mod reach;
mod resolver;
mod trust;

use body::TimedBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
pub use reach::PUBLIC_ONLY;
use reach::Reach;
use resolver::Resolver;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
pub use trust::{Trust, TrustError};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Wait for a connection (DNS, TCP and TLS together) if the guest does not say how long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Wait for the head of a response, and between two pieces of its body, if the guest does not say how long.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(600);

/// The longest wait that a guest may ask for; the largest `timeout` in the settings is an hour.
const MAX_TIMEOUT: Duration = Duration::from_secs(3660);

/// An idle connection is closed after this. Shorter than the keep-alive of most servers (nginx 75 s, Apache and Node
/// 5 s say so in `Keep-Alive` or close first, which the pool sees), so a request rarely meets one that is going away.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Idle connections kept for each server.
const IDLE_PER_HOST: usize = 64;

/// Largest head of a response, in bytes.
const MAX_RESPONSE_HEAD: usize = 64 * 1024;

/// Interval of TCP keep-alive probes, so that a server that vanished is noticed while its stream is silent.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// The client of one gateway. Cheap to clone; clones share the pools.
#[derive(Clone)]
pub struct Outbound {
    /// One pool for each reach, so that a connection made for one request is never used for another that may not have it.
    anywhere: Pooled,
    public: Pooled,
    public_or_loopback: Pooled,
}

type Pooled = Client<HttpsConnector<HttpConnector<Resolver>>, WasiBody>;

impl Outbound {
    /// A client with empty pools. Servers' certificates are checked against these authorities.
    pub fn new(trust: &Trust) -> Result<Self, rustls::Error> {
        let tls = trust.tls()?;
        Ok(Self {
            anywhere: Self::pool(Reach::Anywhere, tls.clone()),
            public: Self::pool(Reach::Public, tls.clone()),
            public_or_loopback: Self::pool(Reach::PublicOrLoopback, tls),
        })
    }

    fn pool(reach: Reach, tls: rustls::ClientConfig) -> Pooled {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(reach));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_buf_size(MAX_RESPONSE_HEAD)
            .http2_adaptive_window(true)
            // A pooled connection that turns out to be closed before anything was sent on it is replaced silently.
            .retry_canceled_requests(true)
            .build(connector)
    }

    /// Send a request and wait for the head of its response. The errors `DnsTimeout`, `DnsError`, `Connection*` up to
    /// and including `ConnectionTimeout`, `Destination*`, `Tls*` and `HttpRequestUriInvalid` mean that nothing of the
    /// request was sent; after any other one the server may have acted on it.
    pub async fn send(
        &self,
        mut request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<http::Response<WasiBody>, Error> {
        if request.uri().authority().is_none() {
            return Err(Error::HttpRequestUriInvalid);
        }
        let reach = Reach::take(request.headers_mut());
        if !reach.allows_host(request.uri()) {
            return Err(Error::DestinationIpProhibited);
        }
        let client = match reach {
            Reach::Anywhere => &self.anywhere,
            Reach::Public => &self.public,
            Reach::PublicOrLoopback => &self.public_or_loopback,
        };
        let connect_timeout = bounded(options.connect_timeout, CONNECT_TIMEOUT);
        let first_byte_timeout = bounded(options.first_byte_timeout, RESPONSE_TIMEOUT);
        let between_bytes_timeout = bounded(options.between_bytes_timeout, RESPONSE_TIMEOUT);
        // In HTTP/2 the version of a request must not be another one than the connection's.
        *request.version_mut() = http::Version::HTTP_11;

        let mut connection = capture_connection(&mut request);
        let mut response = pin!(client.request(request));
        let early = tokio::select! {
            biased;
            result = &mut response => Some(result),
            () = async { drop(connection.wait_for_connection_metadata().await) } => None,
            () = tokio::time::sleep(connect_timeout) => return Err(Error::ConnectionTimeout),
        };
        let result = match early {
            Some(result) => result,
            None => {
                tokio::time::timeout(first_byte_timeout, response).await.map_err(|_| Error::ConnectionReadTimeout)?
            }
        };
        let response = result.map_err(|error| error::of_request(&error))?;
        Ok(response.map(|body| TimedBody::new(body, between_bytes_timeout).boxed_unsync()))
    }
}

fn bounded(asked: Option<Duration>, default: Duration) -> Duration {
    asked.unwrap_or(default).min(MAX_TIMEOUT)
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// What `wasmtime-wasi-http` asks for each outbound request.
pub struct Hooks(pub Arc<Outbound>);

impl WasiHttpHooks for Hooks {
    fn set_host_header(&mut self) -> bool {
        // The client writes `Host` (HTTP/1.1) or `:authority` (HTTP/2) itself.
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let outbound = self.0.clone();
        Box::new(async move {
            let response = outbound.send(request, options.unwrap_or_default()).await?;
            // The pool drives the connection; there is nothing left to wait for here.
            let io: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, io))
        })
    }
}

/// An empty body, for requests made by the host itself.
pub fn empty() -> WasiBody {
    http_body_util::Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests;
