use super::*;
use serde_json::json;
use shared_settings::Identity;

fn check(document: Value) -> Result<Settings, SettingsError> {
    let environment = Environment::of([("TOKEN", "hush"), ("EMPTY", "")]);
    Settings::check(document, "/etc/mcp-edge".into(), &environment)
}

fn problems(document: Value) -> Vec<String> {
    match check(document) {
        Ok(_) => Vec::new(),
        Err(SettingsError::Invalid(Problems(problems))) => problems.iter().map(Problem::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_unknown_key_is_refused_by_path_with_the_nearest_valid_one() {
    for (document, expected) in [
        (json!({ "publicURL": "x" }), "publicURL: unknown key: did you mean `publicUrl`?"),
        (json!({ "mcpServer": {} }), "mcpServer: unknown key: did you mean `mcpServers`?"),
        (
            json!({ "mcpServers": { "a": { "uri": "https://a" } } }),
            "mcpServers.a.uri: unknown key: did you mean `url`?",
        ),
        (
            json!({ "limits": { "mcp": { "peruser": "1/1s" } } }),
            "limits.mcp.peruser: unknown key: did you mean `perUser`?",
        ),
        (
            json!({ "store": { "type": "redb", "path": "a", "pth": "b" } }),
            "store.pth: unknown key: did you mean `path`?",
        ),
        (
            json!({ "identity": { "type": "local", "users": [{ "name": "a", "passwordHash": "$argon2id$", "passwort": 1 }] } }),
            "identity.users[0].passwort: unknown key: did you mean `passwordHash`?",
        ),
        (json!({ "limits": { "zzz": 1 } }), "limits.zzz: unknown key: here are known `mcp`, `oauth`"),
    ] {
        assert_eq!(problems(document), [expected]);
    }
}

#[test]
fn wrong_types_and_missing_keys_are_named_by_path() {
    for (document, expected) in [
        (json!([]), "the document: is a list, but must be an object"),
        (json!({ "mcpServers": [] }), "mcpServers: is a list, but must be an object"),
        (json!({ "mcpServers": { "a": { "url": 1 } } }), "mcpServers.a.url: is a number, but must be text"),
        (json!({ "oauth": { "codeSeconds": "60" } }), "oauth.codeSeconds: is text, but must be a whole number"),
        (json!({ "store": { "type": "redb" } }), "store.path: is missing"),
        (json!({ "identity": { "type": "local" } }), "identity.users: is missing"),
    ] {
        assert_eq!(problems(document), [expected]);
    }
}

#[test]
fn what_only_the_types_know_is_named_by_path_too() {
    for (document, path, text) in [
        (json!({ "limits": { "mcp": { "perUser": "often" } } }), "limits.mcp.perUser", "as in `60/60s`"),
        (json!({ "publicUrl": "http://example.com" }), "publicUrl", "use https"),
        (json!({ "names": "prefixed" }), "names", "prefix"),
        (json!({ "identity": { "type": "ldap" } }), "identity", "local"),
        (
            json!({ "mcpServers": { "a": { "url": "https://a", "type": "carrier-pigeon" } } }),
            "mcpServers.a.type",
            "streamable-http",
        ),
        (json!({ "oauth": { "codeSeconds": -1 } }), "oauth.codeSeconds", "-1"),
    ] {
        let problems = problems(document);
        assert!(problems.len() == 1 && problems[0].starts_with(path) && problems[0].contains(text), "{problems:?}");
    }
}

#[test]
fn all_problems_are_listed_at_once_and_in_order() {
    let found = problems(json!({
        "nmaes": "bare",
        "mcpServers": { "b": { "urll": "x" }, "a": { "url": "https://a", "headers": { "X-Api-Key": "${ABSENT}" } } },
    }));
    let paths: Vec<&str> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(paths, ["mcpServers.a.headers.X-Api-Key", "mcpServers.b.urll", "nmaes"]);
    let found = problems(json!({ "limits": { "mcp": { "perUser": "x" } }, "publicUrl": "x" }));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn aliases_of_other_clients_settings_are_taken() {
    assert!(check(json!({ "mcpServers": { "a": { "url": "https://a", "type": "streamable-http" } } })).is_ok());
    assert!(check(json!({ "publicUrl": null, "identity": null, "$schema": "x" })).is_ok());
}

#[test]
fn references_must_be_set_and_are_not_expanded() {
    let header =
        |value: &str| json!({ "mcpServers": { "a": { "url": "https://a", "headers": { "Authorization": value } } } });
    let settings = check(header("Bearer ${TOKEN}")).unwrap();
    let values = settings.config_values("http://127.0.0.1:1", None, &Keys::of("key"));
    assert_eq!(values.value("token"), Some("hush"));
    assert!(values.value("settings").unwrap().contains("Bearer ${TOKEN}"));
    assert!(values.public().all(|(_, value)| !value.contains("hush")));
    assert!(!format!("{values:?}").contains("hush"));
    for (value, text) in [
        ("${ABSENT}", "ABSENT is not set"),
        ("${EMPTY}", "EMPTY is not set"),
        ("${lower}", "capital"),
        ("${TOKEN_KEY}", "gateway's own"),
        ("${USER_KEY}", "gateway's own"),
        ("${PUBLIC_ONLY_HEADER}", "gateway's own"),
    ] {
        let problems = problems(header(value));
        assert!(problems[0].contains(text), "{problems:?}");
        assert!(problems[0].starts_with("mcpServers.a.headers.Authorization: "), "{problems:?}");
    }
    assert!(check(header("${ABSENT:-none}")).is_ok());
}

#[test]
fn the_guests_get_the_document_with_public_url_and_identity_filled_in() {
    let state = tempfile::tempdir().unwrap();
    let environment = Environment::of([("MCP_EDGE_DEV_PASSWORD", "hush")]);
    let login = DevLogin::load_or_make(&environment, state.path()).unwrap();
    let settings = check(json!({ "mcpServers": { "a": { "url": "https://a" } } })).unwrap();
    let values = settings.config_values("http://127.0.0.1:8787", Some(&login), &Keys::of("key"));
    let document: Document = serde_json::from_str(values.value("settings").unwrap()).unwrap();
    assert_eq!(document.public_url.unwrap().as_str(), "http://127.0.0.1:8787");
    assert!(matches!(document.identity, Some(Identity::Local { users }) if users[0].name == "dev"));
    assert_eq!(values.value("token_key"), Some("key"));
    assert_eq!(values.value("client_address_header"), Some("mcp-edge-client-address"));
    assert_eq!(values.value("public_only_header"), Some("mcp-edge-public-only"));
}

#[test]
fn the_dev_login_stands_beside_identity_providers() {
    let state = tempfile::tempdir().unwrap();
    let login = DevLogin::load_or_make(&Environment::of([("MCP_EDGE_DEV_PASSWORD", "hush")]), state.path()).unwrap();
    let provider = json!({ "issuer": "https://login.example.com", "clientId": "gateway" });
    let settings =
        check(json!({ "identity": { "type": "oidc", "providers": { "example": provider.clone() } } })).unwrap();
    assert!(settings.has_identity() && !settings.has_users());
    let values = settings.config_values("http://127.0.0.1:8787", Some(&login), &Keys::of("key"));
    let document: Document = serde_json::from_str(values.value("settings").unwrap()).unwrap();
    let identity = document.identity.unwrap();
    assert_eq!(identity.users().iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["dev"]);
    assert_eq!(identity.providers().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["example"]);
    let user = json!({ "name": "a", "passwordHash": "$argon2id$" });
    let named = json!({ "identity": { "type": "oidc", "providers": { "example": provider }, "users": [user] } });
    assert!(check(named).unwrap().has_users());
}

#[test]
fn a_relative_path_is_relative_to_the_settings_file() {
    let settings = check(json!({ "store": { "type": "redb", "path": "state.redb" } })).unwrap();
    assert_eq!(settings.store(), Some(StoreSettings::Redb { path: "/etc/mcp-edge/state.redb".into() }));
}

#[test]
fn an_unreadable_file_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp-edge.json");
    let read = || Settings::read(&path, &Environment::of([("A", "b")])).map_err(|error| error.to_string());
    assert!(read().unwrap_err().contains("check the path given to --config"));
    for bad in ["{", "", "// nothing"] {
        std::fs::write(&path, bad).unwrap();
        assert_eq!(read().unwrap_err().lines().count(), 1, "{bad}");
    }
    std::fs::write(&path, "{ /* a comment */ }").unwrap();
    assert!(read().is_ok());
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mcp-edge.schema.json");
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(committed, json_schema(), "write it anew: `target/release/mcp-edge schema > mcp-edge.schema.json`");
}
