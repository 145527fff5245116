//! A proxy that logs in on behalf of clients that cannot: it adds a bearer token to each request and changes nothing else,
//! `Host` and `Origin` included.

use crate::http::Http;
use anyhow::{Context, Result};
use http::header::{AUTHORIZATION, CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The proxy; it ends when this is dropped.
pub struct TokenProxy {
    url: String,
    task: JoinHandle<()>,
}

impl TokenProxy {
    /// In front of `target`, an origin such as `http://127.0.0.1:8787`, for the holder of `token`.
    pub async fn start(target: &str, token: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        // By name: the suite's check against DNS rebinding wants `localhost`.
        let url = format!("http://localhost:{}", listener.local_addr()?.port());
        let target: Arc<str> = target.into();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).context("the token is no header value")?;
        let task = tokio::spawn(async move {
            let http = Http::new();
            while let Ok((connection, _)) = listener.accept().await {
                let (http, target, bearer) = (http.clone(), Arc::clone(&target), bearer.clone());
                let service =
                    service_fn(move |request| forward(http.clone(), Arc::clone(&target), bearer.clone(), request));
                // A client that hangs up drops this, and with it the request on the other side.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
            }
        });
        Ok(Self { url, task })
    }

    /// Its origin.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TokenProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    http: Http,
    target: Arc<str>,
    bearer: HeaderValue,
    request: Request<Incoming>,
) -> Result<Response<Incoming>> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("{target}{path}").parse()?;
    parts.headers.insert(AUTHORIZATION, bearer);
    for header in [CONNECTION, TRANSFER_ENCODING] {
        parts.headers.remove(header);
    }
    let body = body.collect().await?.to_bytes();
    let mut response = http.open(Request::from_parts(parts, Full::new(body))).await?;
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(TRANSFER_ENCODING);
    Ok(response)
}
