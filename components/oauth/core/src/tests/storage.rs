//! What is in the store, and what is not any more.

use super::Bench;
use super::bench::{Browser, text};
use crate::validate::TokenError;
use crate::{list_grants, users};

#[test]
fn a_copy_of_the_store_has_no_secret_and_no_name_in_it() {
    let bench = Bench::new();
    let client = bench.client();
    let unused_code = bench.code(&client);
    let first = bench.tokens(&client);
    let second = bench.refresh(&client, text(&first, "refresh_token")).1;
    let cookie = bench.dev().cookies.borrow()["mcp-edge-login"].clone();
    let mut secrets = vec![unused_code.as_str(), cookie.as_str(), "dev", "secret", "t1", "admin"];
    for tokens in [&first, &second] {
        secrets.extend([text(tokens, "access_token"), text(tokens, "refresh_token")]);
    }
    for (key, value) in bench.store.entries.borrow().iter() {
        let value = String::from_utf8_lossy(value);
        for secret in &secrets {
            assert!(!key.contains(secret) && !value.contains(secret), "{secret} in {key}: {value}");
        }
    }
}

#[test]
fn every_key_is_in_the_documented_layout() {
    let bench = Bench::new();
    let client = bench.client();
    bench.code(&client);
    let tokens = bench.tokens(&client);
    bench.advance(40);
    bench.refresh(&client, text(&tokens, "refresh_token"));
    crate::once::first_use(&bench.server(), &["x"]).unwrap();
    assert_layout(&bench);
}

/// Every key is in the table of `STORE.md`.
pub fn assert_layout(bench: &Bench) {
    let layout = include_str!("../../../STORE.md");
    for key in bench.keys() {
        let parts: Vec<&str> = key.split(':').collect();
        let shape: Vec<&str> = parts
            .iter()
            .map(|part| match part.len() {
                64 => "{hash}",
                32 => "{id}",
                _ if part.bytes().all(|byte| byte.is_ascii_digit()) => "{n}",
                5 if parts[1] == "throttle" && part.bytes().all(|byte| byte.is_ascii_hexdigit()) => "{bucket}",
                _ => part,
            })
            .collect();
        let shape = shape
            .join(":")
            .replace("oauth:user:{id}", "oauth:user:{user-hash}")
            .replace("provider:{n}", "provider:{g}");
        let shape = shape.replace("throttle:register", "throttle:{kind}").replace("throttle:fetch", "throttle:{kind}");
        assert!(layout.contains(&format!("`{shape}`")), "{shape} ({key})");
    }
}

#[test]
fn a_grant_that_is_refreshed_for_years_stays_small() {
    let bench = Bench::new();
    let client = bench.client();
    let mut tokens = bench.tokens(&client);
    let mut most = 0;
    for _ in 0..2000 {
        bench.advance(3000);
        let (status, new) = bench.refresh(&client, text(&tokens, "refresh_token"));
        assert_eq!(status, 200);
        tokens = new;
        most = most.max(bench.keys().len());
    }
    assert!(most < 60, "{most}");
}

#[test]
fn a_grant_leaves_nothing_but_its_place_in_the_list_when_it_is_revoked() {
    let bench = Bench::new();
    let client = bench.client();
    let mut tokens = bench.tokens(&client);
    for _ in 0..5 {
        bench.advance(1000);
        tokens = bench.refresh(&client, text(&tokens, "refresh_token")).1;
    }
    let id = bench.validate(&tokens).unwrap().grant_id;
    crate::revoke_grant(&bench.server(), "dev", &id).unwrap();
    let left: Vec<_> = bench
        .keys()
        .into_iter()
        .filter(|key| ["grant", "token", "refresh", "code"].contains(&key.split(':').nth(1).unwrap()))
        .collect();
    assert_eq!(left, [""; 0]);
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
}

#[test]
fn codes_that_nobody_redeemed_and_grants_that_ended_are_swept_by_later_approvals() {
    let bench = Bench::new();
    let client = bench.client();
    let dev = || {
        let browser = Browser::new(&bench);
        browser.log_in(&client, "dev", "secret");
        browser.approve(&Bench::query(&client, &[]))
    };
    for _ in 0..6 {
        bench.redeem(&client, &dev());
        dev();
    }
    assert_eq!(list_grants(&bench.server(), "dev").unwrap().len(), 6);
    bench.advance(31 * 24 * 3600);
    assert_eq!(list_grants(&bench.server(), "dev"), Ok(Vec::new()));
    for _ in 0..6 {
        bench.redeem(&client, &dev());
    }
    let count = |kind: &str| bench.keys().iter().filter(|key| key.split(':').nth(1) == Some(kind)).count();
    // A grant has its record, its state and its first pair.
    assert_eq!((count("grant"), count("token"), count("refresh")), (18, 6, 6));
    assert_eq!(list_grants(&bench.server(), "dev").unwrap().len(), 6);
    // Only the counters of the six new codes.
    assert_eq!(count("code"), 6);
}

/// All steps of a sweep; how many there were.
fn sweep(bench: &Bench) -> u32 {
    let (mut position, mut steps) = (Some(0), 0);
    while let Some(at) = position {
        position = crate::sweep(&bench.server(), at).unwrap();
        steps += 1;
        assert!(steps < 100, "no end");
    }
    steps
}

#[test]
fn a_sweep_forgets_what_nobody_comes_past_any_more() {
    let bench = Bench::new();
    let client = bench.client();
    for _ in 0..9 {
        bench.client();
    }
    bench.code(&client);
    for (user, password) in [("dev", "secret"), ("eve", "eve")] {
        for _ in 0..6 {
            let browser = Browser::new(&bench);
            browser.log_in(&client, user, password);
            bench.redeem(&client, &browser.approve(&Bench::query(&client, &[])));
        }
    }
    for n in 0..9 {
        crate::once::first_use(&bench.server(), &[&n.to_string()]).unwrap();
    }
    // Without the numbers of lists, which looking at a list makes, and what is bounded otherwise.
    let lasting = || -> Vec<String> {
        let passing = |key: &String| key.ends_with(":count") || key.ends_with(":first") || key.contains(":throttle:");
        bench.keys().into_iter().filter(|key| !passing(key)).collect()
    };
    let before = lasting();
    sweep(&bench);
    assert!(lasting() == before, "nothing has ended");
    bench.advance(200 * 24 * 3600);
    assert!(sweep(&bench) > 2);
    let left = lasting();
    // This sweep came to the users while they had grants: their records, that they are known, their entries in the list are
    // left, until one comes to them a day later.
    let kinds: Vec<_> = left.iter().map(|key| key.split(':').nth(1).unwrap()).collect();
    assert_eq!(kinds, ["user", "user", "user", "user", "users", "users"], "{left:?}");
    assert_layout(&bench);
}

#[test]
fn a_sweep_leaves_the_living_and_the_deleted_alone() {
    let bench = Bench::new();
    let client = bench.client();
    let mut tokens = bench.tokens(&client);
    for _ in 0..10 {
        bench.advance(20 * 24 * 3600);
        tokens = bench.refresh(&client, text(&tokens, "refresh_token")).1;
        sweep(&bench);
    }
    assert!(bench.validate(&tokens).is_ok());
    crate::delete_user(&bench.server(), "dev").unwrap();
    let before = bench.keys();
    sweep(&bench);
    assert!(bench.keys().iter().all(|key| before.contains(key)), "a deleted user has records again");
}

#[test]
fn who_never_comes_back_is_forgotten_when_others_approve_something() {
    let bench = super::bench::provider::bench();
    let gone = users::hash(&bench.server(), "corp:42").unwrap();
    for _ in 0..6 {
        super::bench::provider::grant(&bench);
    }
    assert!(bench.keys().iter().filter(|key| key.contains(&gone)).count() > 6);
    // And one who logs in and approves nothing.
    super::bench::provider::log_in(&bench, &serde_json::json!({ "sub": "43" }));
    let looked = users::hash(&bench.server(), "corp:43").unwrap();
    assert!(bench.keys().contains(&format!("oauth:user:{looked}:provider")));
    let client = bench.client();
    // What is still alive stays.
    bench.advance(3 * 24 * 3600);
    bench.tokens(&client);
    assert_eq!(list_grants(&bench.server(), "corp:42").unwrap().len(), 6);
    for _ in 0..4 {
        bench.advance(31 * 24 * 3600);
        bench.tokens(&client);
    }
    let left: Vec<_> = bench.keys().into_iter().filter(|key| key.contains(&gone) || key.contains(&looked)).collect();
    // Counted by `list_grants` above.
    assert!(left.iter().all(|key| key.ends_with(":grants:count")), "{left:?}");
    assert_eq!(users::list(&bench.server()).unwrap().len(), 1);
    let grants = bench.keys().iter().filter(|key| key.starts_with("oauth:grant:")).count();
    assert!(grants <= 3 * 4, "{grants}");
}
