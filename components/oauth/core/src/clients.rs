//! Finding registered clients, and keeping those that are used.

use crate::Server;
use crate::documents;
use crate::errors::Error;
use crate::records::{self, Client, Origin};
use shared_ports::StoreError;

/// How long a client's record lives after its registration or last use, in seconds.
pub const LIFETIME: u64 = 90 * 24 * 3600;

/// Use is written down at most this often, in seconds: not with every request.
const NOTE_EVERY: u64 = 24 * 3600;

/// The client of this id: from the settings, from its own document, or registered.
pub async fn find(server: &Server<'_>, id: &str) -> Result<Option<Client>, Error> {
    if let Some(client) = server.settings.clients.get(id) {
        return Ok(Some(client.clone()));
    }
    if documents::is_address(id) {
        return documents::client(server, id).await.map(Some);
    }
    Ok(registered(server, id)?)
}

/// The registered client of this id.
pub fn registered(server: &Server, id: &str) -> Result<Option<Client>, StoreError> {
    if !is_id(id) {
        return Ok(None);
    }
    let Some(client) = records::get::<Client>(server.store, &records::client_key(id))? else { return Ok(None) };
    Ok((ends_at(server, &client)? > server.now).then_some(client))
}

/// Whether the client of a grant is not known any more: taken out of the settings, or deleted (RFC 7592 section 2.3). One
/// with a document of its own is asked for it when it refreshes.
pub fn is_gone(server: &Server, id: &str) -> Result<bool, StoreError> {
    let known = server.settings.clients.contains_key(id)
        || documents::is_address(id)
        || (is_id(id) && server.store.get(&records::client_key(id))?.is_some());
    Ok(!known)
}

/// Extend the life of a registered client that does something.
pub fn note_use(server: &Server, client: &Client) -> Result<(), StoreError> {
    let until = server.now + lifetime(server);
    // The first use is written down at once: clients that were never used make room for others.
    let noted = used_until(server, &client.id)?.is_some_and(|noted| noted.saturating_add(NOTE_EVERY) >= until);
    if client.origin == Origin::Registered && !noted {
        server.store.set(&records::client_used_key(&client.id), until.to_string().as_bytes())?;
    }
    Ok(())
}

/// When a client's record ends.
pub fn ends_at(server: &Server, client: &Client) -> Result<u64, StoreError> {
    Ok(client.expires_at.max(used_until(server, &client.id)?.unwrap_or(0)))
}

/// A key of its own, so that the record itself never changes with use and nobody's change of it can get lost.
fn used_until(server: &Server, id: &str) -> Result<Option<u64>, StoreError> {
    let used = server.store.get(&records::client_used_key(id))?;
    Ok(used.and_then(|used| std::str::from_utf8(&used).ok()?.parse().ok()))
}

/// How long a client lives after its last use. Longer than its refresh tokens, which are no good without it.
pub fn lifetime(server: &Server) -> u64 {
    LIFETIME.max(u64::from(server.settings.oauth.refresh_token_seconds) + 2 * NOTE_EVERY)
}

/// Ids come from outside and become part of keys.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
