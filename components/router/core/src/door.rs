//! The checks, in their order.

use crate::answer::Answer;
use crate::bearer::{self, Principal, Refusal};
use crate::cors::{self, Sharing};
use crate::head::Head;
use crate::limit::{self, Outcome};
use crate::origin;
use crate::route::Route;
use serde::Deserialize;
use serde_json::json;
use shared_ports::{Clock, Config, Store};
use shared_settings::{Limits, PublicUrl, RouteLimits, ScopeSettings, Scopes, SettingsError};
use std::collections::BTreeMap;

/// Largest body of a request to the MCP endpoint, where the client says its size: base64 of a 3 MB picture fits, and a
/// component with many such requests at once stays within its memory. The session holds bodies of unsaid size to the
/// same cap.
const MAX_BODY: u64 = 4 * 1024 * 1024;

/// Longest address of a client in `X-…` headers that is looked at: an IPv6 address with a zone.
const MAX_ADDRESS: usize = 64;

/// The sections of the settings that the router reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouterSettings {
    /// See [`shared_settings::Document::public_url`]; the host fills it in.
    pub public_url: PublicUrl,
    /// See [`shared_settings::Document::limits`].
    #[serde(default)]
    pub limits: Limits,
    /// See [`shared_settings::Document::allowed_origins`].
    #[serde(default)]
    pub allowed_origins: Vec<String>,
}

/// What of the authorization server's settings is no secret.
#[derive(Deserialize)]
struct Sections {
    #[serde(default)]
    oauth: OAuth,
}

#[derive(Default, Deserialize)]
struct OAuth {
    #[serde(default)]
    scopes: BTreeMap<String, ScopeSettings>,
    #[serde(default)]
    aliases: Vec<String>,
}

/// The door of the gateway.
#[derive(Debug, Clone)]
pub struct Door {
    settings: RouterSettings,
    /// The scopes that there are, separated by spaces.
    scopes: String,
    /// Paths under which everything of `/oauth` is there as well.
    aliases: Vec<String>,
    /// The header that the host puts the client's address into, in lower case.
    address_header: Option<String>,
}

/// A request that has passed the bearer check; nothing but [`Door::authorize`] makes one, so that forwarding without
/// the check does not compile.
#[derive(Debug)]
pub struct Authorized(Principal);

impl Authorized {
    /// Who it is.
    pub fn principal(&self) -> &Principal {
        &self.0
    }
}

impl Door {
    /// Read the settings.
    pub fn open(config: &impl Config) -> Result<Self, SettingsError> {
        let settings = shared_settings::read(config, &["publicUrl", "limits", "allowedOrigins"])?;
        let address_header = config.value("client_address_header")?.map(|name| name.to_ascii_lowercase());
        let Sections { oauth } = shared_settings::read_unexpanded(config, &["oauth"])?;
        let scopes = Scopes::new(&oauth.scopes).names().collect::<Vec<_>>().join(" ");
        Ok(Self { settings, scopes, aliases: oauth.aliases, address_header })
    }

    /// The route of a path.
    pub fn route(&self, path: &str) -> Option<Route> {
        Route::find(&shared_settings::unalias(&self.aliases, path))
    }

    /// Everything before the bearer check. `Ok` names the route to take; `Err` is the answer.
    pub fn enter(&self, head: &Head, store: &impl Store, clock: &impl Clock) -> Result<Route, Answer> {
        let route = self.route(&head.path).ok_or_else(|| not_found(&self.settings.public_url))?;
        self.limit_address(route, head, store, clock)?;
        if !origin::host_allowed(&self.settings.public_url, head.authority.as_deref()) {
            return Err(self.refuse(route, "This host name is not served here.", "host"));
        }
        let origin = self.origin(route, head)?;
        if head.method == "OPTIONS" && cors::sharing(route) != Sharing::Nobody {
            let asked_for = head.values("access-control-request-headers").collect::<Vec<_>>().join(",");
            let mut answer = Answer::empty(204, "preflight");
            if origin.is_some() || cors::sharing(route) == Sharing::Public {
                answer.headers.extend(cors::preflight(route, &asked_for));
            }
            return Err(answer);
        }
        if !route.methods().contains(&head.method.as_str()) {
            let text = format!("This address takes {} only.", route.methods().join(", "));
            let answer = match route {
                Route::Mcp | Route::Admin => Answer::rpc_problem(405, &text, "method"),
                _ => Answer::problem(405, "method_not_allowed", &text, "method"),
            };
            return Err(answer.with("allow", &route.methods().join(", ")));
        }
        Ok(route)
    }

    /// The bearer check: `validate` is asked about the token and the identifier of the resource.
    pub fn authorize(
        &self,
        head: &Head,
        validate: impl FnOnce(&str, &str) -> Result<Principal, Refusal>,
    ) -> Result<Authorized, Answer> {
        let checked = bearer::token(head).and_then(|token| validate(token, &self.settings.public_url.mcp()));
        checked.map(Authorized).map_err(|refusal| self.challenge(&refusal))
    }

    /// What can be checked only when the user is known, and the size of the body.
    pub fn admit(
        &self,
        route: Route,
        head: &Head,
        authorized: &Authorized,
        store: &impl Store,
        clock: &impl Clock,
    ) -> Result<(), Answer> {
        let rate = self.limits(route).and_then(|limits| limits.per_user);
        if let Some(rate) = rate {
            let who = format!("user:{}", authorized.0.user_hash);
            // A limiter that cannot count lets MCP pass: the user is known, and a store that is down stops the rest anyway.
            if let Ok(Outcome::Over { retry_after }) = limit::count(store, rate, route.name(), &who, clock.now()) {
                return Err(too_many(route, retry_after, "limit: user"));
            }
        }
        let length = head.single("content-length").ok().flatten().and_then(|text| text.parse::<u64>().ok());
        if length.is_some_and(|length| length > MAX_BODY) {
            let text = format!("The body is too large: at most {MAX_BODY} bytes.");
            return Err(Answer::rpc_problem(413, &text, "body cap"));
        }
        Ok(())
    }

    /// Whether a route leads to the session, for users with a token only.
    pub fn needs_token(route: Route) -> bool {
        matches!(route, Route::Mcp | Route::Admin)
    }

    /// Answers of the router's own routes; `None` for routes that lead to a component.
    pub fn answer(&self, route: Route) -> Option<Answer> {
        match route {
            Route::Health => {
                let body = json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }).to_string().into_bytes();
                Some(
                    Answer::empty(200, "")
                        .with("content-type", "application/json")
                        .with("cache-control", "no-store")
                        .with_body(body),
                )
            }
            Route::Front => {
                let text = format!(
                    "This is mcp-edge, a gateway for the Model Context Protocol.\nPoint an MCP client at {}\n",
                    self.settings.public_url.mcp()
                );
                Some(
                    Answer::empty(200, "")
                        .with("content-type", "text/plain; charset=utf-8")
                        .with_body(text.into_bytes()),
                )
            }
            Route::Metadata | Route::Pages | Route::Endpoints | Route::Clients | Route::Mcp | Route::Admin => None,
        }
    }

    /// Headers that the router adds to every answer, its own and those from behind.
    pub fn headers(&self, head: &Head, request_id: &str) -> Vec<(String, Vec<u8>)> {
        let mut headers = vec![
            ("x-request-id".into(), request_id.as_bytes().to_vec()),
            ("x-content-type-options".into(), b"nosniff".to_vec()),
        ];
        if self.settings.public_url.is_https() {
            headers.push(("strict-transport-security".into(), b"max-age=31536000".to_vec()));
        }
        if let Some(route) = self.route(&head.path) {
            let origin = self.origin(route, head).ok().flatten();
            headers.extend(cors::headers(route, origin));
        }
        headers
    }

    /// A component behind failed, or the settings cannot be read. The text is for the log.
    pub fn failed(route: Option<Route>, reason: impl Into<String>) -> Answer {
        const TEXT: &str = "The gateway cannot answer now. Try again in a few seconds.";
        let answer = match route {
            Some(Route::Mcp | Route::Admin) => Answer::rpc_problem(503, TEXT, reason),
            _ => Answer::problem(503, "temporarily_unavailable", TEXT, reason),
        };
        answer.with("retry-after", "5")
    }

    /// The request's origin where it is one that may call this route; `Err` where it must not.
    fn origin<'h>(&self, route: Route, head: &'h Head) -> Result<Option<&'h str>, Answer> {
        let allowed =
            |origin: &str| origin::origin_allowed(&self.settings.public_url, &self.settings.allowed_origins, origin);
        match (cors::sharing(route), head.single("origin")) {
            (_, Ok(None)) => Ok(None),
            (Sharing::Allowed, Ok(Some(origin))) if allowed(origin) => Ok(Some(origin)),
            (Sharing::Allowed, _) => {
                Err(self.refuse(route, "Web pages of this origin may not call this address.", "origin"))
            }
            // Pages guard their forms themselves: a form sent from a page without referrer has the origin `null`.
            (Sharing::Public | Sharing::Nobody, _) => Ok(None),
        }
    }

    fn refuse(&self, route: Route, text: &str, reason: &str) -> Answer {
        match route {
            Route::Mcp | Route::Admin => Answer::rpc_problem(403, text, reason),
            _ => Answer::problem(403, "forbidden", text, reason),
        }
    }

    fn limits(&self, route: Route) -> Option<&RouteLimits> {
        match route {
            Route::Mcp | Route::Admin => Some(&self.settings.limits.mcp),
            Route::Pages | Route::Endpoints | Route::Clients => Some(&self.settings.limits.oauth),
            Route::Health | Route::Front | Route::Metadata => None,
        }
    }

    fn limit_address(&self, route: Route, head: &Head, store: &impl Store, clock: &impl Clock) -> Result<(), Answer> {
        let Some(rate) = self.limits(route).and_then(|limits| limits.per_ip) else {
            return Ok(());
        };
        // The host's own value is the last one: a client may have put another in front of it.
        let address = self.address_header.as_deref().and_then(|name| head.values(name).last());
        let Some(address) = address.filter(|address| address.len() <= MAX_ADDRESS) else {
            return Ok(());
        };
        let who = format!("ip:{}", shared_settings::client_address(address));
        match limit::count(store, rate, route.name(), &who, clock.now()) {
            Ok(Outcome::Pass) => Ok(()),
            Ok(Outcome::Over { retry_after }) => Err(too_many(route, retry_after, "limit: address")),
            // Guessing passwords and codes must not become free when the store is down.
            Err(error) if matches!(route, Route::Pages | Route::Endpoints | Route::Clients) => {
                Err(Self::failed(Some(route), error.to_string()))
            }
            Err(_) => Ok(()),
        }
    }

    fn challenge(&self, refusal: &Refusal) -> Answer {
        let (error, reason) = match refusal {
            Refusal::Missing => (None, "no token"),
            Refusal::Malformed => {
                (Some(("invalid_request", "Send one bearer token in the Authorization header")), "malformed token")
            }
            Refusal::Invalid(reason) => {
                (Some(("invalid_token", "The access token is not valid here: log in again")), *reason)
            }
            Refusal::Unavailable(reason) => return Self::failed(Some(Route::Mcp), reason.clone()),
        };
        let (status, code) = match refusal {
            Refusal::Malformed => (400, "invalid_request"),
            _ => (401, "invalid_token"),
        };
        Answer::problem(status, code, "Log in first: see the WWW-Authenticate header.", reason)
            .with("www-authenticate", &bearer::challenge(&self.settings.public_url, &self.scopes, error))
    }
}

fn not_found(public_url: &PublicUrl) -> Answer {
    Answer::problem(404, "not_found", &format!("Nothing is here. The MCP endpoint is {}", public_url.mcp()), "no route")
}

fn too_many(route: Route, retry_after: u64, reason: &str) -> Answer {
    let text = format!("Rate limit exceeded. Try again in {retry_after} seconds.");
    let answer = match route {
        Route::Mcp | Route::Admin => Answer::rpc_problem(429, &text, reason),
        _ => Answer::problem(429, "too_many_requests", &text, reason),
    };
    answer.with("retry-after", &retry_after.to_string())
}
