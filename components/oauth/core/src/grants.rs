//! Grants and the tokens that come out of them: redeeming, rotating, revoking, listing, sweeping.
//!
//! Nothing here changes a shared record in place, and the only atomic operation is the counter of a code's uses.
//! Rotation needs no atomic operation at all: the successors of a refresh token are a function of it, so racing callers
//! compute the same tokens and write the same records.

use crate::Server;
use crate::credential::{Credential, GrantId, Kind};
use crate::crypto::{Key, TokenKeys};
use crate::errors::Error;
use crate::events::Event;
use crate::list::{Entry, Fate, List};
use crate::records::{
    self, AccessRecord, Client, CodeRecord, GrantRecord, GrantState, PairRecord, Props, RefreshRecord,
};
use crate::scopes;
use shared_ports::StoreError;

/// How long after its first use a refresh token is still answered, in seconds, with the same tokens as then. Covers two
/// tabs that refresh at once, and an answer that got lost on the way.
pub const GRACE: u64 = 30;

/// How long a request may take, in seconds, from its first look at a record to its last write. Hosts end them sooner.
const UNDER_WAY: u64 = 60;

/// Most pairs that one rotation cleans up: more than the one it adds, so that leftovers shrink.
const SWEEP: u64 = 4;

/// Most pairs that ending a grant walks over. A grant has as many as refreshes fit into the life of an access token
/// plus the few not swept yet; whatever is beyond is dead all the same, since its grant is gone.
const MAX_PAIRS: u64 = 10_000;

/// What the token endpoint hands out.
#[derive(Debug)]
pub struct Issued {
    /// The access token.
    pub access: Credential,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// The refresh token, if the client registered for it.
    pub refresh: Option<Credential>,
}

/// Write the record of a code and its place in the user's list.
pub fn store_code(server: &Server, code: &Credential, record: &CodeRecord) -> Result<(), StoreError> {
    let list = List::new(server.store, records::user_grants(&record.grant.user_hash));
    sweep_user(server, &list)?;
    list.append(&Entry { id: code.grant().to_string(), at: server.now, also: Some(code.hash()) })?;
    records::set(server.store, &records::credential_key(code, Kind::Code), record)
}

/// Count the use of a code. Only the first caller may go on.
pub fn use_code(server: &Server, code: &Credential) -> Result<bool, StoreError> {
    Ok(server.store.increment(&records::code_uses_key(&code.hash()), 1)? == 1)
}

/// Make the grant of a code and its first tokens. The caller was the first to use the code and has checked everything.
pub fn redeem(
    server: &Server,
    code: &Credential,
    record: CodeRecord,
    scopes: Vec<String>,
    refresh: bool,
) -> Result<Issued, Error> {
    let id = code.grant();
    let key = code.unwrap_key(&record.key).ok_or(Error::Damaged("code"))?;
    let mint = |kind| Credential::mint(&server.settings.keys, kind, id, &server.random());
    let access = mint(Kind::Access);
    let refresh = refresh.then(|| mint(Kind::Refresh));
    let expires_at = server.now + u64::from(server.settings.oauth.access_token_seconds);
    let access_record =
        AccessRecord { scopes, resource: record.grant.resource.clone(), key: access.wrap(&key), expires_at };
    records::set(server.store, &records::credential_key(&access, Kind::Access), &access_record)?;
    let pair = PairRecord {
        access: access.hash(),
        refresh: refresh.as_ref().map(Credential::hash),
        code: Some(code.hash()),
        issued_at: server.now,
        expires_at,
    };
    store_pair(server, id, 0, 0, &pair)?;
    if let Some(refresh) = &refresh {
        store_refresh(server, refresh, &key, 0)?;
    }
    records::set(server.store, &records::grant_key(id), &record.grant)?;
    // A second user of the code may have come while the grant was written, and found nothing to revoke. One of the two
    // always sees the other: either he deletes the grant, or this sees that he was there.
    if server.store.increment(&records::code_uses_key(&code.hash()), 0)? > 1 {
        end(server, id, "code-replay")?;
        return Err(Error::CodeReplayed);
    }
    server.store.delete(&records::credential_key(code, Kind::Code))?;
    server.audit.record(&Event::TokensIssued { grant_id: &id.to_string(), by: "code" });
    let expires_in = expires_at.saturating_sub(server.now);
    Ok(Issued { access, expires_in, scopes: access_record.scopes, refresh })
}

/// Make a grant and an access token for it at once, without a code.
pub fn issue(
    server: &Server,
    client: &Client,
    props: Props,
    scopes: Vec<String>,
    by: &'static str,
) -> Result<Issued, Error> {
    let (id, key) = (GrantId(server.random()), Key(server.random()));
    let user_hash = server.settings.keys.user_hash(&props.subject);
    let list = List::new(server.store, records::user_grants(&user_hash));
    sweep_user(server, &list)?;
    list.append(&Entry { id: id.to_string(), at: server.now, also: None })?;
    let grant = GrantRecord {
        client_id: client.id.clone(),
        client_name: client.name.clone(),
        user_hash,
        scopes: scopes.clone(),
        resource: server.settings.resource.clone(),
        created_at: server.now,
        props: props.seal(&key, server.random(), id),
    };
    let access = Credential::mint(&server.settings.keys, Kind::Access, id, &server.random());
    let expires_at = store_access(server, &access, &key, &grant.resource, scopes.clone())?;
    let pair = PairRecord { access: access.hash(), refresh: None, code: None, issued_at: server.now, expires_at };
    store_pair(server, id, 0, 0, &pair)?;
    records::set(server.store, &records::grant_key(id), &grant)?;
    server.audit.record(&Event::TokensIssued { grant_id: &id.to_string(), by });
    Ok(Issued { access, expires_in: expires_at.saturating_sub(server.now), scopes, refresh: None })
}

/// Write an access token that was exchanged for another one of the same grant.
pub fn store_exchanged(
    server: &Server,
    access: &Credential,
    key: &Key,
    scopes: Vec<String>,
    expires_at: u64,
) -> Result<(), StoreError> {
    let list = List::new(server.store, records::exchanged(access.grant()));
    list.sweep(server.now, |entry| {
        let key = records::hash_key(Kind::Access, &entry.id);
        match records::get::<AccessRecord>(server.store, &key)? {
            Some(record) if record.expires_at > server.now => Ok(Fate::Stop),
            _ => {
                server.store.delete(&key)?;
                Ok(Fate::Drop)
            }
        }
    })?;
    list.append(&Entry { id: access.hash(), at: server.now, also: None })?;
    let record = AccessRecord { scopes, resource: server.settings.resource.clone(), key: access.wrap(key), expires_at };
    records::set(server.store, &records::credential_key(access, Kind::Access), &record)?;
    server.audit.record(&Event::TokensIssued { grant_id: &access.grant().to_string(), by: "exchange" });
    Ok(())
}

/// The grant of a refresh token that could be used now, and when it ends.
pub fn usable(server: &Server, token: &Credential) -> Result<Option<(GrantRecord, u64)>, StoreError> {
    let grant = records::get::<GrantRecord>(server.store, &records::grant_key(token.grant()))?;
    let record = records::get::<RefreshRecord>(server.store, &records::credential_key(token, Kind::Refresh))?;
    let (Some(grant), Some(record)) = (grant, record) else { return Ok(None) };
    let (_, successor) = used_with(server, token)?;
    let over = successor.is_some_and(|successor| successor.issued_at.saturating_add(GRACE) < server.now);
    Ok((!over && record.expires_at > server.now).then_some((grant, record.expires_at)))
}

/// Answer a refresh token (RFC 6749 section 6, with rotation as in OAuth 2.1 section 4.3.1). `scopes` are those asked
/// for, if any.
///
/// The same token again within [`GRACE`] gets the same tokens; after that somebody else has it, and the grant ends.
pub fn rotate(
    server: &Server,
    token: &Credential,
    client_id: &str,
    scopes: Option<Vec<String>>,
) -> Result<Issued, Error> {
    let (store, keys, id) = (server.store, &server.settings.keys, token.grant());
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
    if server.settings.standing_of(&props).is_none() {
        end(server, id, "user-removed")?;
        return Err(Error::GrantEnded);
    }
    let (used_with, successor) = used_with(server, token)?;
    let keys = used_with.unwrap_or(&keys.token);
    let refresh = token.successor(keys, Kind::Refresh, "");
    let access = token.successor(keys, Kind::Access, &scopes.join(" "));
    if successor.as_ref().is_some_and(|successor| successor.issued_at.saturating_add(GRACE) < server.now) {
        end(server, id, "refresh-replay")?;
        return Err(Error::RefreshReplayed);
    }
    let expires_at = store_access(server, &access, &key, &grant.resource, scopes.clone())?;
    if successor.is_none() {
        let generation = record.generation.saturating_add(1);
        let first = sweep_pairs(server, id, record.generation)?;
        let pair = PairRecord {
            access: access.hash(),
            refresh: Some(refresh.hash()),
            code: None,
            issued_at: server.now,
            expires_at,
        };
        store_pair(server, id, generation, first, &pair)?;
        // Last: from here on the old token counts as used.
        store_refresh(server, &refresh, &key, generation)?;
    }
    server.audit.record(&Event::TokensIssued { grant_id: &id.to_string(), by: "refresh" });
    Ok(Issued { access, expires_in: expires_at.saturating_sub(server.now), scopes, refresh: Some(refresh) })
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

/// End a grant and every token of it. Whether there was one.
pub fn end(server: &Server, id: GrantId, why: &'static str) -> Result<bool, StoreError> {
    let store = server.store;
    let existed = store.get(&records::grant_key(id))?.is_some();
    // This is what ends it: no token is good without it, and nobody writes it again. The rest is tidying.
    store.delete(&records::grant_key(id))?;
    if existed {
        server.audit.record(&Event::GrantRevoked { grant_id: &id.to_string(), why });
    }
    if let Some(state) = records::get::<GrantState>(store, &records::state_key(id))? {
        for generation in (state.first..).take(usize::try_from(MAX_PAIRS).unwrap_or(usize::MAX)) {
            match records::get::<PairRecord>(store, &records::pair_key(id, generation))? {
                Some(pair) => delete_pair(server, id, generation, &pair)?,
                None if generation > state.generation => break,
                None => {}
            }
        }
        store.delete(&records::state_key(id))?;
    }
    let exchanged = List::new(store, records::exchanged(id));
    exchanged.clear(|entry| store.delete(&records::hash_key(Kind::Access, &entry.id)))?;
    Ok(existed)
}

/// End all grants of a user, by hash, with codes that nobody has redeemed yet. How many there were.
pub fn end_all(server: &Server, user_hash: &str) -> Result<u64, StoreError> {
    let mut count = 0;
    List::new(server.store, records::user_grants(user_hash)).clear(|entry| {
        if let Some(code) = &entry.also {
            // Used up, so that whoever is redeeming it right now finds that somebody else was there.
            server.store.increment(&records::code_uses_key(code), 1)?;
            delete_code(server, code, entry.at)?;
        }
        if let Some(id) = GrantId::parse(&entry.id) {
            end(server, id, "user-deleted")?;
            count += 1;
        }
        Ok(())
    })?;
    Ok(count)
}

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
    Ok(list_of(server, &server.settings.keys.user_hash(subject))?)
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
    revoke_of(server, &server.settings.keys.user_hash(subject), grant_id)
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

/// Write an access token's record unless it is there already. When the token ends.
fn store_access(
    server: &Server,
    access: &Credential,
    key: &Key,
    resource: &str,
    scopes: Vec<String>,
) -> Result<u64, StoreError> {
    let name = records::credential_key(access, Kind::Access);
    if let Some(record) = records::get::<AccessRecord>(server.store, &name)? {
        return Ok(record.expires_at);
    }
    let expires_at = server.now + u64::from(server.settings.oauth.access_token_seconds);
    let record = AccessRecord { scopes, resource: resource.into(), key: access.wrap(key), expires_at };
    records::set(server.store, &name, &record)?;
    Ok(expires_at)
}

fn store_refresh(server: &Server, refresh: &Credential, key: &Key, generation: u64) -> Result<(), StoreError> {
    let expires_at = server.now + u64::from(server.settings.oauth.refresh_token_seconds);
    let record = RefreshRecord { generation, key: refresh.wrap(key), issued_at: server.now, expires_at };
    records::set(server.store, &records::credential_key(refresh, Kind::Refresh), &record)
}

fn store_pair(server: &Server, id: GrantId, generation: u64, first: u64, pair: &PairRecord) -> Result<(), StoreError> {
    records::set(server.store, &records::pair_key(id, generation), pair)?;
    let expires_at = match pair.refresh {
        Some(_) => server.now + u64::from(server.settings.oauth.refresh_token_seconds),
        None => pair.expires_at,
    };
    records::set(server.store, &records::state_key(id), &GrantState { generation, first, expires_at })
}

/// Delete the oldest pairs whose access token has ended and whose refresh token is out of its grace. `used` is the pair
/// whose refresh token is being used now. The number of the oldest pair that is left.
fn sweep_pairs(server: &Server, id: GrantId, used: u64) -> Result<u64, StoreError> {
    let state = records::get::<GrantState>(server.store, &records::state_key(id))?;
    let mut first = state.map_or(0, |state| state.first);
    for _ in 0..SWEEP {
        if first >= used {
            break;
        }
        let pair = records::get::<PairRecord>(server.store, &records::pair_key(id, first))?;
        let next = records::get::<PairRecord>(server.store, &records::pair_key(id, first + 1))?;
        if let Some(pair) = pair {
            let used_at = next.map_or(pair.issued_at, |next| next.issued_at);
            if pair.expires_at > server.now || used_at.saturating_add(GRACE) >= server.now {
                break;
            }
            delete_pair(server, id, first, &pair)?;
        }
        first += 1;
    }
    Ok(first)
}

fn delete_pair(server: &Server, id: GrantId, generation: u64, pair: &PairRecord) -> Result<(), StoreError> {
    server.store.delete(&records::hash_key(Kind::Access, &pair.access))?;
    if let Some(refresh) = &pair.refresh {
        server.store.delete(&records::hash_key(Kind::Refresh, refresh))?;
    }
    if let Some(code) = &pair.code {
        delete_code(server, code, pair.issued_at)?;
    }
    server.store.delete(&records::pair_key(id, generation))
}

/// Delete a code that was issued at this time or before. The counter of its uses stays until no request can be under way
/// any more that has read the code's record: such a one must not find itself the first.
fn delete_code(server: &Server, hash: &str, issued_at: u64) -> Result<(), StoreError> {
    server.store.delete(&records::hash_key(Kind::Code, hash))?;
    if server.now.saturating_sub(issued_at) > code_is_over(server) {
        server.store.delete(&records::code_uses_key(hash))?;
    }
    Ok(())
}

/// Age in seconds at which no request can have to do with a code any more.
fn code_is_over(server: &Server) -> u64 {
    u64::from(server.settings.oauth.code_seconds) + UNDER_WAY
}

/// Look at a few of a user's oldest grants: what has ended is deleted with all its records.
pub fn sweep_user(server: &Server, list: &List) -> Result<bool, StoreError> {
    let lifetimes = &server.settings.oauth;
    list.sweep(server.now, |entry| {
        // A code that was never redeemed ends soon; nothing in the list ends sooner.
        let age = server.now.saturating_sub(entry.at);
        if age <= code_is_over(server) {
            return Ok(Fate::Stop);
        }
        let Some(id) = GrantId::parse(&entry.id) else { return Ok(Fate::Drop) };
        let ended = match records::get::<GrantState>(server.store, &records::state_key(id))? {
            None => true,
            Some(state) => state.expires_at <= server.now,
        };
        if ended {
            end(server, id, "expired")?;
            if let Some(code) = &entry.also {
                delete_code(server, code, entry.at)?;
            }
            return Ok(Fate::Drop);
        }
        // Worth moving only once in the life of a refresh token: until then all that is behind it is as young.
        let requeue = age > u64::from(lifetimes.refresh_token_seconds);
        Ok(if requeue { Fate::Requeue } else { Fate::Stop })
    })
}
