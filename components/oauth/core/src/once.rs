//! What may be used once and is not ours to keep a record of: ids of assertions, states of identity providers.

use crate::Server;
use crate::crypto;
use crate::list::{Entry, Fate, List};
use crate::records;
use shared_ports::StoreError;

/// How long a use is remembered, in seconds. Everything that comes here is refused for its age sooner.
pub const REMEMBERED: u64 = 2 * 3600;

/// Whether this is the first use of something. The parts together are its name.
pub fn first_use(server: &Server, parts: &[&str]) -> Result<bool, StoreError> {
    let name = crypto::hex(&crypto::sha256(serde_json::json!(parts).to_string().as_bytes()));
    if server.store.increment(&records::once_key(&name), 1)? != 1 {
        return Ok(false);
    }
    let list = List::new(server.store, records::ONCE.into());
    sweep(server, &list)?;
    list.append(&Entry { id: name, at: server.now, also: None })?;
    Ok(true)
}

/// Look at a few of the oldest uses.
pub fn sweep(server: &Server, list: &List) -> Result<bool, StoreError> {
    list.sweep(server.now, |entry| {
        if entry.at.saturating_add(REMEMBERED) > server.now {
            return Ok(Fate::Stop);
        }
        server.store.delete(&records::once_key(&entry.id))?;
        Ok(Fate::Drop)
    })
}
