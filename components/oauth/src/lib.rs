//! The `oauth` component: bindings, conversion and calls. The rules are in `oauth-core`.

mod bindings;
mod convert;

use bindings::exports::mcp_edge::oauth::{endpoints, tokens};
use oauth_core::{Audit, Event, Outbound, Server, Settings, SettingsCache, SetupError};
use shared_guest::client::GuestHttp;
use shared_guest::{GuestConfig, GuestRandom, GuestStore, GuestTime};
use shared_ports::Clock;
use std::rc::Rc;
use wasip3::http::types::{ErrorCode, Request, Response};

struct Component;

impl endpoints::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let request = convert::request(request).await?;
        let response = match World::of_now() {
            Ok(world) => oauth_core::handle(&world.server(), &request).await,
            Err(error) => oauth_core::not_set_up(&StandardError, &error),
        };
        Ok(convert::response(response))
    }
}

impl tokens::Guest for Component {
    fn validate(token: String, resource: String) -> Result<tokens::Principal, tokens::TokenError> {
        let world = World::of_now().map_err(|error| tokens::TokenError::Unavailable(error.to_string()))?;
        oauth_core::validate(&world.server(), &token, &resource).map(convert::principal).map_err(convert::token_error)
    }

    fn list_grants(subject: String) -> Result<Vec<tokens::Grant>, tokens::GrantError> {
        let world = World::of_now().map_err(grant_error)?;
        oauth_core::list_grants(&world.server(), &subject)
            .map(|grants| grants.into_iter().map(convert::grant).collect())
            .map_err(convert::grant_error)
    }

    fn revoke_grant(subject: String, grant_id: String) -> Result<(), tokens::GrantError> {
        let world = World::of_now().map_err(grant_error)?;
        oauth_core::revoke_grant(&world.server(), &subject, &grant_id).map_err(convert::grant_error)
    }

    fn delete_user(subject: String) -> Result<u64, tokens::GrantError> {
        let world = World::of_now().map_err(grant_error)?;
        oauth_core::delete_user(&world.server(), &subject)
            .map_err(|error| tokens::GrantError::Unavailable(error.to_string()))
    }

    fn sweep(position: u64) -> Result<Option<u64>, tokens::GrantError> {
        let world = World::of_now().map_err(grant_error)?;
        oauth_core::sweep(&world.server(), position).map_err(|error| tokens::GrantError::Unavailable(error.to_string()))
    }

    async fn refresh(grant_id: String) -> Result<tokens::ProviderToken, tokens::RefreshError> {
        let world = World::of_now().map_err(|error| tokens::RefreshError::Unavailable(error.to_string()))?;
        oauth_core::refresh(&world.server(), &grant_id)
            .await
            .map(convert::provider_token)
            .map_err(convert::refresh_error)
    }
}

fn grant_error(error: SetupError) -> tokens::GrantError {
    tokens::GrantError::Unavailable(error.to_string())
}

thread_local! {
    /// Keyed by every value that the settings are made of.
    static SETTINGS: SettingsCache = SettingsCache::default();
}

/// What the rules need, for one call.
struct World {
    settings: Rc<Settings>,
    store: GuestStore,
    outside: Outbound<GuestHttp, GuestTime>,
    now: u64,
}

impl World {
    fn of_now() -> Result<Self, SetupError> {
        let settings = SETTINGS.with(|cache| cache.get(&GuestConfig))?;
        let public_only_header = settings.public_only_header();
        let outside = Outbound { http: GuestHttp, clock: GuestTime, public_only_header };
        Ok(Self { settings, store: GuestStore::default(), outside, now: GuestTime.now() })
    }

    fn server(&self) -> Server<'_> {
        Server {
            settings: &self.settings,
            store: &self.store,
            random: &GuestRandom,
            audit: &StandardError,
            outside: &self.outside,
            now: self.now,
            address: "",
        }
    }
}

/// Events as lines of JSON on standard error; standard output is the router's.
struct StandardError;

impl Audit for StandardError {
    fn record(&self, event: &Event<'_>) {
        eprintln!("{}", event.to_json());
    }
}
