//! The time that guests see.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};
use wasmtime_wasi::clocks::HostWallClock;

/// The system's time plus an offset, which tests move. Clones share the offset. Only the wall clocks
/// (`wasi:clocks/system-clock`, and 0.2's `wall-clock`) are moved; durations and timers run as they are.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// A clock whose offset in seconds is read from `offset` each time.
    pub fn with_offset(offset: Arc<AtomicI64>) -> Self {
        Self(offset)
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let offset = self.0.load(Ordering::Relaxed);
        let distance = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { now.saturating_sub(distance) } else { now.saturating_add(distance) }
    }
}
