use super::Bench;
use super::bench::{REDIRECT, VERIFIER, form_request, text};
use crate::grants::{list_grants, revoke_grant};
use crate::validate::{TokenError, validate};
use crate::{Grant, GrantError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

#[test]
fn a_code_becomes_tokens_and_these_say_who_it_is() {
    let bench = Bench::new();
    let client = bench.client();
    let tokens = bench.tokens(&client);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["scope"], "mcp");
    let principal = bench.validate(&tokens).unwrap();
    assert_eq!(principal.subject, "dev");
    assert_eq!(principal.user_hash, bench.settings.keys.user_hash("dev"));
    assert_eq!(principal.client_id, client.id);
    assert_eq!(principal.scopes, ["mcp"]);
    assert_eq!(principal.roles, ["admin", "ops"]);
    assert_eq!(principal.tenant.as_deref(), Some("t1"));
    assert_eq!(principal.expires_at, 1_800_003_600);
}

#[test]
fn a_code_is_good_for_its_own_request_only() {
    let bench = Bench::new();
    let (client, other) = (bench.client(), bench.client());
    let code = bench.code(&client);
    let good = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", REDIRECT),
        ("client_id", &client.id),
        ("resource", "http://127.0.0.1:8787/mcp"),
    ];
    for (name, value, error) in [
        ("grant_type", "", "invalid_request"),
        ("grant_type", "password", "unsupported_grant_type"),
        ("code", "", "invalid_request"),
        ("code", "x", "invalid_grant"),
        ("code", &code[1..], "invalid_grant"),
        ("code_verifier", "", "invalid_request"),
        ("code_verifier", &"x".repeat(43), "invalid_grant"),
        ("code_verifier", "short", "invalid_grant"),
        ("redirect_uri", "https://client.example/cb2", "invalid_grant"),
        ("client_id", "", "invalid_client"),
        ("client_id", "unknown", "invalid_client"),
        ("client_id", &other.id, "invalid_grant"),
        ("resource", "https://other.example/mcp", "invalid_target"),
    ] {
        let fields = good.map(|(n, v)| (n, if n == name { value } else { v }));
        let (status, answer) = bench.post_json_answer("/oauth/token", &fields);
        assert_eq!(status, if error == "invalid_client" { 401 } else { 400 }, "{name}={value}");
        assert_eq!(text(&answer, "error"), error, "{name}={value}");
    }
    let twice = [&good[..], &[("code", &*code)]].concat();
    assert_eq!(bench.post_json_answer("/oauth/token", &twice).0, 400);
    // None of this has used the code up; and the redirect URI may be left out.
    let without: Vec<_> = good.iter().filter(|(name, _)| *name != "redirect_uri").copied().collect();
    assert_eq!(bench.post_json_answer("/token", &without).0, 200);
}

#[test]
fn a_code_ends_after_10_minutes() {
    let bench = Bench::new();
    let client = bench.client();
    let (early, late) = (bench.code(&client), bench.code(&client));
    bench.advance(599);
    assert_eq!(bench.redeem(&client, &early).0, 200);
    bench.advance(1);
    assert_eq!(text(&bench.redeem(&client, &late).1, "error"), "invalid_grant");
}

#[test]
fn using_a_code_again_ends_what_it_gave() {
    let bench = Bench::new();
    let client = bench.client();
    let code = bench.code(&client);
    let (status, tokens) = bench.redeem(&client, &code);
    assert_eq!((status, bench.validate(&tokens).is_ok()), (200, true));
    assert_eq!(text(&bench.redeem(&client, &code).1, "error"), "invalid_grant");
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 400);
    assert!(bench.audit.0.borrow().iter().any(|event| event["why"] == "code-replay"));
    // Also long after the code's record is gone.
    let (status, tokens) = bench.redeem(&client, &bench.code(&client));
    assert_eq!(status, 200);
    assert!(bench.validate(&tokens).is_ok());
}

#[test]
fn using_a_code_again_long_after_it_ended_still_ends_what_it_gave() {
    let bench = Bench::new();
    let client = bench.client();
    let code = bench.code(&client);
    let mut tokens = bench.redeem(&client, &code).1;
    for _ in 0..5 {
        bench.advance(3700);
        tokens = bench.refresh(&client, text(&tokens, "refresh_token")).1;
    }
    assert!(bench.keys().iter().all(|key| !key.starts_with("oauth:code")), "{:?}", bench.keys());
    let other = bench.client();
    assert_eq!(bench.redeem(&other, &code).0, 400);
    assert!(bench.validate(&tokens).is_ok());
    assert_eq!(bench.redeem(&client, &code).0, 400);
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
}

#[test]
fn confidential_clients_prove_themselves_either_way() {
    let bench = Bench::new();
    let client = bench.client_with(&json!({ "redirect_uris": [REDIRECT] }));
    let secret = client.secret.clone().unwrap();
    let attempt = |code: &str, fields: &[(&str, &str)], header: Option<&str>| {
        let all =
            [&[("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER)], fields].concat();
        let basic = header.map(|pair| format!("Basic {}", BASE64_STANDARD.encode(pair)));
        let headers: Vec<_> = basic.iter().map(|value| ("authorization", value.as_str())).collect();
        let response = bench.send(&form_request("/oauth/token", &all, &headers));
        (response.status, response.header("www-authenticate").map(String::from))
    };
    let code = bench.code(&client);
    let id = client.id.as_str();
    let good = format!("{id}:{secret}");
    let refused = (401, Some("Basic realm=\"mcp-edge\"".to_owned()));
    for (fields, header) in [
        (&[("client_id", id)][..], None),
        (&[("client_id", id), ("client_secret", "wrong")], None),
        (&[("client_id", id), ("client_secret", &secret[1..])], None),
        (&[], Some(format!("{id}:wrong"))),
        (&[], Some(format!("{id}:"))),
        (&[], Some(format!("x:{secret}"))),
        (&[], Some("nonsense".into())),
        (&[("client_id", "other")], Some(good.clone())),
    ] {
        assert_eq!(attempt(&code, fields, header.as_deref()), refused, "{fields:?} {header:?}");
    }
    assert_eq!(attempt(&code, &[("client_secret", &secret)], Some(&good)).0, 400);
    assert_eq!(attempt(&code, &[("client_id", id)], Some(&good)).0, 200);
    assert_eq!(attempt(&bench.code(&client), &[], Some(&good)).0, 200);
    assert_eq!(attempt(&bench.code(&client), &[("client_id", id), ("client_secret", &secret)], None).0, 200);
}

#[test]
fn a_public_client_has_no_secret() {
    let bench = Bench::new();
    let client = bench.client();
    let code = bench.code(&client);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("code_verifier", VERIFIER),
        ("client_id", &client.id),
        ("client_secret", "x"),
    ];
    assert_eq!(bench.post_json_answer("/oauth/token", &fields).0, 401);
}

#[test]
fn a_client_that_did_not_ask_for_refresh_tokens_gets_none() {
    let bench = Bench::new();
    let client = bench.client_with(&json!({
        "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"],
    }));
    let tokens = bench.tokens(&client);
    assert_eq!(tokens.get("refresh_token"), None);
    let listed = list_grants(&bench.server(), "dev").unwrap();
    assert_eq!(listed[0].expires_at, 1_800_003_600);
    assert_eq!(text(&bench.refresh(&client, "x").1, "error"), "unauthorized_client");
}

#[test]
fn tokens_are_good_for_one_resource_and_one_hour() {
    let bench = Bench::new();
    let tokens = bench.tokens(&bench.client());
    let access = text(&tokens, "access_token");
    let check = |token: &str, resource: &str| validate(&bench.server(), token, resource).map(|_| ());
    let resource = "http://127.0.0.1:8787/mcp";
    assert_eq!(check(access, resource), Ok(()));
    for other in ["", "http://127.0.0.1:8787", "http://127.0.0.1:8787/mcp/", "https://other.example/mcp"] {
        assert_eq!(check(access, other), Err(TokenError::WrongAudience), "{other}");
    }
    for token in ["", "x", &access[1..], &format!("{access}x"), text(&tokens, "refresh_token")] {
        assert_eq!(check(token, resource), Err(TokenError::Unknown), "{token}");
    }
    bench.advance(3599);
    assert_eq!(check(access, resource), Ok(()));
    bench.advance(1);
    assert_eq!(check(access, resource), Err(TokenError::Expired));
    // Swept by the first look, and still the same answer.
    assert_eq!(check(access, resource), Err(TokenError::Expired));
}

#[test]
fn a_guessed_token_never_reaches_the_store() {
    let bench = Bench::new();
    let token = bench.tokens(&bench.client())["access_token"].as_str().unwrap().to_owned();
    let before = bench.store.calls.get();
    for guess in [token.replace('a', "b"), "mcpedge_at_".to_owned() + &"A".repeat(86), "x".repeat(10_000)] {
        assert_eq!(validate(&bench.server(), &guess, "x"), Err(TokenError::Unknown));
    }
    assert_eq!(bench.store.calls.get(), before);
}

#[test]
fn roles_are_those_of_now_and_a_removed_user_is_out_at_once() {
    let mut bench = Bench::new();
    let client = bench.client();
    let tokens = bench.tokens(&client);
    let mut document: Value = serde_json::from_str(&super::document("http://127.0.0.1:8787")).unwrap();
    document["identity"]["users"][0]["roles"] = json!(["viewer"]);
    bench.settings = super::bench::settings(&document.to_string());
    assert_eq!(bench.validate(&tokens).unwrap().roles, ["viewer"]);
    document["identity"]["users"].as_array_mut().unwrap().remove(0);
    bench.settings = super::bench::settings(&document.to_string());
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 400);
}

#[test]
fn several_grants_of_one_user_and_client_live_side_by_side() {
    let bench = Bench::new();
    let client = bench.client();
    let first = bench.tokens(&client);
    bench.advance(10);
    let second = bench.tokens(&client);
    let ids = || list_grants(&bench.server(), "dev").unwrap().into_iter().map(|grant| grant.id).collect::<Vec<_>>();
    let (one, two) = (bench.validate(&first).unwrap().grant_id, bench.validate(&second).unwrap().grant_id);
    assert_eq!(ids(), [one.clone(), two.clone()]);
    let listed = list_grants(&bench.server(), "dev").unwrap();
    assert_eq!(
        listed[0],
        Grant {
            id: one.clone(),
            client_id: client.id.clone(),
            client_name: "Test client".into(),
            scopes: vec!["mcp".into()],
            created_at: 1_800_000_000,
            expires_at: 1_800_000_000 + 30 * 24 * 3600,
        }
    );
    assert_eq!(list_grants(&bench.server(), "eve"), Ok(Vec::new()));

    for (subject, id) in [("eve", &*one), ("dev", "x"), ("dev", ""), ("dev", &"0".repeat(32))] {
        assert_eq!(revoke_grant(&bench.server(), subject, id), Err(GrantError::NotFound), "{subject} {id}");
    }
    assert_eq!(revoke_grant(&bench.server(), "dev", &one), Ok(()));
    assert_eq!(revoke_grant(&bench.server(), "dev", &one), Err(GrantError::NotFound));
    assert_eq!(bench.validate(&first), Err(TokenError::Revoked));
    assert!(bench.validate(&second).is_ok());
    assert_eq!(ids(), [two]);
}

#[test]
fn either_token_revokes_the_grant_of_its_own_client() {
    let bench = Bench::new();
    let (client, other) = (bench.client(), bench.client());
    for name in ["access_token", "refresh_token"] {
        let tokens = bench.tokens(&client);
        let revoke = |client_id: &str, token: &str| {
            bench
                .post_json_answer(
                    "/oauth/revoke",
                    &[("token", token), ("client_id", client_id), ("token_type_hint", "x")],
                )
                .0
        };
        assert_eq!(revoke(&other.id, text(&tokens, name)), 400);
        assert_eq!(revoke("unknown", text(&tokens, name)), 401);
        assert!(bench.validate(&tokens).is_ok());
        assert_eq!(revoke(&client.id, text(&tokens, name)), 200);
        assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
        assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 400);
        assert_eq!(revoke(&client.id, text(&tokens, name)), 200);
        assert_eq!(revoke(&client.id, "nonsense"), 200);
    }
}
