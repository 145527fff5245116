//! Grant types without a browser.

use super::bench::{CLIENT_SECRET, REDIRECT, text};
use super::signing::{Signer, changed};
use super::{Bench, document};
use crate::validate::TokenError;
use crate::{delete_user, revoke_grant};
use serde_json::{Value, json};

const EXCHANGE: &str = crate::token::TOKEN_EXCHANGE;
const JWT_BEARER: &str = crate::token::JWT_BEARER;
const IDP: &str = "https://idp.example";

fn bench() -> Bench {
    let mut settings: Value = serde_json::from_str(&document(super::bench::ISSUER)).unwrap();
    let users = settings["identity"]["users"].take();
    settings["identity"] = json!({ "type": "oidc", "users": users, "providers": {
        "corp": { "issuer": IDP, "clientId": "us", "jwksUri": "https://idp.example/jwks", "assertions": true,
            "authorizationEndpoint": "https://idp.example/authorize", "tokenEndpoint": "https://idp.example/token" },
        "other": { "issuer": "https://other.example", "clientId": "us", "jwksUri": "https://other.example/jwks",
            "authorizationEndpoint": "https://other.example/authorize", "tokenEndpoint": "https://other.example/token" },
    } });
    settings["oauth"] = json!({
        "tokenExchange": true,
        "scopes": { "read": { "meaning": "Read" }, "write": { "meaning": "Write", "includes": ["read"] } },
        "clients": {
            "robot": { "secret": "${SECRET}", "grantTypes": ["client_credentials", JWT_BEARER], "roles": ["ops"], "tenant": "t" },
            "portal": { "secret": "${SECRET}", "redirectUris": [REDIRECT], "grantTypes": ["authorization_code", EXCHANGE] },
        },
    });
    let bench = Bench::with_document(&settings.to_string());
    bench.world.on_json("https://idp.example/jwks", Signer::es256().jwks());
    bench.world.on_json("https://other.example/jwks", Signer::es256().jwks());
    bench
}

fn post(bench: &Bench, client: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let own = [("client_id", client), ("client_secret", CLIENT_SECRET)];
    bench.post_json_answer("/oauth/token", &[&own[..], fields].concat())
}

#[test]
fn a_client_of_the_settings_acts_for_itself_as_far_as_it_may() {
    let mut bench = bench();
    let (status, tokens) = post(&bench, "robot", &[("grant_type", "client_credentials"), ("scope", "read")]);
    assert_eq!((status, &tokens["scope"], tokens.get("refresh_token")), (200, &json!("read"), None));
    let principal = bench.validate(&tokens).unwrap();
    assert_eq!((principal.subject.as_str(), principal.tenant.as_deref()), ("client:robot", Some("t")));
    assert_eq!(principal.roles, ["ops"]);
    let error = |client: &str, fields: &[(&str, &str)]| text(&post(&bench, client, fields).1, "error").to_owned();
    assert_eq!(error("portal", &[("grant_type", "client_credentials")]), "unauthorized_client");
    assert_eq!(error("robot", &[("grant_type", "client_credentials"), ("scope", "root")]), "invalid_scope");
    assert_eq!(error("robot", &[("grant_type", "refresh_token"), ("refresh_token", "x")]), "unauthorized_client");
    let registered = bench.client_with(&json!({ "redirect_uris": [REDIRECT] }));
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", &*registered.id),
        ("client_secret", registered.secret.as_deref().unwrap()),
    ];
    assert_eq!(text(&bench.post_json_answer("/oauth/token", &fields).1, "error"), "unauthorized_client");
    // Without a browser, no authorization endpoint.
    let robot = super::bench::TestClient { id: "robot".into(), secret: None };
    assert_eq!(bench.get(&format!("/oauth/authorize?{}", Bench::query(&robot, &[]))).status, 400);
    bench.settings.oauth.clients.clear();
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
}

#[test]
fn an_identity_assertion_is_taken_for_what_it_says_and_once() {
    let bench = bench();
    let now = bench.now.get();
    let n = std::cell::Cell::new(0);
    let send = |header: Value, changes: &Value, more: &[(&str, &str)]| {
        n.set(n.get() + 1);
        let claims = json!({
            "iss": IDP, "sub": "42", "aud": super::bench::ISSUER, "client_id": "robot", "jti": n.get().to_string(),
            "iat": now, "exp": now + 300, "scope": "write", "resource": "http://127.0.0.1:8787/mcp",
        });
        let jwt = Signer::es256().sign(header, &changed(claims, changes));
        post(&bench, "robot", &[&[("grant_type", JWT_BEARER), ("assertion", &*jwt)], more].concat())
    };
    let typ = || json!({ "typ": "oauth-id-jag+jwt" });
    let (status, tokens) = send(typ(), &json!({}), &[]);
    assert_eq!((status, &tokens["scope"]), (200, &json!("read write")));
    assert_eq!(bench.validate(&tokens).unwrap().subject, "corp:42");
    assert_eq!(send(typ(), &json!({ "scope": "read" }), &[]).1["scope"], "read");
    assert_eq!(send(typ(), &json!({}), &[("scope", "read")]).1["scope"], "read");
    assert_eq!(text(&send(typ(), &json!({ "scope": "read" }), &[("scope", "write")]).1, "error"), "invalid_scope");
    for (header, changes) in [
        (json!({}), json!({})),
        (json!({ "typ": "JWT" }), json!({})),
        (typ(), json!({ "jti": "1" })),
        (typ(), json!({ "jti": null })),
        (typ(), json!({ "iss": "https://other.example" })),
        (typ(), json!({ "iss": "https://evil.example" })),
        (typ(), json!({ "aud": "http://127.0.0.1:8787/oauth/token" })),
        (typ(), json!({ "aud": "https://evil.example" })),
        (typ(), json!({ "client_id": "portal" })),
        (typ(), json!({ "client_id": null })),
        (typ(), json!({ "resource": "https://evil.example/mcp" })),
        (typ(), json!({ "exp": now - 61 })),
        (typ(), json!({ "exp": now + 4000 })),
        (typ(), json!({ "exp": null })),
    ] {
        let (status, answer) = send(header, &changes, &[]);
        assert_eq!((status, text(&answer, "error")), (400, "invalid_grant"), "{changes}");
    }
    let metadata = String::from_utf8(bench.get("/.well-known/oauth-authorization-server").body).unwrap();
    assert!(metadata.contains("grant-profile:id-jag") && metadata.contains("client_credentials"));
}

fn exchange_fields<'a>(token: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", EXCHANGE),
        ("subject_token", token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", scope),
    ]
}

#[test]
fn a_token_is_exchanged_for_one_with_fewer_scopes_that_ends_with_it() {
    let bench = bench();
    let client = bench.client();
    let query = Bench::query(&client, &[("scope", "")]);
    let browser = bench.dev();
    let page = browser.authorize(&query);
    let answer = browser.decide(&page, "approve", &["write"]);
    let tokens = bench.redeem(&client, &super::bench::location_parameter(&answer, "code").unwrap()).1;
    let subject = text(&tokens, "access_token");
    bench.advance(1000);
    let exchange = |fields: &[(&str, &str)]| {
        bench.post_json_answer("/oauth/token", &[fields, &[("client_id", &*client.id)]].concat())
    };
    let (status, fewer) = exchange(&exchange_fields(subject, "read"));
    assert_eq!((status, &fewer["scope"], &fewer["expires_in"]), (200, &json!("read"), &json!(2600)));
    assert_eq!(fewer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let principal = bench.validate(&fewer).unwrap();
    assert_eq!((principal.subject.as_str(), principal.scopes), ("dev", vec!["read".into()]));
    // No way back up.
    let error = |fields: &[(&str, &str)]| text(&exchange(fields).1, "error").to_owned();
    assert_eq!(error(&exchange_fields(text(&fewer, "access_token"), "write")), "invalid_scope");
    assert_eq!(error(&exchange_fields("x", "read")), "invalid_grant");
    assert_eq!(error(&exchange_fields(text(&tokens, "refresh_token"), "read")), "invalid_grant");
    for (name, value, expected) in [
        ("actor_token", "x", "invalid_request"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "invalid_request"),
        ("audience", "https://evil.example", "invalid_target"),
        ("resource", "https://evil.example", "invalid_target"),
    ] {
        assert_eq!(error(&[&exchange_fields(subject, "read")[..], &[(name, value)]].concat()), expected, "{name}");
    }
    // Another client may not, unless it is the operator's.
    let other = bench.client();
    let fields = [&exchange_fields(subject, "read")[..], &[("client_id", &*other.id)]].concat();
    assert_eq!(text(&bench.post_json_answer("/oauth/token", &fields).1, "error"), "invalid_grant");
    let by_portal = post(&bench, "portal", &exchange_fields(subject, "read")).1;
    assert!(bench.validate(&by_portal).is_ok());
    super::storage::assert_layout(&bench);
    // It ends with the grant, and leaves nothing.
    revoke_grant(&bench.server(), "dev", &principal.grant_id).unwrap();
    assert_eq!(bench.validate(&fewer), Err(TokenError::Revoked));
    assert!(!bench.keys().iter().any(|key| key.starts_with("oauth:token") || key.contains("exchanged")));
    assert_eq!(delete_user(&bench.server(), "dev").map(|count| count > 0), Ok(true));
}

#[test]
fn exchanged_tokens_are_swept() {
    let bench = bench();
    let client = bench.client();
    let mut tokens = {
        let browser = bench.dev();
        let page = browser.authorize(&Bench::query(&client, &[("scope", "")]));
        let answer = browser.decide(&page, "approve", &["write"]);
        bench.redeem(&client, &super::bench::location_parameter(&answer, "code").unwrap()).1
    };
    for _ in 0..50 {
        bench.advance(1000);
        tokens = bench.refresh(&client, text(&tokens, "refresh_token")).1;
        let fields = exchange_fields(text(&tokens, "access_token"), "read");
        let (status, _) =
            bench.post_json_answer("/oauth/token", &[&fields[..], &[("client_id", &*client.id)]].concat());
        assert_eq!(status, 200);
    }
    assert!(bench.keys().iter().filter(|key| key.starts_with("oauth:token")).count() < 20);
}

#[test]
fn nothing_of_it_is_there_unless_the_operator_says_so() {
    let bench = Bench::new();
    let client = bench.client();
    let tokens = bench.tokens(&client);
    for fields in [
        exchange_fields(text(&tokens, "access_token"), "mcp"),
        vec![("grant_type", "client_credentials")],
        vec![("grant_type", JWT_BEARER), ("assertion", "x.y.z")],
    ] {
        let (status, answer) =
            bench.post_json_answer("/oauth/token", &[&fields[..], &[("client_id", &*client.id)]].concat());
        assert_eq!((status, text(&answer, "error")), (400, "unauthorized_client"));
    }
    let metadata = String::from_utf8(bench.get("/.well-known/oauth-authorization-server").body).unwrap();
    assert!(!metadata.contains("client_credentials") && !metadata.contains("token-exchange"));
}
