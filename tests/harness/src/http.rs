//! A plain HTTP/1.1 client for loopback.

use crate::PATIENCE;
use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// The client. Clones share their connections.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// A client with connections of its own.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// Send, and come back with the head as soon as it is there; dropping the body hangs up.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>> {
        let what = format!("{} {}", request.method(), request.uri());
        let response = timeout(PATIENCE, self.client.request(request)).await;
        response.with_context(|| format!("{what}: no answer"))?.with_context(|| what)
    }

    /// Send, and read the whole response.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let what = format!("{} {}", request.method(), request.uri());
        let (parts, body) = self.open(request).await?.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.with_context(|| format!("{what}: the body does not end"))?;
        let body = body.with_context(|| format!("{what}: the body broke off"))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// GET.
    pub async fn get(&self, url: &str) -> Result<Answer> {
        self.send(request(Method::GET, url, &[], "")?).await
    }

    /// POST of a form.
    pub async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let body = form(fields);
        self.send(request(Method::POST, url, &[("content-type", "application/x-www-form-urlencoded")], body)?).await
    }

    /// POST of JSON.
    pub async fn post_json(&self, url: &str, value: &serde_json::Value) -> Result<Answer> {
        self.send(request(Method::POST, url, &[("content-type", "application/json")], value.to_string())?).await
    }
}

/// A request.
pub fn request(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Request<Full<Bytes>>> {
    let mut builder = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body.into())).with_context(|| format!("a request to {url}"))
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn form<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|e| anyhow!("{e}: {} {}", self.status, self.text()))
    }

    /// The answer, if it has this status.
    pub fn expect(self, status: u16) -> Result<Self> {
        anyhow::ensure!(self.status == status, "expected {status}, got {}: {}", self.status, self.text());
        Ok(self)
    }
}
