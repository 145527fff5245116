//! Instances of the composed component, and which request goes to which.
//!
//! `ProxyHandler` keeps the queue and the workers, one instance each; this file tells it when an instance may take another
//! request and when it is over.

use super::limits::{
    CONCURRENT_PER_INSTANCE, INSTANCE_IDLE, REQUESTS_PER_INSTANCE, REQUESTS_PER_INSTANCE_WITH_STREAMS,
    STREAMS_PER_INSTANCE,
};
use crate::runtime::{Guest, Pace, Runtime, Services};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};

/// What the host knows of one instance, for as long as one of its responses is open.
#[derive(Default)]
pub(super) struct Health {
    streams: AtomicUsize,
    failed: AtomicBool,
}

impl Health {
    /// A response of this instance has begun.
    pub fn stream_opened(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// It has ended.
    pub fn stream_closed(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the instance trapped. Its streams then end as if they were complete, which they are not.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// Filled in when an instance takes the request.
pub(super) type HealthSlot = Arc<OnceLock<Arc<Health>>>;

/// Makes instances.
pub(super) struct Instances {
    pub pre: ProxyPre<Guest>,
    pub runtime: Runtime,
    pub services: Services,
    /// Ends every instance, whatever it is doing.
    pub end: CancellationToken,
    /// Counts the instances that exist.
    pub alive: TaskTracker,
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Expiration, Worker>> {
        let alive = self.alive.token();
        let begun = Instant::now();
        let mut store = self.runtime.store(&self.services);
        let pace = store.data().pace.clone();
        let proxy = self.pre.instantiate_async(&mut store).await?;
        tracing::debug!(alive = self.alive.len(), took = ?begun.elapsed(), "a new instance");
        Ok(Instance {
            store,
            proxy,
            view: Guest::http,
            expiration: Expiration {
                pace,
                end: Box::pin(self.end.clone().cancelled_owned()),
                idle: Box::pin(tokio::time::sleep(INSTANCE_IDLE)),
            },
            state: Worker { health: Arc::default(), end: self.end.clone(), _alive: alive },
        })
    }
}

/// Decides for one instance.
pub(super) struct Worker {
    health: Arc<Health>,
    end: CancellationToken,
    _alive: TaskTrackerToken,
}

impl WorkerState for Worker {
    type StoreData = Guest;
    type RequestData = HealthSlot;

    fn should_accept_request(&self, waiting: usize, total: usize) -> ShouldAccept {
        should_accept(waiting, self.health.streams.load(Ordering::Relaxed), total)
    }

    fn on_request_start(
        &self,
        store: StoreContextMut<'_, Guest>,
        slot: HealthSlot,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        store.data().pace.request_started();
        // A request is given to one instance only, so the slot is empty.
        let _ = slot.set(self.health.clone());
        // No limit on waiting: upstreams have their own timeouts, and computing is limited by the pace.
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Guest>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            self.health.failed.store(true, Ordering::Release);
            if !self.end.is_cancelled() {
                let streams = self.health.streams.load(Ordering::Relaxed);
                let memory = store.data().memory_in_use();
                tracing::error!(streams, memory, "an instance was ended: {error:?}");
            }
        }
        drop(store);
    }
}

fn should_accept(waiting: usize, streams: usize, total: usize) -> ShouldAccept {
    let most = if streams == 0 { REQUESTS_PER_INSTANCE } else { REQUESTS_PER_INSTANCE_WITH_STREAMS };
    if total >= most {
        ShouldAccept::Never
    } else if waiting >= CONCURRENT_PER_INSTANCE || streams >= STREAMS_PER_INSTANCE {
        ShouldAccept::No
    } else {
        ShouldAccept::Yes
    }
}

/// Polled each time an instance gives way or has nothing to do.
pub(super) struct Expiration {
    pace: Pace,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>, status: WorkerStatus, start: Instant) -> Poll<()> {
        self.pace.returned();
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        match status {
            WorkerStatus::Idle => {
                let deadline = (start + INSTANCE_IDLE).into();
                if self.idle.deadline() != deadline {
                    self.idle.as_mut().reset(deadline);
                }
                self.idle.as_mut().poll(context)
            }
            WorkerStatus::Requests | WorkerStatus::PostReturn => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_with_open_streams_goes_on_serving() {
        let check = |waiting, streams, total, expected: &str| {
            let got = match should_accept(waiting, streams, total) {
                ShouldAccept::Yes => "yes",
                ShouldAccept::No => "no",
                ShouldAccept::Never => "never",
            };
            assert_eq!(got, expected, "{waiting} waiting, {streams} streams, {total} in all");
        };
        check(0, 0, 0, "yes");
        check(CONCURRENT_PER_INSTANCE, 0, 20, "no");
        check(0, STREAMS_PER_INSTANCE, 200, "no");
        check(0, 0, REQUESTS_PER_INSTANCE, "never");
        check(0, 1, REQUESTS_PER_INSTANCE, "yes");
        check(0, 1, REQUESTS_PER_INSTANCE_WITH_STREAMS, "never");
    }
}
