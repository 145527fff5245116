//! The load: clients that each keep one connection and send the next request when the answer to the last is complete.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

/// One end of the comparison.
#[derive(Clone)]
pub struct Side {
    /// Where it listens; its endpoint is `/mcp`.
    pub address: SocketAddr,
    /// Access token, for the gateway.
    pub token: Option<String>,
    /// The tool's name there.
    pub tool: &'static str,
}

/// The two ways MCP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25: one session for each client.
    Session,
    /// 2026-07-28: every request for itself.
    Stateless,
}

impl Era {
    /// The protocol revision.
    pub fn revision(self) -> &'static str {
        match self {
            Self::Session => "2025-11-25",
            Self::Stateless => "2026-07-28",
        }
    }
}

/// What one round measured.
#[derive(Default)]
pub struct Round {
    /// How long each request took, to the last byte of its answer.
    pub latencies: Vec<Duration>,
    /// How long the round took.
    pub elapsed: Duration,
}

/// Let `clients` clients work side by side for `time`; each makes at least one request.
///
/// # Errors
/// Any answer that is not the tool's result: a measurement with failures in it measures something else.
pub async fn round(side: &Side, era: Era, clients: usize, time: Duration) -> Result<Round> {
    let mut connected = Vec::with_capacity(clients);
    for _ in 0..clients {
        connected.push(Client::connect(side.clone(), era).await?);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut client in connected {
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let before = Instant::now();
                client.call(latencies.len()).await?;
                latencies.push(before.elapsed());
                if start.elapsed() >= time || latencies.len() >= MAX_REQUESTS_PER_CLIENT {
                    break;
                }
            }
            Ok::<_, anyhow::Error>((client, latencies))
        });
    }
    let mut round = Round::default();
    let mut finished = Vec::new();
    while let Some(result) = tasks.join_next().await {
        let (client, latencies) = result??;
        round.latencies.extend(latencies);
        finished.push(client);
    }
    round.elapsed = start.elapsed();
    for client in &mut finished {
        client.end().await?;
    }
    Ok(round)
}

/// Keeps memory bounded whatever the duration: 16 MB of latencies for each client.
const MAX_REQUESTS_PER_CLIENT: usize = 1_000_000;

/// One connection, and one session where the revision has them.
struct Client {
    side: Side,
    era: Era,
    session: Option<String>,
    connection: SendRequest<Full<Bytes>>,
}

impl Client {
    async fn connect(side: Side, era: Era) -> Result<Self> {
        let stream =
            TcpStream::connect(side.address).await.with_context(|| format!("cannot connect to {}", side.address))?;
        stream.set_nodelay(true)?;
        let (connection, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        let mut client = Self { side, era, session: None, connection };
        if era == Era::Session {
            client.initialize().await?;
        }
        Ok(client)
    }

    async fn initialize(&mut self) -> Result<()> {
        let request = json!({ "jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {
            "protocolVersion": self.era.revision(), "capabilities": {}, "clientInfo": client_info() } });
        let response = self.send("POST", &request, "initialize").await?;
        let session = response.headers().get("mcp-session-id").context("initialize gave no Mcp-Session-Id")?;
        self.session = Some(session.to_str()?.to_owned());
        read(response).await?;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        read(self.send("POST", &initialized, "notifications/initialized").await?).await.map(drop)
    }

    async fn call(&mut self, id: usize) -> Result<()> {
        let mut params = json!({ "name": self.side.tool, "arguments": { "text": TEXT } });
        if self.era == Era::Stateless {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.era.revision(),
                "io.modelcontextprotocol/clientInfo": client_info(),
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let body = read(self.send("POST", &request, "tools/call").await?).await?;
        let body = std::str::from_utf8(&body)?;
        // Without parsing: the generator must stay cheap beside what it measures.
        if !body.contains("\"result\"") || !body.contains(TEXT) || body.contains("\"isError\":true") {
            bail!("{} did not answer with the tool's result but: {body}", self.side.address);
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        if self.session.is_some() {
            read(self.send("DELETE", &Value::Null, "").await?).await?;
        }
        Ok(())
    }

    async fn send(&mut self, http_method: &str, message: &Value, method: &str) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(http_method)
            .uri("/mcp")
            .header("host", self.side.address.to_string())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(token) = &self.side.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if method != "initialize" {
            request = request.header("mcp-protocol-version", self.era.revision());
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        if self.era == Era::Stateless {
            request = request.header("mcp-method", method).header("mcp-name", self.side.tool);
        }
        let body = if message.is_null() { Bytes::new() } else { message.to_string().into() };
        self.connection.ready().await?;
        let response = self.connection.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        if !status.is_success() {
            let body = read(response).await?;
            bail!(
                "{} answered {http_method} {method} with {status}: {}",
                self.side.address,
                String::from_utf8_lossy(&body)
            );
        }
        Ok(response)
    }
}

/// What is echoed; found again in every answer.
const TEXT: &str = "the quick brown fox jumps over the lazy dog";

fn client_info() -> Value {
    json!({ "name": "mcp-edge-bench", "version": env!("CARGO_PKG_VERSION") })
}

async fn read(response: Response<Incoming>) -> Result<Bytes> {
    Ok(response.into_body().collect().await?.to_bytes())
}
