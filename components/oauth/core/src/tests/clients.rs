//! Clients of the settings, and what clients may ask.

use super::Bench;
use super::bench::{CLIENT_SECRET, REDIRECT, TestClient, location_parameter, text};
use crate::TokenError;
use serde_json::json;

fn configured() -> Bench {
    Bench::with_oauth(json!({ "clients": { "portal": {
        "name": "Portal", "redirectUris": [REDIRECT], "secret": "${SECRET}",
    } } }))
}

#[test]
fn a_client_of_the_settings_logs_people_in_and_proves_itself_with_its_secret() {
    let bench = configured();
    let portal = TestClient { id: "portal".into(), secret: Some(CLIENT_SECRET.into()) };
    let tokens = bench.tokens(&portal);
    assert_eq!(bench.validate(&tokens).unwrap().client_id, "portal");
    let wrong = TestClient { secret: Some("another secret!!".into()), ..portal.clone() };
    let (status, answer) = bench.redeem(&wrong, &bench.code(&portal));
    assert_eq!((status, text(&answer, "error")), (401, "invalid_client"));
    let mut later = configured();
    later.store = bench.store;
    later.settings.clients.clear();
    assert_eq!(later.validate(&tokens), Err(TokenError::Revoked), "taken out of the settings");
    let bench = Bench { store: later.store, ..configured() };
    // What the operator has looked at gets its errors at once.
    let answer = bench.get(&format!("/oauth/authorize?{}", Bench::query(&portal, &[("response_type", "token")])));
    assert_eq!(location_parameter(&answer, "error").as_deref(), Some("unsupported_response_type"));
    assert!(bench.store.entries.borrow().values().all(|v| !String::from_utf8_lossy(v).contains(CLIENT_SECRET)));
}

#[test]
fn only_clients_that_prove_themselves_may_introspect_and_strangers_learn_nothing() {
    let bench = configured();
    let own = bench.client_with(&json!({ "redirect_uris": [REDIRECT] }));
    let stranger = bench.client_with(&json!({ "redirect_uris": [REDIRECT] }));
    let public = bench.client();
    let tokens = bench.tokens(&own);
    let portal = TestClient { id: "portal".into(), secret: Some(CLIENT_SECRET.into()) };
    let ask = |client: &TestClient, token: &str| {
        let secret = client.secret.clone().unwrap_or_default();
        let fields = [("token", token), ("client_id", &*client.id), ("client_secret", &*secret)];
        bench.post_json_answer("/oauth/introspect", &fields)
    };
    for client in [&portal, &own] {
        let (status, answer) = ask(client, text(&tokens, "access_token"));
        assert_eq!((status, &answer["active"], text(&answer, "sub")), (200, &json!(true), "dev"));
        assert_eq!(answer["scope"], "mcp");
        assert_eq!(answer["aud"], "http://127.0.0.1:8787/mcp");
        assert_eq!(answer["client_id"], own.id.as_str());
        assert_eq!(answer["exp"], 1_800_003_600);
        assert_eq!(ask(client, text(&tokens, "refresh_token")).1["active"], true);
    }
    let nothing = (200, json!({ "active": false }));
    for name in ["access_token", "refresh_token"] {
        assert_eq!(ask(&stranger, text(&tokens, name)), nothing);
    }
    assert_eq!(ask(&portal, "x"), nothing);
    assert_eq!(ask(&public, text(&tokens, "access_token")).0, 401);
    assert_eq!(bench.post_json_answer("/oauth/introspect", &[("token", "x")]).0, 401);
    bench.refresh(&TestClient { secret: None, ..own.clone() }, "x");
    crate::revoke_grant(&bench.server(), "dev", &bench.validate(&tokens).unwrap().grant_id).unwrap();
    for name in ["access_token", "refresh_token"] {
        assert_eq!(ask(&portal, text(&tokens, name)), nothing);
    }
}
