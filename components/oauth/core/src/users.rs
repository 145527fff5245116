//! All users who have ever approved something, for administration; and deleting one of them with everything.

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
}

/// Take note of a user.
pub fn note(server: &Server, person: &Person) -> Result<(), StoreError> {
    let user_hash = server.settings.keys.user_hash(&person.subject);
    if server.store.increment(&records::user_known_key(&user_hash), 1)? != 1 {
        return Ok(());
    }
    let list = List::new(server.store, USERS.into());
    sweep(server, &list)?;
    let plain = serde_json::to_vec(person).unwrap_or_default();
    let sealed = server.settings.keys.rest.seal(server.random(), user_hash.as_bytes(), &plain);
    let record = UserRecord { person: crypto::base64(&sealed), at: server.now };
    records::set(server.store, &records::user_key(&user_hash), &record)?;
    list.append(&Entry { id: user_hash, at: server.now, also: None })
}

/// Look at a few of the oldest entries of the list.
pub fn sweep(server: &Server, list: &List) -> Result<bool, StoreError> {
    list.sweep(server.now, |entry| {
        if entry.at.saturating_add(REQUEUE) > server.now {
            return Ok(Fate::Stop);
        }
        let there = server.store.get(&records::user_key(&entry.id))?.is_some();
        Ok(if there { Fate::Requeue } else { Fate::Drop })
    })
}

/// The users, newest first, by hash; who they are, unless the key they were sealed with is gone.
pub fn list(server: &Server) -> Result<Vec<(String, Option<Person>)>, StoreError> {
    let mut users: Vec<(String, Option<Person>)> = Vec::new();
    for entry in List::new(server.store, USERS.into()).entries()?.into_iter().rev() {
        if users.iter().any(|(hash, _)| *hash == entry.id) {
            continue;
        }
        let Some(record) = records::get::<UserRecord>(server.store, &records::user_key(&entry.id))? else { continue };
        users.push((entry.id.clone(), open(server, &entry.id, &record)));
    }
    Ok(users)
}

fn open(server: &Server, user_hash: &str, record: &UserRecord) -> Option<Person> {
    let plain = server.settings.keys.rest.open(user_hash.as_bytes(), &crypto::unbase64(&record.person)?)?;
    serde_json::from_slice(&plain).ok()
}

/// Delete everything that is kept about a user: grants with all tokens, codes, tokens of identity providers, the name.
/// How many grants and codes there were. The user can log in again unless the settings or the provider say otherwise.
pub fn delete_user(server: &Server, subject: &str) -> Result<u64, StoreError> {
    delete(server, &server.settings.keys.user_hash(subject))
}

/// The same by hash.
pub fn delete(server: &Server, user_hash: &str) -> Result<u64, StoreError> {
    let count = grants::end_all(server, user_hash)?;
    providers::forget(server, user_hash)?;
    server.store.delete(&records::user_key(user_hash))?;
    server.store.delete(&records::user_known_key(user_hash))?;
    server.audit.record(&Event::UserDeleted { user_hash });
    Ok(count)
}
