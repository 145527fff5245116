//! Logins with name and password, and what they are good for.

use super::Bench;
use super::bench::{Browser, form_request, hidden, html, location_parameter, request};
use crate::login::Carried;
use crate::secret::Binding;
use serde_json::Value;

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
    let carried = Carried::seal(&bench.server(), "login", "x", &Binding::of("y".into()));
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
