//! The tokens of identity providers: refreshed once for everybody.

use super::bench::provider::{TOKEN, bench, grant, is_logged_in, log_in, rotate};
use super::bench::{json_answer, now, text};
use crate::{ProviderToken, RefreshError, refresh};
use futures::future::join_all;
use serde_json::json;

#[test]
fn a_provider_is_asked_once_however_many_need_a_new_token() {
    let bench = bench();
    let id = grant(&bench);
    let count = rotate(&bench);
    let server = bench.server();
    let all = |n: usize| now(join_all((0..n).map(|_| refresh(&server, &id))));
    assert!(all(10).iter().all(|token| token.as_ref().is_ok_and(|token| token.access_token == "idp-access-1")));
    assert_eq!(count.get(), 0, "still good");
    for round in 1..=5 {
        bench.advance(560);
        let server = bench.server();
        let tokens: Vec<Result<ProviderToken, _>> = now(join_all((0..20).map(|_| refresh(&server, &id))));
        let expected = format!("idp-access-{}", round + 1);
        assert!(tokens.iter().all(|token| token.as_ref().is_ok_and(|t| t.access_token == expected)), "{tokens:?}");
        assert_eq!(count.get(), round);
    }
    let leases = bench.keys().iter().filter(|key| key.contains(":lease")).count();
    assert!(leases <= 4, "{:?}", bench.keys());
    assert!(bench.events().contains(&"provider-refreshed".into()));
    super::storage::assert_layout(&bench);
}

#[test]
fn a_refresh_that_fails_fails_for_all_who_wait_and_is_tried_again_by_the_next() {
    let bench = bench();
    let id = grant(&bench);
    bench.advance(600);
    bench.world.on(TOKEN, |_| Ok(json_answer(503, &json!({}))));
    let server = bench.server();
    let asked = bench.world.count(TOKEN);
    let results = now(join_all((0..10).map(|_| refresh(&server, &id))));
    assert!(results.iter().all(|result| matches!(result, Err(RefreshError::Unavailable(_)))), "{results:?}");
    assert_eq!(bench.world.count(TOKEN), asked + 1);
    let count = rotate(&bench);
    assert!(now(refresh(&bench.server(), &id)).is_ok());
    assert_eq!(count.get(), 1);
    bench.advance(600);
    bench.world.on(TOKEN, |_| Ok(json_answer(400, &json!({ "error": "invalid_grant" }))));
    assert_eq!(now(refresh(&bench.server(), &id)), Err(RefreshError::LoginRequired));
    assert_eq!(now(refresh(&bench.server(), "x")), Err(RefreshError::NotFound));
    let (browser, _) = log_in(&bench, &json!({}));
    assert!(is_logged_in(&browser));
    assert!(now(refresh(&bench.server(), &id)).is_ok(), "a new login brings new tokens");
}

#[test]
fn a_holder_of_the_lease_who_dies_does_not_block_the_others() {
    for written in [true, false] {
        let bench = bench();
        let id = grant(&bench);
        let count = rotate(&bench);
        bench.advance(600);
        let user_hash = bench.settings.keys.user_hash("corp:42");
        let key = format!("oauth:user:{user_hash}:provider:1:lease");
        shared_ports::Store::increment(&bench.store, &format!("{key}:1"), 1).unwrap();
        if written {
            let lease = json!({ "attempt": 1, "at": bench.now.get(), "failed": null }).to_string();
            shared_ports::Store::set(&bench.store, &key, lease.as_bytes()).unwrap();
            // Within its time it is waited for, in vain; after it the next one goes on.
            assert!(matches!(now(refresh(&bench.server(), &id)), Err(RefreshError::Unavailable(_))));
            assert!(bench.world.sleeps.get() > 100);
            bench.advance(30);
            assert!(now(refresh(&bench.server(), &id)).is_ok());
        } else {
            assert!(matches!(now(refresh(&bench.server(), &id)), Err(RefreshError::Unavailable(_))));
            assert!(now(refresh(&bench.server(), &id)).is_ok());
        }
        assert_eq!(count.get(), 1);
    }
}

#[test]
fn a_local_user_has_no_tokens_of_a_provider() {
    let bench = bench();
    let tokens = bench.tokens(&bench.client());
    let id = bench.validate(&tokens).unwrap().grant_id;
    assert_eq!(now(refresh(&bench.server(), &id)), Err(RefreshError::NotFound));
    assert_eq!(text(&tokens, "token_type"), "Bearer");
}
