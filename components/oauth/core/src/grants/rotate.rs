//! Refresh tokens: one use each, with a grace.

use super::issue::{self, Issued};
use super::{GRACE, end, sweep};
use crate::Server;
use crate::credential::{Credential, Kind};
use crate::crypto::{Key, TokenKeys};
use crate::errors::Error;
use crate::events::Event;
use crate::people::Standing;
use crate::records::{self, GrantRecord, PairRecord, Props, RefreshRecord};
use crate::scopes;
use shared_ports::StoreError;

/// The grant of a refresh token that could be used now, and when it ends.
pub fn usable(server: &Server, token: &Credential) -> Result<Option<(GrantRecord, u64)>, StoreError> {
    let grant = records::get::<GrantRecord>(server.store, &records::grant_key(token.grant()))?;
    let record = records::get::<RefreshRecord>(server.store, &records::credential_key(token, Kind::Refresh))?;
    let (Some(grant), Some(record)) = (grant, record) else { return Ok(None) };
    let over = replayed(server, &used_with(server, token)?.1);
    Ok((!over && record.expires_at > server.now).then_some((grant, record.expires_at)))
}

/// A refresh token that may be answered now.
#[derive(Debug)]
pub struct Asked<'a> {
    token: &'a Credential,
    /// Its grant.
    pub grant: GrantRecord,
    record: RefreshRecord,
    key: Key,
    props: Props,
    scopes: Vec<String>,
}

/// Check a refresh token (RFC 6749 section 6, with rotation as in OAuth 2.1 section 4.3.1). `scopes` are those asked for, if
/// any.
///
/// The same token again within [`GRACE`] is good; after that somebody else has it, and the grant ends.
pub fn check<'a>(
    server: &Server,
    token: &'a Credential,
    client_id: &str,
    scopes: Option<Vec<String>>,
) -> Result<Asked<'a>, Error> {
    let (store, id) = (server.store, token.grant());
    let grant: GrantRecord = records::get(store, &records::grant_key(id))?.ok_or(Error::GrantEnded)?;
    if grant.client_id != client_id {
        return Err(Error::OtherClient);
    }
    let Some(record) = records::get::<RefreshRecord>(store, &records::credential_key(token, Kind::Refresh))? else {
        // Its mark says that it is ours, and its record is deleted only long after its successor was issued.
        end(server, id, "refresh-replay")?;
        return Err(Error::RefreshReplayed);
    };
    if record.expires_at <= server.now {
        return Err(Error::Expired);
    }
    let scopes = match scopes {
        None => grant.scopes.clone(),
        Some(scopes) if scopes::within(&server.settings.scopes, &scopes, &grant.scopes) => scopes,
        Some(_) => return Err(Error::ScopeExceeded),
    };
    let key = token.unwrap_key(&record.key).ok_or(Error::Damaged("refresh token"))?;
    let props = Props::open(&grant.props, &key, id).ok_or(Error::Damaged("grant"))?;
    if replayed(server, &used_with(server, token)?.1) {
        end(server, id, "refresh-replay")?;
        return Err(Error::RefreshReplayed);
    }
    Ok(Asked { token, grant, record, key, props, scopes })
}

/// Answer a refresh token: the same answer each time within [`GRACE`]. `said`: what an identity provider says of the user
/// now.
pub fn rotate(server: &Server, asked: Asked, said: Option<Standing>) -> Result<Issued, Error> {
    let Asked { token, grant, record, key, props, scopes } = asked;
    let id = token.grant();
    if server.settings.standing_of(&props, said.as_ref()).is_none() {
        end(server, id, "user-removed")?;
        return Err(Error::GrantEnded);
    }
    // It may have ended while the provider was asked.
    if server.store.get(&records::grant_key(id))?.is_none() {
        return Err(Error::GrantEnded);
    }
    let (used_with, successor) = used_with(server, token)?;
    let keys = used_with.unwrap_or(&server.settings.keys.token);
    let refresh = token.successor(keys, Kind::Refresh, "");
    let access = token.successor(keys, Kind::Access, &scopes.join(" "));
    let said = said.map(|said| said.seal(&key, server.random(), id));
    let expires_at = issue::store_access(server, &access, &key, &grant.resource, scopes.clone(), said)?;
    if successor.is_none() {
        let generation = record.generation.saturating_add(1);
        let first = sweep::sweep_pairs(server, id, record.generation)?;
        let pair = PairRecord {
            access: access.hash(),
            refresh: Some(refresh.hash()),
            code: None,
            issued_at: server.now,
            expires_at,
        };
        issue::store_pair(server, id, generation, first, &pair)?;
        // Last: from here on the old token counts as used.
        issue::store_refresh(server, &refresh, &key, generation)?;
    }
    server.audit.record(&Event::TokensIssued { grant_id: &id.to_string(), by: "refresh" });
    Ok(Issued { access, expires_in: expires_at.saturating_sub(server.now), scopes, refresh: Some(refresh) })
}

/// Whether a token with this successor was used too long ago to be answered once more.
fn replayed(server: &Server, successor: &Option<RefreshRecord>) -> bool {
    successor.as_ref().is_some_and(|successor| successor.issued_at.saturating_add(GRACE) < server.now)
}

/// The keys that a refresh token was used with, and the record of its successor; nothing of both if it was not used.
/// While keys are being changed, a token may have been used before the change and come again after it.
fn used_with<'a>(
    server: &Server<'a>,
    token: &Credential,
) -> Result<(Option<&'a TokenKeys>, Option<RefreshRecord>), StoreError> {
    for keys in server.settings.keys.token_keys() {
        let key = records::credential_key(&token.successor(keys, Kind::Refresh, ""), Kind::Refresh);
        if let Some(successor) = records::get(server.store, &key)? {
            return Ok((Some(keys), Some(successor)));
        }
    }
    Ok((None, None))
}
