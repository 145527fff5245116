//! An identity provider, and logins by way of it.

use super::{Bench, Browser, html, json_answer, location_parameter};
use crate::Fetch;
use crate::form::Form;
use crate::http::Response;
use crate::tests::signing::{Signer, changed};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub const IDP: &str = "https://idp.example";
pub const TOKEN: &str = "https://idp.example/token";

/// Providers `corp` (OpenID Connect), `hub` (OAuth 2 with an address that says who somebody is), and the local users.
pub fn bench() -> Bench {
    let mut settings: Value = serde_json::from_str(&super::document(super::ISSUER)).unwrap();
    let users = settings["identity"]["users"].take();
    settings["identity"] = json!({ "type": "oidc", "users": users, "providers": {
        "corp": {
            "label": "Example & Co", "issuer": IDP, "clientId": "us", "clientSecret": "${SECRET}",
            "roles": { "g1": "admin" }, "require": { "hd": ["example.com"] }, "parameters": { "prompt": "login", "state": "x" },
        },
        "hub": {
            "authorizationEndpoint": "https://hub.example/authorize", "tokenEndpoint": "https://hub.example/token",
            "userinfoEndpoint": "https://hub.example/user", "clientId": "us", "claims": { "subject": "id" }, "scopes": ["user"],
        },
    } });
    let bench = Bench::with_document(&settings.to_string());
    bench.world.on_json(
        "https://idp.example/.well-known/openid-configuration",
        json!({
            "issuer": IDP, "authorization_endpoint": "https://idp.example/authorize?x=1", "token_endpoint": TOKEN,
            "jwks_uri": "https://idp.example/jwks", "authorization_response_iss_parameter_supported": true,
        }),
    );
    bench.world.on_json("https://idp.example/jwks", Signer::es256().jwks());
    bench
}

pub fn field(fetch: &Fetch, name: &str) -> String {
    Form::parse(&fetch.body).unwrap().all(name).next().unwrap_or_default().into()
}

/// Claims of a good ID token for this nonce.
pub fn claims(bench: &Bench, nonce: &str) -> Value {
    let now = bench.now.get();
    json!({
        "iss": IDP, "aud": "us", "sub": "42", "name": "Ada", "hd": "example.com", "groups": ["g1", "g2"],
        "nonce": nonce, "iat": now, "exp": now + 600,
    })
}

/// The provider gives this ID token, and tokens for ten minutes.
pub fn answer_with(bench: &Bench, id_token: String) {
    bench.world.on(TOKEN, move |_| {
        Ok(json_answer(
            200,
            &json!({
                "access_token": "idp-access-1", "token_type": "bearer", "expires_in": 600, "refresh_token": "idp-refresh-1",
                "id_token": id_token, "scope": "openid profile",
            }),
        ))
    });
}

/// The provider gives a good ID token for this nonce, with changes.
pub fn answer_for(bench: &Bench, nonce: &str, changes: &Value) {
    answer_with(bench, Signer::es256().sign(json!({}), &changed(claims(bench, nonce), changes)));
}

/// From the login page to a provider.
pub fn leave(bench: &Bench, browser: &Browser, provider: &str) -> Response {
    let page = html(&browser.authorize(&Bench::query(&bench.client(), &[])));
    let (_, rest) = page.split_once(&format!("href=\"/oauth/login/{provider}?")).unwrap();
    browser.get(&format!("/oauth/login/{provider}?{}", rest.split_once('"').unwrap().0))
}

/// And back.
pub fn come_back(browser: &Browser, provider: &str, state: &str, more: &str) -> Response {
    browser.get(&format!("/oauth/callback/{provider}?code=c&state={state}{more}"))
}

pub const ISS: &str = "&iss=https%3A%2F%2Fidp.example";

pub fn log_in<'a>(bench: &'a Bench, changes: &Value) -> (Browser<'a>, Response) {
    let browser = Browser::new(bench);
    let there = leave(bench, &browser, "corp");
    let nonce = location_parameter(&there, "nonce").unwrap();
    answer_for(bench, &nonce, changes);
    let back = come_back(&browser, "corp", &location_parameter(&there, "state").unwrap(), ISS);
    (browser, back)
}

pub fn is_logged_in(browser: &Browser) -> bool {
    browser.cookies.borrow().contains_key("mcp-edge-login")
}

/// A grant of somebody from the provider.
pub fn grant(bench: &Bench) -> String {
    let (browser, _) = log_in(bench, &json!({}));
    let client = bench.client();
    let tokens = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
    bench.validate(&tokens).unwrap().grant_id
}

/// The provider refreshes, counts how often, and takes each refresh token once.
pub fn rotate(bench: &Bench) -> Rc<Cell<u32>> {
    let (count, valid) = (Rc::new(Cell::new(0)), RefCell::new(String::from("idp-refresh-1")));
    let counted = count.clone();
    bench.world.on(TOKEN, move |fetch| {
        if field(fetch, "refresh_token") != *valid.borrow() {
            return Ok(json_answer(400, &json!({ "error": "invalid_grant" })));
        }
        counted.set(counted.get() + 1);
        let n = counted.get() + 1;
        *valid.borrow_mut() = format!("idp-refresh-{n}");
        let answer =
            json!({ "access_token": format!("idp-access-{n}"), "refresh_token": *valid.borrow(), "expires_in": 600 });
        Ok(json_answer(200, &answer))
    });
    count
}
