//! Grants, codes and tokens.

use crate::credential::GrantId;
use crate::crypto::{self, Key};
use crate::people::Standing;
use serde::{Deserialize, Serialize};

/// One approval by one user for one client. Never changed after it is written; deleting it ends the grant, so that no
/// racing writer can bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// The client.
    pub client_id: String,
    /// Its name at that time.
    pub client_name: String,
    /// The user, by keyed hash.
    pub user_hash: String,
    /// What was approved, in ascending order.
    pub scopes: Vec<String>,
    /// The resource it is for (RFC 8707).
    pub resource: String,
    /// When it was approved.
    pub created_at: u64,
    /// [`Props`], sealed with the grant's key.
    pub props: String,
}

/// What is known about the user of a grant. Stored only sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Props {
    /// Subject.
    pub subject: String,
    /// When the user logged in.
    pub authenticated_at: u64,
    /// Roles by an identity provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Tenant by an identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// What changes about a grant. Last writer wins; it is a hint for listing and sweeping, no decision hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantState {
    /// Number of the newest pair of tokens.
    pub generation: u64,
    /// Number of the oldest pair whose records may still be there.
    pub first: u64,
    /// When the newest refresh token ends, or the access token if there is none.
    pub expires_at: u64,
}

/// A pair of tokens of a grant by their hashes, so that they can be deleted without being known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairRecord {
    /// Hash of the access token.
    pub access: String,
    /// Hash of the refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
    /// Hash of the code, with the first pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When the pair was issued.
    pub issued_at: u64,
    /// When the access token ends.
    pub expires_at: u64,
}

/// An authorization code: the grant to be, and what the request said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    /// The grant that redeeming the code makes.
    pub grant: GrantRecord,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// PKCE challenge, S256.
    pub challenge: String,
    /// The grant's key, wrapped with the code.
    pub key: String,
    /// When the code ends.
    pub expires_at: u64,
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRecord {
    /// What it is good for, in ascending order.
    pub scopes: Vec<String>,
    /// The resource it is for.
    pub resource: String,
    /// The grant's key, wrapped with the token.
    pub key: String,
    /// When it ends.
    pub expires_at: u64,
    /// [`Standing`] that an identity provider gave since the approval, sealed with the grant's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// A refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRecord {
    /// Number of the pair it belongs to.
    pub generation: u64,
    /// The grant's key, wrapped with the token.
    pub key: String,
    /// When it was issued, which is when its predecessor was used.
    pub issued_at: u64,
    /// When it ends.
    pub expires_at: u64,
}

impl Standing {
    /// Seal with the grant's key.
    pub fn seal(&self, key: &Key, nonce: [u8; 12], grant: GrantId) -> String {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        crypto::base64(&crypto::seal(key, nonce, &said_context(grant), &plain))
    }

    /// Undo [`Standing::seal`].
    pub fn open(sealed: &str, key: &Key, grant: GrantId) -> Option<Self> {
        serde_json::from_slice(&crypto::open(key, &said_context(grant), &crypto::unbase64(sealed)?)?).ok()
    }
}

fn said_context(grant: GrantId) -> Vec<u8> {
    [b"said", &grant.0[..]].concat()
}

impl Props {
    /// Seal with the grant's key.
    pub fn seal(&self, key: &Key, nonce: [u8; 12], grant: GrantId) -> String {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        crypto::base64(&crypto::seal(key, nonce, &grant.0, &plain))
    }

    /// Undo [`Props::seal`].
    pub fn open(sealed: &str, key: &Key, grant: GrantId) -> Option<Self> {
        serde_json::from_slice(&crypto::open(key, &grant.0, &crypto::unbase64(sealed)?)?).ok()
    }
}
