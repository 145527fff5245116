//! The rules of the authorization server: OAuth 2.1 (draft-ietf-oauth-v2-1), as the authorization chapter of MCP wants
//! it. Requests and values in, responses and decisions out; clock, randomness, store and settings are arguments.
//!
//! | topic | file |
//! |---|---|
//! | which path is what | `routes` |
//! | RFC 9728, RFC 8414 documents | `metadata` |
//! | clients: registered (RFC 7591, RFC 7592), by document, by settings | `registration`, `documents`, `clients`, `client_metadata`, `redirect`, `uri` |
//! | how clients prove themselves | `client_auth`, `secret`, `assertion`, `jwt`, `keyset`, `once` |
//! | the authorization endpoint and its pages | `authorize`, `login`, `consent`, `approval`, `pages` |
//! | identity providers | `providers`, `people` |
//! | the token, revocation and introspection endpoints | `token`, `machine`, `pkce`, `revoke`, `introspect` |
//! | connected apps, administration | `apps`, `users` |
//! | what is asked of others | `outbound`, `fetched` |
//! | grants, rotation, what is stored | `grants`, `records`, `sweep`, `list` of `shared-ports`, `credential`, `crypto`; layout in `STORE.md` |
//! | the check of an access token | `validate` |
//! | which error the outside sees | `errors` |

mod app_pages;
mod approval;
mod apps;
mod assertion;
mod authorize;
mod client_auth;
mod client_metadata;
mod clients;
mod consent;
mod consent_page;
mod cookies;
mod credential;
mod crypto;
mod documents;
mod errors;
mod events;
mod fetched;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod grants;
mod http;
mod introspect;
mod jwt;
mod keyset;
mod login;
mod machine;
mod metadata;
mod once;
mod outbound;
mod pages;
mod password;
mod people;
mod pkce;
mod providers;
mod records;
mod redirect;
mod registration;
mod revoke;
mod routes;
mod scopes;
mod secret;
mod settings;
mod sweep;
mod throttle;
mod token;
mod uri;
mod users;
mod validate;

#[cfg(test)]
mod tests;

pub use events::{Audit, Event};
pub use grants::{Grant, GrantError, list_grants, revoke_grant};
pub use http::{Body, MAX_BODY, Request, Response};
pub use outbound::{Fetch, FetchError, Fetched, Outbound, Outside, Reach};
pub use providers::{ProviderToken, RefreshError, refresh};
pub use routes::{handle, not_set_up};
pub use settings::{Settings, SettingsCache, SetupError};
pub use sweep::sweep;
pub use users::delete_user;
pub use validate::{Principal, TokenError, validate};

use shared_ports::{Random, Store, list};

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
    /// Documents of clients, identity providers.
    pub outside: &'a dyn Outside,
    /// The time of the request: seconds since the Unix epoch.
    pub now: u64,
    /// Address of the client; [`handle`] fills it in.
    pub address: &'a str,
}

impl Server<'_> {
    /// `N` random bytes.
    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }
}
