//! What the streams of the interface are made from.

use crate::ports::GuestPorts;
use connector_core::{Connector, Event, Listening, Messages};
use shared_guest::client::GuestBody;

/// A source of events.
pub(crate) trait Source {
    /// The next event; `None` after the last one.
    async fn next(&mut self, connector: &Connector<GuestPorts>) -> Option<Event>;
    /// Resolves when nobody wants more.
    async fn abandoned(&mut self);
    /// The reader has left.
    async fn give_up(self, connector: &Connector<GuestPorts>);
    /// All was taken.
    async fn end(self, connector: &Connector<GuestPorts>);
}

impl Source for Messages<GuestBody> {
    async fn next(&mut self, connector: &Connector<GuestPorts>) -> Option<Event> {
        Messages::next(self, connector).await
    }
    async fn abandoned(&mut self) {
        Messages::abandoned(self).await;
    }
    async fn give_up(self, connector: &Connector<GuestPorts>) {
        Messages::give_up(self, connector).await;
    }
    async fn end(self, connector: &Connector<GuestPorts>) {
        self.into_tail().drain(connector).await;
    }
}

/// Giving it up is dropping it: that closes its connection.
impl Source for Listening<GuestBody> {
    async fn next(&mut self, connector: &Connector<GuestPorts>) -> Option<Event> {
        Listening::next(self, connector).await
    }
    async fn abandoned(&mut self) {
        Listening::abandoned(self).await;
    }
    async fn give_up(self, _: &Connector<GuestPorts>) {}
    async fn end(self, _: &Connector<GuestPorts>) {}
}
