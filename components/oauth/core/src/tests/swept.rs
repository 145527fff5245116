//! People of identity providers whom a sweep forgets while they are logged in, or in the middle of what they do.

use super::bench::provider::{ISS, TOKEN, answer_for, bench, come_back, is_logged_in, leave, log_in};
use super::bench::{
    Bench, Browser, Interrupted, TestClient, form_request, hidden, html, json_answer, location_parameter, now, request,
    text,
};
use crate::http::Request;
use crate::{handle, users};
use serde_json::json;

const HOUR: u64 = 3600;

/// All steps of a sweep.
fn sweep(bench: &Bench) {
    let mut position = Some(0);
    while let Some(at) = position {
        position = crate::sweep(&bench.server(), at).unwrap();
    }
}

/// The cookies of a browser as a header.
fn cookies(browser: &Browser) -> String {
    browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// Out at the provider: a refresh token of ours ends with the next use.
fn lock_out(bench: &Bench) {
    bench.world.on(TOKEN, |_| Ok(json_answer(400, &json!({ "error": "invalid_grant" }))));
    bench.advance(600);
}

/// Somebody in the list for longer than a day, whose login is young.
fn logged_in_and_due(bench: &Bench) -> Browser<'_> {
    log_in(bench, &json!({}));
    bench.advance(20 * HOUR);
    let (browser, _) = log_in(bench, &json!({}));
    bench.advance(5 * HOUR);
    browser
}

/// The request by which the browser allows the client what it asks for.
fn approval(browser: &Browser, client: &TestClient) -> Request {
    let form = hidden(&browser.authorize(&Bench::query(client, &[])));
    let fields = [("request", form.as_str()), ("action", "approve"), ("scope", "mcp")];
    form_request("/oauth/consent", &fields, &[("cookie", &cookies(browser))])
}

#[test]
fn a_login_is_over_when_what_the_provider_said_is_forgotten() {
    let bench = bench();
    let browser = logged_in_and_due(&bench);
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    assert!(html(&browser.authorize(&query)).contains("Signed in as"));
    sweep(&bench);
    assert!(html(&browser.authorize(&query)).contains("<h1>Sign in</h1>"));
    // Who logs in again can go on, and is heard again.
    let there = leave(&bench, &browser, "corp");
    answer_for(&bench, &location_parameter(&there, "nonce").unwrap(), &json!({}));
    come_back(&browser, "corp", &location_parameter(&there, "state").unwrap(), ISS);
    let tokens = bench.redeem(&client, &browser.approve(&query)).1;
    lock_out(&bench);
    assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 400);
}

#[test]
fn an_approval_into_which_a_sweep_falls_is_heard_again_or_none() {
    let (mut reached, mut lost) = (0, 0);
    for at in 1..120 {
        let bench = bench();
        let browser = logged_in_and_due(&bench);
        let client = bench.client();
        let request = approval(&browser, &client);
        let store = Interrupted::new(&bench.store, at, || sweep(&bench));
        let answer = now(handle(&bench.server_on(&store), &request));
        if !store.was_reached() {
            break;
        }
        reached = at;
        let Some(code) = location_parameter(&answer, "code") else {
            lost += 1;
            continue;
        };
        let (status, tokens) = bench.redeem(&client, &code);
        if status != 200 {
            lost += 1;
            continue;
        }
        let user_hash = bench.validate(&tokens).unwrap().user_hash;
        assert!(users::is_listed(&bench.server(), &user_hash).unwrap(), "call {at}");
        assert!(users::list(&bench.server()).unwrap().iter().any(|(hash, _)| *hash == user_hash), "call {at}");
        lock_out(&bench);
        assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 400, "call {at}");
    }
    assert!(reached >= 10 && lost > 0 && lost < reached, "{reached} {lost}");
}

#[test]
fn a_sweep_that_an_approval_overtakes_leaves_no_grant_that_is_not_heard_again() {
    let (mut reached, mut lost) = (0, 0);
    for at in 1..120 {
        let bench = bench();
        let browser = logged_in_and_due(&bench);
        let client = bench.client();
        let request = approval(&browser, &client);
        let code = std::cell::RefCell::new(None);
        let approve = || *code.borrow_mut() = location_parameter(&bench.send(&request), "code");
        let store = Interrupted::new(&bench.store, at, approve);
        let mut position = Some(0);
        while let Some(step) = position {
            position = crate::sweep(&bench.server_on(&store), step).unwrap();
        }
        if !store.was_reached() {
            break;
        }
        reached = at;
        let tokens = code.borrow().as_ref().map(|code| bench.redeem(&client, code));
        let Some((200, tokens)) = tokens else {
            lost += 1;
            continue;
        };
        let user_hash = bench.validate(&tokens).unwrap().user_hash;
        assert!(users::is_listed(&bench.server(), &user_hash).unwrap(), "call {at}");
        lock_out(&bench);
        assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 400, "call {at}");
    }
    assert!(reached >= 10 && lost > 0 && lost < reached, "{reached} {lost}");
}

#[test]
fn a_login_and_a_sweep_at_once_leave_a_login_that_is_heard_again_or_none() {
    let (mut reached, mut stayed) = (0, 0);
    for (login_first, at) in [true, false].into_iter().flat_map(|first| (1..80).map(move |at| (first, at))) {
        let bench = bench();
        log_in(&bench, &json!({}));
        bench.advance(25 * HOUR);
        let browser = Browser::new(&bench);
        let there = leave(&bench, &browser, "corp");
        answer_for(&bench, &location_parameter(&there, "nonce").unwrap(), &json!({}));
        let state = location_parameter(&there, "state").unwrap();
        let target = format!("/oauth/callback/corp?code=c&state={state}{ISS}");
        let was_reached = if login_first {
            let request = request("GET", &target, &[("cookie", &cookies(&browser))], b"");
            let store = Interrupted::new(&bench.store, at, || sweep(&bench));
            let answer = now(handle(&bench.server_on(&store), &request));
            for (_, cookie) in answer.headers.iter().filter(|(name, _)| *name == "set-cookie") {
                let (name, value) = cookie.split_once(';').unwrap().0.split_once('=').unwrap();
                browser.cookies.borrow_mut().insert(name.into(), value.into());
            }
            store.was_reached()
        } else {
            let store = Interrupted::new(&bench.store, at, || drop(browser.get(&target)));
            let mut position = Some(0);
            while let Some(step) = position {
                position = crate::sweep(&bench.server_on(&store), step).unwrap();
            }
            store.was_reached()
        };
        if !was_reached {
            continue;
        }
        reached += 1;
        let client = bench.client();
        let page = browser.authorize(&Bench::query(&client, &[]));
        if !is_logged_in(&browser) || !html(&page).contains("Signed in as") {
            continue;
        }
        stayed += 1;
        let tokens = bench.redeem(&client, &browser.approve(&Bench::query(&client, &[]))).1;
        lock_out(&bench);
        assert_eq!(bench.refresh(&client, text(&tokens, "refresh_token")).0, 400, "call {at}, {login_first}");
    }
    assert!((20..2 * 79).contains(&reached) && (1..reached).contains(&stayed), "{reached} {stayed}");
}

#[test]
fn a_sweep_that_broke_off_is_finished_by_the_next_one() {
    for at in 1..60 {
        let bench = bench();
        log_in(&bench, &json!({}));
        bench.advance(25 * HOUR);
        let store = Interrupted::crashing(&bench.store, at);
        let _ = crate::sweep(&bench.server_on(&store), 0);
        sweep(&bench);
        sweep(&bench);
        let hash = users::hash(&bench.server(), "corp:42").unwrap();
        let left: Vec<_> = bench.keys().into_iter().filter(|key| key.contains(&hash)).collect();
        assert_eq!(left, [""; 0], "call {at}");
        // And he can come back.
        let (browser, _) = log_in(&bench, &json!({}));
        browser.approve(&Bench::query(&bench.client(), &[]));
    }
}
