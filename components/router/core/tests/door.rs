//! The door as a whole: each case is a request and what becomes of it.

use router_core::{Choice, Door, Head, Principal, Refusal, Route};
use serde_json::{Value, json};
use shared_ports::memory::{MemoryClock, MemoryConfig, MemoryStore};

fn door(settings: Value) -> Door {
    let config: MemoryConfig =
        [("settings", settings.to_string()), ("client_address_header", "Client-Address".into())].into_iter().collect();
    Door::open(&config).unwrap()
}

fn local() -> Door {
    door(json!({ "publicUrl": "http://127.0.0.1:8787" }))
}

fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Head {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    Head::new(method.into(), path, Some("127.0.0.1:8787".into()), headers)
}

/// The route taken, or the status of the refusal.
fn enter(door: &Door, head: &Head) -> Result<Route, u16> {
    door.enter(head, &MemoryStore::default(), &MemoryClock::at(1000)).map_err(|answer| answer.status)
}

fn header<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, v)| std::str::from_utf8(v).unwrap())
}

#[test]
fn each_route_takes_its_methods_only() {
    for (method, path, expected) in [
        ("GET", "/health", Ok(Route::Health)),
        ("HEAD", "/health", Ok(Route::Health)),
        ("POST", "/health", Err(405)),
        ("GET", "/", Ok(Route::Front)),
        ("GET", "/.well-known/oauth-authorization-server", Ok(Route::Metadata)),
        ("POST", "/.well-known/oauth-authorization-server", Err(405)),
        ("POST", "/mcp?x=1", Ok(Route::Mcp)),
        ("POST", "/mcp/acme/web", Ok(Route::Mcp)),
        ("PUT", "/admin/pins/x", Ok(Route::Admin)),
        ("POST", "/admin/pins/x", Err(405)),
        ("GET", "/mcp", Ok(Route::Mcp)),
        ("DELETE", "/mcp/", Ok(Route::Mcp)),
        ("PUT", "/mcp", Err(405)),
        ("TRACE", "/mcp", Err(405)),
        ("GET", "/oauth/authorize?client_id=x", Ok(Route::Pages)),
        ("POST", "/oauth/token", Ok(Route::Endpoints)),
        ("GET", "/oauth/token", Err(405)),
        ("OPTIONS", "/oauth/authorize", Err(405)),
        ("GET", "/mcp-tools", Err(404)),
        ("GET", "/../mcp", Err(404)),
    ] {
        assert_eq!(enter(&local(), &head(method, path, &[])), expected, "{method} {path}");
    }
}

#[test]
fn any_alias_of_the_settings_leads_where_oauth_does() {
    let door = door(json!({
        "publicUrl": "http://127.0.0.1:8787", "oauth": { "aliases": ["/mcp/oauth", "/v1/oauth"] },
    }));
    for (method, path, expected, without) in [
        ("POST", "/mcp/oauth/token", Ok(Route::Endpoints), Ok(Route::Mcp)),
        ("GET", "/mcp/oauth/authorize?client_id=x", Ok(Route::Pages), Ok(Route::Mcp)),
        ("POST", "/v1/oauth/register/", Ok(Route::Endpoints), Err(404)),
        ("PUT", "/v1/oauth/register/0123", Ok(Route::Clients), Err(404)),
        ("GET", "/v1/oauth/callback/corp", Ok(Route::Pages), Err(404)),
        ("GET", "/v1/oauthx", Err(404), Err(404)),
        ("POST", "/mcp/acme", Ok(Route::Mcp), Ok(Route::Mcp)),
    ] {
        assert_eq!(enter(&door, &head(method, path, &[])), expected, "{path}");
        assert_eq!(enter(&local(), &head(method, path, &[])), without, "{path}");
    }
    // And pages that may call the one may call the other.
    let own = [("origin", "http://127.0.0.1:8787")];
    let shared = door.headers(&head("POST", "/v1/oauth/token", &own), "id");
    assert_eq!(header(&shared, "access-control-allow-origin"), Some("http://127.0.0.1:8787"));
}

#[test]
fn a_refused_method_names_those_allowed() {
    let answer = local().enter(&head("PUT", "/mcp", &[]), &MemoryStore::default(), &MemoryClock::at(0)).unwrap_err();
    assert_eq!(header(&answer.headers, "allow"), Some("GET, POST, DELETE"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["jsonrpc"], "2.0");
}

#[test]
fn foreign_hosts_and_origins_do_not_pass() {
    let mut foreign = head("POST", "/mcp", &[]);
    foreign.authority = Some("evil.example".into());
    assert_eq!(enter(&local(), &foreign), Err(403));
    for (path, origins, expected) in [
        ("/mcp", &["http://evil.example"][..], Err(403)),
        ("/mcp", &["null"], Err(403)),
        ("/mcp", &["http://localhost:6274"], Ok(Route::Mcp)),
        ("/mcp", &["http://localhost:6274", "http://evil.example"], Err(403)),
        ("/oauth/token", &["http://evil.example"], Err(403)),
        // The forms guard themselves, and a page without referrer sends the origin `null`.
        ("/oauth/login", &["null"], Ok(Route::Pages)),
    ] {
        let headers: Vec<_> = origins.iter().map(|o| ("origin", *o)).collect();
        assert_eq!(enter(&local(), &head("POST", path, &headers)), expected, "{path} {origins:?}");
    }
}

#[test]
fn preflights_are_answered_for_allowed_pages_only() {
    let preflight = |origin: &str| {
        let head =
            head("OPTIONS", "/mcp", &[("origin", origin), ("access-control-request-headers", "Mcp-Param-City, x")]);
        local().enter(&head, &MemoryStore::default(), &MemoryClock::at(0)).unwrap_err()
    };
    let answer = preflight("http://localhost:6274");
    assert_eq!(answer.status, 204);
    let allowed = header(&answer.headers, "access-control-allow-headers").unwrap();
    assert!(allowed.contains("mcp-session-id") && allowed.ends_with(", mcp-param-city"), "{allowed}");
    assert_eq!(preflight("http://evil.example").status, 403);
}

#[test]
fn only_metadata_is_open_to_every_page() {
    for (path, origin, expected) in [
        ("/.well-known/oauth-protected-resource", "http://evil.example", Some("*")),
        ("/mcp", "http://localhost:1", Some("http://localhost:1")),
        ("/mcp", "http://evil.example", None),
        ("/oauth/authorize", "http://localhost:1", None),
    ] {
        let headers = local().headers(&head("GET", path, &[("origin", origin)]), "id");
        assert_eq!(header(&headers, "access-control-allow-origin"), expected, "{path} {origin}");
        assert_eq!(header(&headers, "x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn without_a_good_token_there_is_a_challenge() {
    let challenge = |headers: &[(&str, &str)], refusal: Refusal| {
        let answer = local().authorize(&head("POST", "/mcp", headers), |_, _| Err(refusal)).unwrap_err();
        (answer.status, header(&answer.headers, "www-authenticate").map(str::to_owned))
    };
    let metadata =
        r#"Bearer resource_metadata="http://127.0.0.1:8787/.well-known/oauth-protected-resource/mcp", scope="mcp""#;
    assert_eq!(challenge(&[], Refusal::Missing), (401, Some(metadata.into())));
    let (status, value) = challenge(&[("authorization", "Bearer x")], Refusal::Invalid("expired token"));
    assert_eq!(status, 401);
    assert!(value.unwrap().contains(r#"error="invalid_token""#));
    assert_eq!(challenge(&[("authorization", "Basic x")], Refusal::Missing).0, 400);
    assert_eq!(challenge(&[("authorization", "Bearer x")], Refusal::Unavailable("down".into())), (503, None));
}

#[test]
fn the_challenge_names_the_scopes_of_the_settings() {
    // The router has no business with the secret, which is not there for it.
    let oauth = json!({
        "clients": { "c": { "secret": "${NOT_SET}" } },
        "scopes": { "write": { "meaning": "Write" }, "read": { "meaning": "Read" } },
    });
    let door = door(json!({ "publicUrl": "http://127.0.0.1:8787", "oauth": oauth }));
    let answer = door.authorize(&head("POST", "/mcp", &[]), |_, _| Err(Refusal::Missing)).unwrap_err();
    assert!(header(&answer.headers, "www-authenticate").unwrap().ends_with(r#"scope="read write""#));
}

#[test]
fn the_address_says_what_is_wanted_of_whom() {
    for (address, tenant, expected) in [
        ("/mcp/acme/web?features=a&agent=1", Some("acme"), Ok((Some("web".to_owned()), vec!["a".to_owned()], true))),
        ("/mcp", None, Ok((None, vec![], false))),
        ("/mcp/acme/web", Some("other"), Err(403)),
        ("/mcp/acme", None, Err(403)),
        ("/mcp?region=a&region=b", None, Err(400)),
    ] {
        let head = head("POST", address, &[("authorization", "Bearer abc")]);
        let principal = Principal { tenant: tenant.map(str::to_owned), ..Principal::default() };
        let authorized = local().authorize(&head, |_, _| Ok(principal)).unwrap();
        let choice = Choice::read(&head, &authorized).map_err(|answer| answer.status);
        assert_eq!(choice.map(|choice| (choice.project, choice.features, choice.tool_search)), expected, "{address}");
    }
}

#[test]
fn the_token_is_checked_for_this_resource() {
    let head = head("POST", "/mcp", &[("authorization", "Bearer abc")]);
    let mut seen = None;
    let authorized = local().authorize(&head, |token, resource| {
        seen = Some((token.to_owned(), resource.to_owned()));
        Ok(Principal { user_hash: "u".into(), ..Principal::default() })
    });
    assert_eq!(authorized.unwrap().principal().user_hash, "u");
    assert_eq!(seen, Some(("abc".into(), "http://127.0.0.1:8787/mcp".into())));
}

#[test]
fn a_refused_request_costs_no_write_but_the_limiter() {
    let store = MemoryStore::default();
    let address = ("client-address", "192.0.2.1");
    let _ = local().enter(&head("GET", "/nowhere", &[address]), &store, &MemoryClock::at(0));
    assert_eq!(store.calls.get(), 0);
    let _ = local().enter(&head("POST", "/mcp", &[address]), &store, &MemoryClock::at(0));
    assert!(store.entries.borrow().keys().all(|key| key.starts_with("limit:")));
    assert!(!format!("{:?}", store.entries).contains("192.0.2.1"));
}

#[test]
fn limits_count_by_the_address_the_host_gives() {
    let door = door(json!({ "publicUrl": "http://127.0.0.1:8787", "limits": { "mcp": { "perIp": "2/60s" } } }));
    let store = MemoryStore::default();
    let ask = |addresses: &[&str]| {
        let headers: Vec<_> = addresses.iter().map(|a| ("client-address", *a)).collect();
        door.enter(&head("POST", "/mcp", &headers), &store, &MemoryClock::at(600))
    };
    assert!(ask(&["192.0.2.1"]).is_ok());
    // What a client puts in front changes nothing.
    assert!(ask(&["198.51.100.7", "192.0.2.1"]).is_ok());
    let answer = ask(&["198.51.100.8", "192.0.2.1"]).unwrap_err();
    assert_eq!(answer.status, 429);
    assert!(header(&answer.headers, "retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert!(ask(&["192.0.2.2"]).is_ok());
    // Spin's value has the port of the connection.
    assert_eq!(ask(&["192.0.2.1:50012"]).unwrap_err().status, 429);
}

#[test]
fn a_failing_store_opens_mcp_and_closes_oauth() {
    let store = MemoryStore::default();
    store.failing.set(true);
    let enter = |path: &str| {
        let head = head("POST", path, &[("client-address", "192.0.2.1")]);
        local().enter(&head, &store, &MemoryClock::at(0)).map_err(|answer| answer.status)
    };
    assert_eq!(enter("/mcp"), Ok(Route::Mcp));
    assert_eq!(enter("/oauth/token"), Err(503));
}

#[test]
fn a_user_over_the_limit_and_a_body_over_the_cap_are_refused() {
    let door = door(json!({ "publicUrl": "http://127.0.0.1:8787", "limits": { "mcp": { "perUser": "1/60s" } } }));
    let store = MemoryStore::default();
    let admit = |user: &str, length: &str| {
        let head = head("POST", "/mcp", &[("authorization", "Bearer x"), ("content-length", length)]);
        let who =
            door.authorize(&head, |_, _| Ok(Principal { user_hash: user.into(), ..Principal::default() })).unwrap();
        door.admit(Route::Mcp, &head, &who, &store, &MemoryClock::at(600)).map_err(|answer| answer.status)
    };
    assert_eq!(admit("a", "10"), Ok(()));
    assert_eq!(admit("a", "10"), Err(429));
    assert_eq!(admit("b", "4194305"), Err(413));
    assert_eq!(admit("c", "4194304"), Ok(()));
}
