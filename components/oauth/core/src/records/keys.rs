//! The names of all records.

use crate::credential::{Credential, GrantId, Kind};

/// Key of a client's record. `id` must be one that [`crate::clients`] has let through.
pub fn client_key(id: &str) -> String {
    format!("oauth:client:{id}")
}

/// Key of the end of a client's record after its last use: seconds in decimal digits.
pub fn client_used_key(id: &str) -> String {
    format!("oauth:client:{id}:used")
}

/// Name of the list of all registered clients.
pub const CLIENTS: &str = "oauth:clients";

/// Key of a document of somebody else, by SHA-256 of its address in hex.
pub fn fetched_key(hash: &str) -> String {
    format!("oauth:fetched:{hash}")
}

/// Name of the list of all documents of others.
pub const FETCHED: &str = "oauth:fetched";

/// Key of the counter of uses of something that may be used once, by SHA-256 of its name in hex.
pub fn once_key(hash: &str) -> String {
    format!("oauth:once:{hash}")
}

/// Name of the list of all of these.
pub const ONCE: &str = "oauth:once";

/// Name of the list of all users, by hash.
pub const USERS: &str = "oauth:users";

/// Key of a user's record.
pub fn user_key(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}")
}

/// Key of what a user is called since he was deleted, by the first name that he had.
pub fn renamed_key(first_hash: &str) -> String {
    format!("oauth:user:{first_hash}:renamed")
}

/// Key of the counter by which a user is put into the list once.
pub fn user_known_key(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}:known")
}

/// Key of the tokens that an identity provider gave for a user.
pub fn provider_key(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}:provider")
}

/// Key of what an identity provider says of a user.
pub fn said_key(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}:said")
}

/// Key of who is refreshing the tokens of this generation.
pub fn lease_key(user_hash: &str, generation: u64) -> String {
    format!("oauth:user:{user_hash}:provider:{generation}:lease")
}

/// Key of the counter by which an attempt to refresh them is made by one only.
pub fn attempt_key(user_hash: &str, generation: u64, attempt: u64) -> String {
    format!("oauth:user:{user_hash}:provider:{generation}:lease:{attempt}")
}

/// Name of the list of the tokens that were exchanged for ones with fewer scopes.
pub fn exchanged(id: GrantId) -> String {
    format!("oauth:grant:{id}:exchanged")
}

/// Name of the list of a user's grants.
pub fn user_grants(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}:grants")
}

/// Key of a grant's record.
pub fn grant_key(id: GrantId) -> String {
    format!("oauth:grant:{id}")
}

/// Key of a grant's state.
pub fn state_key(id: GrantId) -> String {
    format!("oauth:grant:{id}:state")
}

/// Key of a pair of tokens.
pub fn pair_key(id: GrantId, generation: u64) -> String {
    format!("oauth:grant:{id}:pair:{generation}")
}

/// Key of a code's or token's record.
pub fn credential_key(credential: &Credential, kind: Kind) -> String {
    hash_key(kind, &credential.hash())
}

/// The same by hash.
pub fn hash_key(kind: Kind, hash: &str) -> String {
    match kind {
        Kind::Code => format!("oauth:code:{hash}"),
        Kind::Access => format!("oauth:token:{hash}"),
        Kind::Refresh => format!("oauth:refresh:{hash}"),
    }
}

/// Key of the counter of a code's uses.
pub fn code_uses_key(hash: &str) -> String {
    format!("oauth:code:{hash}:uses")
}
