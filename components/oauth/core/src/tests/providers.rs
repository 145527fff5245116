//! Logins at an identity provider.

use super::Bench;
use super::bench::provider::{ISS, TOKEN, answer_with, bench, claims, come_back, field, is_logged_in, leave, log_in};
use super::bench::{Browser, html, json_answer, location_parameter, now, request};
use super::signing::Signer;
use crate::{TokenError, refresh};
use serde_json::json;

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
