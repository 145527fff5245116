//! Clients by metadata document.

use super::Bench;
use super::assertions::asserted;
use super::bench::{REDIRECT, TestClient, json_answer, request, text};
use super::signing::Signer;
use crate::Response;
use serde_json::{Value, json};
use shared_ports::HttpError;

const URL: &str = "https://client.example/app.json";

/// A metadata document at [`URL`].
fn metadata(changes: Value) -> Value {
    let mut all = json!({ "client_id": URL, "client_name": "App", "redirect_uris": [REDIRECT] });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    all
}

fn ask(bench: &Bench, url: &str) -> Response {
    let client = TestClient { id: url.into(), secret: None };
    bench.get(&format!("/oauth/authorize?{}", Bench::query(&client, &[])))
}

#[test]
fn a_client_with_a_document_gets_tokens_without_registering() {
    let bench = Bench::new();
    bench.world.on_json(URL, metadata(json!({ "token_endpoint_auth_method": "none" })));
    let client = TestClient { id: URL.into(), secret: None };
    let tokens = bench.tokens(&client);
    assert_eq!(bench.validate(&tokens).unwrap().client_id, URL);
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 200);
    // Kept: one look for all of it, with the limits.
    assert_eq!(bench.world.count(URL), 1);
    let request = bench.world.requests.borrow()[0].clone();
    assert_eq!((request.limit, request.timeout.as_secs(), request.reach), (5120, 10, crate::Reach::Public));
    let page = super::bench::html(&bench.dev().authorize(&Bench::query(&client, &[])));
    assert!(page.contains("described by <strong>client.example</strong>"), "{page}");
    bench.advance(3601);
    assert_eq!(ask(&bench, URL).status, 200);
    assert_eq!(bench.world.count(URL), 2);
}

#[test]
fn documents_that_are_not_what_they_should_be_are_refused() {
    for document in [
        json!([]),
        metadata(json!({ "client_id": "https://client.example/other.json" })),
        metadata(json!({ "client_id": null })),
        metadata(json!({ "client_name": "" })),
        metadata(json!({ "redirect_uris": [] })),
        metadata(json!({ "redirect_uris": ["http://client.example/cb"] })),
        metadata(json!({ "redirect_uris": ["javascript:alert(1)"] })),
        metadata(json!({ "client_secret": "x" })),
        metadata(json!({ "token_endpoint_auth_method": "client_secret_post" })),
        metadata(json!({ "token_endpoint_auth_method": "private_key_jwt" })),
        metadata(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://127.0.0.1/jwks" })),
        metadata(json!({ "client_name": "a\u{202e}b" })),
    ] {
        let bench = Bench::new();
        bench.world.on_json(URL, document.clone());
        let answer = ask(&bench, URL);
        assert_eq!((answer.status, answer.header("location")), (400, None), "{document}");
        let (status, _) =
            bench.post_json_answer("/oauth/token", &[("grant_type", "refresh_token"), ("client_id", URL)]);
        assert_eq!(status, 401, "{document}");
    }
}

#[test]
fn answers_that_are_too_large_too_slow_or_lead_elsewhere_are_no_documents() {
    let text = |status, body: &str| crate::Fetched { status, headers: Vec::new(), body: body.into() };
    let good = metadata(json!({})).to_string();
    let answers: Vec<Result<crate::Fetched, crate::FetchError>> = vec![
        Err(crate::FetchError::TooLarge(5120)),
        Err(crate::FetchError::TooSlow(10)),
        Err(HttpError::Prohibited("10.0.0.1".into()).into()),
        Err(HttpError::Unreachable("x".into()).into()),
        Ok(text(404, &good)),
        Ok(text(500, &good)),
        Ok(crate::Fetched { headers: vec![("location".into(), URL.into())], ..text(302, &good) }),
        Ok(text(200, "<html>")),
        Ok(crate::Fetched { body: vec![0xff], ..text(200, "") }),
    ];
    for answer in answers {
        let bench = Bench::new();
        let copy = answer.clone();
        bench.world.on(URL, move |_| copy.clone());
        assert_eq!(ask(&bench, URL).status, 400, "{answer:?}");
        assert_eq!(bench.world.requests.borrow().len(), 1, "nothing is followed");
    }
}

#[test]
fn addresses_in_the_operators_network_are_not_asked() {
    let bench = Bench::new();
    for url in [
        "https://127.0.0.1/app.json",
        "https://localhost/app.json",
        "https://localhost:8443/app.json",
        "https://[::1]/app.json",
        "https://[::ffff:10.0.0.1]/app.json",
        "https://10.0.0.1/app.json",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/app.json",
        "https://192.168.0.1/app.json",
        "https://2130706433/app.json",
        "https://0x7f.1/app.json",
        "https://127.1/app.json",
        "https://printer/app.json",
        "https://a.internal/app.json",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://client.example",
        "https://client.example/",
        "https://client.example?x",
        "https://client.example/a/../b",
        "https://client.example/a/%2E%2e/b",
        "https://user@client.example/app.json",
        "https://client.example/app.json#x",
        "https://client.example\\@evil.example/app.json",
        "https://CLIENT.example/app.json",
        "http://client.example/app.json",
        "https://",
    ] {
        assert_eq!(ask(&bench, url).status, 400, "{url}");
    }
    assert!(bench.world.requests.borrow().is_empty(), "{:?}", bench.world.requests.borrow());
    let switched = Bench::with_oauth(json!({ "clientDocuments": { "allowLoopbackForDevelopment": true } }));
    let url = "https://localhost:8443/app.json";
    switched.world.on_json(url, metadata(json!({ "client_id": url })));
    assert_eq!(ask(&switched, url).status, 200);
    assert_eq!(switched.world.requests.borrow()[0].reach, crate::Reach::PublicOrLoopback);
    assert_eq!(ask(&switched, "https://10.0.0.1/app.json").status, 400);
    let off = Bench::with_oauth(json!({ "clientDocuments": { "enabled": false } }));
    assert_eq!(ask(&off, URL).status, 400);
    assert!(off.world.requests.borrow().is_empty());
}

#[test]
fn nobody_uses_this_server_to_bother_others() {
    let bench = Bench::new();
    let ask = |n: usize| {
        let client = TestClient { id: format!("https://client.example/{n}"), secret: None };
        let target = format!("/oauth/authorize?{}", Bench::query(&client, &[]));
        bench.send(&request("GET", &target, &[("x-address", "10.0.0.1")], b"")).status
    };
    for n in 0..100 {
        assert_eq!(ask(n), 400);
    }
    assert_eq!(bench.world.requests.borrow().len(), 60);
    super::storage::assert_layout(&bench);
}

#[test]
fn nobody_bothers_others_by_the_keys_of_clients_either() {
    let bench = Bench::with_oauth(json!({ "registration": { "perAddress": 1000 } }));
    let signer = Signer::es256();
    let uri = |n: usize| format!("https://victim.example/{n}");
    let metadata = |n: usize| json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri(n) });
    let clients: Vec<_> = (0..80).map(|n| bench.client_with(&metadata(n))).collect();
    for client in &clients {
        assert_eq!(asserted(&bench, &signer, &client.id, json!({ "jti": "1" })).0, 401);
    }
    assert_eq!(bench.world.requests.borrow().len(), 60);
    // A set that is kept costs nothing; asking for it again because of an unknown key does.
    bench.advance(300);
    bench.world.on_json(&uri(0), signer.jwks());
    assert_eq!(asserted(&bench, &signer, &clients[0].id, json!({ "jti": "2" })).0, 400);
    for client in &clients {
        asserted(&bench, &signer, &client.id, json!({ "jti": "3" }));
    }
    let asked = bench.world.requests.borrow().len();
    assert_eq!(asked, 120);
    assert_eq!(asserted(&bench, &signer, &clients[0].id, json!({ "jti": "4" })).0, 400);
    bench.advance(61);
    let other = asserted(&bench, &Signer::es256_other(), &clients[0].id, json!({ "jti": "5" })).0;
    assert_eq!((other, bench.world.requests.borrow().len()), (401, asked));
}

#[test]
fn the_keys_of_a_document_are_fetched_and_fetched_again_when_they_change() {
    let bench = Bench::new();
    let jwks_uri = "https://client.example/jwks.json";
    let document = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri });
    bench.world.on_json(URL, metadata(document));
    let (old, new) = (Signer::es256(), Signer::es256_other());
    bench.world.on_json(jwks_uri, old.jwks());
    assert_eq!(asserted(&bench, &old, URL, json!({ "jti": "1" })).0, 400);
    bench.world.on_json(jwks_uri, new.jwks());
    assert_eq!(asserted(&bench, &new, URL, json!({ "jti": "2" })).0, 401, "not more often than once a minute");
    bench.advance(61);
    assert_eq!(asserted(&bench, &new, URL, json!({ "jti": "3" })).0, 400);
    assert_eq!(bench.world.count(jwks_uri), 2);
}

#[test]
fn what_was_fetched_and_used_once_is_swept() {
    let bench = Bench::new();
    for n in 0..30 {
        let url = format!("https://client.example/{n}");
        bench.world.on(&url.clone(), move |_| {
            Ok(json_answer(200, &json!({ "client_id": url, "client_name": "x", "redirect_uris": [REDIRECT] })))
        });
        assert_eq!(ask(&bench, &format!("https://client.example/{n}")).status, 200);
        bench.advance(24 * 3600);
    }
    super::storage::assert_layout(&bench);
    let kept = bench.keys().iter().filter(|key| key.starts_with("oauth:fetched:")).count();
    assert!(kept <= 12, "{kept}");
}
