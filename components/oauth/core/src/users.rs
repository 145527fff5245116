//! All users who have approved something, or come from an identity provider, for administration; and deleting one of them with everything.
//!
//! What is kept for a user, here and in the other components, lies under his hash. There is no listing in the store, so nobody
//! can find all of it; instead, deleting a user gives him another hash. From then on nothing that lies under the old one can
//! be reached, by him or by anybody: no token names it any more. What this component has is deleted at once; what others
//! have goes when its time is over.

use crate::Server;
use crate::events::Event;
use crate::grants;
use crate::list::{Entry, Fate, List};
use crate::people::Person;
use crate::records::{self, USERS};
use crate::{crypto, providers};
use serde::{Deserialize, Serialize};
use shared_ports::StoreError;

/// How old an entry of the list is before it is worth moving, in seconds.
const REQUEUE: u64 = 24 * 3600;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// [`Person`], sealed.
    pub person: String,
    /// First approval.
    pub at: u64,
    /// The first hash that this user had.
    pub first: String,
}

/// What a user is called since he was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Renamed {
    /// Random; see [`crypto::Keys::user_hash_after`].
    salt: String,
    /// The hash before, as long as something may be left under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

/// The name of a user in logs and keys: 32 lower-case hex digits. Another one after each deletion.
pub fn hash(server: &Server, subject: &str) -> Result<String, StoreError> {
    let first = server.settings.keys.user_hash(subject);
    let renamed = records::get::<Renamed>(server.store, &records::renamed_key(&first))?;
    Ok(renamed.map_or(first, |renamed| server.settings.keys.user_hash_after(subject, &renamed.salt)))
}

/// To be called after something was written for a user: whether it may stay. If the user was deleted meanwhile, it is
/// deleted as well: either the deletion has seen what was written, or this sees the deletion.
pub fn confirm(server: &Server, subject: &str, user_hash: &str) -> Result<bool, StoreError> {
    let same = hash(server, subject)? == user_hash;
    if !same {
        clear(server, user_hash)?;
    }
    Ok(same)
}

/// The same for what is good only as long as the user is in the list: a sweep may have forgotten him meanwhile, and what his
/// provider said of him, without which it would never be heard again whether he may still come in.
pub fn confirm_listed(server: &Server, subject: &str, user_hash: &str) -> Result<bool, StoreError> {
    if !confirm(server, subject, user_hash)? {
        return Ok(false);
    }
    let heard = !is_of_provider(subject) || providers::known(server, user_hash)?.is_some();
    let stays = heard && is_listed(server, user_hash)?;
    if !stays {
        clear(server, user_hash)?;
    }
    Ok(stays)
}

/// Whether a person comes from an identity provider: no name of a local user has a colon.
pub fn is_of_provider(subject: &str) -> bool {
    subject.contains(':')
}

/// Whether there is a user of this hash in the list, who was not deleted.
pub fn is_listed(server: &Server, user_hash: &str) -> Result<bool, StoreError> {
    Ok(server.store.get(&records::user_key(user_hash))?.is_some())
}

/// Take note of a user.
pub fn note(server: &Server, person: &Person, user_hash: &str) -> Result<(), StoreError> {
    let list = List::new(server.store, USERS.into());
    // He himself is not forgotten by what he does.
    list.sweep(server.now, |entry| fate(server, entry, entry.id == user_hash))?;
    if server.store.increment(&records::user_known_key(user_hash), 1)? != 1 {
        return Ok(());
    }
    let plain = serde_json::to_vec(person).unwrap_or_default();
    let sealed = server.settings.keys.rest.seal(server.random(), user_hash.as_bytes(), &plain);
    let first = server.settings.keys.user_hash(&person.subject);
    let record = UserRecord { person: crypto::base64(&sealed), at: server.now, first };
    records::set(server.store, &records::user_key(user_hash), &record)?;
    list.append(&Entry { id: user_hash.into(), at: server.now, also: None })?;
    Ok(())
}

/// Look at a few of the oldest users. Whether it is worth doing again at once.
pub fn sweep(server: &Server, list: &List) -> Result<bool, StoreError> {
    list.sweep(server.now, |entry| fate(server, entry, false))
}

/// What becomes of one of the oldest users, once a day: what has ended of him goes, and he himself when nothing is left of what he
/// approved. So everybody's approvals clean up after those who never come back.
fn fate(server: &Server, entry: &Entry, is_here: bool) -> Result<Fate, StoreError> {
    if entry.at.saturating_add(REQUEUE) > server.now {
        return Ok(Fate::Stop);
    }
    if is_here {
        return Ok(Fate::Requeue);
    }
    if !is_listed(server, &entry.id)? {
        // Deleted; or forgotten by a sweep that broke off.
        clear(server, &entry.id)?;
        return Ok(Fate::Drop);
    }
    let grants = List::new(server.store, records::user_grants(&entry.id));
    grants::sweep_user(server, &grants)?;
    if grants.len()? > 0 {
        return Ok(Fate::Requeue);
    }
    // Should he approve something or log in at this very moment, then it ends before it has begun, and he does it once more.
    // Out of the list first: whoever has written something looks there last, so either that is cleared or he sees this.
    server.store.delete(&records::user_key(&entry.id))?;
    clear(server, &entry.id)?;
    Ok(Fate::Drop)
}

/// The user of this hash, if he is in the list: who he is, unless the key he was sealed with is gone.
pub fn find(server: &Server, user_hash: &str) -> Result<Option<Option<Person>>, StoreError> {
    let record = records::get::<UserRecord>(server.store, &records::user_key(user_hash))?;
    Ok(record.map(|record| open(server, user_hash, &record)))
}

/// The users of the newest 1,000 numbers of the list, newest first, by hash; who they are, unless the key they were sealed with is gone.
pub fn list(server: &Server) -> Result<Vec<(String, Option<Person>)>, StoreError> {
    let mut users: Vec<(String, Option<Person>)> = Vec::new();
    for entry in List::new(server.store, USERS.into()).entries()?.into_iter().rev() {
        if users.iter().any(|(hash, _)| *hash == entry.id) {
            continue;
        }
        let Some(person) = find(server, &entry.id)? else { continue };
        users.push((entry.id, person));
    }
    Ok(users)
}

fn open(server: &Server, user_hash: &str, record: &UserRecord) -> Option<Person> {
    let plain = server.settings.keys.rest.open(user_hash.as_bytes(), &crypto::unbase64(&record.person)?)?;
    serde_json::from_slice(&plain).ok()
}

/// Delete everything that is kept about a user: grants with all tokens, codes, tokens of identity providers, the name; and
/// put what other components keep out of reach. How many grants and codes there were. The user can log in again, as
/// somebody new, unless the settings or the provider say otherwise.
pub fn delete_user(server: &Server, subject: &str) -> Result<u64, StoreError> {
    delete(server, &hash(server, subject)?, &server.settings.keys.user_hash(subject))
}

/// The same for a user of the list, by hash. Of one who is gone there is nothing to delete.
pub fn delete_listed(server: &Server, user_hash: &str) -> Result<u64, StoreError> {
    match records::get::<UserRecord>(server.store, &records::user_key(user_hash))? {
        Some(record) => delete(server, user_hash, &record.first),
        None => Ok(0),
    }
}

fn delete(server: &Server, user_hash: &str, first: &str) -> Result<u64, StoreError> {
    let key = records::renamed_key(first);
    // Left over when an earlier deletion broke off.
    let before = records::get::<Renamed>(server.store, &key)?.and_then(|renamed| renamed.before);
    let salt = crypto::hex(&server.random::<16>());
    // First, so that what begins from now on is not what is deleted.
    records::set(server.store, &key, &Renamed { salt: salt.clone(), before: Some(user_hash.into()) })?;
    let mut count = clear(server, user_hash)?;
    if let Some(before) = before {
        count += clear(server, &before)?;
    }
    records::set(server.store, &key, &Renamed { salt, before: None })?;
    server.audit.record(&Event::UserDeleted { user_hash });
    Ok(count)
}

/// Delete what lies under a hash.
fn clear(server: &Server, user_hash: &str) -> Result<u64, StoreError> {
    let count = grants::end_all(server, user_hash)?;
    providers::forget(server, user_hash)?;
    server.store.delete(&records::user_key(user_hash))?;
    server.store.delete(&records::user_known_key(user_hash))?;
    Ok(count)
}
