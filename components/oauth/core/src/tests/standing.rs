//! Roles of people from identity providers, heard again when tokens are refreshed; and people who are out.

use super::Bench;
use super::bench::provider::{TOKEN, bench, claims, come_back, leave, log_in, rotate};
use super::bench::{Browser, Interrupted, TestClient, form_request, json_answer, location_parameter, now, text};
use super::signing::{Signer, changed};
use crate::{TokenError, handle, list_grants, refresh, revoke_grant};
use serde_json::{Value, json};

/// Somebody from the provider `corp` with the role `admin`, and tokens.
fn start(bench: &Bench) -> (TestClient, Value) {
    let (browser, _) = log_in(bench, &json!({}));
    let client = bench.client();
    let tokens = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    assert_eq!(bench.validate(&tokens).unwrap().roles, ["admin"]);
    bench.advance(600);
    (client, tokens)
}

/// The provider refreshes, with an ID token that is changed.
fn renews_with(bench: &Bench, changes: &Value) {
    let id_token = Signer::es256().sign(json!({}), &changed(claims(bench, "another"), changes));
    renews(bench, json!({ "id_token": id_token }));
}

fn renews(bench: &Bench, more: Value) {
    let mut answer = json!({ "access_token": "a2", "token_type": "bearer", "expires_in": 600, "refresh_token": "r2" });
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bench.world.on_json(TOKEN, answer);
}

fn roles(bench: &Bench, tokens: &Value) -> Vec<String> {
    bench.validate(tokens).unwrap().roles
}

#[test]
fn roles_are_those_that_the_provider_gives_when_a_token_is_refreshed() {
    let mut bench = bench();
    let (client, tokens) = start(&bench);
    renews_with(&bench, &json!({ "groups": [] }));
    let (status, newer) = bench.refresh(&client, text(&tokens, "refresh_token"));
    assert_eq!((status, roles(&bench, &newer)), (200, vec![]));
    // What was issued before keeps what it had, until its hour is over.
    assert_eq!(roles(&bench, &tokens), ["admin"]);
    // The same answer within the grace, and no second question.
    let asked = bench.world.count(TOKEN);
    let again = bench.refresh(&client, text(&tokens, "refresh_token")).1;
    assert_eq!((&again["access_token"], bench.world.count(TOKEN)), (&newer["access_token"], asked));
    // And back, also through a token with fewer scopes.
    bench.advance(600);
    renews_with(&bench, &json!({}));
    let newest = bench.refresh(&client, text(&newer, "refresh_token")).1;
    assert_eq!(roles(&bench, &newest), ["admin"]);
    bench.settings.oauth.token_exchange = true;
    let fields = [
        ("grant_type", crate::token::TOKEN_EXCHANGE),
        ("subject_token", text(&newest, "access_token")),
        ("subject_token_type", crate::machine::ACCESS_TOKEN),
        ("client_id", &client.id),
    ];
    let exchanged = bench.post_json_answer("/oauth/token", &fields).1;
    assert_eq!(roles(&bench, &exchanged), ["admin"]);
}

#[test]
fn the_roles_of_a_login_change_with_them() {
    let bench = bench();
    let (browser, _) = log_in(&bench, &json!({}));
    let client = bench.client();
    let tokens = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    assert_eq!(browser.get("/oauth/admin").status, 200);
    bench.advance(600);
    renews_with(&bench, &json!({ "groups": [] }));
    bench.refresh(&client, text(&tokens, "refresh_token"));
    assert_eq!(browser.get("/oauth/admin").status, 403);
    let later = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    assert_eq!(roles(&bench, &later), [""; 0]);
}

#[test]
fn whoever_is_out_at_the_provider_is_out_here_with_the_next_refresh() {
    type Set = fn(&Bench);
    let sets: [(&str, Set); 4] = [
        ("refuses the refresh token", |bench| {
            bench.world.on(TOKEN, |_| Ok(json_answer(400, &json!({ "error": "invalid_grant" }))));
        }),
        ("wants to see him", |bench| {
            bench.world.on(TOKEN, |_| Ok(json_answer(400, &json!({ "error": "login_required" }))));
        }),
        ("does not say what the settings require", |bench| renews_with(bench, &json!({ "hd": "elsewhere.example" }))),
        ("speaks of somebody else", |bench| renews_with(bench, &json!({ "sub": "43" }))),
    ];
    for (what, set) in sets {
        let bench = bench();
        let (client, tokens) = start(&bench);
        set(&bench);
        let (status, answer) = bench.refresh(&client, text(&tokens, "refresh_token"));
        assert_eq!((status, text(&answer, "error")), (400, "invalid_grant"), "{what}");
        assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked), "{what}");
        assert_eq!(list_grants(&bench.server(), "corp:42"), Ok(Vec::new()), "{what}");
    }
}

#[test]
fn a_provider_that_cannot_be_heard_locks_nobody_out_and_changes_nothing() {
    type Set = fn(&Bench);
    let sets: [(&str, Set); 5] = [
        ("is down", |bench| bench.world.on(TOKEN, |_| Ok(json_answer(503, &json!({}))))),
        ("does not know us", |bench| {
            bench.world.on(TOKEN, |_| Ok(json_answer(401, &json!({ "error": "invalid_client" }))));
        }),
        ("gives no ID token", |bench| renews(bench, json!({}))),
        ("gives one with a wrong signature", |bench| {
            let id_token =
                Signer::es256_other().sign(json!({}), &changed(claims(bench, "x"), &json!({ "groups": [] })));
            renews(bench, json!({ "id_token": id_token }));
        }),
        ("gives one of another issuer", |bench| {
            renews_with(bench, &json!({ "iss": "https://evil.example", "groups": [] }));
        }),
    ];
    for (what, set) in sets {
        let bench = bench();
        let (client, tokens) = start(&bench);
        set(&bench);
        let (status, newer) = bench.refresh(&client, text(&tokens, "refresh_token"));
        assert_eq!((status, roles(&bench, &newer)), (200, vec!["admin".into()]), "{what}");
    }
}

#[test]
fn a_grant_that_ends_while_the_provider_is_asked_is_over_and_leaves_nothing() {
    let mut reached = 0;
    for at in 1..80 {
        let bench = bench();
        let (client, tokens) = start(&bench);
        renews_with(&bench, &json!({}));
        let id = bench.validate(&tokens).unwrap().grant_id;
        let request =
            form_request("/oauth/token", &Bench::refresh_fields(&client, text(&tokens, "refresh_token")), &[]);
        let revoke = || {
            if bench.world.count(TOKEN) == 2 {
                revoke_grant(&bench.server(), "corp:42", &id).unwrap();
            }
        };
        let store = Interrupted::new(&bench.store, at, revoke);
        let answer = now(handle(&bench.server_on(&store), &request));
        if !store.was_reached() {
            break;
        }
        let revoked = list_grants(&bench.server(), "corp:42").unwrap().is_empty();
        let left = bench.keys().iter().filter(|key| key.starts_with("oauth:grant:")).count();
        // Before the grant is looked at for the last time, the answer says so.
        if revoked && reached == 0 {
            reached = at;
            assert_eq!((answer.status, left), (400, 0), "call {at}");
        }
        assert!(!revoked || bench.validate(&tokens).is_err(), "call {at}");
    }
    assert!(reached > 0);
}

#[test]
fn a_provider_is_asked_once_for_all_grants_of_a_user() {
    let bench = bench();
    let (client, one) = start(&bench);
    let (browser, _) = log_in(&bench, &json!({}));
    let two = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    bench.advance(600);
    let count = rotate(&bench);
    assert_eq!(bench.refresh(&client, text(&one, "refresh_token")).0, 200);
    assert_eq!(bench.refresh(&client, text(&two, "refresh_token")).0, 200);
    assert_eq!(count.get(), 1);
    // A refresh token that is not good asks nobody anything.
    bench.advance(600);
    assert_eq!(bench.refresh(&client, text(&one, "refresh_token")).0, 400);
    assert_eq!(bench.refresh(&bench.client(), text(&two, "refresh_token")).0, 400);
    assert_eq!(count.get(), 1);
}

#[test]
fn news_come_also_when_a_token_of_the_provider_is_asked_for() {
    let bench = bench();
    let (client, tokens) = start(&bench);
    renews_with(&bench, &json!({ "groups": [] }));
    let id = bench.validate(&tokens).unwrap().grant_id;
    assert_eq!(now(refresh(&bench.server(), &id)).unwrap().access_token, "a2");
    bench.world.on(TOKEN, |_| panic!("asked again"));
    let newer = bench.refresh(&client, text(&tokens, "refresh_token")).1;
    assert_eq!(roles(&bench, &newer), [""; 0]);
}

#[test]
fn a_server_of_plain_oauth_is_asked_again_who_somebody_is() {
    let mut bench = bench();
    let hub = bench.settings.providers.get_mut("hub").unwrap();
    hub.claims.roles = "teams".into();
    hub.roles.insert("ops".into(), "operator".into());
    let user = |answer: Value, status| move |_: &crate::Fetch| Ok(json_answer(status, &answer));
    const USER: &str = "https://hub.example/user";
    bench.world.on_json("https://hub.example/token", json!({ "access_token": "hub-access", "token_type": "bearer" }));
    bench.world.on(USER, user(json!({ "id": 7, "teams": ["ops"] }), 200));
    let browser = Browser::new(&bench);
    let there = leave(&bench, &browser, "hub");
    come_back(&browser, "hub", &location_parameter(&there, "state").unwrap(), "");
    let client = bench.client();
    let mut tokens = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    for (answer, status, expected) in [
        (json!({ "id": 7, "teams": ["ops"] }), 200, Some("operator")),
        (json!({ "id": 7, "teams": [] }), 200, None),
        (json!({ "id": 7, "teams": ["ops"] }), 200, Some("operator")),
        (json!({}), 500, Some("operator")),
    ] {
        bench.advance(600);
        bench.world.on(USER, user(answer, status));
        tokens = bench.refresh(&client, text(&tokens, "refresh_token")).1;
        assert_eq!(roles(&bench, &tokens), expected.into_iter().collect::<Vec<_>>());
    }
    bench.advance(600);
    bench.world.on(USER, user(json!({}), 401));
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 400);
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
}
