//! Two requests at once: the second one is let in at each single call of the first one to the store.

use super::Bench;
use super::bench::{Browser, Interrupted, TestClient, form_request, now, text};
use crate::http::{Request, Response};
use crate::validate::TokenError;
use crate::{GrantError, handle, list_grants, revoke_grant};
use serde_json::Value;
use std::cell::RefCell;

/// More calls than any request makes.
const CALLS: u64 = 60;

fn json(response: &Response) -> (u16, Value) {
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

/// Try something at every call that a request makes, until it says that there was no call of this number.
fn at_each_call(least: u64, mut attempt: impl FnMut(u64) -> Option<()>) {
    let reached = (1..CALLS).take_while(|at| attempt(*at).is_some()).count();
    assert!(reached as u64 >= least, "{reached}");
}

/// Run `outer` with `inner` at the given call. Nothing if that was not reached.
fn interrupt(bench: &Bench, at: u64, outer: &Request, inner: impl FnOnce()) -> Option<(u16, Value)> {
    let store = Interrupted::new(&bench.store, at, inner);
    let response = now(handle(&bench.server_on(&store), outer));
    store.was_reached().then(|| json(&response))
}

#[test]
fn two_refreshes_at_once_get_the_same_tokens_and_both_live() {
    at_each_call(8, |at| {
        let bench = Bench::new();
        let client = bench.client();
        let old = bench.tokens(&client);
        let request = form_request("/oauth/token", &Bench::refresh_fields(&client, text(&old, "refresh_token")), &[]);
        let other = RefCell::new(None);
        let one = interrupt(&bench, at, &request, || {
            *other.borrow_mut() = Some(json(&now(handle(&bench.server(), &request))));
        })?;
        let two = other.into_inner().unwrap();
        assert_eq!(one, two, "call {at}");
        assert_eq!(one.0, 200, "call {at}");
        assert!(bench.validate(&one.1).is_ok(), "call {at}");
        bench.advance(100);
        assert_eq!(bench.refresh(&client, text(&one.1, "refresh_token")).0, 200, "call {at}");
        assert_eq!(list_grants(&bench.server(), "dev").unwrap().len(), 1);
        Some(())
    });
}

fn redeem_request(client: &TestClient, code: &str) -> Request {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", super::bench::VERIFIER),
        ("client_id", client.id.as_str()),
    ];
    form_request("/oauth/token", &fields, &[])
}

#[test]
fn two_uses_of_a_code_at_once_never_leave_two_grants_and_a_seen_replay_leaves_none() {
    at_each_call(8, |at| {
        let bench = Bench::new();
        let client = bench.client();
        let code = bench.code(&client);
        let request = redeem_request(&client, &code);
        let other = RefCell::new(None);
        let one = interrupt(&bench, at, &request, || {
            *other.borrow_mut() = Some(json(&now(handle(&bench.server(), &request))));
        })?;
        let two = other.into_inner().unwrap();
        let winners: Vec<_> = [&one, &two].into_iter().filter(|(status, _)| *status == 200).collect();
        assert!(winners.len() <= 1, "call {at}");
        // Whoever came second was seen, so nothing may be left of what the first one got.
        for (_, tokens) in winners {
            assert_eq!(bench.validate(tokens), Err(TokenError::Revoked), "call {at}");
        }
        assert_eq!(list_grants(&bench.server(), "dev"), Ok(Vec::new()), "call {at}");
        Some(())
    });
}

#[test]
fn a_use_of_a_code_that_was_under_way_during_a_use_and_its_replay_gets_nothing() {
    at_each_call(1, |at| {
        let bench = Bench::new();
        let client = bench.client();
        let code = bench.code(&client);
        let request = redeem_request(&client, &code);
        let one = interrupt(&bench, at, &request, || {
            for _ in 0..2 {
                now(handle(&bench.server(), &request));
            }
        })?;
        if one.0 == 200 {
            assert_eq!(bench.validate(&one.1), Err(TokenError::Revoked), "call {at}");
        }
        assert_eq!(list_grants(&bench.server(), "dev"), Ok(Vec::new()), "call {at}");
        Some(())
    });
}

#[test]
fn a_grant_that_is_revoked_during_a_refresh_is_over() {
    at_each_call(1, |at| {
        let bench = Bench::new();
        let client = bench.client();
        let old = bench.tokens(&client);
        let id = bench.validate(&old).unwrap().grant_id;
        let request = form_request("/oauth/token", &Bench::refresh_fields(&client, text(&old, "refresh_token")), &[]);
        let one = interrupt(&bench, at, &request, || {
            revoke_grant(&bench.server(), "dev", &id).unwrap();
        })?;
        if one.0 == 200 {
            assert_eq!(bench.validate(&one.1), Err(TokenError::Revoked), "call {at}");
            assert_eq!(bench.refresh(&client, text(&one.1, "refresh_token")).0, 400, "call {at}");
        }
        assert_eq!(list_grants(&bench.server(), "dev"), Ok(Vec::new()), "call {at}");
        assert_eq!(revoke_grant(&bench.server(), "dev", &id), Err(GrantError::NotFound));
        Some(())
    });
}

#[test]
fn two_approvals_at_once_are_both_listed() {
    at_each_call(1, |at| {
        let bench = Bench::new();
        let client = bench.client();
        let browser = bench.dev();
        // Old grants, so that there is something to sweep.
        for _ in 0..3 {
            bench.code(&client);
        }
        bench.advance(4000);
        let browser = Browser { bench: &bench, cookies: browser.cookies.clone() };
        let page = browser.authorize(&Bench::query(&client, &[]));
        let sealed = super::bench::hidden(&page);
        let mut request =
            form_request("/oauth/consent", &[("request", &sealed), ("action", "approve"), ("scope", "mcp")], &[]);
        let cookie = format!("mcp-edge-login={}", browser.cookies.borrow()["mcp-edge-login"]);
        request.headers.push(("cookie".into(), cookie.into_bytes()));
        let other = RefCell::new(None);
        let store = Interrupted::new(&bench.store, at, || {
            *other.borrow_mut() = Some(now(handle(&bench.server(), &request)));
        });
        let one = now(handle(&bench.server_on(&store), &request));
        if !store.was_reached() {
            return None;
        }
        drop(store);
        for answer in [one, other.into_inner().unwrap()] {
            let code = super::bench::location_parameter(&answer, "code").unwrap();
            assert_eq!(bench.redeem(&client, &code).0, 200, "call {at}");
        }
        assert_eq!(list_grants(&bench.server(), "dev").unwrap().len(), 2, "call {at}");
        Some(())
    });
}

#[test]
fn a_crash_during_a_refresh_costs_nothing() {
    at_each_call(1, |at| {
        let bench = Bench::new();
        let client = bench.client();
        let old = bench.tokens(&client);
        let request = form_request("/oauth/token", &Bench::refresh_fields(&client, text(&old, "refresh_token")), &[]);
        let store = Interrupted::crashing(&bench.store, at);
        let response = now(handle(&bench.server_on(&store), &request));
        if response.status == 200 {
            return None;
        }
        assert_eq!(json(&response).1["error"], "temporarily_unavailable", "call {at}");
        bench.advance(20);
        let (status, new) = bench.refresh(&client, text(&old, "refresh_token"));
        assert_eq!(status, 200, "call {at}");
        assert!(bench.validate(&new).is_ok());
        Some(())
    });
}

#[test]
fn two_refreshes_of_a_providers_tokens_at_once_ask_it_once_wherever_they_meet() {
    at_each_call(5, |at| {
        let bench = super::bench::provider::bench();
        let id = super::bench::provider::grant(&bench);
        let count = super::bench::provider::rotate(&bench);
        bench.advance(600);
        let store = Interrupted::new(&bench.store, at, || drop(now(crate::refresh(&bench.server(), &id))));
        let token = now(crate::refresh(&bench.server_on(&store), &id)).unwrap();
        assert_eq!((token.access_token.as_str(), count.get()), ("idp-access-2", 1), "call {at}");
        if !store.was_reached() {
            return None;
        }
        assert_eq!(now(crate::refresh(&bench.server(), &id)), Ok(token), "call {at}");
        Some(())
    });
}
