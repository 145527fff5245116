//! What is looked for while a GET stream is open: whether its session still is, and whether the client has subscribed to
//! something since, which it says in requests of its own, perhaps to other instances. One look for the whole stream,
//! however much the upstreams say meanwhile.

use crate::request::Ports;
use crate::session;
use crate::stream::LOOK;
use crate::subscriptions::{Changed, Subscriptions};
use crate::upstreams::Caller;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use shared_ports::Clock;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How often it is looked where nothing is subscribed to by listening: only the end of the session matters then.
const SELDOM: Duration = Duration::from_secs(10);

/// The looks of one stream.
pub(crate) struct Watch<P: Ports> {
    ports: P,
    caller: Caller,
    subscriptions: Rc<RefCell<Subscriptions<P>>>,
    /// By the names of the upstreams.
    readers: BTreeMap<String, UnboundedSender<Changed>>,
    pause: Duration,
}

impl<P: Ports> Watch<P> {
    /// `often`: whether an upstream is subscribed to by listening to it.
    pub fn new(ports: &P, caller: &Caller, subscriptions: Rc<RefCell<Subscriptions<P>>>, often: bool) -> Self {
        let pause = if often { LOOK } else { SELDOM };
        Self { ports: ports.clone(), caller: caller.clone(), subscriptions, readers: BTreeMap::new(), pause }
    }

    /// What changes for this upstream.
    pub fn reader(&mut self, upstream: &str) -> UnboundedReceiver<Changed> {
        let (sender, reader) = unbounded();
        self.readers.insert(upstream.into(), sender);
        reader
    }

    /// Look until the session has ended.
    pub async fn run(self) {
        loop {
            self.ports.clock().sleep(self.pause).await;
            if session::ended(&self.ports, &self.caller) {
                return;
            }
            // A store that fails is asked again.
            let changed = self.subscriptions.borrow_mut().read().unwrap_or_default();
            for (upstream, changed) in changed {
                if let Some(reader) = self.readers.get(&upstream) {
                    // One that has gone does not listen any more.
                    let _ = reader.unbounded_send(changed);
                }
            }
        }
    }
}
