use super::Bench;
use super::bench::{REDIRECT, TestClient, request, text};
use crate::clients::LIFETIME;
use crate::{Response, TokenError};
use serde_json::{Value, json};

fn error(metadata: &Value) -> String {
    let (status, answer) = Bench::new().register(metadata);
    assert_eq!(status, 400, "{metadata}");
    text(&answer, "error").into()
}

#[test]
fn a_public_client_is_registered_as_it_asked() {
    let (status, mut answer) = Bench::new().register(&json!({
        "redirect_uris": ["http://localhost:1234/cb"], "client_name": "A <b>", "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", "implicit"], "response_types": ["code"],
        "logo_uri": "https://evil.example/logo.png", "scope": "mcp",
    }));
    assert_eq!(status, 201);
    assert_eq!(answer["client_id"].take().as_str().map(str::len), Some(32));
    assert_eq!(answer["registration_access_token"].take().as_str().map(str::len), Some(43));
    let uri = answer["registration_client_uri"].take();
    assert!(uri.as_str().unwrap().starts_with("http://127.0.0.1:8787/oauth/register/"));
    assert_eq!(
        answer,
        json!({
            "registration_access_token": null, "registration_client_uri": null, "client_id": null, "client_id_issued_at": 1_800_000_000, "client_name": "A <b>",
            "redirect_uris": ["http://localhost:1234/cb"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        })
    );
}

#[test]
fn a_client_that_says_nothing_gets_a_secret_and_refresh_tokens() {
    let bench = Bench::new();
    let (status, answer) = bench.register(&json!({ "redirect_uris": [REDIRECT] }));
    assert_eq!(status, 201);
    assert_eq!(answer["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(answer["client_secret_expires_at"], 0);
    assert_eq!(answer["grant_types"], json!(["authorization_code", "refresh_token"]));
    let secret = text(&answer, "client_secret");
    assert_eq!(secret.len(), 43);
    let stored = bench.store.entries.borrow();
    assert!(stored.values().all(|value| !String::from_utf8_lossy(value).contains(secret)), "the secret is stored");
}

#[test]
fn improper_metadata_are_refused() {
    let base = json!({ "redirect_uris": [REDIRECT] });
    let with = |name: &str, value: Value| {
        let mut metadata = base.clone();
        metadata[name] = value;
        metadata
    };
    for metadata in [
        json!([]),
        json!("x"),
        json!({}),
        with("redirect_uris", json!([])),
        with("redirect_uris", json!(REDIRECT)),
        with("redirect_uris", json!([1])),
        with("redirect_uris", json!(vec![REDIRECT; 17])),
        with("client_name", json!("x".repeat(101))),
        with("client_name", json!("a\nb")),
        with("client_name", json!("a\u{202e}b")),
        with("client_name", json!(["x"])),
        with("token_endpoint_auth_method", json!("private_key_jwt")),
        with("grant_types", json!(["client_credentials"])),
        with("grant_types", json!([])),
        with("response_types", json!(["token"])),
    ] {
        assert_eq!(error(&metadata), "invalid_client_metadata", "{metadata}");
    }
    for uri in ["http://client.example/cb", "javascript:alert(1)", "https://a.example/#x", "https://u@a.example/", "x"]
    {
        assert_eq!(error(&json!({ "redirect_uris": [REDIRECT, uri] })), "invalid_redirect_uri", "{uri}");
    }
}

#[test]
fn nonsense_is_no_metadata() {
    for body in [
        &b""[..],
        b"{",
        b"\xff",
        b"{\"redirect_uris\":[\"https://a.example\"],\"redirect_uris\":[]}",
        &b"[".repeat(20_000),
    ] {
        let request = request("POST", "/register", &[("content-type", "application/json; charset=utf-8")], body);
        assert_eq!(Bench::new().send(&request).status, 400);
    }
}

#[test]
fn a_client_ends_90_days_after_its_last_use_and_is_swept() {
    let bench = Bench::new();
    let (unused, used) = (bench.client(), bench.client());
    let known = |client| bench.get(&format!("/oauth/authorize?{}", Bench::query(client, &[]))).status == 200;
    bench.advance(LIFETIME - 10);
    assert!(known(&unused) && known(&used));
    bench.tokens(&used);
    bench.advance(20);
    assert!(!known(&unused) && known(&used));
    for _ in 0..3 {
        bench.client();
    }
    assert!(!bench.keys().contains(&format!("oauth:client:{}", unused.id)), "not swept");
    assert!(known(&used));
    bench.advance(LIFETIME - 100);
    assert!(known(&used));
    bench.advance(100);
    assert!(!known(&used));
    for _ in 0..5 {
        bench.client();
    }
    assert!(!bench.keys().iter().any(|key| key.contains(&used.id)), "not swept");
}

#[test]
fn a_client_outlives_its_refresh_tokens() {
    let mut document: Value = serde_json::from_str(&super::document("http://127.0.0.1:8787")).unwrap();
    document["oauth"] = json!({ "refreshTokenSeconds": 31_536_000 });
    let bench = Bench::with_document(&document.to_string());
    let client = bench.client();
    let tokens = bench.tokens(&client);
    bench.advance(31_536_000 - 1);
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 200);
}

fn manage(bench: &Bench, method: &str, client: &Value, token: &str, body: &Value) -> Response {
    let path = text(client, "registration_client_uri").strip_prefix("http://127.0.0.1:8787").unwrap();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    bench.send(&request(method, path, &headers, body.to_string().as_bytes()))
}

#[test]
fn a_client_manages_its_own_registration_with_its_token_only() {
    let bench = Bench::new();
    let (_, client) = bench.register(&json!({ "redirect_uris": [REDIRECT] }));
    let (_, other) = bench.register(&json!({ "redirect_uris": [REDIRECT] }));
    let (id, token) = (text(&client, "client_id"), text(&client, "registration_access_token"));
    assert!(bench.store.entries.borrow().values().all(|v| !String::from_utf8_lossy(v).contains(token)));
    for wrong in ["", "x", text(&other, "registration_access_token"), text(&client, "client_secret")] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = manage(&bench, method, &client, wrong, &json!({}));
            assert_eq!(answer.status, 401, "{method} {wrong}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
        }
    }
    let shown: Value = serde_json::from_slice(&manage(&bench, "GET", &client, token, &json!({})).body).unwrap();
    assert_eq!(shown["client_id"], id);
    assert_eq!(shown.get("client_secret"), None);
    let new = json!({ "client_id": id, "redirect_uris": ["https://client.example/new"], "client_name": "New" });
    assert_eq!(manage(&bench, "PUT", &client, token, &new).status, 200);
    let known = TestClient { id: id.into(), secret: text(&client, "client_secret").to_owned().into() };
    assert_eq!(bench.get(&format!("/oauth/authorize?{}", Bench::query(&known, &[]))).status, 400);
    let uri = [("redirect_uri", "https://client.example/new")];
    assert_eq!(bench.get(&format!("/oauth/authorize?{}", Bench::query(&known, &uri))).status, 200);
    for bad in [json!({}), json!({ "client_id": id }), json!({ "client_id": "x", "redirect_uris": [REDIRECT] })] {
        assert_eq!(manage(&bench, "PUT", &client, token, &bad).status, 400, "{bad}");
    }
    let back = json!({ "client_id": id, "redirect_uris": [REDIRECT] });
    assert_eq!(manage(&bench, "PUT", &client, token, &back).status, 200);
    let tokens = bench.tokens(&known);
    assert!(bench.validate(&tokens).is_ok());
    assert_eq!(manage(&bench, "DELETE", &client, token, &json!({})).status, 204);
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked), "its tokens end with it");
    assert_eq!(manage(&bench, "GET", &client, token, &json!({})).status, 401);
    assert_eq!(bench.get(&format!("/oauth/authorize?{}", Bench::query(&known, &uri))).status, 400);
    assert!(!bench.keys().iter().any(|key| key.starts_with(&format!("oauth:client:{id}"))));
}

#[test]
fn a_flood_of_registrations_is_held_up_by_address_and_by_number() {
    let bench = Bench::with_oauth(json!({ "registration": { "maxClients": 12, "perAddress": 3 } }));
    let register = |address: &str| {
        let body = json!({ "redirect_uris": [REDIRECT] }).to_string();
        let headers = [("content-type", "application/json"), ("x-address", address)];
        bench.send(&request("POST", "/oauth/register", &headers, body.as_bytes()))
    };
    for _ in 0..3 {
        assert_eq!(register("a").status, 201);
    }
    let held_up = register("a");
    assert_eq!(held_up.status, 429);
    assert!(held_up.header("retry-after").unwrap().parse::<u64>().unwrap() <= 300);
    let others: Vec<_> = (0..8).map(|n| register(&format!("b{n}"))).collect();
    assert!(others.iter().all(|answer| answer.status == 201));
    // One is used, by a person who has a browser with a client of its own.
    let used: Value = serde_json::from_slice(&others[0].body).unwrap();
    let secret = text(&used, "client_secret").to_owned();
    bench.tokens(&TestClient { id: text(&used, "client_id").into(), secret: Some(secret) });
    assert_eq!(register("c").status, 429);
    // A day later the others make room, four at a time.
    bench.advance(24 * 3600);
    for n in 0..8 {
        assert_eq!(register(&format!("d{n}")).status, 201, "{n}");
    }
    assert!(bench.keys().contains(&format!("oauth:client:{}", text(&used, "client_id"))));
    let off = Bench::with_oauth(json!({ "registration": { "enabled": false } }));
    assert_eq!(off.register(&json!({ "redirect_uris": [REDIRECT] })).0, 403);
    let metadata = off.get("/.well-known/oauth-authorization-server");
    assert!(!String::from_utf8(metadata.body).unwrap().contains("registration_endpoint"));
}

#[test]
fn keys_that_a_client_registers_are_at_a_public_address() {
    for (uri, status) in [
        ("https://client.example/jwks.json", 201),
        ("https://10.0.0.1/jwks.json", 400),
        ("https://[fe80::1]/jwks.json", 400),
        ("https://metadata.google.internal/x", 400),
        ("http://client.example/jwks.json", 400),
    ] {
        let metadata = json!({
            "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri,
        });
        assert_eq!(Bench::new().register(&metadata).0, status, "{uri}");
    }
}
