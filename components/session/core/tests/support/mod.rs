//! A world for the rules to live in: upstreams that say what the test tells them, and everything in memory.

#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use futures::StreamExt;
use futures::executor::block_on;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use session_core::{
    AnswerBody, Call, Caller, Context, Description, Event, Facts, HangUp, HttpRequest, Interest, MessageStream, Ports,
    Reply, Settings, Sink, UpstreamError, Upstreams,
};
use shared_ports::memory::{MemoryClock, MemoryRandom, MemoryStore};
use shared_ports::{Clock, Random, Store};
use shared_settings::Names;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

pub const ALICE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const BOB: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// What a fake upstream does with a message.
pub enum Says {
    /// A result for a request: JSON text.
    Result(String),
    /// An error object for a request: JSON text.
    Error(String),
    /// This text, as the only answer.
    Raw(String),
    /// These messages, one by one; `{id}` becomes the id of the request. Then the end of the stream.
    Stream(Vec<String>),
    /// These messages, then nothing more, for ever.
    Open(Vec<String>),
    /// These messages, then the stream breaks.
    Breaks(Vec<String>, UpstreamError),
    /// These events, one by one; then the end of the stream.
    Events(Vec<Event>),
    /// A conversation: what the test puts into the line, as long as it keeps the other end.
    Line(Line),
    Accepted,
    Fails(UpstreamError),
    /// Nothing, for ever.
    Hangs,
}

/// What an upstream says over time. The test says it, when something reaches the upstream.
#[derive(Clone, Default)]
pub struct Line(pub Rc<RefCell<VecDeque<Event>>>);

impl Line {
    pub fn say(&self, text: impl Into<String>) {
        self.0.borrow_mut().push_back(message(text));
    }
    pub fn event(&self, event: Event) {
        self.0.borrow_mut().push_back(event);
    }
}

pub fn message(text: impl Into<String>) -> Event {
    Event::Message { data: text.into().into_bytes(), event_id: None }
}

pub fn event(id: &str, text: impl Into<String>) -> Event {
    Event::Message { data: text.into().into_bytes(), event_id: Some(id.into()) }
}

type Handler = Box<dyn Fn(&str, &serde_json::Value) -> Says>;
type Listener = Box<dyn Fn(&Interest, &Caller) -> Result<Option<Line>, UpstreamError>>;
/// What a client answers to a request on a stream.
pub type Answers = Box<dyn Fn(&serde_json::Value) -> Option<serde_json::Value>>;

struct Upstream {
    description: Result<Description, UpstreamError>,
    handler: Handler,
    listener: Listener,
}

#[derive(Default)]
struct State {
    upstreams: BTreeMap<String, Upstream>,
    sent: Vec<Sent>,
    listened: Vec<(Interest, Caller)>,
    closed: Vec<Caller>,
    /// What was dropped before its end.
    abandoned: Vec<HangUp>,
}

/// A message that reached an upstream.
#[derive(Debug, Clone)]
pub struct Sent {
    pub upstream: String,
    pub message: String,
    pub caller: Caller,
}

#[derive(Clone, Default)]
pub struct Fake(Rc<RefCell<State>>);

/// Notes that something was dropped before its end.
struct Guard {
    fake: Fake,
    hang_up: HangUp,
    ended: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ended {
            self.fake.0.borrow_mut().abandoned.push(self.hang_up);
        }
    }
}

pub struct FakeStream {
    guard: Guard,
    events: VecDeque<Event>,
    open: bool,
    line: Option<Line>,
}

impl MessageStream for FakeStream {
    async fn next(&mut self) -> Option<Event> {
        if let Some(line) = &self.line {
            let event = poll_fn(|cx| match line.0.borrow_mut().pop_front() {
                Some(event) => Poll::Ready(event),
                None => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            });
            let event = event.await;
            let is_end = |data: &[u8]| String::from_utf8_lossy(data).contains("\"result\"");
            self.guard.ended = matches!(&event, Event::Message { data, .. } if is_end(data));
            return Some(event);
        }
        match self.events.pop_front() {
            Some(event) => {
                self.guard.ended = self.events.is_empty() && !self.open;
                Some(event)
            }
            None if self.open => std::future::pending().await,
            None => None,
        }
    }
}

impl Upstreams for Fake {
    type Stream = FakeStream;

    fn list(&self) -> Result<Vec<String>, UpstreamError> {
        Ok(self.0.borrow().upstreams.keys().cloned().collect())
    }

    async fn status(&self, name: &str, _: &Caller) -> Result<Description, UpstreamError> {
        self.0.borrow().upstreams[name].description.clone()
    }

    async fn exchange(&self, call: Call, caller: &Caller, hang_up: HangUp) -> Result<Reply<FakeStream>, UpstreamError> {
        let Call { upstream, message } = call;
        self.0.borrow_mut().sent.push(Sent {
            upstream: upstream.clone(),
            message: message.clone(),
            caller: caller.clone(),
        });
        let parsed: serde_json::Value = serde_json::from_str(&message).expect("the gateway sends JSON");
        let id = shared_mcp::Object::parse(&message).unwrap().get("id").unwrap_or("null").to_owned();
        let method = parsed["method"].as_str().unwrap_or_default().to_owned();
        let says = (self.0.borrow().upstreams[&upstream].handler)(&method, &parsed);
        let mut guard = Guard { fake: self.clone(), hang_up, ended: true };
        let events = |messages: Vec<String>| {
            let event = |text: String| Event::Message { data: text.replace("{id}", &id).into_bytes(), event_id: None };
            messages.into_iter().map(event).collect::<VecDeque<_>>()
        };
        let stream = |mut guard: Guard, events: VecDeque<Event>, open: bool| {
            guard.ended = events.is_empty() && !open;
            Ok(Reply::Messages(FakeStream { guard, events, open, line: None }))
        };
        match says {
            Says::Result(result) => Ok(Reply::Response(shared_mcp::result_response(&id, &result).into_bytes())),
            Says::Error(error) => {
                Ok(Reply::Response(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into_bytes()))
            }
            Says::Raw(text) => Ok(Reply::Response(text.into_bytes())),
            Says::Stream(messages) => stream(guard, events(messages), false),
            Says::Open(messages) => stream(guard, events(messages), true),
            Says::Breaks(messages, error) => {
                let mut events = events(messages);
                events.push_back(Event::Failed(error));
                stream(guard, events, false)
            }
            Says::Events(events) => stream(guard, events.into(), false),
            Says::Line(line) => {
                guard.ended = false;
                Ok(Reply::Messages(FakeStream { guard, events: VecDeque::new(), open: true, line: Some(line) }))
            }
            Says::Accepted => Ok(Reply::Accepted),
            Says::Fails(error) => Err(error),
            Says::Hangs => {
                guard.ended = false;
                std::future::pending().await
            }
        }
    }

    async fn listen(&self, interest: Interest, caller: &Caller) -> Result<Option<FakeStream>, UpstreamError> {
        self.0.borrow_mut().listened.push((interest.clone(), caller.clone()));
        let line = (self.0.borrow().upstreams[&interest.upstream].listener)(&interest, caller)?;
        let guard = Guard { fake: self.clone(), hang_up: HangUp::LetRun, ended: true };
        Ok(line.map(|line| FakeStream { guard, events: VecDeque::new(), open: true, line: Some(line) }))
    }

    async fn close(&self, caller: &Caller) -> Result<(), UpstreamError> {
        self.0.borrow_mut().closed.push(caller.clone());
        Ok(())
    }
}

/// A clock that goes on when nothing else can: to the moment at which the first sleeper wants to wake up.
pub struct TestClock {
    clock: MemoryClock,
    /// When each sleeper wakes up, by a number of its own.
    sleepers: RefCell<BTreeMap<u64, Duration>>,
    next: Cell<u64>,
}

const START: u64 = 1_800_000_000;

/// Polls in which everything else may go on before time does.
const PATIENCE: u32 = 20;

/// Polls without progress after which a sleeper wakes up although another one comes first: that one may not be polled.
const STUCK: u32 = 200;

struct Sleeper<'a> {
    clock: &'a TestClock,
    number: u64,
    until: Duration,
    polls: u32,
}

impl Future for Sleeper<'_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let now = self.clock.clock.elapsed();
        if now >= self.until {
            return Poll::Ready(());
        }
        self.polls += 1;
        let first = self.clock.sleepers.borrow().values().all(|until| *until >= self.until);
        if (self.polls > PATIENCE && first) || self.polls > STUCK {
            self.clock.clock.elapsed.set(self.until);
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.sleepers.borrow_mut().remove(&self.number);
    }
}

impl Deref for TestClock {
    type Target = MemoryClock;
    fn deref(&self) -> &MemoryClock {
        &self.clock
    }
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        // The whole seconds that have passed, however small the steps were.
        START + self.clock.elapsed().as_secs()
    }
    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        let until = self.clock.elapsed() + duration;
        let number = self.next.replace(self.next.get() + 1);
        self.sleepers.borrow_mut().insert(number, until);
        Sleeper { clock: self, number, until, polls: 0 }
    }
}

/// Everything the rules are given.
#[derive(Clone)]
pub struct World {
    pub fake: Fake,
    pub store: Rc<MemoryStore>,
    pub clock: Rc<TestClock>,
    pub random: Rc<MemoryRandom>,
    pub settings: Settings,
    /// What every request has besides its user.
    pub context: Context,
    pub path: String,
    /// Pieces the client takes before it goes away.
    pub patience: Rc<Cell<usize>>,
    pub answers: Rc<RefCell<Option<Answers>>>,
    /// The status that the client's answers get.
    pub answered: Rc<Cell<u16>>,
    pub spawned: Rc<RefCell<Vec<LocalBoxFuture<'static, ()>>>>,
    pub running: Rc<RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>>,
}

impl Ports for World {
    type Upstreams = Fake;
    fn upstreams(&self) -> &Fake {
        &self.fake
    }
    fn store(&self) -> &impl Store {
        &*self.store
    }
    fn clock(&self) -> &impl Clock {
        &*self.clock
    }
    fn random(&self) -> &impl Random {
        &*self.random
    }
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        self.spawned.borrow_mut().push(work);
    }
}

/// A response as a client sees it; the body of a stream is all that was sent.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub facts: Facts,
}

impl Seen {
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
    /// Code of the JSON-RPC error.
    #[track_caller]
    pub fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error in {}", self.body))
    }
    /// The messages of the stream.
    pub fn events(&self) -> Vec<String> {
        let events = shared_mcp::sse::Parser::new(1 << 20).push(self.body.as_bytes()).unwrap();
        events.into_iter().map(|event| event.data).collect()
    }
}

struct Client<'a> {
    world: &'a World,
    who: (&'a str, &'a str),
    headers: Vec<(&'a str, &'a str)>,
    text: String,
}

impl Sink for Client<'_> {
    async fn send(&mut self, text: String) -> bool {
        let patience = &self.world.patience;
        if patience.get() == 0 {
            return false;
        }
        patience.set(patience.get() - 1);
        self.text.push_str(&text);
        for event in shared_mcp::sse::Parser::new(1 << 20).push(text.as_bytes()).unwrap() {
            let Ok(message) = serde_json::from_str::<serde_json::Value>(&event.data) else { continue };
            let answer = self.world.answers.borrow().as_ref().and_then(|answers| answers(&message));
            if let Some(answer) = answer {
                let seen = self.world.serve(self.who, "POST", &self.headers, &answer.to_string()).await;
                assert_eq!(seen.status, self.world.answered.get(), "{}", seen.body);
            }
        }
        true
    }

    async fn alive(&mut self) -> bool {
        self.world.patience.get() > 0
    }
}

impl World {
    pub fn new() -> Self {
        Self {
            fake: Fake::default(),
            store: Rc::default(),
            clock: Rc::new(TestClock {
                clock: MemoryClock::at(START),
                sleepers: RefCell::default(),
                next: Cell::default(),
            }),
            random: Rc::default(),
            settings: Settings::default(),
            context: Context::default(),
            path: "/mcp".into(),
            patience: Rc::new(Cell::new(usize::MAX)),
            answers: Rc::default(),
            answered: Rc::new(Cell::new(202)),
            spawned: Rc::default(),
            running: Rc::default(),
        }
    }

    pub fn bare() -> Self {
        Self { settings: Settings { names: Names::Bare, ..Settings::default() }, ..Self::new() }
    }

    /// Add an upstream with these capabilities.
    pub fn upstream(
        self,
        name: &str,
        revision: &str,
        capabilities: &str,
        handler: impl Fn(&str, &serde_json::Value) -> Says + 'static,
    ) -> Self {
        let description = Description {
            revision: revision.into(),
            capabilities: capabilities.into(),
            server_info: r#"{"name":"fake","version":"1"}"#.into(),
            instructions: Some(format!("Instructions of {name}.")),
        };
        let upstream =
            Upstream { description: Ok(description), handler: Box::new(handler), listener: Box::new(|_, _| Ok(None)) };
        self.fake.0.borrow_mut().upstreams.insert(name.into(), upstream);
        self
    }

    /// An upstream that answers everything with its tools, or an empty result.
    pub fn simple(self, name: &str) -> Self {
        self.upstream(name, "2025-11-25", r#"{"tools":{"listChanged":true}}"#, |method, _| match method {
            "tools/list" => Says::Result(r#"{"tools":[{"name":"echo","x-vendor":1.0},{"name":"add"}]}"#.into()),
            method if method.starts_with("notifications/") => Says::Accepted,
            "" => Says::Accepted,
            _ => Says::Result("{}".into()),
        })
    }

    /// An upstream that cannot be used.
    pub fn down(self, name: &str) -> Self {
        let error = || UpstreamError::Unreachable("connection refused".into());
        let upstream = Upstream {
            description: Err(error()),
            handler: Box::new(move |_, _| Says::Fails(error())),
            listener: Box::new(move |_, _| Err(error())),
        };
        self.fake.0.borrow_mut().upstreams.insert(name.into(), upstream);
        self
    }

    /// What this upstream says outside of calls.
    pub fn listening(
        self,
        name: &str,
        listener: impl Fn(&Interest, &Caller) -> Result<Option<Line>, UpstreamError> + 'static,
    ) -> Self {
        self.fake.0.borrow_mut().upstreams.get_mut(name).unwrap().listener = Box::new(listener);
        self
    }

    /// What the client answers to requests that come on its streams; the whole message.
    pub fn answering(self, answers: impl Fn(&serde_json::Value) -> Option<serde_json::Value> + 'static) -> Self {
        *self.answers.borrow_mut() = Some(Box::new(answers));
        self
    }

    pub fn listened(&self) -> Vec<(Interest, Caller)> {
        std::mem::take(&mut self.fake.0.borrow_mut().listened)
    }

    /// Let what was spawned go on, so many rounds.
    pub fn idle(&self, rounds: usize) {
        block_on(self.beside(async {
            for _ in 0..rounds {
                self.clock.sleep(Duration::from_secs(1)).await;
            }
        }));
    }

    /// A modern request of Alice that is dropped before it is answered.
    pub fn dropped(&self, method: &str, params: &str) {
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        let body = modern(method, params);
        let mut serving = self.serve((ALICE, "client"), "POST", &headers, &body);
        block_on(poll_fn(|cx| {
            assert!(serving.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        }));
    }

    /// Send something of Alice's session beside what is done next, so many seconds after it has begun.
    pub fn later(&self, seconds: u64, method: &'static str, session: &str, body: &str) {
        let (world, session, body) = (self.clone(), session.to_owned(), body.to_owned());
        self.spawned.borrow_mut().push(Box::pin(async move {
            world.clock.sleep(Duration::from_secs(seconds)).await;
            let headers = [
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
                ("mcp-session-id", session.as_str()),
            ];
            let seen = world.serve((ALICE, "client"), method, &headers, &body).await;
            assert!(seen.status < 300, "{}", seen.body);
        }));
    }

    /// Do something while what was spawned goes on.
    async fn beside<T>(&self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        poll_fn(|cx| {
            let done = main.as_mut().poll(cx);
            self.running.borrow_mut().extend(self.spawned.borrow_mut().drain(..));
            while let Poll::Ready(Some(())) = self.running.borrow_mut().poll_next_unpin(cx) {}
            done
        })
        .await
    }

    pub fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.fake.0.borrow_mut().sent)
    }

    pub fn closed(&self) -> Vec<Caller> {
        std::mem::take(&mut self.fake.0.borrow_mut().closed)
    }

    pub fn abandoned(&self) -> Vec<HangUp> {
        std::mem::take(&mut self.fake.0.borrow_mut().abandoned)
    }

    /// Keys of what is kept, without the lists for sweeping it.
    pub fn kept(&self) -> Vec<String> {
        let lists = |key: &&String| key.contains(":session:kept:") || key.starts_with("session:users:");
        self.store.entries.borrow().keys().filter(|key| !lists(key)).cloned().collect()
    }

    pub fn request(&self, who: (&str, &str), method: &str, headers: &[(&str, &str)], body: &str) -> Seen {
        block_on(self.beside(self.serve(who, method, headers, body)))
    }

    /// The same, within another one.
    fn serve<'a>(
        &'a self,
        who: (&'a str, &'a str),
        method: &'a str,
        headers: &'a [(&'a str, &'a str)],
        body: &'a str,
    ) -> LocalBoxFuture<'a, Seen> {
        Box::pin(async move {
            let fields = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
            let request = HttpRequest {
                method: method.into(),
                path: self.path.clone(),
                headers: fields,
                body: body.as_bytes().to_vec(),
            };
            let context = Context {
                request_id: "0123456789abcdef0123456789abcdef".into(),
                user_hash: who.0.into(),
                client_id: who.1.into(),
                ..self.context.clone()
            };
            let answer = session_core::handle(self, &self.settings, &request, &context).await;
            let body = match answer.body {
                AnswerBody::Empty => String::new(),
                AnswerBody::Whole(text) => text,
                AnswerBody::Stream(streaming) => {
                    let mut client = Client { world: self, who, headers: headers.to_vec(), text: String::new() };
                    streaming.run(&*self.clock, &mut client, std::future::pending()).await;
                    client.text
                }
            };
            let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
            let headers = answer.headers.into_iter().map(|(name, value)| (name, text(value))).collect();
            Seen { status: answer.status, headers, body, facts: answer.facts }
        })
    }

    /// POST with the usual headers and these.
    pub fn post(&self, who: (&str, &str), headers: &[(&str, &str)], body: &str) -> Seen {
        let usual = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        self.request(who, "POST", &[&usual, headers].concat(), body)
    }

    /// A session of Alice.
    pub fn session(&self) -> String {
        self.session_of((ALICE, "client"), "2025-11-25")
    }

    pub fn session_of(&self, who: (&str, &str), revision: &str) -> String {
        let seen = self.post(who, &[], &initialize(revision));
        assert_eq!(seen.status, 200, "{}", seen.body);
        self.sent();
        seen.headers["mcp-session-id"].clone()
    }

    /// A message of Alice in this session.
    pub fn say(&self, session: &str, body: &str) -> Seen {
        self.post((ALICE, "client"), &[("mcp-session-id", session)], body)
    }

    /// A modern request of Alice. `params` are members, without `_meta`.
    pub fn modern(&self, method: &str, name: &str, params: &str) -> Seen {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name)];
        let headers = if name.is_empty() { &headers[..2] } else { &headers[..] };
        self.post((ALICE, "client"), headers, &modern(method, params))
    }
}

pub fn initialize(revision: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{"roots":{{}},"x":1.50}},"clientInfo":{{"name":"test","version":"1"}}}}}}"#
    )
}

pub fn rpc(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#)
}

pub fn modern(method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    rpc(
        "1",
        method,
        &format!(
            r#"{params}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{"roots":{{}}}},"io.modelcontextprotocol/clientInfo":{{"name":"test","version":"1"}}}}"#
        ),
    )
}
