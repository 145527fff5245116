//! `mcp-edge:upstreams/upstreams` of connector.wasm, against real upstreams and servers that misbehave.

use crate::fake::{Breakable, canned};
use crate::{Single, wasmtime_error};
use anyhow::{Context, Result, anyhow, bail, ensure};
use harness::mcp::text_of;
use harness::{Settings, Upstream, unique};
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use tokio::sync::{mpsc, oneshot};
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureReader, Source, StreamConsumer, StreamResult};

mod world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "mcp-edge:gateway/connector",
        exports: { default: async },
        with: { "wasi:http": wasmtime_wasi_http::p3::bindings::http },
    });
}

pub use world::exports::mcp_edge::upstreams::upstreams::{
    Call, Caller, Description, Event, Interest, Reply, UpstreamError,
};

/// What came of an exchange, with its stream read to the end.
#[derive(Debug)]
pub enum Came {
    Accepted,
    Response(Value),
    Messages(Vec<Value>, Option<UpstreamError>),
}

pub struct Connector {
    single: Single,
    broken: Arc<AtomicBool>,
    /// Event ids of everything that came.
    pub event_ids: Mutex<Vec<String>>,
}

pub fn caller(conversation: &str, revision: &str) -> Caller {
    Caller {
        user_hash: "0123456789abcdef0123456789abcdef".into(),
        conversation: conversation.into(),
        request_id: "fedcba9876543210fedcba9876543210".into(),
        revision: revision.into(),
        client_info: json!({ "name": "contract", "version": "1" }).to_string(),
        client_capabilities: "{}".into(),
    }
}

pub fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": "my-id", "method": method, "params": params })
}

pub fn tool(name: &str, arguments: Value) -> Value {
    request("tools/call", json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": "t" } }))
}

pub fn case(error: &UpstreamError) -> &'static str {
    match error {
        UpstreamError::NotFound => "not-found",
        UpstreamError::Unreachable(_) => "unreachable",
        UpstreamError::TimedOut(_) => "timed-out",
        UpstreamError::Unauthorized(_) => "unauthorized",
        UpstreamError::Refused(_) => "refused",
        UpstreamError::InvalidReply(_) => "invalid-reply",
        UpstreamError::Misconfigured(_) => "misconfigured",
        UpstreamError::Unavailable(_) => "unavailable",
    }
}

impl Connector {
    pub fn start(settings: &Settings) -> Result<Self> {
        let mut single = Single::load("connector", settings, "http://127.0.0.1:8787")?;
        let (store, broken) = Breakable::store(single.services.store.clone());
        single.services.store = store;
        Ok(Self { single, broken, event_ids: Mutex::default() })
    }

    /// Break the store.
    pub fn broken(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    async fn instance(&self) -> Result<(wasmtime::Store<mcp_edge::runtime::Guest>, world::Connector)> {
        let mut store = self.single.store();
        let linker = &self.single.runtime.linker;
        let world = world::Connector::instantiate_async(&mut store, &self.single.component, linker).await;
        Ok((store, world.map_err(wasmtime_error)?))
    }

    async fn list(&self) -> Result<Result<Vec<String>, UpstreamError>> {
        let (mut store, world) = self.instance().await?;
        let list = world.mcp_edge_upstreams_upstreams().call_list(&mut store).await.map_err(wasmtime_error)?;
        Ok(list.map(|upstreams| upstreams.into_iter().map(|upstream| upstream.name).collect()))
    }

    pub async fn status(&self, name: &str, caller: Caller) -> Result<Result<Description, UpstreamError>> {
        let (mut store, world) = self.instance().await?;
        let name = name.to_owned();
        let run = store
            .run_concurrent(async |store| world.mcp_edge_upstreams_upstreams().call_status(store, name, caller).await);
        run.await.map_err(wasmtime_error)?.map_err(wasmtime_error)
    }

    async fn close(&self, caller: Caller) -> Result<Result<(), UpstreamError>> {
        let (mut store, world) = self.instance().await?;
        let run =
            store.run_concurrent(async |store| world.mcp_edge_upstreams_upstreams().call_close(store, caller).await);
        run.await.map_err(wasmtime_error)?.map_err(wasmtime_error)
    }

    pub async fn exchange(
        &self,
        upstream: &str,
        message: &Value,
        caller: Caller,
    ) -> Result<Result<Came, UpstreamError>> {
        // Kept to the end: nobody abandons the call.
        let (_abandon, abandoned) = oneshot::channel();
        self.exchange_until(upstream, message, caller, abandoned, |_| ()).await
    }

    /// `seen` is called with each message as it comes.
    pub async fn exchange_until(
        &self,
        upstream: &str,
        message: &Value,
        caller: Caller,
        abandoned: oneshot::Receiver<()>,
        mut seen: impl FnMut(&Value),
    ) -> Result<Result<Came, UpstreamError>> {
        let (mut store, world) = self.instance().await?;
        let call = Call { upstream: upstream.into(), message: message.to_string() };
        let run = store.run_concurrent(async |store| {
            let abandoned = store
                .with(|store| FutureReader::new(store, async move { wasmtime::error::Ok(abandoned.await.is_ok()) }))?;
            let reply = world.mcp_edge_upstreams_upstreams().call_exchange(store, call, caller, abandoned).await?;
            let stream = match reply {
                Err(error) => return wasmtime::error::Ok(Err(error)),
                Ok(Reply::Accepted) => return Ok(Ok(Came::Accepted)),
                Ok(Reply::Response(data)) => return Ok(Ok(Came::Response(parse(&data)?))),
                Ok(Reply::Messages(stream)) => stream,
            };
            let (events, mut incoming) = mpsc::unbounded_channel();
            store.with(|store| stream.pipe(store, Collect(events)))?;
            let mut messages = Vec::new();
            while let Some(event) = incoming.recv().await {
                match self.note(event)? {
                    Said::Message(message) => {
                        seen(&message);
                        messages.push(message);
                    }
                    Said::Reached => {}
                    Said::Failed(error) => return Ok(Ok(Came::Messages(messages, Some(error)))),
                }
            }
            Ok(Ok(Came::Messages(messages, None)))
        });
        let run = tokio::time::timeout(harness::PATIENCE, run).await.context("the exchange does not end")?;
        run.map_err(wasmtime_error)?.map_err(wasmtime_error)
    }
}

impl Connector {
    /// Listen until `seen` has enough, or nothing more comes. `None`: there is nothing to listen to.
    pub async fn listen_until(
        &self,
        interest: Interest,
        caller: Caller,
        abandoned: oneshot::Receiver<()>,
        mut seen: impl FnMut(&Said) -> bool,
    ) -> Result<Result<Option<Vec<Said>>, UpstreamError>> {
        let (mut store, world) = self.instance().await?;
        let run = store.run_concurrent(async |store| {
            let abandoned = store
                .with(|store| FutureReader::new(store, async move { wasmtime::error::Ok(abandoned.await.is_ok()) }))?;
            let listening =
                world.mcp_edge_upstreams_upstreams().call_listen(store, interest, caller, abandoned).await?;
            let stream = match listening {
                Err(error) => return wasmtime::error::Ok(Err(error)),
                Ok(None) => return Ok(Ok(None)),
                Ok(Some(stream)) => stream,
            };
            let (events, mut incoming) = mpsc::unbounded_channel();
            store.with(|store| stream.pipe(store, Collect(events)))?;
            let mut all = Vec::new();
            while let Some(event) = incoming.recv().await {
                let said = self.note(event)?;
                let enough = seen(&said);
                all.push(said);
                if enough {
                    break;
                }
            }
            Ok(Ok(Some(all)))
        });
        let run = tokio::time::timeout(harness::PATIENCE, run).await.context("the listening does not end")?;
        run.map_err(wasmtime_error)?.map_err(wasmtime_error)
    }

    fn note(&self, event: Event) -> wasmtime::Result<Said> {
        let keep = |id: String| self.event_ids.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        Ok(match event {
            Event::Message(message) => {
                message.event_id.map(keep);
                Said::Message(parse(&message.data)?)
            }
            Event::Reached(position) => {
                keep(position.event_id);
                Said::Reached
            }
            Event::Failed(error) => Said::Failed(error),
        })
    }
}

/// One event, read.
#[derive(Debug)]
pub enum Said {
    Message(Value),
    Reached,
    Failed(UpstreamError),
}

fn parse(data: &str) -> wasmtime::Result<Value> {
    serde_json::from_str(data).map_err(|error| wasmtime::Error::msg(error.to_string()))
}

/// Hands the events of a stream on.
struct Collect(mpsc::UnboundedSender<Event>);

impl<D> StreamConsumer<D> for Collect {
    type Item = Event;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        mut store: StoreContextMut<D>,
        mut source: Source<'_, Event>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut events = Vec::with_capacity(source.remaining(&mut store));
        source.read(&mut store, &mut events)?;
        for event in events {
            if self.0.send(event).is_err() {
                return Poll::Ready(Ok(StreamResult::Dropped));
            }
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

#[tokio::test]
async fn upstreams_are_listed_in_order_without_connecting() -> Result<()> {
    let settings = Settings::new().upstream("b", "http://127.0.0.1:1/mcp").upstream("a-1", "http://127.0.0.1:1/mcp");
    let connector = Connector::start(&settings)?;
    ensure!(connector.list().await?.map_err(|e| anyhow!("{e:?}"))? == ["a-1", "b"]);
    let nothing = Connector::start(&Settings::new())?;
    ensure!(nothing.list().await?.is_ok_and(|list| list.is_empty()));
    let broken = Connector::start(&Settings::new().with("/mcpServers", json!([])))?;
    ensure!(matches!(broken.list().await?, Err(UpstreamError::Misconfigured(_))));
    Ok(())
}

#[tokio::test]
async fn an_upstream_says_what_it_is_in_each_era() -> Result<()> {
    for (era, client, revision) in [
        ("2025", "2025-11-25", "2025-11-25"),
        ("2025", "2026-07-28", "2025-11-25"),
        ("2026", "2026-07-28", "2026-07-28"),
        ("2026", "2025-11-25", "2026-07-28"),
    ] {
        let upstream = Upstream::start(&["--set", "fixtures", "--era", era]).await?;
        let connector = Connector::start(&Settings::new().upstream("up", upstream.url()))?;
        for _ in 0..2 {
            let status = connector.status("up", caller("c", client)).await?.map_err(|e| anyhow!("{era}: {e:?}"))?;
            ensure!(status.revision == revision, "{era}: {status:?}");
            let info: Value = serde_json::from_str(&status.server_info)?;
            let capabilities: Value = serde_json::from_str(&status.capabilities)?;
            ensure!(info["name"] == "mcp-edge-fixtures" && capabilities["tools"]["listChanged"] == true, "{status:?}");
            ensure!(status.instructions.as_deref() == Some("Fixtures of the tests."), "{status:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_reply_is_accepted_a_response_or_messages() -> Result<()> {
    for (arguments, revision) in [(["--era", "2025"], "2025-11-25"), (["--era", "2026"], "2026-07-28")] {
        let upstream = Upstream::start(&[&["--set", "fixtures"], &arguments[..]].concat()).await?;
        let connector = Connector::start(&Settings::new().upstream("up", upstream.url()))?;
        let exchange = async |message: Value| {
            let came = connector.exchange("up", &message, caller("c", revision)).await?;
            came.map_err(|error| anyhow!("{revision}: {message}: {error:?}"))
        };
        let response = match exchange(tool("echo", json!({ "text": "hi" }))).await? {
            Came::Response(response) => response,
            Came::Messages(mut messages, None) if messages.len() == 1 => messages.remove(0),
            other => bail!("{other:?}"),
        };
        ensure!(response["id"] == "my-id" && text_of(&response["result"]) == "hi", "{response}");

        let Came::Messages(messages, None) = exchange(tool("stream", json!({ "count": 5 }))).await? else {
            bail!("{revision}: no stream");
        };
        ensure!(messages.len() == 6, "{messages:?}");
        ensure!(messages.iter().take(5).all(|message| message["params"]["progressToken"] == "t"), "{messages:?}");
        ensure!(messages[5]["id"] == "my-id" && messages[5]["result"].is_object(), "{messages:?}");

        // An error of the upstream is a response like any other.
        let error = match exchange(request("no/such/method", json!({}))).await? {
            Came::Response(response) => response,
            Came::Messages(mut messages, None) if messages.len() == 1 => messages.remove(0),
            other => bail!("{other:?}"),
        };
        ensure!(error["error"]["code"] == -32601 && error["id"] == "my-id", "{error}");

        let notification =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } });
        let came = exchange(notification).await?;
        ensure!(matches!(came, Came::Accepted), "{revision}: {came:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_abandoned_call_is_cancelled_upstream() -> Result<()> {
    for (arguments, revision) in [(["--era", "2025"], "2025-11-25"), (["--era", "2026"], "2026-07-28")] {
        let upstream = Upstream::start(&[&["--set", "fixtures"], &arguments[..]].concat()).await?;
        let connector = Connector::start(&Settings::new().upstream("up", upstream.url()))?;
        let (abandon, abandoned) = oneshot::channel();
        let mut abandon = Some(abandon);
        let message = tool("wait_for_signal", json!({ "name": unique("never") }));
        let seen = |_: &Value| {
            if let Some(abandon) = abandon.take() {
                let _ = abandon.send(());
            }
        };
        let call = connector.exchange_until("up", &message, caller("c", revision), abandoned, seen);
        // How the stream ends once nobody wants it is nobody's concern; that the upstream is freed is.
        let freed = upstream.until("the call is cancelled", |stats| stats["cancelled"] == 1 && stats["waiting"] == 0);
        let (_, freed) = tokio::join!(call, freed);
        freed.with_context(|| revision.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn each_failure_has_its_own_error() -> Result<()> {
    const UNAUTHORIZED: &str =
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const PAGE: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\nconnection: close\r\n\r\n<p/>";
    const NO_JSON: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\nconnection: close\r\n\r\n{x}";
    const EARLY_END: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 2\r\nconnection: close\r\n\r\n\n\n";
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        format!("http://{}/mcp", listener.local_addr()?)
    };
    let with_timeout = |url: &str| json!({ "url": url, "timeout": 1 });
    for (name, entry, expected) in [
        ("closed", json!({ "url": closed }), "unreachable"),
        ("no_such_host", json!({ "url": "https://host.invalid/mcp" }), "unreachable"),
        ("silent", with_timeout(&canned("").await?), "timed-out"),
        ("unauthorized", json!({ "url": canned(UNAUTHORIZED).await? }), "unauthorized"),
        ("forbidden", json!({ "url": canned(FORBIDDEN).await? }), "unauthorized"),
        ("broken", json!({ "url": canned(BROKEN).await? }), "refused"),
        ("page", json!({ "url": canned(PAGE).await? }), "invalid-reply"),
        ("no_json", json!({ "url": canned(NO_JSON).await? }), "invalid-reply"),
        ("early_end", json!({ "url": canned(EARLY_END).await? }), "invalid-reply"),
        ("no_secret", json!({ "url": closed, "headers": { "X-Key": "${ABSENT}" } }), "misconfigured"),
    ] {
        let connector = Connector::start(&Settings::new().with(&format!("/mcpServers/{name}"), entry))?;
        for revision in ["2025-11-25", "2026-07-28"] {
            let status = connector.status(name, caller("c", revision)).await?;
            let error = status.err().with_context(|| format!("{name} has a status"))?;
            ensure!(case(&error) == expected, "status of {name} for {revision}: {error:?}");
            let came = connector.exchange(name, &tool("echo", json!({})), caller("c", revision)).await?;
            let error = match came {
                Err(error) | Ok(Came::Messages(_, Some(error))) => error,
                Ok(other) => bail!("{name} answers: {other:?}"),
            };
            ensure!(case(&error) == expected, "exchange with {name} for {revision}: {error:?}");
        }
        let error = connector.status("another", caller("c", "2025-11-25")).await?.err().context("another")?;
        ensure!(case(&error) == "not-found", "{error:?}");
        let error = connector.exchange("another", &tool("echo", json!({})), caller("c", "2025-11-25")).await?;
        ensure!(error.as_ref().is_err_and(|error| case(error) == "not-found"), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_broken_store_is_told_where_something_has_to_be_kept() -> Result<()> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let connector = Connector::start(&Settings::new().upstream("up", upstream.url()))?;
    connector.broken();
    let error = connector.status("up", caller("c", "2025-11-25")).await?.err().context("status")?;
    ensure!(case(&error) == "unavailable", "{error:?}");
    let came = connector.exchange("up", &tool("echo", json!({})), caller("c", "2025-11-25")).await?;
    ensure!(came.as_ref().is_err_and(|error| case(error) == "unavailable"), "{came:?}");
    let closed = connector.close(caller("c", "2025-11-25")).await?;
    ensure!(closed.as_ref().is_err_and(|error| case(error) == "unavailable"), "{closed:?}");
    ensure!(upstream.count("tools/call").await? == 0, "the message was sent");
    Ok(())
}

#[tokio::test]
async fn closing_ends_the_sessions_of_that_conversation_only() -> Result<()> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let connector = Connector::start(&Settings::new().upstream("up", upstream.url()))?;
    let echo = tool("echo", json!({ "text": "x" }));
    for conversation in ["one", "two"] {
        for _ in 0..2 {
            let came = connector.exchange("up", &echo, caller(conversation, "2025-11-25")).await?;
            ensure!(came.is_ok(), "{came:?}");
        }
    }
    ensure!(upstream.count("initialize").await? == 2, "{}", upstream.stats().await?);
    // Safe to repeat, and for conversations that never were.
    for conversation in ["one", "one", "never"] {
        let closed = connector.close(caller(conversation, "2025-11-25")).await?;
        ensure!(closed.is_ok(), "{closed:?}");
    }
    upstream.until("one session is left", |stats| stats["sessions"] == 1).await?;
    ensure!(connector.exchange("up", &echo, caller("two", "2025-11-25")).await?.is_ok());
    ensure!(upstream.count("initialize").await? == 2, "the other conversation lost its session");
    Ok(())
}
