//! Cancellation of the legacy era for upstreams of the modern era. The client says it with a notification, in a request of
//! its own, perhaps to another instance; the upstream is told by hanging up. So a request that takes long leaves its name in
//! the store while it runs, and looks now and then whether somebody has marked it.

use crate::keys::{UserKeys, hex};
use crate::request::{Client, Ports};
use crate::stream::LOOK;
use crate::wait::Pace;
use futures::FutureExt;
use sha2::{Digest, Sha256};
use shared_ports::{Clock, Store};
use std::time::Duration;

/// Requests that end sooner leave no name: most do, and a name costs two writes.
const LONG: Duration = Duration::from_secs(1);

/// How long after it was cancelled a request may leave its name: the time until its answer becomes a stream, and [`LONG`].
const NAMED_WITHIN: Duration = Duration::from_secs(10);

const RUNNING: &[u8] = b"1";
const CANCELLED: &[u8] = b"0";

/// The name of one running request, for as long as this lives.
struct Running<P: Ports> {
    ports: P,
    key: String,
}

impl<P: Ports> Drop for Running<P> {
    fn drop(&mut self) {
        // What stays if the store fails now is a small record that nobody looks at.
        let _ = self.ports.store().delete(&self.key);
    }
}

fn key(client: &Client, id: &str) -> Option<String> {
    let digest = hex(Sha256::digest(id).get(..16)?);
    let keys = UserKeys::new(&client.caller.user_hash)?;
    Some(keys.of(&client.caller.conversation, &format!("running:{digest}")))
}

/// Resolves when the client has cancelled its request with this id (JSON text).
pub(crate) async fn cancelled<P: Ports>(ports: &P, client: &Client, id: &str) {
    ports.clock().sleep(LONG).await;
    let Some(key) = key(client, id) else {
        return std::future::pending().await;
    };
    let running = Running { ports: ports.clone(), key };
    if ports.store().set(&running.key, RUNNING).is_err() {
        return std::future::pending().await;
    }
    loop {
        ports.clock().sleep(LOOK).await;
        if ports.store().get(&running.key).is_ok_and(|value| value.as_deref() == Some(CANCELLED)) {
            return;
        }
    }
}

/// Mark a request of the client as cancelled, if it runs: at once, or as soon as it has left its name.
pub(crate) fn cancel<P: Ports>(ports: &P, client: &Client, id: &str) {
    let Some(key) = key(client, id) else { return };
    if mark(ports, &key) {
        return;
    }
    let later = ports.clone();
    let marking = async move {
        let mut pace = Pace::new(&later, NAMED_WITHIN);
        while pace.wait().await && !mark(&later, &key) {}
    };
    ports.spawn(marking.boxed_local());
}

/// Whether there was something to mark, and it is marked now.
fn mark(ports: &impl Ports, key: &str) -> bool {
    let store = ports.store();
    matches!(store.get(key), Ok(Some(_))) && store.set(key, CANCELLED).is_ok()
}
