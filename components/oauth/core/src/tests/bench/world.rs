//! Everybody else, as far as a test sets him up.

use crate::{Fetch, FetchError, Fetched, Outside};
use futures::future::LocalBoxFuture;
use serde_json::Value;
use shared_ports::HttpError;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Answers of others, by URL.
type Answer = Box<dyn Fn(&Fetch) -> Result<Fetched, FetchError>>;

/// Everybody else, as far as he was set up.
#[derive(Default)]
pub struct World {
    pub answers: RefCell<BTreeMap<String, Answer>>,
    pub requests: RefCell<Vec<Fetch>>,
    pub sleeps: Cell<u32>,
}

impl World {
    pub fn on(&self, url: &str, answer: impl Fn(&Fetch) -> Result<Fetched, FetchError> + 'static) {
        self.answers.borrow_mut().insert(url.into(), Box::new(answer));
    }

    pub fn on_json(&self, url: &str, value: Value) {
        self.on(url, move |_| Ok(json_answer(200, &value)));
    }

    pub fn count(&self, url: &str) -> usize {
        self.requests.borrow().iter().filter(|request| request.url == url).count()
    }
}

impl Outside for World {
    fn fetch(&self, fetch: Fetch) -> LocalBoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async move {
            others_first().await;
            self.requests.borrow_mut().push(fetch.clone());
            match self.answers.borrow().get(&fetch.url) {
                Some(answer) => answer(&fetch),
                None => Err(HttpError::Unreachable("nobody there".into()).into()),
            }
        })
    }

    fn sleep(&self, _: Duration) -> LocalBoxFuture<'_, ()> {
        self.sleeps.set(self.sleeps.get() + 1);
        Box::pin(others_first())
    }
}

/// Let everybody else who is waiting go on first.
async fn others_first() {
    let mut waited = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

pub fn json_answer(status: u16, value: &Value) -> Fetched {
    Fetched { status, headers: Vec::new(), body: value.to_string().into_bytes() }
}

/// Run what waits for nothing but [`World`].
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("waits for ever");
}
