//! Changing the server's keys while people use it.

use super::bench::{Browser, location_parameter, text};
use super::{Bench, secrets};
use crate::crypto::Keys;
use crate::validate::TokenError;
use shared_settings::Secrets;

const OLD: &str = super::TOKEN_KEY;
const NEW: &str = "another token key of more than 32 bytes";

/// After the change: the old key is still known.
fn change(bench: &mut Bench) {
    let (old, key) = (Some(OLD.to_owned()), OLD.to_owned());
    let changed = Secrets { token_key_previous: old.clone(), cookie_key_previous: old, user_key: key, ..secrets(NEW) };
    bench.settings.keys = Keys::derive(&changed);
}

/// Later: it is forgotten.
fn forget(bench: &mut Bench) {
    bench.settings.keys = Keys::derive(&Secrets { user_key: OLD.into(), ..secrets(NEW) });
}

#[test]
fn nobody_notices_a_change_of_keys() {
    let mut bench = Bench::new();
    let client = bench.client();
    let (tokens, code) = (bench.tokens(&client), bench.code(&client));
    let cookies = bench.dev().cookies;
    let before = bench.validate(&tokens).unwrap();
    change(&mut bench);
    assert_eq!(bench.validate(&tokens).unwrap(), before);
    assert_eq!(bench.redeem(&client, &code).0, 200);
    let (status, new) = bench.refresh(&client, text(&tokens, "refresh_token"));
    assert_eq!(status, 200);
    assert_eq!(bench.validate(&new).unwrap().user_hash, before.user_hash);
    let browser = Browser { bench: &bench, cookies };
    let page = browser.authorize(&Bench::query(&client, &[]));
    assert!(location_parameter(&browser.decide(&page, "approve", &["mcp"]), "code").is_some());
    forget(&mut bench);
    assert_eq!(bench.validate(&tokens), Err(TokenError::Unknown));
    assert_eq!(bench.validate(&new).unwrap().user_hash, before.user_hash);
    assert_eq!(bench.refresh(&client, text(&new, "refresh_token")).0, 200);
}

#[test]
fn a_refresh_token_used_before_the_change_and_again_after_it_is_answered_the_same() {
    let mut bench = Bench::new();
    let client = bench.client();
    let tokens = bench.tokens(&client);
    let old = text(&tokens, "refresh_token");
    let first = bench.refresh(&client, old);
    change(&mut bench);
    bench.advance(10);
    let second = bench.refresh(&client, old);
    assert_eq!(text(&first.1, "refresh_token"), text(&second.1, "refresh_token"));
    assert_eq!(text(&first.1, "access_token"), text(&second.1, "access_token"));
    bench.advance(30);
    assert_eq!(bench.refresh(&client, old).0, 400);
    assert_eq!(bench.validate(&first.1), Err(TokenError::Revoked));
}
