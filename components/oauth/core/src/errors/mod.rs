//! What can go wrong, precisely and for the log; and the one function that says what the outside sees of it.

mod wire;

pub use wire::{Wire, wire};

use crate::documents::ClientDocumentError;
use crate::form::{FormError, Repeated};
use crate::http::{MAX_BODY, MAX_QUERY, Response};
use crate::jwt::JwtError;
use crate::pages;
use crate::password::NoMemory;
use crate::redirect::RedirectError;
use serde_json::json;
use shared_ports::StoreError;

/// Why a request is not answered the way it hoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    // The caller: HTTP.
    #[error("no such page")]
    NotFound,
    #[error("method not allowed")]
    MethodNotAllowed { allow: &'static str },
    #[error("body larger than {MAX_BODY} bytes")]
    BodyTooLarge,
    #[error("query longer than {MAX_QUERY} bytes")]
    QueryTooLong,
    #[error("content type is not {expected}")]
    ContentType { expected: &'static str },

    // The caller: parameters.
    #[error("form: {0}")]
    Form(#[from] FormError),
    #[error(transparent)]
    Repeated(#[from] Repeated),
    #[error("`{0}` is missing")]
    Missing(&'static str),

    // The caller: authorization endpoint.
    #[error("unknown client")]
    UnknownClient,
    #[error("redirect URI is not registered")]
    RedirectMismatch,
    #[error("response type is not `code`")]
    ResponseType,
    #[error("response mode is not `query`")]
    ResponseMode,
    #[error("`{0}` is not supported")]
    RequestObject(&'static str),
    #[error("no PKCE challenge")]
    ChallengeMissing,
    #[error("PKCE method is not S256")]
    ChallengeMethod,
    #[error("malformed PKCE challenge")]
    Challenge,
    #[error("another resource")]
    Resource,
    #[error("no known scope asked for")]
    Scope,
    #[error("denied by the user")]
    Denied,
    #[error("user was deleted meanwhile")]
    UserDeleted,

    // The caller: forms of our own pages.
    #[error("form was not made by this server")]
    ForgedForm,
    #[error("form belongs to another browser or login")]
    ForeignForm,
    #[error("wrong name or password")]
    Credentials,
    #[error("too many failed logins")]
    Throttled { retry_after: u64 },

    // The caller: clients.
    #[error("client metadata document: {0}")]
    ClientDocument(#[from] ClientDocumentError),
    #[error("registration is switched off")]
    RegistrationOff,
    #[error("too many registrations")]
    RegistrationThrottled { retry_after: u64 },
    #[error("wrong registration access token")]
    ManagementToken,

    // The caller: pages.
    #[error("lacks the role")]
    Role,

    // The caller, or an identity provider.
    #[error("state was not made by this server or is too old")]
    State,
    #[error("state was used before")]
    StateReplayed,
    #[error("provider says: {0}")]
    ProviderRefused(String),
    #[error("answer of another provider")]
    ProviderMixUp,
    #[error("not one of those who may come in")]
    NotAllowed,
    #[error("provider `{name}`: {why}")]
    Provider { name: String, why: String },

    // The caller: registration.
    #[error("redirect URI {0}")]
    RedirectUri(RedirectError),
    #[error("`{field}` {why}")]
    Metadata { field: &'static str, why: &'static str },

    // The caller: token and revocation endpoints.
    #[error("client authentication: {0}")]
    ClientAuth(&'static str),
    #[error("more than one way of client authentication")]
    ClientAuthTwice,
    #[error("client assertion: {0}")]
    Assertion(#[from] JwtError),
    #[error("assertion: {0}")]
    Grant(JwtError),
    #[error("token type is not that of access tokens")]
    TokenType,
    #[error("actor tokens are not supported")]
    Actor,
    #[error("unsupported grant type")]
    GrantType,
    #[error("client is not registered for this grant type")]
    GrantTypeOfClient,
    #[error("code or token was not made by this server, or is long over")]
    Unknown,
    #[error("code or token has expired")]
    Expired,
    #[error("code or token belongs to another client")]
    OtherClient,
    #[error("code was used before")]
    CodeReplayed,
    #[error("redirect URI is not the one of the authorization request")]
    CodeRedirect,
    #[error("wrong PKCE verifier")]
    Verifier,
    #[error("refresh token was used before")]
    RefreshReplayed,
    #[error("grant has ended")]
    GrantEnded,
    #[error("more scopes than granted")]
    ScopeExceeded,

    // The operator, or us.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    #[error("record of a {0} does not open")]
    Damaged(&'static str),
}

impl Error {
    /// Whether it is our own fault and not the caller's.
    pub fn is_ours(&self) -> bool {
        wire(self).status >= 500
    }

    /// As JSON (RFC 6749 section 5.2), for programs.
    pub fn to_json(&self) -> Response {
        let Wire { status, code, text } = wire(self);
        self.with_headers(Response::json(status, &json!({ "error": code, "error_description": text })))
    }

    /// As a page, for people.
    pub fn to_page(&self) -> Response {
        let Wire { status, text, .. } = wire(self);
        self.with_headers(pages::error(status, &text))
    }

    fn with_headers(&self, response: Response) -> Response {
        match self {
            Self::MethodNotAllowed { allow } => response.with("allow", (*allow).into()),
            Self::Throttled { retry_after } | Self::RegistrationThrottled { retry_after } => {
                response.with("retry-after", retry_after.to_string())
            }
            Self::ManagementToken => response.with("www-authenticate", "Bearer realm=\"mcp-edge\"".into()),
            // RFC 6749 section 5.2 wants it where the client has tried the header, RFC 9110 wherever there is a 401.
            Self::ClientAuth(_) | Self::Assertion(_) => {
                response.with("www-authenticate", "Basic realm=\"mcp-edge\"".into())
            }
            _ => response,
        }
    }
}
