//! The check of an access token, made for every request to the protected resource.

use crate::credential::{Credential, GrantId, Kind};
use crate::crypto::Key;
use crate::people::Standing;
use crate::records::{self, AccessRecord, GrantRecord, Props};
use crate::{Server, clients};
use shared_ports::StoreError;

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Subject: stable name of the user. Personal data.
    pub subject: String,
    /// Keyed hash of the subject: 32 lower-case hex digits.
    pub user_hash: String,
    /// The client that the token was issued to.
    pub client_id: String,
    /// The grant behind the token.
    pub grant_id: String,
    /// Granted scopes, in ascending order.
    pub scopes: Vec<String>,
    /// Roles of the user, in ascending order: as the settings have them now, or as the identity provider said when
    /// the token was issued.
    pub roles: Vec<String>,
    /// Tenant of the user.
    pub tenant: Option<String>,
    /// When the token ends: seconds since the Unix epoch.
    pub expires_at: u64,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not made by this server.
    #[error("unknown token")]
    Unknown,
    /// Its time is over.
    #[error("token has expired")]
    Expired,
    /// The grant behind it has ended, or its user or client is gone.
    #[error("grant has ended")]
    Revoked,
    /// Issued for another resource.
    #[error("token is for another resource")]
    WrongAudience,
    /// It could not be found out. For the log.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// An access token that is good.
#[derive(Debug)]
pub struct Inspected {
    /// Whose it is.
    pub principal: Principal,
    /// The grant behind it.
    pub grant: GrantId,
    /// The grant's key.
    pub key: Key,
    /// As in its record.
    pub said: Option<String>,
}

/// Check an access token for a resource (OAuth 2.1 section 5.2, RFC 8707).
pub fn validate(server: &Server, token: &str, resource: &str) -> Result<Principal, TokenError> {
    inspect(server, token, resource).map(|inspected| inspected.principal)
}

/// The same, with what else a rule may need.
pub fn inspect(server: &Server, token: &str, resource: &str) -> Result<Inspected, TokenError> {
    let token = Credential::parse(&server.settings.keys, Kind::Access, token).ok_or(TokenError::Unknown)?;
    let (id, key) = (token.grant(), records::credential_key(&token, Kind::Access));
    let record = records::get::<AccessRecord>(server.store, &key)?;
    let grant = records::get::<GrantRecord>(server.store, &records::grant_key(id))?;
    // Its mark says that it is ours. Without its record it was swept after its end; without its grant it was revoked.
    let Some(grant) = grant else { return Err(TokenError::Revoked) };
    if clients::is_gone(server, &grant.client_id)? {
        return Err(TokenError::Revoked);
    }
    let Some(record) = record else { return Err(TokenError::Expired) };
    if record.expires_at <= server.now {
        server.store.delete(&key)?;
        return Err(TokenError::Expired);
    }
    if record.resource != resource {
        return Err(TokenError::WrongAudience);
    }
    let damaged = || StoreError(format!("grant {id} does not open"));
    let grant_key = token.unwrap_key(&record.key).ok_or_else(damaged)?;
    let props = Props::open(&grant.props, &grant_key, id).ok_or_else(damaged)?;
    // Roles and tenant are taken from the settings of now, and who is not in them any more is out at once.
    let said = match &record.said {
        None => None,
        Some(said) => Some(Standing::open(said, &grant_key, id).ok_or_else(damaged)?),
    };
    let standing = server.settings.standing_of(&props, said.as_ref()).ok_or(TokenError::Revoked)?;
    let principal = Principal {
        subject: props.subject,
        user_hash: grant.user_hash,
        client_id: grant.client_id,
        grant_id: id.to_string(),
        scopes: record.scopes,
        roles: standing.roles,
        tenant: standing.tenant,
        expires_at: record.expires_at,
    };
    Ok(Inspected { principal, grant: id, key: grant_key, said: record.said })
}
