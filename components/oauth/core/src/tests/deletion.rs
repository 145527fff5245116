//! Deleting a user, with everything.

use super::Bench;
use super::bench::provider::{grant, leave, log_in, rotate};
use super::bench::{Browser, Interrupted, TestClient, form_request, hidden, location_parameter, now, text};
use crate::validate::TokenError;
use crate::{delete_user, handle, list_grants, refresh, users};
use serde_json::json;

/// What is left of a user. `list_grants` counts, and the counters of codes stay until no request can be under way with
/// them; what the user is called from now on is no secret and says nothing of what was before.
fn left(bench: &Bench, user_hash: &str) -> Vec<String> {
    let of_grants = |key: &str| ["grant", "token", "refresh", "code"].contains(&key.split(':').nth(1).unwrap());
    let stays = |key: &str| [":grants:count", ":uses", ":renamed"].iter().any(|end| key.ends_with(end));
    bench.keys().into_iter().filter(|key| !stays(key) && (key.contains(user_hash) || of_grants(key))).collect()
}

fn hash(bench: &Bench, subject: &str) -> String {
    users::hash(&bench.server(), subject).unwrap()
}

#[test]
fn deleting_a_user_leaves_nothing_of_him() {
    let bench = Bench::new();
    let client = bench.client();
    let unused = bench.code(&client);
    let tokens = bench.tokens(&client);
    let newer = bench.refresh(&client, text(&tokens, "refresh_token")).1;
    let before = hash(&bench, "dev");
    assert_eq!(delete_user(&bench.server(), "dev"), Ok(2));
    assert_eq!(list_grants(&bench.server(), "dev"), Ok(Vec::new()));
    for tokens in [&tokens, &newer] {
        assert_eq!(bench.validate(tokens), Err(TokenError::Revoked));
        assert_eq!(bench.refresh(&client, text(tokens, "refresh_token")).0, 400);
    }
    assert_eq!(bench.redeem(&client, &unused).0, 400);
    assert_eq!(left(&bench, &before), [""; 0]);
    assert_eq!(delete_user(&bench.server(), "dev"), Ok(0));
    super::storage::assert_layout(&bench);
}

#[test]
fn who_comes_again_after_a_deletion_is_somebody_else_for_every_component() {
    let bench = Bench::with_oauth(json!({ "consent": { "remember": "skip" } }));
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    let browser = bench.dev();
    let mut hashes = Vec::new();
    for _ in 0..3 {
        let code = browser.approve(&query);
        assert_eq!(browser.authorize(&query).status, 302, "the approval is remembered");
        let principal = bench.validate(&bench.redeem(&client, &code).1).unwrap();
        assert_eq!((principal.subject.as_str(), &principal.user_hash), ("dev", &hash(&bench, "dev")));
        hashes.push(principal.user_hash);
        delete_user(&bench.server(), "dev").unwrap();
        // His login is over, and what he approved is forgotten.
        assert!(super::bench::html(&browser.authorize(&query)).contains("<h1>Sign in</h1>"));
        browser.log_in_again(&client, "dev", "secret");
        assert_eq!(browser.authorize(&query).status, 200, "the approval is forgotten");
    }
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 3);
    assert!(hashes.iter().all(|hash| hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit())));
    // Somebody else is not touched.
    assert_eq!(hash(&bench, "eve"), bench.settings.keys.user_hash("eve"));
}

#[test]
fn a_deletion_that_broke_off_is_finished_by_the_next_one() {
    let mut done = false;
    for at in 1..200 {
        let bench = Bench::new();
        let client = bench.client();
        let tokens = bench.tokens(&client);
        bench.code(&client);
        let before = hash(&bench, "dev");
        let store = Interrupted::crashing(&bench.store, at);
        done = delete_user(&bench.server_on(&store), "dev").is_ok();
        delete_user(&bench.server(), "dev").unwrap();
        assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked), "call {at}");
        assert_eq!(left(&bench, &before), [""; 0], "call {at}");
        if done {
            break;
        }
    }
    assert!(done);
}

/// Whatever came out of a request into which a deletion fell: no code and no token of it is good for the user before.
fn assert_nothing_survived(bench: &Bench, client: &TestClient, code: Option<String>, before: &str, what: &str) {
    if let Some(code) = code {
        let (status, tokens) = bench.redeem(client, &code);
        assert!(status != 200 || bench.validate(&tokens).unwrap().user_hash != before, "{what}");
    }
    assert_eq!(left(bench, before), [""; 0], "{what}");
}

#[test]
fn an_approval_during_a_deletion_does_not_outlive_it() {
    let mut reached = 0;
    for at in 1..80 {
        let bench = Bench::new();
        let client = bench.client();
        let browser = bench.dev();
        let before = hash(&bench, "dev");
        let form = hidden(&browser.authorize(&Bench::query(&client, &[])));
        let cookies: Vec<_> = browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let fields = [("request", form.as_str()), ("action", "approve"), ("scope", "mcp")];
        let request = form_request("/oauth/consent", &fields, &[("cookie", &cookies.join("; "))]);
        let store = Interrupted::new(&bench.store, at, || assert!(delete_user(&bench.server(), "dev").is_ok()));
        let answer = now(handle(&bench.server_on(&store), &request));
        if !store.was_reached() {
            break;
        }
        reached = at;
        let code = location_parameter(&answer, "code");
        assert!(code.is_none() || bench.redeem(&client, &code.clone().unwrap()).0 == 400, "call {at}");
        assert_nothing_survived(&bench, &client, code, &before, &format!("call {at}"));
    }
    assert!(reached >= 10, "{reached}");
}

#[test]
fn a_token_without_a_person_that_is_issued_during_the_deletion_is_over() {
    let mut reached = 0;
    for at in 1..80 {
        let bench = Bench::with_oauth(json!({ "clients": { "robot": {
            "name": "Robot", "secret": "${SECRET}", "grantTypes": ["client_credentials"],
        } } }));
        let before = hash(&bench, "client:robot");
        let secret = super::bench::CLIENT_SECRET;
        let fields = [("grant_type", "client_credentials"), ("client_id", "robot"), ("client_secret", secret)];
        let request = form_request("/oauth/token", &fields, &[]);
        let store =
            Interrupted::new(&bench.store, at, || assert!(delete_user(&bench.server(), "client:robot").is_ok()));
        let answer = now(handle(&bench.server_on(&store), &request));
        if !store.was_reached() {
            break;
        }
        reached = at;
        if answer.status == 200 {
            let tokens = serde_json::from_slice(&answer.body).unwrap();
            let good = bench.validate(&tokens).is_ok_and(|principal| principal.user_hash == before);
            assert!(!good, "call {at}");
        }
    }
    assert!(reached >= 10, "{reached}");
}

#[test]
fn what_an_identity_provider_gave_goes_as_well_also_when_it_comes_during_the_deletion() {
    let bench = super::bench::provider::bench();
    let id = grant(&bench);
    let before = hash(&bench, "corp:42");
    assert!(bench.keys().contains(&format!("oauth:user:{before}:said")));
    delete_user(&bench.server(), "corp:42").unwrap();
    assert_eq!(left(&bench, &before), [""; 0]);
    assert!(now(refresh(&bench.server(), &id)).is_err());
    // In the middle of a refresh.
    let mut reached = 0;
    for at in 1..80 {
        let bench = super::bench::provider::bench();
        let id = grant(&bench);
        rotate(&bench);
        bench.advance(600);
        let store = Interrupted::new(&bench.store, at, || assert!(delete_user(&bench.server(), "corp:42").is_ok()));
        let _ = now(refresh(&bench.server_on(&store), &id));
        if !store.was_reached() {
            break;
        }
        reached = at;
        let tokens: Vec<_> = left(&bench, &before).into_iter().filter(|key| !key.contains(":lease")).collect();
        assert_eq!(tokens, [""; 0], "call {at}");
    }
    assert!(reached >= 5, "{reached}");
    // In the middle of a login.
    let mut reached = 0;
    for at in 1..80 {
        let bench = super::bench::provider::bench();
        log_in(&bench, &json!({}));
        let browser = Browser::new(&bench);
        let there = leave(&bench, &browser, "corp");
        let nonce = location_parameter(&there, "nonce").unwrap();
        super::bench::provider::answer_for(&bench, &nonce, &json!({}));
        let state = location_parameter(&there, "state").unwrap();
        let target = format!("/oauth/callback/corp?code=c&state={state}{}", super::bench::provider::ISS);
        let cookies: Vec<_> = browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = super::bench::request("GET", &target, &[("cookie", &cookies.join("; "))], b"");
        let store = Interrupted::new(&bench.store, at, || assert!(delete_user(&bench.server(), "corp:42").is_ok()));
        now(handle(&bench.server_on(&store), &request));
        if !store.was_reached() {
            break;
        }
        reached = at;
        assert_eq!(left(&bench, &before), [""; 0], "call {at}");
    }
    assert!(reached >= 5, "{reached}");
}
