//! Time.

use shared_ports::Clock;
use shared_ports::memory::MemoryClock;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

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

impl TestClock {
    pub fn new() -> Self {
        Self { clock: MemoryClock::at(START), sleepers: RefCell::default(), next: Cell::default() }
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
