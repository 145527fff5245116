//! Finding registered clients, and keeping those that are used.

use crate::Server;
use crate::errors::Error;
use crate::records::{self, Client};
use shared_ports::StoreError;

/// How long a client's record lives after its registration or last use, in seconds.
pub const LIFETIME: u64 = 90 * 24 * 3600;

/// Use is written down at most this often, in seconds: not with every request.
const NOTE_EVERY: u64 = 24 * 3600;

/// The client of this id.
pub fn find(server: &Server, id: &str) -> Result<Option<Client>, StoreError> {
    if !is_id(id) {
        return Ok(None);
    }
    let Some(client) = records::get::<Client>(server.store, &records::client_key(id))? else { return Ok(None) };
    Ok((ends_at(server, &client)? > server.now).then_some(client))
}

/// Extend the life of a client that does something.
pub fn note_use(server: &Server, client: &Client) -> Result<(), Error> {
    let until = server.now + lifetime(server);
    if ends_at(server, client)?.saturating_add(NOTE_EVERY) < until {
        server.store.set(&records::client_used_key(&client.id), until.to_string().as_bytes())?;
    }
    Ok(())
}

/// When a client's record ends.
pub fn ends_at(server: &Server, client: &Client) -> Result<u64, StoreError> {
    // A key of its own, so that the record itself never changes and nobody's change of it can get lost.
    let used = server.store.get(&records::client_used_key(&client.id))?;
    let used = used.and_then(|used| std::str::from_utf8(&used).ok()?.parse::<u64>().ok());
    Ok(client.expires_at.max(used.unwrap_or(0)))
}

/// How long a client lives after its last use. Longer than its refresh tokens, which are no good without it.
pub fn lifetime(server: &Server) -> u64 {
    LIFETIME.max(u64::from(server.settings.lifetimes.refresh_token_seconds) + 2 * NOTE_EVERY)
}

/// Ids come from outside and become part of keys.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
