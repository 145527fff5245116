use super::Bench;
use super::bench::text;
use crate::validate::TokenError;
use serde_json::Value;

#[test]
fn a_refresh_token_is_replaced_with_each_use() {
    let bench = Bench::new();
    let client = bench.client();
    let first = bench.tokens(&client);
    bench.advance(3000);
    let (status, second) = bench.refresh(&client, text(&first, "refresh_token"));
    assert_eq!(status, 200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!((&second["expires_in"], &second["scope"]), (&3600.into(), &"mcp".into()));
    // The old access token goes on until its own end: requests under way carry it.
    assert!(bench.validate(&first).is_ok() && bench.validate(&second).is_ok());
    assert_eq!(bench.refresh(&client, text(&second, "refresh_token")).0, 200);
}

#[test]
fn the_same_refresh_token_within_30_seconds_gets_the_same_answer() {
    let bench = Bench::new();
    let client = bench.client();
    let old = bench.tokens(&client);
    let first = bench.refresh(&client, text(&old, "refresh_token")).1;
    bench.advance(30);
    let (status, again) = bench.refresh(&client, text(&old, "refresh_token"));
    assert_eq!(status, 200);
    assert_eq!(again["access_token"], first["access_token"]);
    assert_eq!(again["refresh_token"], first["refresh_token"]);
    assert_eq!(again["expires_in"], 3570);
    assert!(bench.validate(&again).is_ok());
    // Both tabs go on, each with what it got.
    assert_eq!(bench.refresh(&client, text(&first, "refresh_token")).0, 200);
    assert_eq!(bench.refresh(&client, text(&again, "refresh_token")).0, 200);
}

#[test]
fn the_same_refresh_token_later_ends_the_grant() {
    let bench = Bench::new();
    let client = bench.client();
    let other_grant = bench.tokens(&client);
    let old = bench.tokens(&client);
    let new = bench.refresh(&client, text(&old, "refresh_token")).1;
    bench.advance(31);
    assert_eq!(text(&bench.refresh(&client, text(&old, "refresh_token")).1, "error"), "invalid_grant");
    assert_eq!(bench.validate(&new), Err(TokenError::Revoked));
    assert_eq!(bench.validate(&old), Err(TokenError::Revoked));
    assert_eq!(bench.refresh(&client, text(&new, "refresh_token")).0, 400);
    assert!(bench.audit.0.borrow().iter().any(|event| event["why"] == "refresh-replay"));
    assert!(bench.validate(&other_grant).is_ok());
}

#[test]
fn a_very_old_refresh_token_ends_the_grant_although_its_record_is_gone() {
    let bench = Bench::new();
    let client = bench.client();
    let oldest = bench.tokens(&client);
    let mut newest = oldest.clone();
    for _ in 0..10 {
        bench.advance(4000);
        newest = bench.refresh(&client, text(&newest, "refresh_token")).1;
    }
    assert!(bench.validate(&newest).is_ok());
    assert_eq!(bench.refresh(&client, text(&oldest, "refresh_token")).0, 400);
    assert_eq!(bench.validate(&newest), Err(TokenError::Revoked));
}

#[test]
fn another_client_can_neither_use_nor_spoil_a_refresh_token() {
    let bench = Bench::new();
    let (client, other) = (bench.client(), bench.client());
    let tokens = bench.tokens(&client);
    assert_eq!(text(&bench.refresh(&other, text(&tokens, "refresh_token")).1, "error"), "invalid_grant");
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 200);
}

#[test]
fn refresh_tokens_end_30_days_after_their_last_use() {
    let bench = Bench::new();
    let client = bench.client();
    let day = 24 * 3600;
    let mut tokens = bench.tokens(&client);
    for _ in 0..3 {
        bench.advance(30 * day - 1);
        let (status, new) = bench.refresh(&client, text(&tokens, "refresh_token"));
        assert_eq!(status, 200);
        tokens = new;
    }
    bench.advance(30 * day);
    assert_eq!(text(&bench.refresh(&client, text(&tokens, "refresh_token")).1, "error"), "invalid_grant");
}

#[test]
fn scopes_can_be_narrowed_but_not_widened() {
    let bench = Bench::new();
    let client = bench.client();
    let tokens = bench.tokens(&client);
    let with = |name: &str, value: &str| {
        let fields = [&Bench::refresh_fields(&client, text(&tokens, "refresh_token"))[..], &[(name, value)]].concat();
        bench.post_json_answer("/oauth/token", &fields)
    };
    assert_eq!(text(&with("scope", "admin").1, "error"), "invalid_scope");
    assert_eq!(text(&with("resource", "https://other.example/mcp").1, "error"), "invalid_target");
    assert_eq!(with("scope", "mcp offline_access").0, 200);
    assert_eq!(with("resource", "http://127.0.0.1:8787/mcp").0, 200);
}

#[test]
fn what_was_not_approved_cannot_be_refreshed_into() {
    let bench = Bench::new();
    let client = bench.client();
    let tokens = bench.tokens(&client);
    // A grant of an earlier time, from before the scope `mcp` was approved.
    let id = crate::credential::GrantId::parse(&bench.validate(&tokens).unwrap().grant_id).unwrap();
    let key = crate::records::grant_key(id);
    let mut record: Value = serde_json::from_slice(&bench.store.entries.borrow()[&key]).unwrap();
    record["scopes"] = serde_json::json!(["other"]);
    bench.store.entries.borrow_mut().insert(key, record.to_string().into_bytes());
    let fields = [&Bench::refresh_fields(&client, text(&tokens, "refresh_token"))[..], &[("scope", "mcp")]].concat();
    assert_eq!(text(&bench.post_json_answer("/oauth/token", &fields).1, "error"), "invalid_scope");
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).1["scope"], "other");
}
