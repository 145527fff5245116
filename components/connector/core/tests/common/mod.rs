//! A world for the connector: a scripted network, a clock that jumps to the next thing that happens, a store in memory.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod clock;
mod network;
mod servers;

pub use clock::{TestClock, run};
pub use network::{FakeBody, FakeHttp, Scripted, Step, body, events, fails, header, json, name, status};
pub use servers::{
    CALL, PROGRESS, RESULT, answered, asks_for_parameters, both, data, discovered, initialized, legacy, modern,
    no_tools, not_legacy,
};

use connector_core::{Abandoned, Call, Caller, Connector, Event, Messages, Ports, Reply, UpstreamError};
use shared_ports::memory::{MemoryConfig, MemoryStore};
use shared_ports::{Config, ConfigError, Request};
use std::cell::RefCell;
use std::rc::Rc;

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
