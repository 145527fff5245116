//! A whole server in memory, for inputs that are requests.

use crate::http::{Body, Request, Response};
use crate::settings::Settings;
use crate::{Audit, Event, Fetch, FetchError, Fetched, Outside, Server, handle};
use futures::future::LocalBoxFuture;
use shared_ports::HttpError;
use shared_ports::memory::{MemoryConfig, MemoryRandom, MemoryStore};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A user nobody can log in as, a client, a provider, and what else can be switched on.
const DOCUMENT: &str = r#"{
    "publicUrl": "https://mcp.example",
    "identity": { "type": "oidc", "users": [{ "name": "dev", "passwordHash": "none" }], "providers": { "corp": {
        "issuer": "https://idp.example", "clientId": "x", "jwksUri": "https://idp.example/jwks", "assertions": true,
        "authorizationEndpoint": "https://idp.example/authorize", "tokenEndpoint": "https://idp.example/token"
    } } },
    "oauth": {
        "tokenExchange": true, "aliases": ["/mcp/oauth"],
        "clients": { "portal": { "name": "Portal", "redirectUris": ["https://client.example/cb"], "secret": "sixteen bytes or more" } }
    }
}"#;

/// Where requests go to.
const TARGETS: [(&str, &str); 20] = [
    ("GET", "/oauth/authorize"),
    ("GET", "/authorize"),
    ("POST", "/oauth/login"),
    ("POST", "/oauth/consent"),
    ("POST", "/oauth/token"),
    ("POST", "/mcp/oauth/token"),
    ("POST", "/oauth/register"),
    ("GET", "/oauth/register/0123456789abcdef0123456789abcdef"),
    ("PUT", "/oauth/register/0123456789abcdef0123456789abcdef"),
    ("POST", "/oauth/revoke"),
    ("POST", "/oauth/introspect"),
    ("GET", "/oauth/apps"),
    ("POST", "/oauth/apps"),
    ("GET", "/oauth/admin"),
    ("POST", "/oauth/admin"),
    ("GET", "/oauth/login/corp"),
    ("GET", "/oauth/callback/corp"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("HEAD", "/oauth/"),
    ("OPTIONS", "/"),
];

/// A request out of any bytes: the first one chooses where it goes; the rest is query, cookies, authorization, and the body
/// of a form or of JSON, with zero bytes between them.
pub fn request(input: &[u8]) -> Request {
    let (chosen, rest) = input.split_first().unwrap_or((&0, &[]));
    let mut parts = rest.splitn(4, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (query, cookie, authorization, body) = (part(), part(), part(), part());
    let (method, path) = TARGETS.get(usize::from(*chosen) % TARGETS.len()).copied().unwrap_or(("GET", "/"));
    let json = path.starts_with("/oauth/register");
    let content_type = if json { "application/json" } else { "application/x-www-form-urlencoded" };
    let headers = vec![
        ("content-type".into(), content_type.into()),
        ("cookie".into(), cookie.to_vec()),
        ("authorization".into(), authorization.to_vec()),
    ];
    let target = format!("{path}?{}", String::from_utf8_lossy(query));
    Request::new(method.into(), &target, headers, Body::Whole(body.to_vec()))
}

/// The answer of a new server, for which everybody else has the same answer.
pub fn answer(request: &Request, others: &[u8]) -> Response {
    let config = [("settings", DOCUMENT), ("token_key", "0123456789abcdef0123456789abcdef")];
    let config: MemoryConfig = config.into_iter().collect();
    let Ok(settings) = Settings::read(&config) else { panic!("the settings above are read") };
    let (store, random) = (MemoryStore::default(), MemoryRandom::default());
    let server = Server {
        settings: &settings,
        store: &store,
        random: &random,
        audit: &Nobody,
        outside: &Others(others),
        now: 1_800_000_000,
        address: "",
    };
    let mut context = Context::from_waker(Waker::noop());
    match pin!(handle(&server, request)).poll(&mut context) {
        Poll::Ready(response) => response,
        Poll::Pending => panic!("waits for something"),
    }
}

/// What holds for every answer to whatever request.
pub fn check(response: &Response, what: &str) {
    assert!(response.status < 500, "{} to {what}", response.status);
    let safe = |value: &str| value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    assert!(response.headers.iter().all(|(_, value)| safe(value)), "{:?} to {what}", response.headers);
    if let Some(location) = response.header("location") {
        let known = [
            "https://client.example/cb?",
            "/oauth/authorize?",
            "/oauth/apps",
            "/oauth/admin",
            "https://idp.example/authorize?",
        ];
        assert!(known.iter().any(|start| location.starts_with(start)), "{location} to {what}");
    }
    if response.header("content-type") == Some("text/html; charset=utf-8") {
        let page = String::from_utf8_lossy(&response.body).into_owned();
        assert!(!page.contains("<script") && !page.contains("<img"), "{what}");
    }
    assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
}

struct Nobody;

impl Audit for Nobody {
    fn record(&self, event: &Event<'_>) {
        // Every event can be written.
        let _ = event.to_json().to_string();
    }
}

struct Others<'a>(&'a [u8]);

impl Outside for Others<'_> {
    fn fetch(&self, fetch: Fetch) -> LocalBoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async move {
            match self.0 {
                [] => Err(HttpError::Unreachable("nobody there".into()).into()),
                body if body.len() > fetch.limit => Err(FetchError::TooLarge(fetch.limit)),
                body => Ok(Fetched { status: 200, headers: Vec::new(), body: body.to_vec() }),
            }
        })
    }

    fn sleep(&self, _: Duration) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
