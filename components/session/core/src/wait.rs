//! Waiting for something to be in the store. There is nothing that tells, so it is looked for, ever more seldom.

use crate::keys::hex;
use crate::request::Ports;
use shared_ports::{Clock, Random};
use std::time::Duration;

/// First and longest pause. What is waited for is often there within some milliseconds, when programs talk to each other,
/// and else comes when a person has typed, who does not notice half a second.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(400);

/// The pauses between the looks.
pub(crate) struct Pace<'a, P> {
    ports: &'a P,
    until: Duration,
    pause: Duration,
}

impl<'a, P: Ports> Pace<'a, P> {
    /// For at most so long from now on.
    pub fn new(ports: &'a P, deadline: Duration) -> Self {
        Self { ports, until: ports.clock().elapsed().saturating_add(deadline), pause: FIRST }
    }

    /// Pause; `false` if the time is over.
    pub async fn wait(&mut self) -> bool {
        if self.ports.clock().elapsed() >= self.until {
            return false;
        }
        self.ports.clock().sleep(self.pause).await;
        self.pause = self.pause.saturating_mul(3).checked_div(2).unwrap_or(LONGEST).min(LONGEST);
        true
    }
}

/// A name that nobody can guess: 128 random bits as 32 lower-case hex digits.
pub(crate) fn random_name(random: &impl Random) -> String {
    hex(&random.bytes::<16>())
}
