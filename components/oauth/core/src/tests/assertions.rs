//! Clients that prove themselves with a key.

use super::Bench;
use super::bench::{REDIRECT, text};
use super::signing::{Signer, assertion};
use crate::assertion::TYPE;
use serde_json::{Value, json};

/// A client with a key, its assertion changed.
pub fn asserted(bench: &Bench, signer: &Signer, client: &str, changes: Value) -> (u16, Value) {
    let jwt = assertion(signer, client, bench.now.get(), &changes);
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_assertion_type", TYPE),
        ("client_assertion", &jwt),
    ];
    bench.post_json_answer("/oauth/token", &fields)
}

#[test]
fn a_client_proves_itself_with_its_key_once_for_each_assertion() {
    for signer in [Signer::es256(), Signer::rs256()] {
        let bench = Bench::new();
        let client = bench.client_with(&json!({
            "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(),
        }));
        assert_eq!(client.secret, None);
        let error = |changes: Value| {
            let (status, answer) = asserted(&bench, &signer, &client.id, changes);
            (status, text(&answer, "error").to_owned())
        };
        // The client is let through; only then is the refresh token looked at.
        let through = (400, String::from("invalid_grant"));
        let refused = (401, String::from("invalid_client"));
        let now = bench.now.get();
        assert_eq!(error(json!({ "jti": "1" })), through);
        assert_eq!(error(json!({ "jti": "1" })), refused);
        assert_eq!(error(json!({ "jti": "2", "aud": "http://127.0.0.1:8787/oauth/token" })), through);
        assert_eq!(error(json!({ "jti": "3", "aud": ["http://127.0.0.1:8787"] })), through);
        for (n, changes) in [
            json!({ "aud": "https://other.example" }),
            json!({ "aud": ["http://127.0.0.1:8787", "https://other.example"] }),
            json!({ "aud": null }),
            json!({ "iss": "someone" }),
            json!({ "sub": "0123456789abcdef0123456789abcdef" }),
            json!({ "exp": now - 61 }),
            json!({ "exp": now + 3600 + 61 }),
            json!({ "exp": null }),
            json!({ "nbf": now + 61 }),
            json!({ "iat": now + 61 }),
            json!({ "jti": null }),
            json!({ "jti": "" }),
            json!({ "jti": "x".repeat(257) }),
        ]
        .into_iter()
        .enumerate()
        {
            let mut all = json!({ "jti": format!("n{n}") });
            all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            assert_eq!(error(all), refused, "{changes}");
        }
        let other = Signer::es256_other();
        assert_eq!(asserted(&bench, &other, &client.id, json!({ "jti": "4" })).0, 401);
        // A secret or nothing at all is no proof for it.
        for fields in [&[("client_secret", "x")][..], &[]] {
            let fields = [&[("grant_type", "refresh_token"), ("client_id", &*client.id)], fields].concat();
            assert_eq!(bench.post_json_answer("/oauth/token", &fields).0, 401);
        }
    }
}

#[test]
fn algorithms_that_prove_nothing_are_refused() {
    let bench = Bench::new();
    let signer = Signer::es256();
    let client = bench.client_with(&json!({
        "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(),
    }));
    let good = assertion(&signer, &client.id, bench.now.get(), &json!({ "jti": "1" }));
    let parts: Vec<&str> = good.split('.').collect();
    let header = |value: Value| crate::crypto::base64(value.to_string().as_bytes());
    for (alg, signature) in [("none", ""), ("HS256", parts[2]), ("RS256", parts[2]), ("ES384", parts[2])] {
        let forged = format!("{}.{}.{signature}", header(json!({ "alg": alg })), parts[1]);
        let fields = [("grant_type", "refresh_token"), ("client_assertion_type", TYPE), ("client_assertion", &forged)];
        assert_eq!(bench.post_json_answer("/oauth/token", &fields).0, 401, "{alg}");
    }
}
