//! The end of an HTTP response, behind the JSON-RPC response.

use crate::body::Pieces;
use crate::race::{Abandoned, race};
use crate::{Connector, Ports};
use shared_ports::Body;
use std::time::Duration;

/// Time and bytes for the rest of a response after the JSON-RPC response. Reading it to its end lets the connection be
/// used again; a server that goes on sending has its connection closed.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 64 * 1024;

/// What is left of an HTTP response behind the JSON-RPC response.
pub struct Tail<B>(Option<Pieces<B>>);

impl<B: Body + 'static> Tail<B> {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn of(pieces: Option<Pieces<B>>) -> Self {
        Self(pieces)
    }

    /// Read it to its end, within limits.
    pub async fn drain<P: Ports<Body = B>>(self, connector: &Connector<P>) {
        let Some(mut pieces) = self.0 else { return };
        let draining = async {
            let mut left = DRAIN_BYTES;
            while let Ok(Some(piece)) = pieces.next().await {
                match left.checked_sub(piece.len()) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        let _ = race(connector.ports.clock(), Some(DRAIN_TIME), &mut Abandoned::never(), draining).await;
    }
}
