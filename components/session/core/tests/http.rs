//! HTTP on the MCP endpoint.

mod support;

use support::{ALICE, World, rpc};

const WHO: (&str, &str) = (ALICE, "client");

#[test]
fn other_methods_are_not_served() {
    let world = World::new().simple("demo");
    for method in ["HEAD", "PUT", "PATCH", "OPTIONS"] {
        let seen = world.request(WHO, method, &[("accept", "text/event-stream")], "");
        assert_eq!((seen.status, seen.headers["allow"].as_str()), (405, "POST, GET, DELETE"), "{method}");
    }
}

#[test]
fn headers_are_checked_before_the_body() {
    let world = World::new().simple("demo");
    let json = ("content-type", "application/json");
    let both = ("accept", "application/json, text/event-stream");
    for (headers, status) in [
        (vec![both], 415),
        (vec![("content-type", "text/plain"), both], 415),
        (vec![json, ("accept", "application/json")], 406),
        (vec![json, both], 400),
    ] {
        let seen = world.request(WHO, "POST", &headers, "no JSON");
        assert_eq!(seen.status, status, "{headers:?}");
        assert_eq!(seen.json()["id"], serde_json::Value::Null);
        assert_eq!(seen.headers["content-type"], "application/json");
    }
}

#[test]
fn what_is_no_message_is_refused_with_its_id_where_it_has_one() {
    let world = World::new().simple("demo");
    for (body, code, id) in [
        ("{", -32700, "null"),
        ("", -32700, "null"),
        ("[]", -32600, "null"),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600, "null"),
        ("1", -32600, "null"),
        (r#"{"id":12345678901234567890123,"method":"ping"}"#, -32600, "12345678901234567890123"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, "null"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}"#, -32600, "null"),
    ] {
        let seen = world.post(WHO, &[], body);
        assert_eq!((seen.status, seen.code()), (400, code), "{body}");
        assert!(seen.body.contains(&format!(r#""id":{id},"#)), "{}", seen.body);
    }
    assert!(world.sent().is_empty());
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let answer = session_core::too_large();
    assert_eq!(answer.status, 413);
    let session_core::AnswerBody::Whole(text) = answer.body else { panic!("no body") };
    assert!(text.contains(r#""id":null"#) && text.contains("4194304"), "{text}");
}

#[test]
fn the_log_line_gets_what_was_sent_cut_to_its_column() {
    let world = World::new().simple("demo");
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "tools/call", r#""name":"demo_echo""#));
    assert_eq!(seen.facts.method.as_deref(), Some("tools/call"));
    assert_eq!(seen.facts.name.as_deref(), Some("demo_echo"));
    assert_eq!(seen.facts.upstream.as_deref(), Some("demo"));
    assert_eq!((seen.facts.revision, seen.facts.error, seen.facts.reason), (Some("2025-11-25"), None, None));
    let seen = world.say(&session, &rpc("1", "tools/call", &format!(r#""name":"{}""#, "x".repeat(200))));
    assert_eq!(seen.facts.name.map(|name| name.len()), Some(128));
    assert_eq!(seen.facts.error, Some(-32602));
}

#[test]
fn a_version_that_nobody_knows_is_refused_whatever_is_asked() {
    let world = World::new().simple("demo");
    let session = world.session_of(WHO, "2025-03-26");
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
    let usual = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let ask = |method: &str, body: &str, version: &str| {
        let named = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", version)];
        world.request(WHO, method, &[&usual[..], &named].concat(), body)
    };
    for (method, body) in [("GET", ""), ("DELETE", ""), ("POST", batch), ("POST", &rpc("1", "ping", ""))] {
        for version in ["2099-01-01", "2024-11-05", ""] {
            let seen = ask(method, body, version);
            assert_eq!((seen.status, seen.code()), (400, -32022), "{method} {version}");
        }
    }
    assert_eq!(ask("POST", batch, "2025-03-26").status, 200, "the session is still there");
    assert_eq!(ask("DELETE", "", "2025-03-26").status, 204);
}
