//! Grants as their user sees them.

use super::end;
use crate::credential::GrantId;
use crate::list::List;
use crate::records::{self, GrantRecord, GrantState};
use crate::{Server, users};
use shared_ports::StoreError;

/// One approval by one user for one client, as the user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Opaque identifier.
    pub id: String,
    /// The client it was given to.
    pub client_id: String,
    /// What the client calls itself: text chosen by the client.
    pub client_name: String,
    /// Granted scopes, in ascending order.
    pub scopes: Vec<String>,
    /// When the user approved: seconds since the Unix epoch.
    pub created_at: u64,
    /// When its refresh token ends unless it is used before.
    pub expires_at: u64,
}

/// Why a grant could not be listed or revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// No such grant, or it belongs to another subject.
    #[error("no such grant")]
    NotFound,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The live grants of a subject, oldest first.
pub fn list_grants(server: &Server, subject: &str) -> Result<Vec<Grant>, GrantError> {
    Ok(list_of(server, &users::hash(server, subject)?)?)
}

/// The same by hash.
pub fn list_of(server: &Server, user_hash: &str) -> Result<Vec<Grant>, StoreError> {
    let list = List::new(server.store, records::user_grants(user_hash));
    let mut grants: Vec<Grant> = Vec::new();
    for entry in list.entries()? {
        let Some(id) = GrantId::parse(&entry.id) else { continue };
        let Some(record) = records::get::<GrantRecord>(server.store, &records::grant_key(id))? else { continue };
        let Some(state) = records::get::<GrantState>(server.store, &records::state_key(id))? else { continue };
        // While an entry is moved to the end of the list, it is there twice.
        if state.expires_at <= server.now || grants.iter().any(|grant| grant.id == entry.id) {
            continue;
        }
        grants.push(Grant {
            id: entry.id,
            client_id: record.client_id,
            client_name: record.client_name,
            scopes: record.scopes,
            created_at: record.created_at,
            expires_at: state.expires_at,
        });
    }
    grants.sort_by_key(|grant| grant.created_at);
    Ok(grants)
}

/// End a grant of a subject and with it every token issued from it.
pub fn revoke_grant(server: &Server, subject: &str, grant_id: &str) -> Result<(), GrantError> {
    revoke_of(server, &users::hash(server, subject)?, grant_id)
}

/// The same by hash.
pub fn revoke_of(server: &Server, user_hash: &str, grant_id: &str) -> Result<(), GrantError> {
    let id = GrantId::parse(grant_id).ok_or(GrantError::NotFound)?;
    let record: GrantRecord = records::get(server.store, &records::grant_key(id))?.ok_or(GrantError::NotFound)?;
    if record.user_hash != user_hash {
        return Err(GrantError::NotFound);
    }
    if end(server, id, "user")? { Ok(()) } else { Err(GrantError::NotFound) }
}
