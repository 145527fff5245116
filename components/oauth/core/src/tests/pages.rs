use super::Bench;
use super::bench::{Browser, hidden, html, location_parameter};
use crate::form::encode;
use crate::http::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

fn assert_page_is_safe(page: &Response) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    let html = html(page);
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = BASE64_STANDARD.encode(crate::crypto::sha256(style.as_bytes()));
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    for forbidden in ["<script", " style=", " onclick", "javascript:", "src="] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn all_pages_are_locked_down() {
    let bench = Bench::new();
    let client = bench.client();
    let browser = Browser::new(&bench);
    let login = browser.authorize(&Bench::query(&client, &[]));
    assert_page_is_safe(&login);
    assert!(login.header("content-security-policy").unwrap().contains("form-action 'self'"));
    browser.log_in(&client, "dev", "secret");
    assert_page_is_safe(&browser.authorize(&Bench::query(&client, &[])));
    assert_page_is_safe(&browser.authorize("client_id=x"));
    assert_page_is_safe(&bench.get("/oauth/nowhere"));
}

#[test]
fn what_a_client_says_is_text_and_never_markup() {
    let bench = Bench::new();
    let name = "</h1><script>alert('1')</script>\" & co";
    let uri = "https://client.example/'onmouseover='alert(1)?a=1&b=2";
    let client = bench
        .client_with(&json!({ "redirect_uris": [uri], "client_name": name, "token_endpoint_auth_method": "none" }));
    let query = Bench::query(&client, &[("redirect_uri", uri), ("state", "\"><script>")]);
    let browser = Browser::new(&bench);
    let login = browser.authorize(&query);
    let failed =
        browser.post("/oauth/login", &[("request", &hidden(&login)), ("username", "\"><script>"), ("password", "x")]);
    assert_eq!(failed.status, 403);
    assert!(html(&failed).contains("value=\"&quot;&gt;&lt;script&gt;\""));
    browser.log_in(&bench.client(), "dev", "secret");
    let consent = browser.authorize(&query);
    let escaped = "“<bdi>&lt;/h1&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; &amp; co</bdi>”";
    for page in [&login, &consent] {
        assert_page_is_safe(page);
        assert!(html(page).contains(escaped));
    }
    assert!(html(&consent).contains("<code>https://client.example/&#39;onmouseover=&#39;alert(1)?a=1&amp;b=2</code>"));
}

#[test]
fn the_consent_page_says_where_the_answer_goes() {
    let bench = Bench::new();
    let browser = bench.dev();
    for (uri, place, warned) in [
        ("https://client.example/cb", "the web site <strong>client.example</strong>", false),
        ("http://localhost:1234/cb", "a program on this computer (<strong>localhost:1234</strong>)", true),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "opens <strong>cursor:</strong> links", true),
        ("com.example.app:/cb", "opens <strong>com.example.app:</strong> links", true),
    ] {
        let client = bench.client_with(&json!({ "redirect_uris": [uri] }));
        let page = html(&browser.authorize(&Bench::query(&client, &[("redirect_uri", uri)])));
        assert!(page.contains(place) && page.contains(&format!("<code>{uri}</code>")), "{page}");
        assert_eq!(page.contains("can ask like this"), warned, "{uri}");
        assert!(page.contains("an app without a name") && page.contains("Signed in as <strong>dev</strong>"));
        assert!(page.contains("type=\"checkbox\" name=\"scope\" value=\"mcp\" checked"));
    }
}

#[test]
fn consent_to_nothing_is_asked_again() {
    let bench = Bench::new();
    let browser = bench.dev();
    let page = browser.authorize(&Bench::query(&bench.client(), &[]));
    for scopes in [&[][..], &["admin"]] {
        let again = browser.decide(&page, "approve", scopes);
        assert_eq!(again.status, 200);
        assert!(html(&again).contains("Nothing is ticked"));
    }
}

#[test]
fn a_consent_form_works_only_for_the_login_it_was_shown_to() {
    let bench = Bench::new();
    let client = bench.client();
    let (mallory, victim) = (Browser::new(&bench), bench.dev());
    mallory.log_in(&client, "eve", "eve");
    let page = mallory.authorize(&Bench::query(&client, &[]));
    for action in ["approve", "deny", "switch"] {
        // It is shown again to whom it is, with a form of his own.
        let answer = victim.decide(&page, action, &["mcp"]);
        assert_eq!((answer.status, answer.header("location"), answer.header("set-cookie")), (200, None, None));
        let again = html(&answer);
        assert!(again.contains("made for another login") && again.contains("Signed in as <strong>dev</strong>"));
        assert!(bench.keys().iter().all(|key| !key.starts_with("oauth:code")));
        assert_ne!(hidden(&answer), hidden(&page));
    }
    // Without a login at all: back to the beginning.
    let answer = Browser::new(&bench).decide(&page, "approve", &["mcp"]);
    assert!(answer.header("location").unwrap().starts_with("/oauth/authorize?"));
    assert!(bench.keys().iter().all(|key| !key.starts_with("oauth:code")));
}

#[test]
fn forms_are_not_forged() {
    let bench = Bench::new();
    let client = bench.client();
    let browser = bench.dev();
    let page = browser.authorize(&Bench::query(&client, &[]));
    let good = hidden(&page);
    let login = hidden(&Browser::new(&bench).authorize(&Bench::query(&client, &[])));
    for forged in ["", "x", &good[1..], &format!("{good}A"), &login, &good.replace('A', "B")] {
        for action in ["approve", "switch", "deny"] {
            let answer = browser.post("/oauth/consent", &[("request", forged), ("action", action), ("scope", "mcp")]);
            assert_eq!((answer.status, answer.header("location")), (400, None), "{forged}");
        }
        let answer = browser.post("/oauth/login", &[("request", forged), ("username", "dev"), ("password", "secret")]);
        if forged != login {
            assert_eq!((answer.status, answer.header("location")), (400, None), "{forged}");
        }
    }
    // Parameters beside the sealed field count for nothing.
    let answer = browser.post(
        "/oauth/consent",
        &[
            ("request", &good),
            ("action", "approve"),
            ("scope", "mcp"),
            ("redirect_uri", "https://evil.example/"),
            ("client_id", "x"),
        ],
    );
    assert!(answer.header("location").unwrap().starts_with("https://client.example/cb?code="));
}

#[test]
fn an_old_form_begins_again_with_the_same_request() {
    let bench = Bench::new();
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    let browser = bench.dev();
    let (consent, login) = (browser.authorize(&query), Browser::new(&bench));
    let login_page = login.authorize(&query);
    bench.advance(600);
    for answer in [
        browser.decide(&consent, "approve", &["mcp"]),
        login.post("/oauth/login", &[("request", &hidden(&login_page)), ("username", "dev"), ("password", "secret")]),
    ] {
        assert_eq!(answer.status, 303);
        assert_eq!(answer.header("location"), Some(&*format!("/oauth/authorize?{query}")));
    }
}

#[test]
fn the_longest_request_fits_through_both_forms() {
    let bench = Bench::new();
    let client = bench.client();
    let room = crate::http::MAX_QUERY - Bench::query(&client, &[("state", "")]).len() - "&state=".len();
    // `"` may stand unencoded in a query, and takes two bytes in JSON.
    let query = format!("{}&state={}", Bench::query(&client, &[("state", "")]), "\"".repeat(room));
    assert_eq!(query.len(), crate::http::MAX_QUERY);
    let browser = bench.dev();
    let page = browser.authorize(&query);
    let body = format!("request={}&action=approve&scope=mcp", encode(&hidden(&page)));
    assert!(body.len() < crate::http::MAX_BODY, "{}", body.len());
    assert!(location_parameter(&browser.decide(&page, "approve", &["mcp"]), "code").is_some());
}
