//! Checking a signed token against keys that are given, or published at an address.

use crate::Server;
use crate::documents;
use crate::fetched::{self, DocumentError, Limits};
use crate::jwt::{Claims, Jwt, JwtError};
use crate::outbound::Reach;
use serde_json::Value;

/// Most bytes of a published set of keys.
const MAX_BYTES: usize = 64 * 1024;

/// Longest time that a set is kept, in seconds.
const MAX_AGE: u64 = 24 * 3600;

/// A set is fetched again for a key that is not in it, but no more often than this, in seconds.
const REFETCH: u64 = 60;

/// Where keys are.
#[derive(Debug, Clone, Copy)]
pub enum Keyset<'a> {
    /// Here (RFC 7517 section 5).
    Given(&'a Value),
    /// There. Where not everything may be reached, a stranger has said so: fetches are counted.
    At(&'a str, Reach),
}

/// Why a token could not be checked. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysetError {
    /// The token is not right.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// The keys could not be had.
    #[error("keys: {0}")]
    Document(#[from] DocumentError),
    /// Too many were fetched for one address.
    #[error("keys: too many were fetched from here")]
    Throttled,
    /// What came is no JSON.
    #[error("keys are not JSON")]
    Json,
}

/// The claims of a token, if its signature fits one of the keys.
pub async fn verify(server: &Server<'_>, keys: Keyset<'_>, jwt: &Jwt) -> Result<Claims, KeysetError> {
    let (url, reach) = match keys {
        Keyset::Given(keys) => return Ok(jwt.verify(keys)?),
        Keyset::At(url, reach) => (url, reach),
    };
    let count = || match reach == Reach::Anywhere || documents::may_fetch(server).map_err(DocumentError::from)? {
        true => Ok(()),
        false => Err(KeysetError::Throttled),
    };
    if !fetched::is_kept(server, url).map_err(DocumentError::from)? {
        count()?;
    }
    let limits = Limits { bytes: MAX_BYTES, max_age: MAX_AGE, reach };
    let kept = fetched::get(server, url, limits, 0).await?;
    match jwt.verify(&json(&kept.body)?) {
        // The keys may have been changed since.
        Err(JwtError::UnknownKey) if kept.at.saturating_add(REFETCH) <= server.now => {
            count()?;
            let new = fetched::get(server, url, limits, server.now).await?;
            Ok(jwt.verify(&json(&new.body)?)?)
        }
        result => Ok(result?),
    }
}

fn json(text: &str) -> Result<Value, KeysetError> {
    serde_json::from_str(text).map_err(|_| KeysetError::Json)
}
