//! Cancellation of the legacy era for upstreams of the modern era. The client says it with a notification, in a request of
//! its own, perhaps to another instance; the upstream is told by hanging up. So a request that takes long leaves its name in
//! the store while it runs, and looks now and then whether somebody has marked it.

use crate::keys::UserKeys;
use crate::request::{Client, Ports};
use crate::stream::LOOK;
use sha2::{Digest, Sha256};
use shared_ports::{Clock, Store, StoreError};
use std::time::Duration;

/// Requests that end sooner leave no name: most do, and a name costs two writes.
const LONG: Duration = Duration::from_secs(1);

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
    let digest: String = Sha256::digest(id).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
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

/// Mark a request of the client as cancelled, if it runs.
pub(crate) fn cancel<P: Ports>(ports: &P, client: &Client, id: &str) -> Result<(), StoreError> {
    let Some(key) = key(client, id) else {
        return Ok(());
    };
    if ports.store().get(&key)?.is_some() {
        ports.store().set(&key, CANCELLED)?;
    }
    Ok(())
}
