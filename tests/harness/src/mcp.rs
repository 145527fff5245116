//! An MCP client that hides nothing: JSON-RPC over Streamable HTTP, in either era.

use crate::http::{Http, request};
use crate::sse::{Event, Events};
use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};

/// A protocol revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// 2025-03-26.
    V2025_03_26,
    /// 2025-06-18.
    V2025_06_18,
    /// 2025-11-25, the last one with sessions.
    V2025_11_25,
    /// 2026-07-28, stateless.
    V2026_07_28,
}

impl Revision {
    /// One of each era, newest of its kind.
    pub const ERAS: [Self; 2] = [Self::V2025_11_25, Self::V2026_07_28];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether it has no sessions.
    pub fn is_stateless(self) -> bool {
        self == Self::V2026_07_28
    }
}

/// The client.
pub struct McpClient {
    http: Http,
    /// The endpoint.
    pub url: String,
    /// The bearer token.
    pub token: Option<String>,
    /// The revision it speaks.
    pub revision: Revision,
    /// The session's id, in the 2025 revisions.
    pub session: Option<String>,
    /// `ClientCapabilities` that it declares.
    pub capabilities: Value,
    ids: AtomicI64,
}

/// The answer to a POST or GET: messages as they come.
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// HTTP headers.
    pub headers: HeaderMap,
    /// Id of the last event, for resuming.
    pub last_event_id: Option<String>,
    source: Source,
}

enum Source {
    /// One body, not read as messages yet.
    Whole(Option<Bytes>),
    Stream(Events),
}

impl McpClient {
    /// A client that has not connected yet.
    pub fn new(url: impl Into<String>, token: Option<&str>, revision: Revision) -> Self {
        Self {
            http: Http::new(),
            url: url.into(),
            token: token.map(Into::into),
            revision,
            session: None,
            capabilities: json!({ "sampling": {}, "elicitation": {}, "roots": {} }),
            ids: AtomicI64::new(1),
        }
    }

    /// A client that has connected.
    pub async fn connected(url: impl Into<String>, token: Option<&str>, revision: Revision) -> Result<Self> {
        let mut client = Self::new(url, token, revision);
        client.connect().await?;
        Ok(client)
    }

    /// `initialize` and `notifications/initialized`, or `server/discover`; returns the server's result.
    pub async fn connect(&mut self) -> Result<Value> {
        if self.revision.is_stateless() {
            return self.call("server/discover", json!({})).await;
        }
        self.session = None;
        let params = json!({
            "protocolVersion": self.revision.as_str(), "capabilities": self.capabilities, "clientInfo": client_info(),
        });
        let mut reply = self.open("initialize", params).await?.expect(200).await?;
        self.session = reply.headers.get("mcp-session-id").and_then(|id| id.to_str().ok()).map(Into::into);
        let result = result_of(reply.response().await?)?;
        ensure!(result["protocolVersion"] == self.revision.as_str(), "another revision was chosen: {result}");
        self.notify("notifications/initialized", json!({})).await?.expect(202).await?;
        Ok(result)
    }

    /// An id that was not used before.
    pub fn next_id(&self) -> i64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Send a request; the reply's messages are read one by one.
    pub async fn open(&self, method: &str, params: Value) -> Result<Reply> {
        self.post(&json!({ "jsonrpc": "2.0", "id": self.next_id(), "method": method, "params": params })).await
    }

    /// Send a request and return its result; a JSON-RPC error is an error.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        result_of(self.open(method, params).await?.response().await?).with_context(|| method.to_owned())
    }

    /// Send a request and return its JSON-RPC error; a result is an error.
    pub async fn call_error(&self, method: &str, params: Value) -> Result<Value> {
        let response = self.open(method, params).await?.response().await?;
        ensure!(response["error"].is_object(), "{method}: expected an error, got {response}");
        Ok(response["error"].clone())
    }

    /// Call a tool and return its result.
    pub async fn tool(&self, name: &str, arguments: Value) -> Result<Value> {
        self.call("tools/call", json!({ "name": name, "arguments": arguments })).await
    }

    /// Call a tool with a progress token, message by message.
    pub async fn open_tool(&self, name: &str, arguments: Value, progress_token: &str) -> Result<Reply> {
        let meta = json!({ "progressToken": progress_token });
        self.open("tools/call", json!({ "name": name, "arguments": arguments, "_meta": meta })).await
    }

    /// The names in a list: `tools/list` under `tools`.
    pub async fn names(&self, method: &str, list: &str, key: &str) -> Result<Vec<String>> {
        let result = self.call(method, json!({})).await?;
        let entries = result[list].as_array().with_context(|| format!("no {list} in {result}"))?;
        Ok(entries.iter().filter_map(|entry| entry[key].as_str().map(Into::into)).collect())
    }

    /// The names of all tools.
    pub async fn tools(&self) -> Result<Vec<String>> {
        self.names("tools/list", "tools", "name").await
    }

    /// Send a notification.
    pub async fn notify(&self, method: &str, params: Value) -> Result<Reply> {
        self.post(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await
    }

    /// Answer a request of the server.
    pub async fn respond(&self, id: &Value, result: Value) -> Result<Reply> {
        self.post(&json!({ "jsonrpc": "2.0", "id": id, "result": result })).await
    }

    /// POST a message. In 2026-07-28 what the revision wants in `_meta` and headers is added.
    pub async fn post(&self, message: &Value) -> Result<Reply> {
        let mut message = message.clone();
        let mut headers = self.headers();
        if self.revision.is_stateless() && message["id"] != Value::Null && message["method"].is_string() {
            let own = json!({
                "io.modelcontextprotocol/protocolVersion": self.revision.as_str(),
                "io.modelcontextprotocol/clientInfo": client_info(),
                "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            });
            let meta = &mut message["params"]["_meta"];
            let given = meta.take();
            *meta = own;
            for (key, value) in given.as_object().into_iter().flatten() {
                meta[key] = value.clone();
            }
        }
        if self.revision.is_stateless() {
            if let Some(method) = message["method"].as_str() {
                headers.push(("mcp-method".into(), method.into()));
            }
            if let Some(name) = ["name", "uri", "taskId"].iter().find_map(|key| message["params"][key].as_str()) {
                headers.push(("mcp-name".into(), name.into()));
            }
        }
        headers.push(("content-type".into(), "application/json".into()));
        self.send(Method::POST, headers, message.to_string()).await
    }

    /// Open the stream of the 2025 revisions for what belongs to no request, or resume another one.
    pub async fn listen(&self, last_event_id: Option<&str>) -> Result<Reply> {
        let mut headers = self.headers();
        headers.extend(last_event_id.map(|id| ("last-event-id".into(), id.into())));
        self.send(Method::GET, headers, String::new()).await
    }

    /// End the session.
    pub async fn delete(&self) -> Result<Reply> {
        self.send(Method::DELETE, self.headers(), String::new()).await
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("accept".to_owned(), "application/json, text/event-stream".to_owned())];
        headers.extend(self.token.as_ref().map(|token| ("authorization".into(), format!("Bearer {token}"))));
        if let Some(session) = &self.session {
            headers.push(("mcp-session-id".into(), session.clone()));
        }
        if self.session.is_some() || self.revision.is_stateless() {
            headers.push(("mcp-protocol-version".into(), self.revision.as_str().into()));
        }
        headers
    }

    /// Send exactly this.
    pub async fn send(&self, method: Method, headers: Vec<(String, String)>, body: impl Into<Bytes>) -> Result<Reply> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request: http::Request<Full<Bytes>> = request(method, &self.url, &headers, body)?;
        let (parts, body) = self.http.open(request).await?.into_parts();
        let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let source = match content_type.starts_with("text/event-stream") {
            true => Source::Stream(Events::new(body)),
            false => {
                let body =
                    tokio::time::timeout(crate::PATIENCE, body.collect()).await.context("the body does not end")?;
                Source::Whole(Some(body?.to_bytes()))
            }
        };
        Ok(Reply { status: parts.status, headers: parts.headers, last_event_id: None, source })
    }
}

impl Reply {
    /// The reply, if it has this status.
    pub async fn expect(mut self, status: u16) -> Result<Self> {
        if self.status != status {
            let text = self.text().await?;
            bail!("expected {status}, got {}: {text}", self.status);
        }
        Ok(self)
    }

    /// Whether it is an event stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.source, Source::Stream(_))
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next message; none at the end.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        match &mut self.source {
            Source::Whole(body) => match body.take().filter(|body| !body.is_empty()) {
                None => Ok(None),
                Some(body) => serde_json::from_slice(&body)
                    .map(Some)
                    .map_err(|e| anyhow!("{e}: {} {}", self.status, String::from_utf8_lossy(&body))),
            },
            Source::Stream(events) => loop {
                match events.next().await? {
                    None => return Ok(None),
                    Some(Event { id, data, .. }) => {
                        self.last_event_id = id.or(self.last_event_id.take());
                        if !data.is_empty() {
                            return serde_json::from_str(&data).map(Some).with_context(|| data);
                        }
                    }
                }
            },
        }
    }

    /// Read on to the JSON-RPC response, past notifications and requests.
    pub async fn response(&mut self) -> Result<Value> {
        while let Some(message) = self.next().await? {
            if message["method"].is_null() {
                return Ok(message);
            }
        }
        bail!("the reply ({}) ended without a response", self.status)
    }

    /// Read all messages to the end.
    pub async fn all(&mut self) -> Result<Vec<Value>> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await? {
            messages.push(message);
        }
        Ok(messages)
    }

    /// The body as text, or the messages where it is a stream.
    pub async fn text(&mut self) -> Result<String> {
        match &mut self.source {
            Source::Whole(body) => Ok(String::from_utf8_lossy(&body.take().unwrap_or_default()).into_owned()),
            Source::Stream(_) => Ok(format!("{:?}", self.all().await?)),
        }
    }
}

/// The result of a JSON-RPC response.
pub fn result_of(response: Value) -> Result<Value> {
    match response.get("result") {
        Some(result) => Ok(result.clone()),
        None => bail!("a JSON-RPC error: {}", response["error"]),
    }
}

/// The first text of a tool's result.
pub fn text_of(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

fn client_info() -> Value {
    json!({ "name": "harness", "version": "0.1.0" })
}
