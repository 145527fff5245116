//! Time.

use shared_ports::Clock;
use std::cell::{Cell, RefCell};
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
