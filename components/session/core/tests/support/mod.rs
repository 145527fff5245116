//! A world for the rules to live in: upstreams that say what the test tells them, and everything in memory.

#![allow(dead_code, unused_imports, missing_docs, reason = "each test file uses a part of it")]

mod client;
mod clock;
mod messages;
mod upstreams;

pub use client::{Answers, Seen};
pub use clock::TestClock;
pub use messages::{initialize, modern, rpc};
pub use upstreams::{Fake, Line, Says, Sent, event, message};

use client::Client;
use futures::StreamExt;
use futures::executor::block_on;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use session_core::{
    AnswerBody, Caller, Context, Description, HangUp, HttpRequest, Interest, Ports, Settings, UpstreamError,
};
use shared_ports::memory::{MemoryRandom, MemoryStore};
use shared_ports::{Clock, Random, Store};
use shared_settings::Names;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use upstreams::Upstream;

pub const ALICE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const BOB: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

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

impl World {
    pub fn new() -> Self {
        Self {
            fake: Fake::default(),
            store: Rc::default(),
            clock: Rc::new(TestClock::new()),
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
