//! The `oauth` component: bindings, conversion and calls. The rules are in `oauth-core`.

mod bindings;
mod convert;

use bindings::exports::mcp_edge::oauth::{endpoints, tokens};
use oauth_core::{Audit, Event, Server, SettingsCache, SetupError};
use shared_guest::{GuestConfig, GuestRandom, GuestStore, GuestTime};
use shared_ports::Clock;
use wasip3::http::types::{ErrorCode, Request, Response};

struct Component;

impl endpoints::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let request = convert::request(request).await?;
        let response = with_server(|server| oauth_core::handle(server, &request));
        Ok(convert::response(response.unwrap_or_else(|error| oauth_core::not_set_up(&StandardError, &error))))
    }
}

impl tokens::Guest for Component {
    fn validate(token: String, resource: String) -> Result<tokens::Principal, tokens::TokenError> {
        with_server(|server| oauth_core::validate(server, &token, &resource))
            .map_err(|error| tokens::TokenError::Unavailable(error.to_string()))?
            .map(convert::principal)
            .map_err(convert::token_error)
    }

    fn list_grants(subject: String) -> Result<Vec<tokens::Grant>, tokens::GrantError> {
        with_server(|server| oauth_core::list_grants(server, &subject))
            .map_err(|error| tokens::GrantError::Unavailable(error.to_string()))?
            .map(|grants| grants.into_iter().map(convert::grant).collect())
            .map_err(convert::grant_error)
    }

    fn revoke_grant(subject: String, grant_id: String) -> Result<(), tokens::GrantError> {
        with_server(|server| oauth_core::revoke_grant(server, &subject, &grant_id))
            .map_err(|error| tokens::GrantError::Unavailable(error.to_string()))?
            .map_err(convert::grant_error)
    }
}

thread_local! {
    /// Keyed by every value that the settings are made of.
    static SETTINGS: SettingsCache = SettingsCache::default();
}

fn with_server<T>(act: impl FnOnce(&Server) -> T) -> Result<T, SetupError> {
    let settings = SETTINGS.with(|cache| cache.get(&GuestConfig))?;
    Ok(act(&Server {
        settings: &settings,
        store: &GuestStore::default(),
        random: &GuestRandom,
        audit: &StandardError,
        now: GuestTime.now(),
    }))
}

/// Events as lines of JSON on standard error; standard output is the router's.
struct StandardError;

impl Audit for StandardError {
    fn record(&self, event: &Event<'_>) {
        eprintln!("{}", event.to_json());
    }
}
