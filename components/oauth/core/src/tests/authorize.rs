use super::Bench;
use super::bench::{Browser, CHALLENGE, ISSUER, REDIRECT, TestClient, html, location_parameter};
use crate::http::Response;
use proptest::prelude::*;
use serde_json::json;

fn ask(bench: &Bench, client: &TestClient, changes: &[(&str, &str)]) -> Response {
    bench.get(&format!("/oauth/authorize?{}", Bench::query(client, changes)))
}

#[test]
fn nobody_is_sent_to_an_address_that_no_client_has_registered() {
    let bench = Bench::new();
    let client = bench.client();
    for changes in [
        &[("client_id", "")][..],
        &[("client_id", "unknown")],
        &[("client_id", "0123456789abcdef0123456789abcdef")],
        &[("client_id", "../../x")],
        &[("redirect_uri", "https://client.example/cb/")],
        &[("redirect_uri", "https://client.example/cb?x=1")],
        &[("redirect_uri", "https://client.example/cb#x")],
        &[("redirect_uri", "https://client.example.evil.example/cb")],
        &[("redirect_uri", "https://client.example@evil.example/cb")],
        &[("redirect_uri", "https://client.example:444/cb")],
        &[("redirect_uri", "https://client.example/%63b")],
        &[("redirect_uri", "http://client.example/cb")],
        &[("redirect_uri", "https://evil.example/cb")],
        &[("redirect_uri", "javascript:alert(1)")],
        &[("redirect_uri", "https://evil.example/cb"), ("response_type", "token")],
    ] {
        let response = ask(&bench, &client, changes);
        assert_eq!((response.status, response.header("location")), (400, None), "{changes:?}");
        assert!(!html(&response).contains("evil.example"), "reflected: {changes:?}");
    }
    // A client id is no part of a key that its sender could choose.
    bench.advance(2 * 24 * 3600);
    bench.tokens(&client);
    assert!(bench.keys().contains(&format!("oauth:client:{}:used", client.id)));
    assert_eq!(ask(&bench, &client, &[("client_id", &format!("{}:used", client.id))]).status, 400);
    for query in ["client_id=a&client_id=b", "%zz", "a=%ff", "a=\"<>", &"a&".repeat(65)] {
        let response = bench.get(&format!("/oauth/authorize?{query}"));
        assert_eq!((response.status, response.header("location")), (400, None), "{query}");
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", Bench::query(&client, &[]));
    assert_eq!(bench.get(&format!("/oauth/authorize?{twice}")).header("location"), None);
    assert_eq!(ask(&bench, &client, &[("state", &"x".repeat(9000))]).status, 414);
}

#[test]
fn every_other_error_goes_to_the_client_with_state_and_issuer() {
    let bench = Bench::new();
    let client = bench.client();
    let browser = bench.dev();
    for (changes, code) in [
        (&[("response_type", "")][..], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "s256")], "invalid_request"),
        (&[("resource", "https://other.example/mcp")], "invalid_target"),
        (&[("resource", "http://127.0.0.1:8787")], "invalid_target"),
        (&[("scope", "openid")], "invalid_scope"),
        (&[("request", "x")], "request_not_supported"),
        (&[("request_uri", "https://a.example/x")], "request_uri_not_supported"),
    ] {
        // Not before somebody has logged in: anybody can register a client.
        assert_eq!(ask(&bench, &client, changes).header("location"), None, "{changes:?}");
        let response = browser.authorize(&Bench::query(&client, changes));
        assert_eq!(response.status, 302, "{changes:?}");
        assert!(response.header("location").unwrap().starts_with("https://client.example/cb?error="), "{changes:?}");
        let parameter = |name| location_parameter(&response, name);
        assert_eq!(parameter("error").as_deref(), Some(code), "{changes:?}");
        assert_eq!(parameter("state").as_deref(), Some("st"), "{changes:?}");
        assert_eq!(parameter("iss").as_deref(), Some(ISSUER), "{changes:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    let twice = browser.authorize(&format!("{}&state=other", Bench::query(&client, &[])));
    assert_eq!(location_parameter(&twice, "error").as_deref(), Some("invalid_request"));
    assert_eq!(location_parameter(&twice, "state"), None);
}

#[test]
fn good_requests_get_the_login_page() {
    let bench = Bench::new();
    let client = bench.client();
    for changes in [
        &[][..],
        &[("scope", "")],
        &[("scope", "openid mcp offline_access")],
        &[("state", "")],
        &[("redirect_uri", "")],
        &[("resource", "")],
        &[("resource", "http://127.0.0.1:8787/mcp/")],
        &[("response_mode", "query")],
        &[("prompt", "consent")],
    ] {
        let response = ask(&bench, &client, changes);
        assert_eq!(response.status, 200, "{changes:?}");
        assert!(html(&response).contains("<h1>Sign in</h1>"), "{changes:?}");
    }
    assert_eq!(bench.get(&format!("/authorize?{}", Bench::query(&client, &[]))).status, 200);
}

#[test]
fn a_redirect_uri_may_be_left_out_only_if_there_is_one() {
    let bench = Bench::new();
    let metadata = json!({ "redirect_uris": [REDIRECT, "https://client.example/cb2"] });
    let client = bench.client_with(&metadata);
    assert_eq!(ask(&bench, &client, &[("redirect_uri", "")]).status, 400);
    assert_eq!(ask(&bench, &client, &[("redirect_uri", "https://client.example/cb2")]).status, 200);
}

#[test]
fn a_native_client_may_use_any_port() {
    let bench = Bench::new();
    let client =
        bench.client_with(&json!({ "redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none" }));
    let uri = "http://127.0.0.1:49152/cb";
    let answer = {
        let browser = bench.dev();
        let page = browser.authorize(&Bench::query(&client, &[("redirect_uri", uri)]));
        browser.decide(&page, "approve", &["mcp"])
    };
    assert!(answer.header("location").unwrap().starts_with("http://127.0.0.1:49152/cb?code="));
    let code = location_parameter(&answer, "code").unwrap();
    let redeem = |redirect_uri: &str| {
        bench.post_json_answer(
            "/oauth/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("code_verifier", super::bench::VERIFIER),
                ("redirect_uri", redirect_uri),
                ("client_id", &client.id),
            ],
        )
    };
    // The port of the request is part of it now.
    assert_eq!(redeem("http://127.0.0.1:49153/cb").0, 400);
    assert_eq!(redeem(uri).0, 200);
}

#[test]
fn denial_goes_to_the_client() {
    let bench = Bench::new();
    let client = bench.client();
    let browser = bench.dev();
    let page = browser.authorize(&Bench::query(&client, &[]));
    let answer = browser.decide(&page, "deny", &["mcp"]);
    assert_eq!((answer.status, answer.header("referrer-policy")), (303, Some("no-referrer")));
    for (name, value) in [("error", "access_denied"), ("state", "st"), ("iss", ISSUER)] {
        assert_eq!(location_parameter(&answer, name).as_deref(), Some(value));
    }
    assert!(bench.keys().iter().all(|key| !key.starts_with("oauth:code")));
}

proptest! {
    #[test]
    fn state_comes_back_as_it_went(state in ".{1,200}") {
        let bench = Bench::new();
        let client = bench.client();
        let browser = Browser::new(&bench);
        browser.log_in(&client, "dev", "secret");
        let query = Bench::query(&client, &[("state", &state), ("code_challenge", CHALLENGE)]);
        let page = browser.authorize(&query);
        let answer = browser.decide(&page, "approve", &["mcp"]);
        prop_assert_eq!(location_parameter(&answer, "state"), Some(state));
        let location = answer.header("location").unwrap();
        prop_assert!(location.bytes().all(|byte| (0x21..0x7f).contains(&byte)), "{}", location);
        prop_assert!(location.starts_with("https://client.example/cb?code="));
    }
}
