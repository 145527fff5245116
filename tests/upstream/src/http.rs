//! HTTP around rmcp: `/mcp`, and for tests `GET /stats`, `GET /requests`, `POST /signal/{name}`, `POST /change/{list}`,
//! `POST /touch` (a URI), `POST /say` (a text), `POST /ask` (a request), `POST /hang-up`.

use crate::Options;
use crate::content::Content;
use crate::era::Era;
use crate::server::Server;
use crate::state::{Change, State};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

type Body = BoxBody<Bytes, Infallible>;

/// Largest body that is taken; larger ones are a mistake in a test.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// How long a client is asked to wait before it resumes a stream; short, so that tests of resumption are.
const RETRY: Duration = Duration::from_millis(200);

/// Ends the response stream of a call while the call goes on, as SEP-1699 allows. In the extensions of each request.
#[derive(Clone)]
pub struct StreamCloser(CancellationToken);

impl StreamCloser {
    /// End it.
    pub fn close(&self) {
        self.0.cancel();
    }
}

struct App<C: Content> {
    state: Arc<State>,
    sessions: Arc<LocalSessionManager>,
    mcp: StreamableHttpService<Server<C>, LocalSessionManager>,
}

/// Serve until the process ends.
pub async fn serve<C: Content>(listener: TcpListener, state: Arc<State>, options: &Options) -> anyhow::Result<()> {
    let mut session_config = SessionConfig::default();
    session_config.sse_retry = Some(RETRY);
    session_config.keep_alive = None;
    let mut sessions = LocalSessionManager::default();
    sessions.session_config = session_config;
    let sessions = Arc::new(sessions);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(!options.stateless && options.era != Era::Stateless)
        .with_json_response(!options.always_stream)
        .with_stateless_protocol_metadata_required(options.era == Era::Stateless)
        .with_sse_retry(Some(RETRY))
        .with_max_request_body_bytes(MAX_BODY)
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"]);
    let mcp = {
        let state = state.clone();
        StreamableHttpService::new(move || Ok(Server::<C>::new(state.clone())), sessions.clone(), config)
    };
    let app = Arc::new(App { state, sessions, mcp });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let app = app.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let app = app.clone();
                async move { Ok::<_, Infallible>(app.handle(request).await) }
            });
            // A connection that breaks is the client's affair.
            let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl<C: Content> App<C> {
    async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (_, "/mcp") => self.mcp(request).await,
            (&Method::GET, "/stats") => json(&self.state.stats.report(self.sessions.sessions.read().await.len())),
            (&Method::GET, "/requests") => json(&self.state.stats.recorded()),
            (&Method::POST, _) if path.starts_with("/signal/") => {
                self.state.signals.give(&path["/signal/".len()..]);
                text(StatusCode::NO_CONTENT, "")
            }
            (&Method::POST, "/hang-up") => {
                self.state.hang_up.notify_waiters();
                text(StatusCode::NO_CONTENT, "")
            }
            (&Method::POST, "/change/tools") => self.change(Change::Tools),
            (&Method::POST, "/change/prompts") => self.change(Change::Prompts),
            (&Method::POST, "/change/resources") => self.change(Change::Resources),
            (&Method::POST, "/touch" | "/say" | "/ask") => {
                let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
                    return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off\n");
                };
                let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
                match (path.as_str(), serde_json::from_str(&body)) {
                    ("/touch", _) => self.change(Change::Resource(body)),
                    ("/say", _) => self.change(Change::Said(body)),
                    (_, Ok(request)) => self.change(Change::Asked(request)),
                    (_, Err(_)) => text(StatusCode::BAD_REQUEST, "the body is a request: {\"method\":…}\n"),
                }
            }
            _ => text(StatusCode::NOT_FOUND, "the MCP endpoint is /mcp\n"),
        }
    }

    fn change(&self, change: Change) -> Response<Body> {
        self.state.changed(change);
        text(StatusCode::NO_CONTENT, "")
    }

    async fn mcp(&self, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off\n"),
        };
        let method = rpc_method(&body);
        self.state.stats.request(&parts.method, method.as_deref(), &parts.headers, &body);
        if self.state.era == Era::Sessions && speaks_2026(&parts.headers, method.as_deref()) {
            // What servers older than the revision answer.
            return text(StatusCode::BAD_REQUEST, "Bad Request: Unsupported MCP-Protocol-Version: 2026-07-28");
        }
        if self.state.mute && parts.method == Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "there is no stream\n");
        }
        let closer = StreamCloser(CancellationToken::new());
        parts.extensions.insert(closer.clone());
        let response = self.mcp.handle(Request::from_parts(parts, Full::new(body))).await;
        let stream = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|v| v.as_bytes().starts_with(b"text/event-stream"));
        if !stream {
            return response;
        }
        self.state.stats.stream_opened();
        let state = self.state.clone();
        let hang_up = {
            let state = state.clone();
            async move { state.hang_up.notified().await }
        };
        let closed = async move {
            tokio::select! {
                () = closer.0.cancelled_owned() => {}
                () = hang_up => {}
            }
        };
        response.map(|inner| EventStream { inner, closed: Box::pin(closed), state }.boxed())
    }
}

/// An event stream that is counted and can be ended from inside.
struct EventStream {
    inner: Body,
    closed: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    state: Arc<State>,
}

impl http_body::Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // What is ready goes out before the end.
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        match frame {
            Poll::Pending if self.closed.as_mut().poll(cx).is_ready() => Poll::Ready(None),
            frame => frame,
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.state.stats.stream_closed();
    }
}

/// The JSON-RPC method of a body; `response` where there is none.
fn rpc_method(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        method: Option<String>,
    }
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    Some(envelope.method.unwrap_or_else(|| "response".into()))
}

fn speaks_2026(headers: &http::HeaderMap, method: Option<&str>) -> bool {
    headers.get("mcp-protocol-version").is_some_and(|version| version.as_bytes() >= b"2026".as_slice())
        || method == Some("server/discover")
}

fn json(value: &impl serde::Serialize) -> Response<Body> {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)).boxed());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    response
}
