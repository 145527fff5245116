//! The modern era.

mod support;

use serde_json::json;
use support::{ALICE, Says, World, modern, rpc};

fn upstream(says: impl Fn() -> Says + 'static) -> World {
    World::new().upstream("demo", "2026-07-28", r#"{"tools":{"listChanged":true},"x-new":{}}"#, move |_, _| says())
}

#[test]
fn discover_tells_what_is_behind_the_gateway() {
    let world = upstream(|| Says::Accepted);
    let seen = world.modern("server/discover", "", "");
    assert_eq!(seen.status, 200);
    assert_eq!(
        seen.json()["result"],
        json!({
            "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
            "capabilities": { "tools": { "listChanged": true }, "x-new": {} },
            "instructions": "Instructions of demo.",
            "resultType": "complete",
            "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "mcp-edge", "title": "mcp-edge", "version": env!("CARGO_PKG_VERSION") } },
            "ttlMs": 0,
            "cacheScope": "private",
        })
    );
    assert_eq!(seen.facts.revision, Some("2026-07-28"));
    assert!(!seen.headers.contains_key("mcp-session-id"));
    assert!(world.store.entries.borrow().is_empty(), "the modern era keeps nothing");
}

#[test]
fn methods_that_are_gone_do_not_exist_even_if_the_upstream_knows_them() {
    let world = upstream(|| Says::Result("{}".into()));
    for method in ["initialize", "ping", "logging/setLevel", "tasks/list", "tasks/result"] {
        let seen = world.modern(method, "", "");
        assert_eq!((seen.status, seen.code(), &seen.json()["id"]), (404, -32601, &json!(1)), "{method}");
    }
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let seen = world.modern(method, "test://x", r#""uri":"test://x""#);
        assert_eq!((seen.status, seen.code()), (404, -32601), "{method}");
    }
    assert!(world.sent().is_empty());
}

#[test]
fn unknown_methods_are_for_a_single_upstream_to_know() {
    let world = upstream(|| Says::Error(r#"{"code":-32601,"message":"its own words"}"#.into()));
    let seen = world.modern("x/unheard-of", "", "");
    assert_eq!((seen.status, seen.code()), (404, -32601));
    assert!(seen.body.contains("its own words"));
    assert_eq!(world.sent().len(), 1);
    let world = upstream(|| Says::Result("{}".into())).simple("other");
    let seen = world.modern("x/unheard-of", "", "");
    assert_eq!((seen.status, seen.code()), (404, -32601));
    assert!(world.sent().is_empty());
}

#[test]
fn errors_have_the_status_of_their_code() {
    for (code, status) in [
        (-32601, 404),
        (-32020, 400),
        (-32021, 400),
        (-32022, 400),
        (-32600, 400),
        (-32602, 200),
        (-32603, 200),
        (5, 200),
    ] {
        let world = upstream(move || Says::Error(format!(r#"{{"code":{code},"message":"m","data":{{"x":1.0}}}}"#)));
        let seen = world.modern("tools/call", "demo_x", r#""name":"demo_x""#);
        assert_eq!(seen.status, status, "{code}");
        assert_eq!(
            seen.body,
            format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m","data":{{"x":1.0}}}}}}"#)
        );
    }
    let world = upstream(|| Says::Accepted);
    let unknown = world.modern("tools/call", "echo", r#""name":"echo""#);
    assert_eq!((unknown.status, unknown.code()), (200, -32602));
}

#[test]
fn refusals_carry_the_id_of_the_request() {
    let world = upstream(|| Says::Accepted);
    let seen = world.post((ALICE, "client"), &[("mcp-protocol-version", "2026-07-28")], &modern("tools/list", ""));
    assert_eq!((seen.status, seen.code(), &seen.json()["id"]), (400, -32020, &json!(1)));
    let seen = world.post(
        (ALICE, "client"),
        &[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")],
        &rpc("1", "tools/list", ""),
    );
    assert_eq!((seen.status, seen.code(), &seen.json()["id"]), (400, -32602, &json!(1)));
    assert_eq!(seen.facts.error, Some(-32602));
}

#[test]
fn results_get_what_every_result_has_and_keep_all_else() {
    let info = format!(r#"{{"name":"mcp-edge","title":"mcp-edge","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    for (result, expected) in [
        (r#"{}"#, r#"{"resultType":"complete","_meta":{INFO}}"#),
        (
            r#"{"content":[1.0],"_meta":{"x":1,"io.modelcontextprotocol/serverInfo":{"name":"inner"}},"resultType":"complete"}"#,
            r#"{"content":[1.0],"_meta":{"x":1,INFO},"resultType":"complete"}"#,
        ),
        (
            r#"{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"n":1.0}}},"requestState":"s"}"#,
            r#"{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"n":1.0}}},"requestState":"s","_meta":{INFO}}"#,
        ),
    ] {
        let world = upstream(move || Says::Result(result.into()));
        let seen = world.modern("tools/call", "demo_x", r#""name":"demo_x""#);
        let expected = expected.replace("INFO", &format!(r#""io.modelcontextprotocol/serverInfo":{info}"#));
        assert_eq!(seen.body, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{expected}}}"#));
    }
}

#[test]
fn contents_say_how_long_they_are_good_and_for_whom() {
    for (result, ttl) in [
        (r#"{"contents":[]}"#, 0),
        (r#"{"contents":[],"ttlMs":500,"cacheScope":"public"}"#, 500),
        (r#"{"contents":[],"ttlMs":-1}"#, 0),
        (r#"{"contents":[],"ttlMs":"x"}"#, 0),
    ] {
        let world = upstream(move || Says::Result(result.into()));
        let result = world.modern("resources/read", "test://x", r#""uri":"test://x""#).json()["result"].clone();
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(ttl), &json!("private")));
    }
    let world = upstream(|| Says::Result(r#"{"resultType":"input_required","inputRequests":{}}"#.into()));
    let result = world.modern("resources/read", "test://x", r#""uri":"test://x""#).json()["result"].clone();
    assert_eq!(result.get("ttlMs"), None);
}

#[test]
fn upstreams_learn_who_asks_from_the_request_itself() {
    let world = upstream(|| Says::Result("{}".into()));
    world.modern("tools/call", "demo_x", r#""name":"demo_x","inputResponses":{"k":1.0},"requestState":"s""#);
    let sent = world.sent();
    assert!(
        sent[0].message.contains(r#""name":"x","inputResponses":{"k":1.0},"requestState":"s","_meta":{"#),
        "{}",
        sent[0].message
    );
    assert_eq!(sent[0].caller.client_info, r#"{"name":"test","version":"1"}"#);
    assert_eq!(sent[0].caller.client_capabilities, r#"{"roots":{}}"#);
    assert_eq!(sent[0].caller.revision.as_str(), "2026-07-28");
    assert!(sent[0].caller.conversation.starts_with("client-"));
}

#[test]
fn a_session_id_means_nothing() {
    let world = upstream(|| Says::Result("{}".into()));
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list"), ("mcp-session-id", "gone")];
    assert_eq!(world.post((ALICE, "client"), &headers, &modern("tools/list", "")).status, 200);
}

#[test]
fn there_are_no_responses_from_clients() {
    let world = upstream(|| Says::Accepted);
    let seen = world.post(
        (ALICE, "client"),
        &[("mcp-protocol-version", "2026-07-28")],
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    );
    assert_eq!((seen.status, seen.code()), (400, -32600));
}

#[test]
fn notifications_are_taken_and_go_to_a_single_upstream() {
    let body = r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"n":1.0}}"#;
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "notifications/x")];
    let world = upstream(|| Says::Accepted);
    assert_eq!(world.post((ALICE, "client"), &headers, body).status, 202);
    assert_eq!(world.sent()[0].message, body);
    assert_eq!(world.post((ALICE, "client"), &headers[..1], body).code(), -32020);
    let world = upstream(|| Says::Accepted).simple("other");
    assert_eq!(world.post((ALICE, "client"), &headers, body).status, 202);
    assert!(world.sent().is_empty());
}
