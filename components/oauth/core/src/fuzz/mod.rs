//! Every parser of something that comes from outside, with what has to hold whatever comes. `cargo fuzz` runs them with
//! inputs it makes up (`tests/fuzz/oauth`, feature `fuzzing`); a plain test runs them over the committed corpus.

pub(crate) mod world;

use crate::client_metadata::Metadata;
use crate::credential::{Credential, GrantId, Kind};
use crate::crypto::Keys;
use crate::documents;
use crate::form::{self, Form};
use crate::http::{Body, Request};
use crate::jwt::Jwt;
use crate::outbound::{Fetched, Reach};
use crate::password::PasswordHash;
use crate::redirect::{self, Target};
use crate::settings::Settings;
use crate::{client_auth, fetched, pages, providers, uri};
use shared_ports::memory::MemoryConfig;
use shared_settings::{Secrets, is_public_host};

/// A parser and what has to hold. Panics if it does not.
pub type Check = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Check)] = &[
    ("answer", answer),
    ("basic", basic),
    ("caching", caching),
    ("claims", claims),
    ("client_metadata", client_metadata),
    ("credential", credential),
    ("document", document),
    ("escape", escape),
    ("form", form),
    ("jwt", jwt),
    ("password_hash", password_hash),
    ("redirect", redirect),
    ("request", request),
    ("settings", settings),
];

/// Run one by name.
pub fn run(name: &str, input: &[u8]) {
    let (_, check) = TARGETS.iter().find(|(target, _)| *target == name).unwrap_or_else(|| panic!("no target {name}"));
    check(input);
}

/// What others answer: a metadata document of a client, and keys, both this.
fn answer(input: &[u8]) {
    let query = "client_id=https%3A%2F%2Fclient.example%2Fapp.json&redirect_uri=https%3A%2F%2Fclient.example%2Fcb\
                 &response_type=code&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let target = format!("/oauth/authorize?{query}");
    let request = Request::new("GET".into(), &target, Vec::new(), Body::Whole(Vec::new()));
    world::check(&world::answer(&request, input), "a document");
}

fn caching(input: &[u8]) {
    let headers = input.split(|byte| *byte == b'\n').zip(["cache-control", "age", "cache-control"]);
    let headers = headers.map(|(value, name)| (name.into(), value.to_vec())).collect();
    let kept = fetched::lifetime(&Fetched { status: 200, headers, body: Vec::new() }, 1000);
    assert!((60..=1000).contains(&kept));
}

/// What a provider says of somebody.
fn claims(input: &[u8]) {
    let settings = serde_json::json!({
        "issuer": "https://idp.example", "clientId": "x", "require": { "hd": ["example.com"] }, "roles": { "g": "admin" },
        "claims": { "tenant": "tid" },
    });
    let provider = serde_json::from_value(settings).expect("settings of a provider");
    let Ok(claims) = serde_json::from_slice(input) else { return };
    if let Ok(person) = providers::person("corp", &provider, &claims) {
        assert!(person.subject.strip_prefix("corp:").is_some_and(|subject| !subject.is_empty()));
        assert!(!person.subject.contains('\n') && person.name.chars().count() <= 100);
        assert!(
            person.roles.iter().all(|role| role == "admin") && String::from_utf8_lossy(input).contains("example.com")
        );
    }
}

/// A whole request, see [`world::request`].
fn request(input: &[u8]) {
    let request = world::request(input);
    world::check(&world::answer(&request, b""), &format!("{request:?}"));
}

/// The operator's document.
fn settings(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let values = [("settings", &*text), ("token_key", "0123456789abcdef0123456789abcdef"), ("name", "value")];
    if let Ok(settings) = Settings::read(&values.into_iter().collect::<MemoryConfig>()) {
        assert!(settings.users.iter().all(|user| !user.name.contains(':')));
        assert!(
            settings
                .clients
                .values()
                .all(|client| client.redirect_uris.iter().all(|uri| redirect::classify(uri).is_ok()))
        );
    }
}

fn basic(input: &[u8]) {
    if let Some((id, secret)) = client_auth::parse_basic(input) {
        assert!(id.len() + secret.len() <= input.len());
    }
}

fn client_metadata(input: &[u8]) {
    if let Ok(checked) = Metadata::parse(input).and_then(Metadata::check) {
        assert!((1..=16).contains(&checked.redirect_uris.len()) && checked.name.chars().count() <= 100);
        assert!(checked.redirect_uris.iter().all(|uri| redirect::classify(uri).is_ok()));
        assert!(!checked.name.contains(['\n', '\r', '\u{202e}']));
    }
}

fn credential(input: &[u8]) {
    let key = || String::from("0123456789abcdef0123456789abcdef");
    let keys = Keys::derive(&Secrets {
        token_key: key(),
        token_key_previous: Some("fedcba9876543210fedcba9876543210".into()),
        cookie_key: key(),
        cookie_key_previous: None,
        user_key: key(),
    });
    let text = String::from_utf8_lossy(input);
    for kind in [Kind::Code, Kind::Access, Kind::Refresh] {
        assert!(Credential::parse(&keys, kind, &text).is_none(), "forged");
    }
    if let Some(id) = GrantId::parse(&text) {
        assert_eq!(id.to_string(), text);
    }
}

fn document(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let url = "https://client.example/app.json";
    if let Ok(checked) = documents::read(url, &text) {
        assert!(!checked.name.trim().is_empty() && text.contains("client.example"));
    }
    if documents::check_address(&text, Reach::Public).is_ok() {
        let host = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        assert!(!host.contains('@') && is_public_host(uri::host(host)), "{text}");
    }
}

fn escape(input: &[u8]) {
    let escaped = pages::escape(&String::from_utf8_lossy(input));
    assert!(!escaped.contains(['<', '>', '"', '\'']));
}

fn form(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    assert_eq!(form::decode(form::encode(&text).as_bytes()).as_deref(), Ok(&*text));
    let _ = Form::parse(input);
}

fn jwt(input: &[u8]) {
    // No one has the key that this is the public half of.
    let jwks = serde_json::json!({ "keys": [{
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }] });
    if let Ok(jwt) = Jwt::parse(&String::from_utf8_lossy(input)) {
        // The example of RFC 7515 appendix A.3 is the one token there is with this key.
        let example = jwt.unchecked("iss") == Some("joe");
        assert!(jwt.verify(&jwks).is_err() || example);
    }
}

fn password_hash(input: &[u8]) {
    let _ = PasswordHash::parse(&String::from_utf8_lossy(input));
}

fn redirect(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (registered, requested) = text.split_once('\n').unwrap_or((&text, "https://client.example/cb"));
    match redirect::classify(registered) {
        Ok(Target::Web(authority) | Target::Loopback(authority)) => {
            assert!(!authority.contains(['@', '#', '%', '\\']) && !authority.is_empty(), "{registered}");
        }
        Ok(Target::App(scheme)) => assert!(scheme != "javascript" && scheme != "data" && scheme != "http"),
        Err(_) => {}
    }
    if redirect::matches(registered, requested) && registered != requested {
        let loopback = |uri| matches!(redirect::classify(uri), Ok(Target::Loopback(_)));
        assert!(loopback(registered) && loopback(requested), "{registered} {requested}");
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests of the rules run natively and have files")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_committed_corpus_holds() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fuzz/oauth/corpus");
        for (name, check) in TARGETS {
            let files: Vec<_> = std::fs::read_dir(format!("{corpus}/{name}")).unwrap().collect();
            assert!(files.len() >= 3, "{name}");
            for file in files {
                check(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }

    #[test]
    fn every_target_has_its_program() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fuzz/oauth");
        let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            let program = std::fs::read_to_string(format!("{folder}/fuzz_targets/{name}.rs")).unwrap();
            assert!(program.contains(&format!("\"{name}\"")), "{name}");
        }
    }

    proptest! {
        #[test]
        fn it_holds_for_random_bytes(input: Vec<u8>, target in 0..TARGETS.len()) {
            TARGETS[target].1(&input);
        }
    }
}
