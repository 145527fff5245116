//! From an approval to tokens: codes, the first pair of a grant, grants without a code, exchanged tokens.

use super::{end, ending, sweep};
use crate::credential::{Credential, GrantId, Kind};
use crate::crypto::Key;
use crate::errors::Error;
use crate::events::Event;
use crate::list::{Entry, Fate, List};
use crate::records::{
    self, AccessRecord, Client, CodeRecord, GrantRecord, GrantState, PairRecord, Props, RefreshRecord,
};
use crate::{Server, users};
use shared_ports::StoreError;

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

/// Write the record of a code and its place in the list of the user, whose subject this is.
pub fn store_code(server: &Server, code: &Credential, record: &CodeRecord, subject: &str) -> Result<(), Error> {
    let list = List::new(server.store, records::user_grants(&record.grant.user_hash));
    sweep::sweep_user(server, &list)?;
    let entry = Entry { id: code.grant().to_string(), at: server.now, also: Some(code.hash()) };
    let number = list.append(&entry)?;
    records::set(server.store, &records::credential_key(code, Kind::Code), record)?;
    if users::confirm_listed(server, subject, &record.grant.user_hash)? {
        return Ok(());
    }
    // The deletion or sweep may have come when the entry had its number only.
    list.remove(number)?;
    ending::forget_code(server, code)?;
    Err(Error::UserDeleted)
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
    let access_record = AccessRecord {
        scopes,
        resource: record.grant.resource.clone(),
        key: access.wrap(&key),
        expires_at,
        said: None,
    };
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
    let user_hash = users::hash(server, &props.subject)?;
    let list = List::new(server.store, records::user_grants(&user_hash));
    sweep::sweep_user(server, &list)?;
    let number = list.append(&Entry { id: id.to_string(), at: server.now, also: None })?;
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
    let expires_at = store_access(server, &access, &key, &grant.resource, scopes.clone(), None)?;
    let pair = PairRecord { access: access.hash(), refresh: None, code: None, issued_at: server.now, expires_at };
    store_pair(server, id, 0, 0, &pair)?;
    records::set(server.store, &records::grant_key(id), &grant)?;
    if !users::confirm(server, &props.subject, &grant.user_hash)? {
        list.remove(number)?;
        end(server, id, "user-deleted")?;
        return Err(Error::UserDeleted);
    }
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
    said: Option<String>,
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
    let record =
        AccessRecord { scopes, resource: server.settings.resource.clone(), key: access.wrap(key), expires_at, said };
    records::set(server.store, &records::credential_key(access, Kind::Access), &record)?;
    server.audit.record(&Event::TokensIssued { grant_id: &access.grant().to_string(), by: "exchange" });
    Ok(())
}

/// Write an access token's record unless it is there already. When the token ends.
pub(super) fn store_access(
    server: &Server,
    access: &Credential,
    key: &Key,
    resource: &str,
    scopes: Vec<String>,
    said: Option<String>,
) -> Result<u64, StoreError> {
    let name = records::credential_key(access, Kind::Access);
    if let Some(record) = records::get::<AccessRecord>(server.store, &name)? {
        return Ok(record.expires_at);
    }
    let expires_at = server.now + u64::from(server.settings.oauth.access_token_seconds);
    let record = AccessRecord { scopes, resource: resource.into(), key: access.wrap(key), expires_at, said };
    records::set(server.store, &name, &record)?;
    Ok(expires_at)
}

pub(super) fn store_refresh(
    server: &Server,
    refresh: &Credential,
    key: &Key,
    generation: u64,
) -> Result<(), StoreError> {
    let expires_at = server.now + u64::from(server.settings.oauth.refresh_token_seconds);
    let record = RefreshRecord { generation, key: refresh.wrap(key), issued_at: server.now, expires_at };
    records::set(server.store, &records::credential_key(refresh, Kind::Refresh), &record)
}

pub(super) fn store_pair(
    server: &Server,
    id: GrantId,
    generation: u64,
    first: u64,
    pair: &PairRecord,
) -> Result<(), StoreError> {
    records::set(server.store, &records::pair_key(id, generation), pair)?;
    let expires_at = match pair.refresh {
        Some(_) => server.now + u64::from(server.settings.oauth.refresh_token_seconds),
        None => pair.expires_at,
    };
    records::set(server.store, &records::state_key(id), &GrantState { generation, first, expires_at })
}
