//! How long a guest may compute.
//!
//! The engine's epoch advances every [`Pace::SLICE`]. A guest that is computing when it advances gives way to others; one
//! that has used [`Pace::MAX_SLICES`] in a row, without a new request and without ever waiting for anything, is ended. So a
//! guest that spins costs its own instance and a bounded time of one core.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// The count of one instance. Clones share it.
#[derive(Clone, Default)]
pub struct Pace(Arc<Count>);

#[derive(Default)]
struct Count {
    slices: AtomicU32,
    gave_way: AtomicBool,
}

/// The guest computed for too long.
#[derive(Debug, thiserror::Error)]
#[error("computed for {:?} without a pause", Pace::SLICE * Pace::MAX_SLICES)]
pub struct TooLong;

impl Pace {
    /// One slice of CPU time.
    pub const SLICE: Duration = Duration::from_millis(10);

    /// Slices that an instance may use without a pause: 5 s. The longest honest computation is a password check
    /// (argon2id, 27 ms in native code), and up to 16 of them can follow each other.
    pub const MAX_SLICES: u32 = 500;

    /// A slice has ended while the guest was computing.
    pub(super) fn slice(&self) -> wasmtime::Result<UpdateDeadline> {
        if self.0.slices.fetch_add(1, Ordering::Relaxed) >= Self::MAX_SLICES {
            return Err(TooLong.into());
        }
        self.0.gave_way.store(true, Ordering::Relaxed);
        Ok(UpdateDeadline::Yield(1))
    }

    /// A request starts in this instance: it gets the full time.
    pub fn request_started(&self) {
        self.0.slices.store(0, Ordering::Relaxed);
    }

    /// The instance has returned to its executor. If that was not because a slice ended, everything in it is waiting.
    pub fn returned(&self) {
        if !self.0.gave_way.swap(false, Ordering::Relaxed) {
            self.0.slices.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slices_in_a_row_count() {
        let pace = Pace::default();
        for _ in 0..3 {
            for _ in 0..Pace::MAX_SLICES {
                assert!(pace.slice().is_ok());
                pace.returned();
            }
            pace.returned();
        }
        for _ in 0..Pace::MAX_SLICES {
            assert!(pace.slice().is_ok());
            pace.returned();
        }
        assert!(pace.slice().is_err());
        pace.request_started();
        assert!(pace.slice().is_ok());
    }
}
