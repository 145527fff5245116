//! Upstreams that say what the test tells them.

use session_core::{
    Call, Caller, Description, Event, HangUp, Interest, MessageStream, Reply, UpstreamError, Upstreams,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

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
    pub fn of(events: Vec<Event>) -> Self {
        Self(Rc::new(RefCell::new(events.into())))
    }
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

pub(super) struct Upstream {
    pub(super) description: Result<Description, UpstreamError>,
    pub(super) handler: Handler,
    pub(super) listener: Listener,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) upstreams: BTreeMap<String, Upstream>,
    pub(super) sent: Vec<Sent>,
    pub(super) listened: Vec<(Interest, Caller)>,
    pub(super) closed: Vec<Caller>,
    /// What was dropped before its end.
    pub(super) abandoned: Vec<HangUp>,
}

/// A message that reached an upstream.
#[derive(Debug, Clone)]
pub struct Sent {
    pub upstream: String,
    pub message: String,
    pub caller: Caller,
}

#[derive(Clone, Default)]
pub struct Fake(pub(super) Rc<RefCell<State>>);

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
