//! Sessions of the legacy era.

mod support;

use shared_ports::Store;
use std::time::Duration;
use support::{ALICE, BOB, World, initialize, rpc};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

#[test]
fn initialize_answers_with_the_same_revision_or_the_newest_one_that_has_sessions() {
    let world = World::new().simple("demo");
    for (asked, answered) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        let seen = world.post((ALICE, "client"), &[], &initialize(asked));
        assert_eq!(seen.json()["result"]["protocolVersion"], answered, "{asked}");
        assert_eq!(seen.facts.revision, Some(answered));
        assert_eq!(seen.headers["mcp-session-id"].len(), 32);
    }
}

#[test]
fn initialize_tells_what_is_behind_the_gateway() {
    let world = World::new().simple("demo");
    let seen = world.post((ALICE, "client"), &[], &initialize("2025-11-25"));
    assert_eq!(
        seen.json(),
        serde_json::json!({ "jsonrpc": "2.0", "id": 0, "result": {
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": { "listChanged": true } },
            "serverInfo": { "name": "mcp-edge", "title": "mcp-edge", "version": env!("CARGO_PKG_VERSION") },
            "instructions": "Instructions of demo.",
        }})
    );
    let seen = world.simple("more").down("other").post((ALICE, "client"), &[], &initialize("2025-11-25"));
    let result = &seen.json()["result"];
    assert_eq!(result["instructions"], "# demo\n\nInstructions of demo.\n\n# more\n\nInstructions of more.");
    assert_eq!(result["capabilities"], serde_json::json!({ "tools": { "listChanged": true } }));
    assert_eq!(seen.facts.reason.as_deref(), Some("other: unreachable: connection refused"));
}

#[test]
fn initialize_with_something_missing_is_refused() {
    let world = World::new().simple("demo");
    for member in ["protocolVersion", "capabilities", "clientInfo"] {
        let seen = world.post((ALICE, "client"), &[], &initialize("2025-11-25").replace(member, "x"));
        assert_eq!((seen.status, seen.code()), (200, -32602), "{member}");
        assert!(!seen.headers.contains_key("mcp-session-id"));
    }
    let large = initialize("2025-11-25").replace(r#""name":"test""#, &format!(r#""name":"{}""#, "x".repeat(70_000)));
    assert_eq!(world.post((ALICE, "client"), &[], &large).code(), -32602);
}

#[test]
fn upstreams_learn_who_asks_as_the_client_said_it() {
    let world = World::new().simple("demo");
    let session = world.session();
    world.say(&session, &rpc("1", "tools/call", r#""name":"demo_echo""#));
    let caller = world.sent()[0].caller.clone();
    assert_eq!(caller.user_hash, ALICE);
    assert_eq!(caller.conversation, session);
    assert_eq!(caller.client_info, r#"{"name":"test","version":"1"}"#);
    assert_eq!(caller.client_capabilities, r#"{"roots":{},"x":1.50}"#);
    assert_eq!(caller.revision.as_str(), "2025-11-25");
}

#[test]
fn a_request_without_a_session_is_told_to_start_one() {
    let world = World::new().simple("demo");
    let seen = world.post((ALICE, "client"), &[], PING);
    assert_eq!((seen.status, seen.code()), (400, -32600));
    assert!(seen.json()["error"]["message"].as_str().unwrap().contains("initialize"));
}

#[test]
fn sessions_of_others_do_not_exist() {
    let world = World::new().simple("demo");
    let session = world.session();
    assert_eq!(world.say(&session, PING).status, 200);
    let ended = world.session();
    let end = [("mcp-session-id", ended.as_str())];
    assert_eq!(world.request((ALICE, "client"), "DELETE", &end, "").status, 204);
    let mut answers = Vec::new();
    for (who, id) in [
        ((BOB, "client"), session.as_str()),
        ((ALICE, "another"), session.as_str()),
        ((ALICE, "client"), "ffffffffffffffffffffffffffffffff"),
        ((ALICE, "client"), "x:session:y"),
        ((ALICE, "client"), ended.as_str()),
    ] {
        let headers = [("mcp-session-id", id)];
        let seen = world.post(who, &headers, PING);
        assert_eq!((seen.status, seen.code(), &seen.json()["id"]), (404, -32600, &1.into()), "{who:?} {id}");
        assert_eq!(world.request(who, "DELETE", &headers, "").status, 404, "{who:?} {id}");
        answers.push(seen.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "nobody may learn why there is no session");
    assert_eq!(world.say(&session, PING).status, 200);
    assert!(world.sent().is_empty());
}

#[test]
fn a_session_ends_with_delete_and_upstreams_hear_of_it() {
    let world = World::new().simple("demo");
    let session = world.session();
    let header = [("mcp-session-id", session.as_str())];
    assert_eq!(world.request((ALICE, "client"), "DELETE", &[], "").status, 400);
    let seen = world.request((ALICE, "client"), "DELETE", &header, "");
    assert_eq!((seen.status, seen.body.as_str()), (204, ""));
    assert_eq!(world.closed()[0].conversation, session);
    assert_eq!(world.kept(), [""; 0]);
}

#[test]
fn a_session_ends_after_a_day_of_silence_and_is_kept_by_use() {
    let world = World::new().simple("demo");
    let session = world.session();
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(23 * 3600));
        assert_eq!(world.say(&session, PING).status, 200);
    }
    world.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(world.say(&session, PING).status, 404);
    assert_eq!(world.kept(), [""; 0]);
}

#[test]
fn a_busy_session_is_not_written_at_every_request() {
    let world = World::new().simple("demo");
    let session = world.session();
    let calls = world.store.calls.get();
    for _ in 0..10 {
        world.say(&session, PING);
    }
    assert_eq!(world.store.calls.get() - calls, 10, "one read a request");
}

#[test]
fn sessions_are_in_the_store_and_nowhere_else() {
    let world = World::new().simple("demo");
    let session = world.session();
    let restarted = World::new().simple("demo");
    assert_eq!(restarted.say(&session, PING).status, 404);
    assert_eq!(world.kept(), [format!("user:{ALICE}:session:{session}")]);
    for (key, value) in world.store.entries.borrow().iter() {
        restarted.store.set(key, value).unwrap();
    }
    assert_eq!(restarted.say(&session, PING).status, 200);
}

#[test]
fn a_store_that_does_not_answer_is_no_reason_to_start_again() {
    let world = World::new().simple("demo");
    let session = world.session();
    world.store.failing.set(true);
    for seen in [world.say(&session, PING), world.post((ALICE, "client"), &[], &initialize("2025-11-25"))] {
        assert_eq!((seen.status, seen.code()), (503, -32603));
        assert!(!seen.body.contains("switched off"), "{}", seen.body);
        assert_eq!(seen.facts.reason.as_deref(), Some("store: switched off by the test"));
    }
}

#[test]
fn the_protocol_version_header_must_be_one_that_is_spoken() {
    let world = World::new().simple("demo");
    let session = world.session();
    for (version, status) in [("2025-11-25", 200), ("2025-03-26", 200), ("2024-11-05", 400), ("x", 400)] {
        let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", version)];
        assert_eq!(world.post((ALICE, "client"), &headers, PING).status, status, "{version}");
    }
}
