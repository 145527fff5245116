use super::Bench;
use super::bench::{Browser, form_request, hidden, html, location_parameter, request};
use crate::form::encode;
use crate::http::Response;
use crate::login::Carried;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

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
fn wrong_names_and_wrong_passwords_look_the_same() {
    let bench = Bench::new();
    let client = bench.client();
    let attempt = |name: &str, password: &str| {
        let browser = Browser::new(&bench);
        let page = browser.authorize(&Bench::query(&client, &[]));
        let answer =
            browser.post("/oauth/login", &[("request", &hidden(&page)), ("username", name), ("password", password)]);
        assert!(!browser.cookies.borrow().contains_key("mcp-edge-login"));
        (answer.status, html(&answer).replace(&hidden(&answer), "").replace(&format!("value=\"{name}\""), ""))
    };
    let wrong = attempt("dev", "wrong");
    assert_eq!(wrong.0, 403);
    assert_eq!(attempt("nob", "wrong"), wrong);
    assert_eq!(attempt("dev", "secret ").0, 403);
    assert_eq!(attempt("dev", "").0, 403);
    assert_eq!(attempt("Dev", "secret").0, 403);
}

#[test]
fn guessing_is_slowed_down_for_users_who_exist_and_users_who_do_not() {
    let bench = Bench::new();
    let client = bench.client();
    for name in ["dev", "nobody"] {
        let browser = Browser::new(&bench);
        let attempt = |password: &str| {
            let page = browser.authorize(&Bench::query(&client, &[]));
            let fields = [("request", &*hidden(&page)), ("username", name), ("password", password)];
            let address = [("x-address", "10.9.9.9"), ("x-address", name)];
            let mut request = form_request("/oauth/login", &fields, &address);
            let cookie = format!("mcp-edge-browser={}", browser.cookies.borrow()["mcp-edge-browser"]);
            request.headers.push(("cookie".into(), cookie.into_bytes()));
            bench.send(&request)
        };
        for _ in 0..10 {
            assert_eq!(attempt("wrong").status, 403, "{name}");
        }
        let throttled = attempt("secret");
        assert_eq!(throttled.status, 429, "{name}");
        let wait: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
        bench.advance(wait);
        assert_eq!(attempt("secret").status, if name == "dev" { 303 } else { 403 });
    }
}

#[test]
fn the_address_that_counts_is_the_last_one_whatever_the_client_puts_before_it() {
    let bench = Bench::new();
    let client = bench.client();
    let browser = Browser::new(&bench);
    let attempt = |n: usize, last: &str| {
        let page = browser.authorize(&Bench::query(&client, &[]));
        let name = format!("nobody{n}");
        let fields = [("request", &*hidden(&page)), ("username", &*name), ("password", "x")];
        let cookie = format!("mcp-edge-browser={}", browser.cookies.borrow()["mcp-edge-browser"]);
        let headers = [("x-address", &*name), ("x-address", last), ("cookie", &*cookie)];
        bench.send(&form_request("/oauth/login", &fields, &headers)).status
    };
    for n in 0..30 {
        assert_eq!(attempt(n, "10.0.0.1"), 403, "{n}");
    }
    assert_eq!(attempt(30, "10.0.0.1"), 429);
    assert_eq!(attempt(30, "10.0.0.2"), 403);
}

#[test]
fn a_login_form_works_only_in_the_browser_it_was_shown_in() {
    let bench = Bench::new();
    let client = bench.client();
    let (mallory, victim) = (Browser::new(&bench), Browser::new(&bench));
    let page = mallory.authorize(&Bench::query(&client, &[]));
    victim.authorize(&Bench::query(&client, &[]));
    let answer = victim.post("/oauth/login", &[("request", &hidden(&page)), ("username", "eve"), ("password", "eve")]);
    assert_eq!(answer.status, 403);
    assert!(!victim.cookies.borrow().contains_key("mcp-edge-login"));
}

#[test]
fn a_consent_form_works_only_for_the_login_it_was_shown_to() {
    let bench = Bench::new();
    let client = bench.client();
    let (mallory, victim) = (Browser::new(&bench), bench.dev());
    mallory.log_in(&client, "eve", "eve");
    let page = mallory.authorize(&Bench::query(&client, &[]));
    let answer = victim.decide(&page, "approve", &["mcp"]);
    assert_eq!((answer.status, answer.header("location")), (403, None));
    // Without a login at all: back to the beginning.
    let answer = Browser::new(&bench).decide(&page, "approve", &["mcp"]);
    assert!(answer.header("location").unwrap().starts_with("/oauth/authorize?"));
    assert!(bench.keys().iter().all(|key| !key.starts_with("oauth:code")));
}

#[test]
fn two_tabs_that_wait_for_a_login_both_get_to_their_end() {
    let bench = Bench::new();
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    let browser = Browser::new(&bench);
    let waiting = [browser.authorize(&query), browser.authorize(&query)];
    let consent = waiting.map(|page| {
        browser.post("/oauth/login", &[("request", &hidden(&page)), ("username", "dev"), ("password", "secret")]);
        browser.authorize(&query)
    });
    for page in consent {
        assert!(location_parameter(&browser.decide(&page, "approve", &["mcp"]), "code").is_some());
    }
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
fn a_login_ends_after_12_hours_with_its_user_and_with_its_password() {
    let mut bench = Bench::new();
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    let cookies = bench.dev().cookies.into_inner();
    let is_in = |bench: &Bench| {
        let browser = Browser { bench, cookies: cookies.clone().into() };
        html(&browser.authorize(&query)).contains("Signed in as")
    };
    bench.advance(12 * 3600 - 1);
    assert!(is_in(&bench));
    let document: Value = serde_json::from_str(&super::document("http://127.0.0.1:8787")).unwrap();
    let mut removed = document.clone();
    removed["identity"]["users"].as_array_mut().unwrap().remove(0);
    let mut changed = document.clone();
    changed["identity"]["users"][0]["passwordHash"] = super::password_hash("new").into();
    for document in [removed, changed] {
        let before = std::mem::replace(&mut bench.settings, super::bench::settings(&document.to_string()));
        assert!(!is_in(&bench), "{document}");
        bench.settings = before;
    }
    bench.advance(1);
    assert!(!is_in(&bench));
}

#[test]
fn another_account_can_be_used() {
    let bench = Bench::new();
    let client = bench.client();
    let browser = bench.dev();
    let page = browser.authorize(&Bench::query(&client, &[]));
    let answer = browser.decide(&page, "switch", &[]);
    assert_eq!(answer.status, 303);
    assert!(!browser.cookies.borrow().contains_key("mcp-edge-login"));
    assert!(html(&browser.get(answer.header("location").unwrap())).contains("<h1>Sign in</h1>"));
}

#[test]
fn a_forged_login_cookie_is_no_login() {
    let bench = Bench::new();
    let client = bench.client();
    let browser = bench.dev();
    let cookie = browser.cookies.borrow()["mcp-edge-login"].clone();
    let carried = Carried::seal(&bench.server(), "login", "x", "y");
    for forged in ["", "x", &cookie[1..], &format!("{cookie}A"), &carried] {
        let header = format!("mcp-edge-login={forged}");
        let target = format!("/oauth/authorize?{}", Bench::query(&client, &[]));
        let page = bench.send(&request("GET", &target, &[("cookie", &header)], b""));
        assert!(html(&page).contains("<h1>Sign in</h1>"), "{forged}");
    }
    // A planted cookie beside the real one does no harm.
    let header = format!("mcp-edge-login=planted; mcp-edge-login={cookie}");
    let target = format!("/oauth/authorize?{}", Bench::query(&client, &[]));
    assert!(html(&bench.send(&request("GET", &target, &[("cookie", &header)], b""))).contains("Signed in as"));
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
