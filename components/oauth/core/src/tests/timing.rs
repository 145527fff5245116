//! What an answer's time could give away.
#![allow(clippy::disallowed_methods, reason = "measures")]

use super::bench::{Bench, document};
use crate::credential::Mark;
use crate::crypto;
use crate::http::Response;
use crate::secret::{Binding, SecretHash};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::Value;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The shortest of several runs: nothing else on the machine makes it shorter.
fn time(mut run: impl FnMut()) -> Duration {
    let once = |run: &mut dyn FnMut()| {
        let from = Instant::now();
        run();
        from.elapsed()
    };
    (0..7).map(|_| once(&mut run)).min().unwrap()
}

#[test]
fn how_much_of_a_secret_is_right_does_not_show_in_the_time() {
    // So long that a comparison which ends at the first difference would be a thousand times faster.
    let secret = vec![7; 1 << 20];
    let (mut early, mut late) = (secret.clone(), secret.clone());
    early[0] = 8;
    late[(1 << 20) - 1] = 8;
    let of = |other: &[u8]| time(|| assert!(!black_box(crypto::same(black_box(&secret), black_box(other)))));
    let (early, late) = (of(&early), of(&late));
    assert!(early * 10 > late, "{early:?} {late:?}");
}

/// A wrong secret is not measurably nearer than another in the place where it is compared. So secrets that are kept have types
/// without `==`: this does not compile if one of them has it.
#[test]
fn secrets_have_no_other_comparison() {
    trait Compared<A> {
        fn is_not() {}
    }
    struct ByEq;
    impl<T> Compared<()> for T {}
    // For a type with `==` there are two, and the compiler does not know which is meant.
    impl<T: PartialEq> Compared<ByEq> for T {}
    <SecretHash as Compared<_>>::is_not();
    <Binding as Compared<_>>::is_not();
    <Mark as Compared<_>>::is_not();
}

/// The rest is plain bytes; what is looked at is that each of these places compares as above.
#[test]
fn every_other_secret_is_compared_that_way() {
    for (place, source, comparison) in [
        ("secrets and bindings", include_str!("../secret.rs"), "crypto::same(Self::of(secret).0.as_bytes()"),
        ("secrets and bindings", include_str!("../secret.rs"), "crypto::same(self.0.as_bytes(), text.as_bytes())"),
        ("marks of codes and tokens", include_str!("../credential.rs"), "crypto::same(&self.0, bytes)"),
        ("states and their HMAC", include_str!("../crypto.rs"), "same(&hmac(key, parts), mac)"),
        ("states and their HMAC", include_str!("../providers/leg.rs"), "keys.leg.verify("),
        ("verifiers", include_str!("../pkce.rs"), "crypto::same(crypto::base64("),
        ("passwords", include_str!("../password.rs"), "crypto::same(&out, &self.hash)"),
    ] {
        assert!(source.contains(comparison), "{place}: `{comparison}` is gone");
    }
}

#[test]
fn a_login_takes_as_long_for_a_user_who_does_not_exist() {
    let mut settings: Value = serde_json::from_str(&document(super::bench::ISSUER)).unwrap();
    // Dear enough to stand out of all else that a login does.
    let (memory, mut hash) = (2048, [0; 16]);
    let params = Params::new(memory, 1, 1, Some(16)).unwrap();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(b"secret", b"saltsalt", &mut hash)
        .unwrap();
    let encode = |bytes: &[u8]| BASE64_STANDARD_NO_PAD.encode(bytes);
    let hash = format!("$argon2id$v=19$m={memory},t=1,p=1${}${}", encode(b"saltsalt"), encode(&hash));
    for user in settings["identity"]["users"].as_array_mut().unwrap() {
        user["passwordHash"] = hash.clone().into();
    }
    let bench = Bench::with_document(&settings.to_string());
    let of = |name: &str, password: &str| {
        let browser = super::bench::Browser::new(&bench);
        let page = browser.authorize(&Bench::query(&bench.client(), &[]));
        let request = super::bench::hidden(&page);
        let log_in = || -> Response {
            browser.post("/oauth/login", &[("request", &request), ("username", name), ("password", password)])
        };
        time(|| assert_eq!(log_in().status, 403))
    };
    let (known, unknown) = (of("dev", "wrong"), of("nobody", "wrong"));
    assert!(unknown * 10 > known && known * 10 > unknown, "{known:?} {unknown:?}");
}
