//! Logins at an identity provider, and its tokens.

use super::Bench;
use super::bench::{Browser, html, json_answer, location_parameter, now, request, text};
use super::signing::{Signer, changed};
use crate::form::Form;
use crate::http::Response;
use crate::{Fetch, ProviderToken, RefreshError, TokenError, refresh};
use futures::future::join_all;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const IDP: &str = "https://idp.example";
const TOKEN: &str = "https://idp.example/token";

/// Providers `corp` (OpenID Connect), `hub` (OAuth 2 with an address that says who somebody is), and the local users.
pub fn bench() -> Bench {
    let mut settings: Value = serde_json::from_str(&super::document(super::bench::ISSUER)).unwrap();
    let users = settings["identity"]["users"].take();
    settings["identity"] = json!({ "type": "oidc", "users": users, "providers": {
        "corp": {
            "label": "Example & Co", "issuer": IDP, "clientId": "us", "clientSecret": "${SECRET}",
            "roles": { "g1": "admin" }, "require": { "hd": ["example.com"] }, "parameters": { "prompt": "login", "state": "x" },
        },
        "hub": {
            "authorizationEndpoint": "https://hub.example/authorize", "tokenEndpoint": "https://hub.example/token",
            "userinfoEndpoint": "https://hub.example/user", "clientId": "us", "claims": { "subject": "id" }, "scopes": ["user"],
        },
    } });
    let bench = Bench::with_document(&settings.to_string());
    bench.world.on_json(
        "https://idp.example/.well-known/openid-configuration",
        json!({
            "issuer": IDP, "authorization_endpoint": "https://idp.example/authorize?x=1", "token_endpoint": TOKEN,
            "jwks_uri": "https://idp.example/jwks", "authorization_response_iss_parameter_supported": true,
        }),
    );
    bench.world.on_json("https://idp.example/jwks", Signer::es256().jwks());
    bench
}

fn field(fetch: &Fetch, name: &str) -> String {
    Form::parse(&fetch.body).unwrap().all(name).next().unwrap_or_default().into()
}

/// Claims of a good ID token for this nonce.
fn claims(bench: &Bench, nonce: &str) -> Value {
    let now = bench.now.get();
    json!({
        "iss": IDP, "aud": "us", "sub": "42", "name": "Ada", "hd": "example.com", "groups": ["g1", "g2"],
        "nonce": nonce, "iat": now, "exp": now + 600,
    })
}

/// The provider gives this ID token, and tokens for ten minutes.
fn answer_with(bench: &Bench, id_token: String) {
    bench.world.on(TOKEN, move |_| {
        Ok(json_answer(
            200,
            &json!({
                "access_token": "idp-access-1", "token_type": "bearer", "expires_in": 600, "refresh_token": "idp-refresh-1",
                "id_token": id_token, "scope": "openid profile",
            }),
        ))
    });
}

/// From the login page to a provider.
fn leave(bench: &Bench, browser: &Browser, provider: &str) -> Response {
    let page = html(&browser.authorize(&Bench::query(&bench.client(), &[])));
    let (_, rest) = page.split_once(&format!("href=\"/oauth/login/{provider}?")).unwrap();
    browser.get(&format!("/oauth/login/{provider}?{}", rest.split_once('"').unwrap().0))
}

/// And back.
fn come_back(browser: &Browser, provider: &str, state: &str, more: &str) -> Response {
    browser.get(&format!("/oauth/callback/{provider}?code=c&state={state}{more}"))
}

const ISS: &str = "&iss=https%3A%2F%2Fidp.example";

fn log_in<'a>(bench: &'a Bench, changes: &Value) -> (Browser<'a>, Response) {
    let browser = Browser::new(bench);
    let there = leave(bench, &browser, "corp");
    let nonce = location_parameter(&there, "nonce").unwrap();
    answer_with(bench, Signer::es256().sign(json!({}), &changed(claims(bench, &nonce), changes)));
    let back = come_back(&browser, "corp", &location_parameter(&there, "state").unwrap(), ISS);
    (browser, back)
}

fn is_logged_in(browser: &Browser) -> bool {
    browser.cookies.borrow().contains_key("mcp-edge-login")
}

#[test]
fn the_way_to_the_provider_carries_what_it_should() {
    let bench = bench();
    let browser = Browser::new(&bench);
    let page = html(&browser.authorize(&Bench::query(&bench.client(), &[])));
    assert!(page.contains("Continue with Example &amp; Co") && page.contains("Continue with hub"));
    assert!(page.contains("name=\"password\""), "local users beside it");
    let there = leave(&bench, &browser, "corp");
    assert_eq!(there.status, 302);
    assert!(there.header("location").unwrap().starts_with("https://idp.example/authorize?x=1&response_type=code&"));
    for (name, value) in [
        ("client_id", "us"),
        ("redirect_uri", "http://127.0.0.1:8787/oauth/callback/corp"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
        ("prompt", "login"),
    ] {
        assert_eq!(location_parameter(&there, name).as_deref(), Some(value));
    }
    assert!(location_parameter(&there, "state").unwrap().len() > 60, "the settings do not replace it");
    assert!(there.header("set-cookie").unwrap().contains("; HttpOnly; SameSite=Lax"));
    let other = leave(&bench, &browser, "corp");
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(location_parameter(&there, name), location_parameter(&other, name));
    }
}

#[test]
fn somebody_from_a_provider_is_who_the_id_token_says() {
    let bench = bench();
    let (browser, back) = log_in(&bench, &json!({}));
    assert_eq!(back.status, 303);
    assert!(back.header("location").unwrap().starts_with("/oauth/authorize?"));
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    assert!(html(&browser.authorize(&query)).contains("Signed in as <strong>Ada</strong>"));
    let tokens = bench.redeem(&client, &browser.approve(&query)).1;
    let principal = bench.validate(&tokens).unwrap();
    assert_eq!((principal.subject.as_str(), principal.roles), ("corp:42", vec!["admin".into()]));
    // PKCE on this leg, and the secret in the header.
    let sent = bench.world.requests.borrow().iter().find(|request| request.url == TOKEN).cloned().unwrap();
    assert_eq!(field(&sent, "code_verifier").len(), 43);
    assert!(sent.headers.iter().any(|(name, value)| *name == "authorization" && value.starts_with("Basic ")));
    // Nothing of it is in the store in the clear.
    for (key, value) in bench.store.entries.borrow().iter() {
        let value = String::from_utf8_lossy(value);
        for secret in ["idp-access-1", "idp-refresh-1", "corp:42", "Ada"] {
            assert!(!value.contains(secret) && !key.contains(secret), "{secret} in {key}");
        }
    }
    // A provider that is taken out of the settings takes its users with it.
    let mut bench = bench;
    bench.settings.providers.clear();
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
}

#[test]
fn an_id_token_that_is_not_for_this_login_lets_nobody_in() {
    let bench = bench();
    let now = bench.now.get();
    let hash = |token: &str| crate::crypto::base64(&crate::crypto::sha256(token.as_bytes())[..16]);
    for (changes, expected) in [
        (json!({ "aud": ["us"] }), true),
        (json!({ "aud": ["us", "them"], "azp": "us" }), true),
        (json!({ "at_hash": hash("idp-access-1") }), true),
        (json!({ "at_hash": hash("another") }), false),
        (json!({ "nonce": "x" }), false),
        (json!({ "nonce": null }), false),
        (json!({ "iss": "https://evil.example" }), false),
        (json!({ "aud": "them" }), false),
        (json!({ "aud": ["us", "them"] }), false),
        (json!({ "aud": ["them"], "azp": "us" }), false),
        (json!({ "azp": "them" }), false),
        (json!({ "exp": now - 61 }), false),
        (json!({ "exp": null }), false),
        (json!({ "iat": null }), false),
        (json!({ "iat": now + 61 }), false),
        (json!({ "sub": null }), false),
        (json!({ "hd": "evil.example" }), false),
    ] {
        let (browser, back) = log_in(&bench, &changes);
        assert_eq!((is_logged_in(&browser), back.status == 303), (expected, expected), "{changes}");
    }
    for id_token in [String::new(), "x.y.z".into(), Signer::es256_other().sign(json!({}), &claims(&bench, "n"))] {
        let browser = Browser::new(&bench);
        let there = leave(&bench, &browser, "corp");
        answer_with(&bench, id_token);
        let back = come_back(&browser, "corp", &location_parameter(&there, "state").unwrap(), ISS);
        assert_eq!((back.status, is_logged_in(&browser)), (503, false));
        assert!(html(&back).contains("Continue with"), "the login page again");
    }
}

#[test]
fn a_state_is_good_once_in_its_own_browser_for_ten_minutes() {
    let bench = bench();
    let browser = Browser::new(&bench);
    let there = leave(&bench, &browser, "corp");
    let state = location_parameter(&there, "state").unwrap();
    let nonce = location_parameter(&there, "nonce").unwrap();
    answer_with(&bench, Signer::es256().sign(json!({}), &claims(&bench, &nonce)));
    // Forged, changed, or of somebody who logs in somewhere else.
    let other = Browser::new(&bench);
    leave(&bench, &other, "corp");
    for forged in ["", "x", &state[1..], &format!("{state}AAAA"), &format!("A{}", &state[1..])] {
        assert_eq!(come_back(&browser, "corp", forged, ISS).status, 400, "{forged}");
    }
    assert_eq!(come_back(&other, "corp", &state, ISS).status, 400, "another browser");
    assert_eq!(come_back(&browser, "hub", &state, "").status, 400, "another provider");
    assert!(!is_logged_in(&browser) && !is_logged_in(&other));
    // The same browser, with its cookies as they were: a replay.
    let cookies = browser.cookies.borrow().clone();
    assert_eq!(come_back(&browser, "corp", &state, ISS).status, 303);
    *browser.cookies.borrow_mut() = cookies;
    assert_eq!(come_back(&browser, "corp", &state, ISS).status, 400);
    let there = leave(&bench, &browser, "corp");
    bench.advance(600);
    assert_eq!(come_back(&browser, "corp", &location_parameter(&there, "state").unwrap(), ISS).status, 400);
}

#[test]
fn an_answer_of_another_issuer_goes_nowhere() {
    let bench = bench();
    for iss in ["", "&iss=https%3A%2F%2Fevil.example"] {
        let browser = Browser::new(&bench);
        let there = leave(&bench, &browser, "corp");
        let asked = bench.world.count(TOKEN);
        assert_eq!(come_back(&browser, "corp", &location_parameter(&there, "state").unwrap(), iss).status, 400);
        assert_eq!(bench.world.count(TOKEN), asked, "the code was sent on");
    }
}

#[test]
fn a_link_of_somebody_elses_login_page_leads_nowhere() {
    let bench = bench();
    let (mallory, victim) = (Browser::new(&bench), Browser::new(&bench));
    let page = html(&mallory.authorize(&Bench::query(&bench.client(), &[])));
    let (_, rest) = page.split_once("href=\"/oauth/login/corp?").unwrap();
    let link = format!("/oauth/login/corp?{}", rest.split_once('"').unwrap().0);
    assert_eq!(victim.get(&link).status, 403);
    assert_eq!(victim.get("/oauth/login/corp").status, 400);
    assert_eq!(victim.get("/oauth/login/nobody?request=x").status, 404);
    assert_eq!(victim.get("/oauth/callback/nobody?state=x").status, 404);
    assert_eq!(bench.send(&request("POST", &link, &[], b"")).status, 405);
}

#[test]
fn a_refusal_of_the_provider_is_told_on_the_login_page() {
    let bench = bench();
    let browser = Browser::new(&bench);
    let there = leave(&bench, &browser, "corp");
    let state = location_parameter(&there, "state").unwrap();
    let back = browser.get(&format!("/oauth/callback/corp?error=access_denied%3Cb%3E&state={state}{ISS}"));
    assert_eq!((back.status, back.header("location")), (403, None));
    assert!(html(&back).contains("The provider did not sign you in") && !html(&back).contains("<b>"));
    let unreachable = |bench: &Bench| {
        let browser = Browser::new(bench);
        leave(bench, &browser, "corp").status
    };
    bench.advance(2 * 24 * 3600);
    bench.world.answers.borrow_mut().clear();
    assert_eq!(unreachable(&bench), 503);
    bench.world.on_json(
        "https://idp.example/.well-known/openid-configuration",
        json!({ "issuer": "https://evil.example", "authorization_endpoint": "https://evil.example/", "token_endpoint": TOKEN }),
    );
    assert_eq!(unreachable(&bench), 503, "a document of another issuer");
}

#[test]
fn a_server_of_plain_oauth_is_asked_who_somebody_is() {
    let bench = bench();
    bench.world.on_json("https://hub.example/token", json!({ "access_token": "hub-access", "token_type": "bearer" }));
    bench.world.on("https://hub.example/user", |fetch| {
        let bearer = fetch.headers.iter().any(|(n, v)| *n == "authorization" && v == "Bearer hub-access");
        Ok(json_answer(if bearer { 200 } else { 401 }, &json!({ "id": 7, "login": "octocat" })))
    });
    let browser = Browser::new(&bench);
    let there = leave(&bench, &browser, "hub");
    assert_eq!(location_parameter(&there, "nonce"), None);
    assert_eq!(come_back(&browser, "hub", &location_parameter(&there, "state").unwrap(), "").status, 303);
    let client = bench.client();
    let tokens = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    assert_eq!(bench.validate(&tokens).unwrap().subject, "hub:7");
    // A token without an end is handed out as it is.
    let token = now(refresh(&bench.server(), &bench.validate(&tokens).unwrap().grant_id)).unwrap();
    assert_eq!((token.access_token.as_str(), token.expires_at), ("hub-access", None));
    bench.world.on_json("https://hub.example/token", json!({ "error": "bad_verification_code" }));
    let browser = Browser::new(&bench);
    let there = leave(&bench, &browser, "hub");
    assert_eq!(come_back(&browser, "hub", &location_parameter(&there, "state").unwrap(), "").status, 403);
}

/// A grant of somebody from the provider.
pub fn grant(bench: &Bench) -> String {
    let (browser, _) = log_in(bench, &json!({}));
    let client = bench.client();
    let tokens = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    bench.validate(&tokens).unwrap().grant_id
}

/// The provider refreshes, counts how often, and takes each refresh token once.
pub fn rotate(bench: &Bench) -> Rc<Cell<u32>> {
    let (count, valid) = (Rc::new(Cell::new(0)), RefCell::new(String::from("idp-refresh-1")));
    let counted = count.clone();
    bench.world.on(TOKEN, move |fetch| {
        if field(fetch, "refresh_token") != *valid.borrow() {
            return Ok(json_answer(400, &json!({ "error": "invalid_grant" })));
        }
        counted.set(counted.get() + 1);
        let n = counted.get() + 1;
        *valid.borrow_mut() = format!("idp-refresh-{n}");
        let answer =
            json!({ "access_token": format!("idp-access-{n}"), "refresh_token": *valid.borrow(), "expires_in": 600 });
        Ok(json_answer(200, &answer))
    });
    count
}

#[test]
fn a_provider_is_asked_once_however_many_need_a_new_token() {
    let bench = bench();
    let id = grant(&bench);
    let count = rotate(&bench);
    let server = bench.server();
    let all = |n: usize| now(join_all((0..n).map(|_| refresh(&server, &id))));
    assert!(all(10).iter().all(|token| token.as_ref().is_ok_and(|token| token.access_token == "idp-access-1")));
    assert_eq!(count.get(), 0, "still good");
    for round in 1..=5 {
        bench.advance(560);
        let server = bench.server();
        let tokens: Vec<Result<ProviderToken, _>> = now(join_all((0..20).map(|_| refresh(&server, &id))));
        let expected = format!("idp-access-{}", round + 1);
        assert!(tokens.iter().all(|token| token.as_ref().is_ok_and(|t| t.access_token == expected)), "{tokens:?}");
        assert_eq!(count.get(), round);
    }
    let leases = bench.keys().iter().filter(|key| key.contains(":lease")).count();
    assert!(leases <= 4, "{:?}", bench.keys());
    assert!(bench.events().contains(&"provider-refreshed".into()));
    super::storage::assert_layout(&bench);
}

#[test]
fn a_refresh_that_fails_fails_for_all_who_wait_and_is_tried_again_by_the_next() {
    let bench = bench();
    let id = grant(&bench);
    bench.advance(600);
    bench.world.on(TOKEN, |_| Ok(json_answer(503, &json!({}))));
    let server = bench.server();
    let asked = bench.world.count(TOKEN);
    let results = now(join_all((0..10).map(|_| refresh(&server, &id))));
    assert!(results.iter().all(|result| matches!(result, Err(RefreshError::Unavailable(_)))), "{results:?}");
    assert_eq!(bench.world.count(TOKEN), asked + 1);
    let count = rotate(&bench);
    assert!(now(refresh(&bench.server(), &id)).is_ok());
    assert_eq!(count.get(), 1);
    bench.advance(600);
    bench.world.on(TOKEN, |_| Ok(json_answer(400, &json!({ "error": "invalid_grant" }))));
    assert_eq!(now(refresh(&bench.server(), &id)), Err(RefreshError::LoginRequired));
    assert_eq!(now(refresh(&bench.server(), "x")), Err(RefreshError::NotFound));
    let (browser, _) = log_in(&bench, &json!({}));
    assert!(is_logged_in(&browser));
    assert!(now(refresh(&bench.server(), &id)).is_ok(), "a new login brings new tokens");
}

#[test]
fn a_holder_of_the_lease_who_dies_does_not_block_the_others() {
    for written in [true, false] {
        let bench = bench();
        let id = grant(&bench);
        let count = rotate(&bench);
        bench.advance(600);
        let user_hash = bench.settings.keys.user_hash("corp:42");
        let key = format!("oauth:user:{user_hash}:provider:1:lease");
        shared_ports::Store::increment(&bench.store, &format!("{key}:1"), 1).unwrap();
        if written {
            let lease = json!({ "attempt": 1, "at": bench.now.get(), "failed": null }).to_string();
            shared_ports::Store::set(&bench.store, &key, lease.as_bytes()).unwrap();
            // Within its time it is waited for, in vain; after it the next one goes on.
            assert!(matches!(now(refresh(&bench.server(), &id)), Err(RefreshError::Unavailable(_))));
            assert!(bench.world.sleeps.get() > 100);
            bench.advance(30);
            assert!(now(refresh(&bench.server(), &id)).is_ok());
        } else {
            assert!(matches!(now(refresh(&bench.server(), &id)), Err(RefreshError::Unavailable(_))));
            assert!(now(refresh(&bench.server(), &id)).is_ok());
        }
        assert_eq!(count.get(), 1);
    }
}

#[test]
fn a_local_user_has_no_tokens_of_a_provider() {
    let bench = bench();
    let tokens = bench.tokens(&bench.client());
    let id = bench.validate(&tokens).unwrap().grant_id;
    assert_eq!(now(refresh(&bench.server(), &id)), Err(RefreshError::NotFound));
    assert_eq!(text(&tokens, "token_type"), "Bearer");
}
