//! `mcp-edge:session/endpoint` of session.wasm, with upstreams that the test plays.

use crate::{Single, wasmtime_error};
use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use harness::Settings;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use mcp_edge::runtime::Guest;
use serde_json::{Value, json};
use std::cell::RefCell;
use wasmtime::component::{Accessor, FutureReader, HasData, Linker, StreamReader};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p3::bindings::http::types::{ErrorCode, Request as WasiRequest};

mod world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "mcp-edge:gateway/session",
        exports: { default: async },
        with: { "wasi:http": wasmtime_wasi_http::p3::bindings::http },
    });
}

use world::exports::mcp_edge::session::endpoint::{Context as Asked, Facts};
use world::mcp_edge::upstreams::upstreams::{
    self, Call, Caller, Description, Event, Host, HostWithStore, Interest, Reply, Upstream, UpstreamError,
};

thread_local! {
    /// Calls that reached the upstream; each test has a thread of its own.
    static CALLS: RefCell<Vec<(Value, Caller)>> = const { RefCell::new(Vec::new()) };
}

/// One upstream, `up`, with the tool `echo`.
struct Played;

impl HasData for Played {
    type Data<'a> = Played;
}

impl Host for Played {
    fn list(&mut self) -> Result<Vec<Upstream>, UpstreamError> {
        Ok(vec![Upstream { name: "up".into() }])
    }
}

impl HostWithStore<Guest> for Played {
    async fn status(_: &Accessor<Guest, Self>, name: String, _: Caller) -> Result<Description, UpstreamError> {
        if name != "up" {
            return Err(UpstreamError::NotFound);
        }
        Ok(Description {
            revision: "2025-11-25".into(),
            capabilities: json!({ "tools": {} }).to_string(),
            server_info: json!({ "name": "played", "version": "1" }).to_string(),
            instructions: None,
        })
    }

    async fn exchange(
        _: &Accessor<Guest, Self>,
        call: Call,
        caller: Caller,
        _: FutureReader<bool>,
    ) -> Result<Reply, UpstreamError> {
        let message: Value =
            serde_json::from_str(&call.message).map_err(|e| UpstreamError::InvalidReply(e.to_string()))?;
        CALLS.with_borrow_mut(|calls| calls.push((message.clone(), caller)));
        let result = match message["method"].as_str() {
            Some("tools/list") => json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] }),
            Some("tools/call") if message["params"]["arguments"]["fail"] == true => {
                return Err(UpstreamError::Unreachable("10.1.2.3 refused".into()));
            }
            Some("tools/call") => {
                json!({ "content": [{ "type": "text", "text": message["params"]["arguments"]["text"] }] })
            }
            _ => return Ok(Reply::Accepted),
        };
        let response = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        Ok(Reply::Response(response.to_string()))
    }

    async fn listen(
        _: &Accessor<Guest, Self>,
        _: Interest,
        _: Caller,
        _: FutureReader<bool>,
    ) -> Result<Option<StreamReader<Event>>, UpstreamError> {
        Ok(None)
    }

    async fn close(_: &Accessor<Guest, Self>, _: Caller) -> Result<(), UpstreamError> {
        Ok(())
    }
}

struct Session {
    single: Single,
    linker: Linker<Guest>,
}

/// A response, read to its end, with its facts.
struct Answered {
    status: StatusCode,
    session: Option<String>,
    body: Bytes,
    facts: Facts,
}

impl Answered {
    fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}

fn asked(user: &str) -> Asked {
    Asked {
        request_id: "fedcba9876543210fedcba9876543210".into(),
        user_hash: user.into(),
        client_id: "client".into(),
        scopes: Vec::new(),
        roles: Vec::new(),
        tenant: None,
        project: None,
        region: None,
        features: Vec::new(),
        tool_search: false,
    }
}

const ALICE: &str = "0123456789abcdef0123456789abcdef";
const BOB: &str = "11111111111111111111111111111111";

fn post(headers: &[(&str, &str)], body: &Value) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::post("http://127.0.0.1:8787/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.body(Full::new(body.to_string().into()))?)
}

impl Session {
    fn load() -> Result<Self> {
        let single = Single::load(
            "session",
            &Settings::new().upstream("up", "http://127.0.0.1:1/mcp"),
            "http://127.0.0.1:8787",
        )?;
        let mut linker = single.runtime.linker.clone();
        upstreams::add_to_linker::<_, Played>(&mut linker, |_| Played).map_err(wasmtime_error)?;
        Ok(Self { single, linker })
    }

    async fn handle<B>(&self, request: Request<B>, asked: Asked) -> Result<Result<Answered, ErrorCode>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let mut store = self.single.store();
        let world = world::Session::instantiate_async(&mut store, &self.single.component, &self.linker).await;
        let world = world.map_err(wasmtime_error)?;
        let (request, sent) = WasiRequest::from_http(store.data_mut().http().hooks, request);
        let answer = store.run_concurrent(async |store| {
            let request = store.with(|mut store| store.data_mut().http().table.push(request))?;
            let answer = async {
                let endpoint = world.mcp_edge_session_endpoint();
                let answer = match endpoint.call_handle(store, request, asked).await? {
                    Ok(answer) => answer,
                    Err(code) => return wasmtime::error::Ok(Err(code)),
                };
                let response = store.with(|mut store| store.data_mut().http().table.delete(answer.response))?;
                let response = store.with(|store| response.into_http(store, async { Ok(()) }))?;
                let (parts, body) = response.into_parts();
                let body = body.collect().await.map_err(|error| wasmtime::Error::msg(format!("{error:?}")))?;
                let session = parts.headers.get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
                Ok(Ok(Answered { status: parts.status, session, body: body.to_bytes(), facts: answer.facts }))
            };
            let (answer, _) = futures::join!(answer, sent);
            answer
        });
        answer.await.map_err(wasmtime_error)?.map_err(wasmtime_error)
    }

    async fn answered(&self, headers: &[(&str, &str)], body: &Value, user: &str) -> Result<Answered> {
        self.handle(post(headers, body)?, asked(user)).await?.map_err(|code| anyhow!("{code:?}"))
    }
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "contract", "version": "1" } } })
}

#[tokio::test]
async fn it_believes_the_context_and_tells_the_facts() -> Result<()> {
    let session = Session::load()?;
    let begun = session.answered(&[], &initialize(), ALICE).await?;
    ensure!(begun.status == 200, "{}", begun.status);
    let id = begun.session.clone().context("no session id")?;
    let facts = &begun.facts;
    ensure!(
        facts.method.as_deref() == Some("initialize") && facts.revision.as_deref() == Some("2025-11-25"),
        "{facts:?}"
    );

    let headers = [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let call = |arguments: Value| json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "up_echo", "arguments": arguments } });
    let echoed = session.answered(&headers, &call(json!({ "text": "hi" })), ALICE).await?;
    ensure!(echoed.json()?["result"]["content"][0]["text"] == "hi", "{}", echoed.json()?);
    let facts = &echoed.facts;
    ensure!(facts.name.as_deref() == Some("up_echo") && facts.upstream.as_deref() == Some("up"), "{facts:?}");
    ensure!(facts.error.is_none() && facts.reason.is_none(), "{facts:?}");
    let (message, caller) = CALLS.with_borrow(|calls| calls.last().cloned()).context("no call upstream")?;
    ensure!(message["params"]["name"] == "echo", "{message}");
    ensure!(caller.user_hash == ALICE && caller.revision == "2025-11-25", "{caller:?}");
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    ensure!(caller.conversation.len() <= 64 && caller.conversation.bytes().all(legal), "{caller:?}");
    ensure!(serde_json::from_str::<Value>(&caller.client_info)?["name"] == "contract", "{caller:?}");

    // An upstream that cannot be reached is told without telling where it is; the log gets the reason.
    let failed = session.answered(&headers, &call(json!({ "fail": true })), ALICE).await?;
    let error = failed.json()?["error"].clone();
    ensure!(error["code"] == -32001 && !error.to_string().contains("10.1.2.3"), "{error}");
    ensure!(failed.facts.error == Some(-32001), "{:?}", failed.facts);
    ensure!(failed.facts.reason.as_deref().is_some_and(|reason| reason.contains("10.1.2.3")), "{:?}", failed.facts);

    // Somebody else's session, by the context alone.
    let other = session.answered(&headers, &call(json!({ "text": "hi" })), BOB).await?;
    ensure!(other.status == 404, "{}", other.status);
    // A header that pretends to be a context changes nothing.
    let forged = [headers[0], headers[1], ("x-user-hash", ALICE), ("mcp-edge-user", ALICE)];
    let forged = session.answered(&forged, &call(json!({ "text": "hi" })), BOB).await?;
    ensure!(forged.status == 404, "{}", forged.status);
    Ok(())
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_code_and_nothing_is_sent() -> Result<()> {
    let session = Session::load()?;
    let body = initialize().to_string();
    let (start, _) = body.split_at(body.len() / 2);
    let frames: Vec<Result<http_body::Frame<Bytes>, wasmtime_wasi_http::Error>> = vec![
        Ok(http_body::Frame::data(Bytes::copy_from_slice(start.as_bytes()))),
        Err(wasmtime_wasi_http::Error::ConnectionTerminated),
    ];
    let request = Request::post("http://127.0.0.1:8787/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(StreamBody::new(futures::stream::iter(frames)))?;
    let answer = session.handle(request, asked(ALICE)).await?;
    ensure!(answer.is_err(), "answered with {:?}", answer.map(|answered| answered.status));
    ensure!(CALLS.with_borrow(Vec::is_empty), "something was sent upstream");
    Ok(())
}
