//! A world for the connector: a scripted network, a clock that jumps to the next thing that happens, a store in memory.

#![allow(dead_code, reason = "each test file uses its part")]

use connector_core::{Abandoned, Call, Caller, Connector, Event, Messages, Ports, Reply, UpstreamError};
use shared_ports::memory::{MemoryConfig, MemoryStore};
use shared_ports::{Body, Clock, Config, ConfigError, Http, HttpError, Request, Response};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Virtual time: when nothing else can happen, [`run`] moves it to the next moment that somebody sleeps for.
#[derive(Clone, Default)]
pub struct TestClock(Rc<Time>);

#[derive(Default)]
struct Time {
    elapsed: Cell<Duration>,
    sleepers: RefCell<Vec<(Duration, Waker)>>,
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        1_800_000_000 + self.0.elapsed.get().as_secs()
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed.get()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        let end = self.0.elapsed.get() + duration;
        poll_fn(move |cx| {
            if self.0.elapsed.get() >= end {
                return Poll::Ready(());
            }
            self.0.sleepers.borrow_mut().push((end, cx.waker().clone()));
            Poll::Pending
        })
    }
}

impl TestClock {
    pub fn advance(&self, duration: Duration) {
        self.0.elapsed.set(self.0.elapsed.get() + duration);
    }

    fn jump(&self) {
        let mut sleepers = self.0.sleepers.borrow_mut();
        let now = self.0.elapsed.get();
        sleepers.retain(|(end, _)| *end > now);
        let next = sleepers.iter().map(|(end, _)| *end).min().expect("nothing will ever happen again");
        self.0.elapsed.set(next);
        for (_, waker) in sleepers.extract_if(.., |(end, _)| *end <= next) {
            waker.wake();
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Run a future to its end in virtual time.
pub fn run<T>(clock: &TestClock, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    loop {
        while flag.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
        }
        clock.jump();
    }
}

/// A step of a scripted reply.
#[derive(Debug, Clone)]
pub enum Step {
    Bytes(Vec<u8>),
    Wait(Duration),
    Hang,
    Break,
}

/// A scripted reply.
#[derive(Debug, Clone)]
pub struct Scripted {
    pub error: Option<HttpError>,
    pub delay: Option<Duration>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub steps: Vec<Step>,
}

/// A reply with this status and nothing in it.
pub fn status(status: u16) -> Scripted {
    Scripted { error: None, delay: None, status, headers: Vec::new(), steps: Vec::new() }
}

/// A reply that does not come.
pub fn fails(error: HttpError) -> Scripted {
    Scripted { error: Some(error), ..status(0) }
}

/// A reply with JSON in it.
pub fn json(text: impl Into<String>) -> Scripted {
    status(200).header("content-type", "application/json").bytes(text.into())
}

/// A reply with server-sent events, each one a piece of its own.
pub fn events<S: AsRef<str>>(events: impl IntoIterator<Item = S>) -> Scripted {
    let mut reply = status(200).header("content-type", "text/event-stream");
    for event in events {
        reply = reply.bytes(event.as_ref());
    }
    reply
}

impl Scripted {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Bytes(bytes.into()));
        self
    }
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }
}

type Server = Rc<RefCell<dyn FnMut(&Request) -> Scripted>>;

/// The network: one function that answers everything, and a log of what was asked.
#[derive(Clone)]
pub struct FakeHttp {
    server: Server,
    pub log: Rc<RefCell<Vec<Request>>>,
    clock: TestClock,
    /// Bodies that were dropped before their end.
    pub cut: Rc<Cell<u32>>,
}

pub struct FakeBody {
    steps: VecDeque<Step>,
    clock: TestClock,
    cut: Rc<Cell<u32>>,
    ended: bool,
}

impl Http for FakeHttp {
    type Body = FakeBody;
    async fn send(&self, request: Request) -> Result<Response<FakeBody>, HttpError> {
        let reply = (self.server.borrow_mut())(&request);
        self.log.borrow_mut().push(request);
        if let Some(delay) = reply.delay {
            self.clock.sleep(delay).await;
        }
        if let Some(error) = reply.error {
            return Err(error);
        }
        let ended = reply.steps.is_empty();
        Ok(Response {
            status: reply.status,
            headers: reply.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
            body: FakeBody { steps: reply.steps.into(), clock: self.clock.clone(), cut: Rc::clone(&self.cut), ended },
        })
    }
}

impl Body for FakeBody {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        loop {
            match self.steps.pop_front() {
                None => {
                    self.ended = true;
                    return Ok(None);
                }
                Some(Step::Bytes(bytes)) => return Ok(Some(bytes)),
                Some(Step::Wait(duration)) => self.clock.sleep(duration).await,
                Some(Step::Hang) => std::future::pending().await,
                Some(Step::Break) => {
                    self.ended = true;
                    return Err(HttpError::Broken("reset".into()));
                }
            }
        }
    }
}

impl Drop for FakeBody {
    fn drop(&mut self) {
        if !self.ended {
            self.cut.set(self.cut.get() + 1);
        }
    }
}

/// Settings that a test can change under a running instance.
#[derive(Clone)]
pub struct TestConfig(pub Rc<RefCell<MemoryConfig>>);

impl TestConfig {
    pub fn set(&self, name: &str, value: &str) {
        self.0.borrow_mut().0.insert(name.into(), value.into());
    }
}

impl Config for TestConfig {
    fn value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        self.0.borrow().value(name)
    }
}

pub struct TestPorts {
    http: FakeHttp,
    store: Rc<MemoryStore>,
    clock: TestClock,
    config: TestConfig,
}

impl Ports for TestPorts {
    type Body = FakeBody;
    type Http = FakeHttp;
    type Store = MemoryStore;
    type Clock = TestClock;
    type Config = TestConfig;
    fn http(&self) -> &FakeHttp {
        &self.http
    }
    fn store(&self) -> &MemoryStore {
        &self.store
    }
    fn clock(&self) -> &TestClock {
        &self.clock
    }
    fn config(&self) -> &TestConfig {
        &self.config
    }
}

pub type TestConnector = Connector<TestPorts>;

/// Everything around one or more instances of the connector.
pub struct World {
    pub http: FakeHttp,
    pub store: Rc<MemoryStore>,
    pub clock: TestClock,
    pub config: TestConfig,
}

/// Settings with one upstream `up`.
pub const ONE: &str = r#"{"mcpServers":{"up":{"url":"https://up.example/mcp"}}}"#;

impl World {
    pub fn new(settings: &str, server: impl FnMut(&Request) -> Scripted + 'static) -> Self {
        let clock = TestClock::default();
        let http = FakeHttp {
            server: Rc::new(RefCell::new(server)),
            log: Rc::default(),
            clock: clock.clone(),
            cut: Rc::default(),
        };
        let values: MemoryConfig = [("settings", settings), ("token", "s3cret")].into_iter().collect();
        let config = TestConfig(Rc::new(RefCell::new(values)));
        Self { http, store: Rc::default(), clock, config }
    }

    /// An instance: with nothing in its memory, and the same world around it.
    pub fn instance(&self) -> TestConnector {
        Connector::new(TestPorts {
            http: self.http.clone(),
            store: Rc::clone(&self.store),
            clock: self.clock.clone(),
            config: self.config.clone(),
        })
    }

    /// What was sent since the last time: method of HTTP, and of the message. Without the question which arguments go into
    /// headers, which has tests of its own.
    pub fn sent(&self) -> Vec<String> {
        let mut log = self.http.log.borrow_mut();
        log.drain(..).filter(|request| !asks_for_parameters(request)).map(|request| name(&request)).collect()
    }

    /// Send a message and wait for everything that comes back.
    pub fn exchange(&self, connector: &TestConnector, message: &str, caller: &Caller) -> Result<Got, UpstreamError> {
        self.exchange_until(connector, message, caller, Abandoned::never())
    }

    pub fn exchange_until(
        &self,
        connector: &TestConnector,
        message: &str,
        caller: &Caller,
        abandoned: Abandoned,
    ) -> Result<Got, UpstreamError> {
        run(&self.clock, exchange(connector, message, caller, abandoned))
    }
}

pub async fn exchange(
    connector: &TestConnector,
    message: &str,
    caller: &Caller,
    abandoned: Abandoned,
) -> Result<Got, UpstreamError> {
    let call = Call { upstream: "up".into(), message: message.into() };
    Ok(match connector.exchange(&call, caller, abandoned).await? {
        Reply::Accepted => Got::Accepted,
        Reply::Response { data, tail } => {
            tail.drain(connector).await;
            Got::Response(String::from_utf8(data).unwrap())
        }
        Reply::Messages(messages) => Got::Messages(all(*messages, connector).await),
    })
}

async fn all(mut messages: Messages<FakeBody>, connector: &TestConnector) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(event) = messages.next(connector).await {
        texts.push(match event {
            Event::Message { data, event_id: None } => String::from_utf8(data).unwrap(),
            Event::Message { data, event_id: Some(id) } => format!("{id}: {}", String::from_utf8(data).unwrap()),
            Event::Reached(position) => format!("reached {}", position.event_id),
            Event::Failed(error) => error.to_string(),
        });
    }
    messages.into_tail().drain(connector).await;
    texts
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Accepted,
    Response(String),
    /// Texts of the messages, with their event ids in front; a failure as its text.
    Messages(Vec<String>),
}

/// Method of HTTP, and of the message in it.
pub fn name(request: &Request) -> String {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let method = body.get("method").and_then(|m| m.as_str()).unwrap_or("-");
    format!("{} {method}", request.method)
}

/// The first value of a header.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let value = request.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value);
    value.map(|value| std::str::from_utf8(value).unwrap())
}

pub fn body(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// A client of the legacy era.
pub fn legacy_caller() -> Caller {
    Caller {
        user_hash: "0123456789abcdef0123456789abcdef".into(),
        conversation: "c1".into(),
        request_id: "r1".into(),
        revision: "2025-11-25".into(),
        client_info: r#"{"name":"client","version":"1"}"#.into(),
        client_capabilities: r#"{"sampling":{},"x":{"y":18446744073709551616}}"#.into(),
    }
}

/// A client of the modern era.
pub fn modern_caller() -> Caller {
    Caller { revision: "2026-07-28".into(), ..legacy_caller() }
}

pub const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;
pub const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#;
pub const PROGRESS: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;

/// The response [`RESULT`] with the id that the request has: what servers do.
pub fn answered(request: &Request) -> Scripted {
    json(RESULT.replace("\"id\":7", &format!("\"id\":{}", body(request)["id"])))
}

/// An event with this data.
pub fn data(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// The answer to `server/discover` of a modern server.
pub fn discovered() -> Scripted {
    json(
        r#"{"jsonrpc":"2.0","id":"mcp-edge-discover","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"Be kind.","ttlMs":60000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"modern","version":"2"}}}}"#,
    )
}

/// A modern server that answers calls so.
pub fn modern(mut answer: impl FnMut(&Request) -> Scripted) -> impl FnMut(&Request) -> Scripted {
    move |request| match name(request).as_str() {
        "POST server/discover" => discovered(),
        "POST initialize" => not_legacy(),
        _ if asks_for_parameters(request) => no_tools(),
        _ => answer(request),
    }
}

/// Whether it is the connector's own `tools/list`.
pub fn asks_for_parameters(request: &Request) -> bool {
    serde_json::from_slice(&request.body).is_ok_and(|body: serde_json::Value| body["id"] == "mcp-edge-parameters")
}

/// The answer to it.
pub fn no_tools() -> Scripted {
    json(r#"{"jsonrpc":"2.0","id":"mcp-edge-parameters","result":{"resultType":"complete","tools":[]}}"#)
}

/// The answer to `initialize` of a server that is modern only.
pub fn not_legacy() -> Scripted {
    json(
        r#"{"jsonrpc":"2.0","id":"mcp-edge-initialize","error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}"#,
    )
}

/// A server of both eras: the modern one for messages that say they are, and sessions for all others.
pub fn both(mut answer: impl FnMut(&Request) -> Scripted + Clone) -> impl FnMut(&Request) -> Scripted {
    let mut sessions = legacy(|_| true, answer.clone());
    move |request| {
        if name(request) == "POST server/discover" {
            discovered()
        } else if asks_for_parameters(request) {
            no_tools()
        } else if header(request, "mcp-method").is_some() {
            answer(request)
        } else {
            sessions(request)
        }
    }
}

/// The answer to `initialize` of a legacy server.
pub fn initialized(session: &str) -> Scripted {
    let reply = json(
        r#"{"jsonrpc":"2.0","id":"mcp-edge-initialize","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"legacy","version":"1"}}}"#,
    );
    if session.is_empty() { reply } else { reply.header("mcp-session-id", session) }
}

/// A legacy server that gives its sessions the names `s1`, `s2`, …, knows the sessions that `alive` accepts, and answers
/// calls within them so.
pub fn legacy(
    alive: impl Fn(&str) -> bool,
    mut answer: impl FnMut(&Request) -> Scripted,
) -> impl FnMut(&Request) -> Scripted {
    let mut sessions = 0;
    move |request| match name(request).as_str() {
        "POST server/discover" => status(400).header("content-type", "application/json").bytes(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#,
        ),
        "POST initialize" => {
            sessions += 1;
            initialized(&format!("s{sessions}"))
        }
        _ if !header(request, "mcp-session-id").is_some_and(&alive) => status(404),
        "POST tools/call" | "GET -" => answer(request),
        "DELETE -" => status(200),
        _ => status(202),
    }
}
