//! A world for the rules to live in: upstreams that say what the test tells them, and everything in memory.

#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use futures::executor::block_on;
use session_core::{
    AnswerBody, Call, Caller, Context, Description, Event, Facts, HangUp, HttpRequest, MessageStream, Ports, Reply,
    Settings, Sink, UpstreamError, Upstreams,
};
use shared_ports::memory::{MemoryClock, MemoryRandom, MemoryStore};
use shared_ports::{Clock, Random, Store};
use shared_settings::Names;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

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
    Accepted,
    Fails(UpstreamError),
    /// Nothing, for ever.
    Hangs,
}

type Handler = Box<dyn Fn(&str, &serde_json::Value) -> Says>;

struct Upstream {
    description: Result<Description, UpstreamError>,
    handler: Handler,
}

#[derive(Default)]
struct State {
    upstreams: BTreeMap<String, Upstream>,
    sent: Vec<Sent>,
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
}

impl MessageStream for FakeStream {
    async fn next(&mut self) -> Option<Event> {
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
            Ok(Reply::Messages(FakeStream { guard, events, open }))
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
            Says::Accepted => Ok(Reply::Accepted),
            Says::Fails(error) => Err(error),
            Says::Hangs => {
                guard.ended = false;
                std::future::pending().await
            }
        }
    }

    async fn close(&self, caller: &Caller) -> Result<(), UpstreamError> {
        self.0.borrow_mut().closed.push(caller.clone());
        Ok(())
    }
}

/// Everything the rules are given.
pub struct World {
    pub fake: Fake,
    pub store: MemoryStore,
    pub clock: MemoryClock,
    pub random: MemoryRandom,
    pub settings: Settings,
    /// Pieces the client takes before it goes away.
    pub patience: Cell<usize>,
}

impl Ports for World {
    type Upstreams = Fake;
    fn upstreams(&self) -> &Fake {
        &self.fake
    }
    fn store(&self) -> &impl Store {
        &self.store
    }
    fn clock(&self) -> &impl Clock {
        &self.clock
    }
    fn random(&self) -> &impl Random {
        &self.random
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
    text: String,
    patience: &'a Cell<usize>,
}

impl Sink for Client<'_> {
    async fn send(&mut self, text: String) -> bool {
        if self.patience.get() == 0 {
            return false;
        }
        self.patience.set(self.patience.get() - 1);
        self.text.push_str(&text);
        true
    }

    async fn alive(&mut self) -> bool {
        self.patience.get() > 0
    }
}

impl World {
    pub fn new() -> Self {
        Self {
            fake: Fake::default(),
            store: MemoryStore::default(),
            clock: MemoryClock::at(1_800_000_000),
            random: MemoryRandom::default(),
            settings: Settings { names: Names::Prefix },
            patience: Cell::new(usize::MAX),
        }
    }

    pub fn bare() -> Self {
        Self { settings: Settings { names: Names::Bare }, ..Self::new() }
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
        let upstream = Upstream { description: Ok(description), handler: Box::new(handler) };
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
        let upstream = Upstream { description: Err(error()), handler: Box::new(move |_, _| Says::Fails(error())) };
        self.fake.0.borrow_mut().upstreams.insert(name.into(), upstream);
        self
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

    pub fn request(&self, who: (&str, &str), method: &str, headers: &[(&str, &str)], body: &str) -> Seen {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let request = HttpRequest { method: method.into(), headers, body: body.as_bytes().to_vec() };
        let context = Context {
            request_id: "0123456789abcdef0123456789abcdef".into(),
            user_hash: who.0.into(),
            client_id: who.1.into(),
        };
        block_on(async {
            let answer = session_core::handle(self, &self.settings, &request, &context).await;
            let body = match answer.body {
                AnswerBody::Empty => String::new(),
                AnswerBody::Whole(text) => text,
                AnswerBody::Stream(streaming) => {
                    let mut client = Client { text: String::new(), patience: &self.patience };
                    streaming.run(&self.clock, &mut client, std::future::pending()).await;
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
