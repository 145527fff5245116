//! The rules of the authorization server: OAuth 2.1 (draft-ietf-oauth-v2-1), as the authorization chapter of MCP wants
//! it. Requests and values in, responses and decisions out; clock, randomness, store and settings are arguments.
//!
//! | topic | file |
//! |---|---|
//! | which path is what | `routes` |
//! | RFC 9728, RFC 8414 documents | `metadata` |
//! | RFC 7591 registration; client records | `registration`, `clients`, `redirect` |
//! | the authorization endpoint and its two pages | `authorize`, `login`, `consent`, `pages` |
//! | the token and revocation endpoints | `token`, `pkce`, `client_auth`, `revoke` |
//! | grants, rotation, what is stored | `grants`, `records`, `list`, `credential`, `crypto`; layout in `STORE.md` |
//! | the check of an access token | `validate` |
//! | which error the outside sees | `errors` |

mod authorize;
mod client_auth;
mod clients;
mod consent;
mod cookies;
mod credential;
mod crypto;
mod errors;
mod events;
mod form;
mod grants;
mod http;
mod list;
mod login;
mod metadata;
mod pages;
mod password;
mod pkce;
mod records;
mod redirect;
mod registration;
mod revoke;
mod routes;
mod scopes;
mod settings;
mod throttle;
mod token;
mod validate;

#[cfg(test)]
mod tests;

pub use events::{Audit, Event};
pub use grants::{Grant, GrantError, list_grants, revoke_grant};
pub use http::{Body, MAX_BODY, Request, Response};
pub use routes::{handle, not_set_up};
pub use settings::{Settings, SettingsCache, SetupError};
pub use validate::{Principal, TokenError, validate};

use shared_ports::{Random, Store};

/// Everything a rule may use besides its arguments. Made for one request.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    /// What the operator decided, and the keys.
    pub settings: &'a Settings,
    /// Clients, codes, tokens, grants.
    pub store: &'a dyn Store,
    /// Codes, tokens, keys.
    pub random: &'a dyn Random,
    /// Who wants to know what happened.
    pub audit: &'a dyn Audit,
    /// The time of the request: seconds since the Unix epoch.
    pub now: u64,
}

impl Server<'_> {
    /// `N` random bytes.
    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }
}
