//! Named signals by which a test tells a running tool to go on, so that no test has to guess at time.

use std::collections::HashMap;
use std::sync::Mutex;
use tokio::sync::watch;

/// Signals by name. A signal that was given stays given.
#[derive(Default)]
pub struct Signals(Mutex<HashMap<String, watch::Sender<bool>>>);

impl Signals {
    /// Give the signal.
    pub fn give(&self, name: &str) {
        self.sender(name).send_replace(true);
    }

    /// Wait until the signal is given.
    pub async fn wait(&self, name: &str) {
        let mut receiver = self.sender(name).subscribe();
        // The sender lives as long as the process, so the only way out is the signal.
        let _ = receiver.wait_for(|given| *given).await;
    }

    fn sender(&self, name: &str) -> watch::Sender<bool> {
        let mut signals = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        signals.entry(name.into()).or_insert_with(|| watch::channel(false).0).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_reaches_those_who_wait_and_those_who_come_later() {
        let signals = std::sync::Arc::new(Signals::default());
        let waiting = tokio::spawn({
            let signals = signals.clone();
            async move { signals.wait("go").await }
        });
        signals.give("go");
        waiting.await.unwrap();
        signals.wait("go").await;
    }
}
