//! Requests that nobody means well, by the thousand.

use super::Bench;
use super::bench::{Browser, form_request, hidden, request, text};
use crate::fuzz::world::check;
use crate::http::Request;
use proptest::prelude::*;
use shared_ports::memory::MemoryRandom;

const PATHS: [&str; 22] = [
    "/oauth/authorize",
    "/authorize",
    "/oauth/login",
    "/oauth/consent",
    "/oauth/token",
    "/token",
    "/oauth/register",
    "/register",
    "/oauth/revoke",
    "/oauth/introspect",
    "/oauth/register/0123456789abcdef0123456789abcdef",
    "/oauth/apps",
    "/oauth/admin",
    "/oauth/login/corp",
    "/oauth/callback/corp",
    "/oauth/callback/",
    "/mcp/oauth/token",
    "/oauth",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/",
    "/mcp/.well-known/openid-configuration",
];

#[test]
fn ten_thousand_mutated_requests_are_never_a_server_error() {
    let mut bench = Bench::new();
    let provider = serde_json::json!({
        "issuer": "https://idp.example", "clientId": "x", "jwksUri": "https://idp.example/jwks",
        "authorizationEndpoint": "https://idp.example/authorize", "tokenEndpoint": "https://idp.example/token",
    });
    bench.settings.providers.insert("corp".into(), serde_json::from_value(provider).unwrap());
    bench.settings.oauth.token_exchange = true;
    let client = bench.client();
    let browser = Browser::new(&bench);
    let login = hidden(&browser.authorize(&Bench::query(&client, &[])));
    browser.log_in(&client, "dev", "secret");
    let consent = hidden(&browser.authorize(&Bench::query(&client, &[])));
    let tokens = bench.tokens(&client);
    let code = bench.code(&client);
    let cookies: Vec<_> = browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookie = cookies.join("; ");
    let apps = hidden(&browser.get("/oauth/apps"));
    let (_, registered) = bench.register(&serde_json::json!({ "redirect_uris": ["https://client.example/cb"] }));
    let registration = format!("/oauth/register/{}", text(&registered, "client_id"));
    let bearer = format!("Bearer {}", text(&registered, "registration_access_token"));
    let signer = super::signing::Signer::es256();
    let assertion = super::signing::assertion(&signer, &client.id, bench.now.get(), &serde_json::json!({ "jti": "1" }));
    let json =
        r#"{"redirect_uris":["https://client.example/cb"],"client_name":"x","grant_types":["authorization_code"]}"#;
    let seeds: Vec<Request> = vec![
        request("GET", &format!("/oauth/authorize?{}", Bench::query(&client, &[])), &[("cookie", &cookie)], b""),
        form_request(
            "/oauth/login",
            &[("request", &login), ("username", "dev"), ("password", "x")],
            &[("cookie", &cookie), ("x-address", "1")],
        ),
        form_request(
            "/oauth/consent",
            &[("request", &consent), ("action", "approve"), ("scope", "mcp")],
            &[("cookie", &cookie)],
        ),
        form_request(
            "/oauth/token",
            &[("grant_type", "authorization_code"), ("code", &code), ("client_id", &client.id)],
            &[("authorization", "Basic eDp5")],
        ),
        form_request("/oauth/token", &Bench::refresh_fields(&client, text(&tokens, "refresh_token")), &[]),
        form_request("/oauth/revoke", &[("token", text(&tokens, "access_token")), ("client_id", &client.id)], &[]),
        request("POST", "/oauth/register", &[("content-type", "application/json")], json.as_bytes()),
        request(
            "PUT",
            &registration,
            &[("authorization", &bearer), ("content-type", "application/json")],
            json.as_bytes(),
        ),
        form_request(
            "/oauth/introspect",
            &[("token", text(&tokens, "access_token")), ("client_id", &client.id), ("client_secret", "x")],
            &[],
        ),
        form_request(
            "/oauth/token",
            &[
                ("grant_type", crate::token::TOKEN_EXCHANGE),
                ("subject_token", text(&tokens, "access_token")),
                ("subject_token_type", crate::machine::ACCESS_TOKEN),
                ("client_assertion_type", crate::assertion::TYPE),
                ("client_assertion", &assertion),
            ],
            &[],
        ),
        form_request("/oauth/apps", &[("request", &apps), ("end", "x")], &[("cookie", &cookie)]),
        request("GET", &format!("/oauth/login/corp?request={login}"), &[("cookie", &cookie)], b""),
        request("GET", "/oauth/callback/corp?code=x&state=AAAA", &[("cookie", &cookie)], b""),
        request("GET", "/oauth/authorize?client_id=https%3A%2F%2Fclient.example%2Fapp.json", &[], b""),
    ];
    let random = MemoryRandom::default();
    let draw = |below: usize| {
        let mut bytes = [0; 8];
        shared_ports::Random::fill(&random, &mut bytes);
        usize::try_from(u64::from_be_bytes(bytes) % below.max(1) as u64).unwrap()
    };
    let mutate = |bytes: &mut Vec<u8>| {
        for _ in 0..1 + draw(3) {
            let at = draw(bytes.len().max(1));
            match draw(6) {
                _ if bytes.is_empty() => bytes.push(0),
                0 => bytes[at] = u8::try_from(draw(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"&=%+\"<>\r\n\0;{}[]"[draw(15)]),
                3 => bytes.truncate(at),
                4 => bytes.extend_from_within(at..),
                _ => bytes[at] ^= 1 << draw(8),
            }
        }
    };
    for round in 0..10_000 {
        let mut request = seeds[draw(seeds.len())].clone();
        match draw(5) {
            0 => request.path = PATHS[draw(PATHS.len())].into(),
            1 => request.method = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "x"][draw(6)].into(),
            2 => {
                let mut query = request.query.into_bytes();
                mutate(&mut query);
                request.query = String::from_utf8_lossy(&query).into_owned();
            }
            3 => {
                let count = request.headers.len();
                if let Some((_, value)) = request.headers.get_mut(draw(count)) {
                    mutate(value);
                }
            }
            _ => {
                if let crate::Body::Whole(body) = &mut request.body {
                    mutate(body);
                }
            }
        }
        check(&bench.send(&request), &format!("round {round}: {request:?}"));
    }
}

proptest! {
    #[test]
    fn random_requests_are_never_a_server_error(
        path in prop::sample::select(&PATHS[..]),
        method in prop::sample::select(&["GET", "POST"][..]),
        query in ".{0,100}",
        body: Vec<u8>,
        content_type in prop::sample::select(&["application/json", "application/x-www-form-urlencoded"][..]),
        cookie: Vec<u8>,
        authorization: Vec<u8>,
    ) {
        let bench = Bench::new();
        let mut request = request(method, &format!("{path}?{query}"), &[("content-type", content_type)], &body);
        request.headers.push(("cookie".into(), cookie));
        request.headers.push(("authorization".into(), authorization));
        check(&bench.send(&request), "random");
    }
}

#[test]
fn a_store_that_fails_is_said_so_everywhere() {
    let bench = Bench::new();
    let client = bench.client();
    let tokens = bench.tokens(&client);
    let code = bench.code(&client);
    let browser = bench.dev();
    let page = browser.authorize(&Bench::query(&client, &[]));
    bench.store.failing.set(true);
    assert_eq!(bench.redeem(&client, &code).0, 503);
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 503);
    assert_eq!(bench.get(&format!("/oauth/authorize?{}", Bench::query(&client, &[]))).status, 503);
    assert_eq!(browser.decide(&page, "approve", &["mcp"]).status, 503);
    assert!(matches!(bench.validate(&tokens), Err(crate::TokenError::Unavailable(_))));
    assert!(crate::list_grants(&bench.server(), "dev").is_err());
    let shown = bench.get(&format!("/oauth/authorize?{}", Bench::query(&client, &[])));
    assert!(!String::from_utf8(shown.body).unwrap().contains("switched off by the test"));
    bench.store.failing.set(false);
    assert_eq!(bench.redeem(&client, &code).0, 200);
    assert!(bench.events().contains(&"refused".into()));
}
