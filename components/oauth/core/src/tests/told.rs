//! What a provider's ID token does not say is asked of its userinfo endpoint.

use super::Bench;
use super::bench::provider::{IDP, TOKEN, bench, is_logged_in, log_in};
use super::bench::{html, json_answer};
use super::signing::Signer;
use serde_json::{Value, json};

const USER: &str = "https://idp.example/user";

/// The provider has a userinfo endpoint, which answers so.
fn with_userinfo(status: u16, answer: Value) -> Bench {
    let bench = bench();
    bench.world.on_json(
        "https://idp.example/.well-known/openid-configuration",
        json!({
            "issuer": IDP, "authorization_endpoint": "https://idp.example/authorize", "token_endpoint": TOKEN,
            "jwks_uri": "https://idp.example/jwks", "userinfo_endpoint": USER,
        }),
    );
    bench.world.on_json("https://idp.example/jwks", Signer::es256().jwks());
    bench.world.on(USER, move |fetch| {
        let bearer = fetch.headers.iter().any(|(n, v)| *n == "authorization" && v == "Bearer idp-access-1");
        Ok(if bearer { json_answer(status, &answer) } else { json_answer(401, &json!({})) })
    });
    bench
}

fn asked(bench: &Bench) -> bool {
    bench.world.requests.borrow().iter().any(|request| request.url == USER)
}

/// An ID token that says who it is and nothing else.
fn thin() -> Value {
    json!({ "name": null, "hd": null, "groups": null })
}

#[test]
fn a_thin_id_token_is_completed() {
    let bench = with_userinfo(200, json!({ "sub": "42", "name": "Ada", "hd": "example.com", "groups": ["g1"] }));
    let (browser, _) = log_in(&bench, &thin());
    assert!(asked(&bench));
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    assert!(html(&browser.authorize(&query)).contains("Signed in as <strong>Ada</strong>"));
    let tokens = bench.redeem(&client, &browser.approve(&query)).1;
    assert_eq!(bench.validate(&tokens).unwrap().roles, ["admin"]);
}

#[test]
fn what_the_id_token_says_is_not_asked_for_and_not_replaced() {
    let bench = with_userinfo(200, json!({ "sub": "42", "hd": "example.com" }));
    assert!(is_logged_in(&log_in(&bench, &json!({})).0));
    assert!(!asked(&bench));
    let (browser, back) = log_in(&bench, &json!({ "hd": "elsewhere.example", "name": null }));
    assert!(asked(&bench) && !is_logged_in(&browser));
    assert_eq!(back.status, 403);
}

#[test]
fn an_answer_about_somebody_else_or_none_lets_nobody_in() {
    for (status, answer) in [
        (200, json!({ "sub": "43", "hd": "example.com", "groups": [] })),
        (200, json!({ "hd": "example.com", "groups": [] })),
        (500, json!({})),
    ] {
        let bench = with_userinfo(status, answer.clone());
        let (browser, back) = log_in(&bench, &thin());
        assert!(asked(&bench) && !is_logged_in(&browser), "{answer}");
        assert_eq!(back.status, 503, "{answer}");
    }
    // It says that somebody may not come in by saying nothing.
    let bench = with_userinfo(200, json!({ "sub": "42" }));
    let (browser, back) = log_in(&bench, &thin());
    assert!(!is_logged_in(&browser));
    assert_eq!(back.status, 403);
}

#[test]
fn a_subject_that_the_id_token_lacks_is_asked_for() {
    let mut bench = with_userinfo(200, json!({ "sub": "42", "employee": "e7" }));
    bench.settings.providers.get_mut("corp").unwrap().claims.subject = "employee".into();
    let (browser, _) = log_in(&bench, &json!({}));
    assert!(asked(&bench) && is_logged_in(&browser));
    let client = bench.client();
    let tokens = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    assert_eq!(bench.validate(&tokens).unwrap().subject, "corp:e7");
}

#[test]
fn a_name_alone_is_no_reason_to_keep_somebody_out() {
    let bench = with_userinfo(500, json!({}));
    assert!(is_logged_in(&log_in(&bench, &json!({ "name": null })).0));
    assert!(asked(&bench));
}
