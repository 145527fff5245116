//! Clients of all kinds: how they prove themselves, what they may ask, and how they change their registration.

use super::bench::{
    Browser, CHALLENGE, CLIENT_SECRET, REDIRECT, TestClient, VERIFIER, form_request, json_answer, location_parameter,
    request, text,
};
use super::signing::{Signer, assertion};
use super::{Bench, document};
use crate::Response;
use serde_json::{Value, json};
use shared_ports::HttpError;

const URL: &str = "https://client.example/app.json";
const JWT_BEARER: &str = crate::assertion::TYPE;

fn with_oauth(oauth: Value) -> Bench {
    let mut settings: Value = serde_json::from_str(&document("http://127.0.0.1:8787")).unwrap();
    settings["oauth"] = oauth;
    Bench::with_document(&settings.to_string())
}

fn configured() -> Bench {
    with_oauth(json!({ "clients": { "portal": {
        "name": "Portal", "redirectUris": [REDIRECT], "secret": "${SECRET}",
    } } }))
}

fn post(bench: &Bench, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    bench.post_json_answer(path, fields)
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
        post(&bench, "/oauth/introspect", &fields)
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
    assert_eq!(post(&bench, "/oauth/introspect", &[("token", "x")]).0, 401);
    bench.refresh(&TestClient { secret: None, ..own.clone() }, "x");
    crate::revoke_grant(&bench.server(), "dev", &bench.validate(&tokens).unwrap().grant_id).unwrap();
    for name in ["access_token", "refresh_token"] {
        assert_eq!(ask(&portal, text(&tokens, name)), nothing);
    }
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
    assert_eq!(manage(&bench, "DELETE", &client, token, &json!({})).status, 204);
    assert_eq!(manage(&bench, "GET", &client, token, &json!({})).status, 401);
    assert_eq!(bench.get(&format!("/oauth/authorize?{}", Bench::query(&known, &uri))).status, 400);
    assert!(!bench.keys().iter().any(|key| key.starts_with(&format!("oauth:client:{id}"))));
}

#[test]
fn a_flood_of_registrations_is_held_up_by_address_and_by_number() {
    let bench = with_oauth(json!({ "registration": { "maxClients": 12, "perAddress": 3 } }));
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
    let off = with_oauth(json!({ "registration": { "enabled": false } }));
    assert_eq!(off.register(&json!({ "redirect_uris": [REDIRECT] })).0, 403);
    let metadata = off.get("/.well-known/oauth-authorization-server");
    assert!(!String::from_utf8(metadata.body).unwrap().contains("registration_endpoint"));
}

/// A client with a key, its assertion changed.
fn asserted(bench: &Bench, signer: &Signer, client: &str, changes: Value) -> (u16, Value) {
    let jwt = assertion(signer, client, bench.now.get(), &changes);
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &jwt),
    ];
    post(bench, "/oauth/token", &fields)
}

#[test]
fn a_client_proves_itself_with_its_key_once_for_each_assertion() {
    for signer in [Signer::es256(), Signer::rs256()] {
        let bench = Bench::new();
        let client = bench.client_with(&json!({
            "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(),
        }));
        assert_eq!(client.secret, None);
        let error = |changes: Value| {
            let (status, answer) = asserted(&bench, &signer, &client.id, changes);
            (status, text(&answer, "error").to_owned())
        };
        // The client is let through; only then is the refresh token looked at.
        let through = (400, String::from("invalid_grant"));
        let refused = (401, String::from("invalid_client"));
        let now = bench.now.get();
        assert_eq!(error(json!({ "jti": "1" })), through);
        assert_eq!(error(json!({ "jti": "1" })), refused);
        assert_eq!(error(json!({ "jti": "2", "aud": "http://127.0.0.1:8787/oauth/token" })), through);
        assert_eq!(error(json!({ "jti": "3", "aud": ["http://127.0.0.1:8787"] })), through);
        for (n, changes) in [
            json!({ "aud": "https://other.example" }),
            json!({ "aud": ["http://127.0.0.1:8787", "https://other.example"] }),
            json!({ "aud": null }),
            json!({ "iss": "someone" }),
            json!({ "sub": "0123456789abcdef0123456789abcdef" }),
            json!({ "exp": now - 61 }),
            json!({ "exp": now + 3600 + 61 }),
            json!({ "exp": null }),
            json!({ "nbf": now + 61 }),
            json!({ "iat": now + 61 }),
            json!({ "jti": null }),
            json!({ "jti": "" }),
            json!({ "jti": "x".repeat(257) }),
        ]
        .into_iter()
        .enumerate()
        {
            let mut all = json!({ "jti": format!("n{n}") });
            all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            assert_eq!(error(all), refused, "{changes}");
        }
        let other = Signer::es256_other();
        assert_eq!(asserted(&bench, &other, &client.id, json!({ "jti": "4" })).0, 401);
        // A secret or nothing at all is no proof for it.
        for fields in [&[("client_secret", "x")][..], &[]] {
            let fields = [&[("grant_type", "refresh_token"), ("client_id", &*client.id)], fields].concat();
            assert_eq!(post(&bench, "/oauth/token", &fields).0, 401);
        }
    }
}

#[test]
fn algorithms_that_prove_nothing_are_refused() {
    let bench = Bench::new();
    let signer = Signer::es256();
    let client = bench.client_with(&json!({
        "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(),
    }));
    let good = assertion(&signer, &client.id, bench.now.get(), &json!({ "jti": "1" }));
    let parts: Vec<&str> = good.split('.').collect();
    let header = |value: Value| crate::crypto::base64(value.to_string().as_bytes());
    for (alg, signature) in [("none", ""), ("HS256", parts[2]), ("RS256", parts[2]), ("ES384", parts[2])] {
        let forged = format!("{}.{}.{signature}", header(json!({ "alg": alg })), parts[1]);
        let fields =
            [("grant_type", "refresh_token"), ("client_assertion_type", JWT_BEARER), ("client_assertion", &forged)];
        assert_eq!(post(&bench, "/oauth/token", &fields).0, 401, "{alg}");
    }
}

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
        let (status, _) = post(&bench, "/oauth/token", &[("grant_type", "refresh_token"), ("client_id", URL)]);
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
        Ok(crate::Fetched { headers: vec![("location".into(), URL.into())], ..text(302, "") }),
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
    let switched = with_oauth(json!({ "clientDocuments": { "allowLoopbackForDevelopment": true } }));
    let url = "https://localhost:8443/app.json";
    switched.world.on_json(url, metadata(json!({ "client_id": url })));
    assert_eq!(ask(&switched, url).status, 200);
    assert_eq!(switched.world.requests.borrow()[0].reach, crate::Reach::PublicOrLoopback);
    assert_eq!(ask(&switched, "https://10.0.0.1/app.json").status, 400);
    let off = with_oauth(json!({ "clientDocuments": { "enabled": false } }));
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

#[test]
fn several_skills_can_be_granted_one_by_one_and_are_remembered() {
    let bench = with_oauth(json!({ "scopes": {
        "calendar:read": { "meaning": "Read your calendar" },
        "calendar:write": { "meaning": "Change your calendar", "includes": ["calendar:read"] },
        "mail": { "meaning": "Send mail <b>" },
    } }));
    let client = bench.client();
    let browser = Browser::new(&bench);
    browser.log_in(&client, "dev", "secret");
    let query = Bench::query(&client, &[("scope", "")]);
    let page = browser.authorize(&query);
    let html = super::bench::html(&page);
    assert_eq!(html.matches(" checked><span>").count(), 3);
    assert!(html.contains("Send mail &lt;b&gt;"));
    let answer = browser.decide(&page, "approve", &["calendar:write", "root"]);
    let code = location_parameter(&answer, "code").unwrap();
    let tokens = bench.redeem(&client, &code).1;
    assert_eq!(tokens["scope"], "calendar:write");
    // Next time the same boxes are ticked, and the page is still shown.
    let html = super::bench::html(&browser.authorize(&query));
    assert_eq!(html.matches(" checked><span>").count(), 1);
    assert!(html.contains("value=\"calendar:write\" checked"));
    // Fewer by refreshing, also by what a scope includes; never more.
    let refresh = |scope: &str| {
        let fields =
            [&Bench::refresh_fields(&client, text(&tokens, "refresh_token"))[..], &[("scope", scope)]].concat();
        post(&bench, "/oauth/token", &fields)
    };
    assert_eq!(refresh("mail").0, 400);
    assert_eq!(refresh("calendar:read").1["scope"], "calendar:read");
}

#[test]
fn a_remembered_approval_skips_the_page_only_where_the_operator_says_so() {
    for (remember, uri, skipped) in
        [("prefill", REDIRECT, false), ("skip", REDIRECT, true), ("skip", "http://127.0.0.1:1/cb", false)]
    {
        let bench = with_oauth(json!({ "consent": { "remember": remember } }));
        let client = bench.client_with(&json!({ "redirect_uris": [uri], "token_endpoint_auth_method": "none" }));
        let query = Bench::query(&client, &[("redirect_uri", uri), ("code_challenge", CHALLENGE)]);
        let browser = bench.dev();
        assert_eq!(browser.authorize(&query).status, 200, "nothing is remembered yet");
        browser.approve(&query);
        assert_eq!(browser.authorize(&query).status == 302, skipped, "{remember} {uri}");
        assert_eq!(browser.authorize(&format!("{query}&prompt=consent")).status, 200);
        // Another client, another browser, another person: nothing is remembered.
        let other = bench.client_with(&json!({ "redirect_uris": [uri] }));
        assert_eq!(browser.authorize(&Bench::query(&other, &[("redirect_uri", uri)])).status, 200);
        assert_eq!(bench.dev().authorize(&query).status, 200);
        browser.log_in_again(&bench.client(), "eve", "eve");
        assert_eq!(browser.authorize(&query).status, 200);
    }
}

#[test]
fn aliases_lead_to_the_same_places() {
    let bench = with_oauth(json!({ "aliases": ["/mcp/oauth"] }));
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    assert_eq!(bench.get(&format!("/mcp/oauth/authorize?{query}")).status, 200);
    let fields = [("grant_type", "authorization_code"), ("code", &*bench.code(&client)), ("client_id", &client.id)];
    let fields = [&fields[..], &[("code_verifier", VERIFIER)]].concat();
    assert_eq!(post(&bench, "/mcp/oauth/token", &fields).0, 200);
    assert_eq!(bench.get("/mcp/oauthx/authorize").status, 404);
    assert_eq!(Bench::new().get(&format!("/mcp/oauth/authorize?{query}")).status, 404);
    let request = form_request("/mcp/oauth/revoke", &[("token", "x"), ("client_id", &client.id)], &[]);
    assert_eq!(bench.send(&request).status, 200);
}
