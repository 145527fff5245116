//! A scripted network.

use super::TestClock;
use shared_ports::{Body, Clock, Http, HttpError, Request, Response};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

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
    pub(super) server: Server,
    pub log: Rc<RefCell<Vec<Request>>>,
    pub(super) clock: TestClock,
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
