//! Calls that go to one upstream, and what goes to all of them.

mod support;

use serde_json::{Value, json};
use session_core::UpstreamError;
use support::{Says, World, rpc};

/// Answers every request with what it was asked.
fn mirror(_: &str, message: &Value) -> Says {
    match message.get("id") {
        Some(_) => Says::Result(json!({ "seen": message }).to_string()),
        None => Says::Accepted,
    }
}

fn mirrors(names: &[&str]) -> World {
    names.iter().fold(World::new(), |world, name| world.upstream(name, "2025-11-25", r#"{"logging":{}}"#, mirror))
}

/// What reached an upstream for a request: its name and the message.
fn reached(world: &World, body: &str) -> Option<(String, String)> {
    let session = world.session();
    world.say(&session, body);
    world.sent().pop().map(|sent| (sent.upstream, sent.message))
}

#[test]
fn calls_reach_their_upstream_under_its_own_names() {
    let several = mirrors(&["a", "b"]);
    for (method, outside, upstream, inside) in [
        ("tools/call", r#""name":"a_echo","arguments":{"x":1.0}"#, "a", r#""name":"echo","arguments":{"x":1.0}"#),
        ("tools/call", r#""arguments":{},"name":"b_a_b""#, "b", r#""arguments":{},"name":"a_b""#),
        ("prompts/get", r#""name":"b_p""#, "b", r#""name":"p""#),
        ("resources/read", r#""uri":"mcp-edge://b/test://x?y=1""#, "b", r#""uri":"test://x?y=1""#),
        ("resources/subscribe", r#""uri":"ui://a/x/y""#, "a", r#""uri":"ui://x/y""#),
        (
            "completion/complete",
            r#""ref":{"type":"ref/prompt","name":"a_p","title":"t"},"argument":{"name":"n","value":"v"}"#,
            "a",
            r#""ref":{"type":"ref/prompt","name":"p","title":"t"},"argument":{"name":"n","value":"v"}"#,
        ),
        (
            "completion/complete",
            r#""ref":{"type":"ref/resource","uri":"mcp-edge://b/test://{id}"}"#,
            "b",
            r#""ref":{"type":"ref/resource","uri":"test://{id}"}"#,
        ),
    ] {
        let expected = Some((upstream.to_owned(), rpc("7", method, inside)));
        assert_eq!(reached(&several, &rpc("7", method, outside)), expected, "{method} {outside}");
    }
}

#[test]
fn a_single_upstream_is_asked_for_its_own_uris_and_for_methods_nobody_knows() {
    let single = mirrors(&["demo"]);
    for (method, params) in [
        ("resources/read", r#""uri":"test://x""#),
        ("resources/templates/list", ""),
        ("logging/setLevel", r#""level":"debug""#),
        ("completion/complete", r#""ref":{"type":"ref/new"}"#),
        ("x/unheard-of", r#""deep":{"n":123456789012345678901234567890}"#),
    ] {
        let message = rpc(r#""id""#, method, params);
        assert_eq!(reached(&single, &message), Some(("demo".into(), message.clone())), "{method}");
    }
}

#[test]
fn what_leads_nowhere_is_an_error_of_the_gateway() {
    let world = mirrors(&["a", "b"]);
    let session = world.session();
    for (method, params, code) in [
        ("tools/call", r#""name":"echo""#, -32602),
        ("tools/call", r#""name":"c_echo""#, -32602),
        ("tools/call", "", -32602),
        ("tools/call", r#""name":7"#, -32602),
        ("prompts/get", r#""name":"p""#, -32602),
        ("resources/read", r#""uri":"test://x""#, -32602),
        ("resources/read", "", -32602),
        ("completion/complete", "", -32602),
        ("completion/complete", r#""ref":{"type":"ref/new"}"#, -32602),
        ("x/unheard-of", "", -32601),
        ("tasks/get", r#""taskId":"t""#, -32602),
        ("server/discover", "", -32601),
        ("subscriptions/listen", "", -32601),
    ] {
        let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
        let seen = world.post((support::ALICE, "client"), &headers, &rpc("7", method, params));
        assert_eq!((seen.status, seen.code(), &seen.json()["id"]), (200, code, &json!(7)), "{method} {params}");
        assert_eq!(seen.facts.error, Some(code));
    }
    assert!(world.sent().is_empty());
}

#[test]
fn ids_of_every_legal_kind_come_back_letter_by_letter() {
    for answer in ["{id}", "12345678901234567000", "null"] {
        let answer = answer.to_owned();
        let world = World::new().upstream("demo", "2025-11-25", "{}", move |_, message| {
            let id = answer.replace("{id}", &message["id"].to_string());
            Says::Raw(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no","data":[1.0]}}}}"#))
        });
        let session = world.session();
        for id in ["0", "-1", "12345678901234567890", "123456789012345678901234567890", r#""""#, r#""a\u00e9\"b""#] {
            let seen = world.say(&session, &rpc(id, "tools/call", r#""name":"demo_x""#));
            let expected =
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no","data":[1.0]}}}}"#);
            assert_eq!((seen.status, seen.body), (200, expected), "{id}");
            assert_eq!(seen.facts.error, None, "it is not the gateway's error");
        }
    }
}

#[test]
fn results_that_need_no_change_go_through_letter_by_letter() {
    let result =
        r#"{ "content": [ {"type":"text", "text":"\u00e9"} ], "structuredContent": {"n": 1.0e400}, "_meta":{"x":1} }"#;
    let world = World::new().upstream("demo", "2025-11-25", "{}", move |_, _| Says::Result(result.into()));
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#));
    assert_eq!(seen.body, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
}

#[test]
fn what_a_result_points_to_can_be_read() {
    let handler = |method: &str, _: &Value| {
        Says::Result(
            match method {
                "tools/call" => r#"{"content":[{"type":"resource_link","uri":"test://a","x":1.0},{"type":"resource","resource":{"uri":"test://b","text":""}},{"type":"text","text":"test://c"},{"type":"resource_link","uri":"https://d"}]}"#,
                "prompts/get" => r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"test://b"}}}]}"#,
                _ => r#"{"contents":[{"uri":"test://a","blob":""},{"x":1}]}"#,
            }
            .into(),
        )
    };
    let world = World::new().upstream("a", "2025-11-25", "{}", handler).simple("b");
    let session = world.session();
    for (method, params, expected) in [
        (
            "tools/call",
            r#""name":"a_x""#,
            r#"{"content":[{"type":"resource_link","uri":"mcp-edge://a/test://a","x":1.0},{"type":"resource","resource":{"uri":"mcp-edge://a/test://b","text":""}},{"type":"text","text":"test://c"},{"type":"resource_link","uri":"https://d"}]}"#,
        ),
        (
            "prompts/get",
            r#""name":"a_x""#,
            r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"mcp-edge://a/test://b"}}}]}"#,
        ),
        (
            "resources/read",
            r#""uri":"mcp-edge://a/test://a""#,
            r#"{"contents":[{"uri":"mcp-edge://a/test://a","blob":""},{"x":1}]}"#,
        ),
    ] {
        let seen = world.say(&session, &rpc("1", method, params));
        assert_eq!(seen.body, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{expected}}}"#));
    }
}

#[test]
fn web_addresses_are_asked_of_each_upstream_in_turn() {
    let unknown = |_: &str, _: &Value| Says::Error(r#"{"code":-32002,"message":"unknown"}"#.into());
    let has = |_: &str, _: &Value| Says::Result(r#"{"contents":[{"uri":"https://x"}]}"#.into());
    let world =
        World::new().upstream("a", "2025-11-25", "{}", unknown).upstream("b", "2025-11-25", "{}", has).down("c");
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "resources/read", r#""uri":"https://x""#));
    assert_eq!(seen.json()["result"], json!({ "contents": [{ "uri": "https://x" }] }));
    assert_eq!(seen.facts.upstream.as_deref(), Some("b"));
    let world = World::new().upstream("a", "2025-11-25", "{}", unknown).down("c");
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "resources/read", r#""uri":"https://x""#));
    assert_eq!((seen.code(), &seen.json()["error"]["data"]), (-32602, &json!({ "uri": "https://x" })));
    let world = World::new().down("a").down("c");
    let session = world.session();
    assert_eq!(world.say(&session, &rpc("1", "resources/read", r#""uri":"https://x""#)).code(), -32001);
}

#[test]
fn names_that_were_too_long_are_found_again() {
    let long = "x".repeat(80);
    let (first, second) = (format!("{long}1"), format!("{long}2"));
    let tools = [json!({ "tools": [{ "name": first }], "nextCursor": "2" }), json!({ "tools": [{ "name": second }] })];
    let world = World::new().upstream("demo", "2025-11-25", "{}", move |method, message| match method {
        "tools/list" => Says::Result(tools[usize::from(message["params"].get("cursor").is_some())].to_string()),
        _ => mirror(method, message),
    });
    let session = world.session();
    let page = world.say(&session, &rpc("1", "tools/list", r#""cursor":"2""#)).json();
    let name = page["result"]["tools"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(name.len(), 64);
    let seen = world.say(&session, &rpc("1", "tools/call", &format!(r#""name":"{name}""#)));
    assert_eq!(seen.json()["result"]["seen"]["params"]["name"], format!("{long}2"));
    let ids: Vec<_> =
        world.sent().iter().map(|sent| serde_json::from_str::<Value>(&sent.message).unwrap()["id"].clone()).collect();
    assert_eq!(ids.iter().filter(|id| id.as_str().is_some_and(|id| id.starts_with("mcp-edge:"))).count(), 2);
}

#[test]
fn an_upstream_that_fails_is_named_and_its_reason_is_for_the_log() {
    for (error, code) in [
        (UpstreamError::Unreachable("10.0.0.7".into()), -32001),
        (UpstreamError::TimedOut("30 s".into()), -32001),
        (UpstreamError::Unauthorized("401".into()), -32001),
        (UpstreamError::Refused(500), -32001),
        (UpstreamError::InvalidReply("html".into()), -32001),
        (UpstreamError::Misconfigured("${TOKEN}".into()), -32001),
        (UpstreamError::NotFound, -32001),
        (UpstreamError::Unavailable("redb".into()), -32603),
    ] {
        let says = error.clone();
        let world = World::new().upstream("demo", "2025-11-25", "{}", move |_, _| Says::Fails(says.clone()));
        let session = world.session();
        let seen = world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#));
        assert_eq!((seen.status, seen.code()), (200, code));
        assert_eq!(seen.json()["error"]["data"], json!({ "upstream": "demo" }));
        assert_eq!((seen.facts.error, seen.facts.reason), (Some(code), Some(format!("demo: {error}"))));
    }
}

#[test]
fn answers_that_are_no_response_are_an_upstream_error() {
    for raw in [
        "",
        "[]",
        "{}",
        r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#,
        r#"{"jsonrpc":"2.0","method":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"message":"x"}}"#,
    ] {
        let world = World::new().upstream("demo", "2025-11-25", "{}", move |_, _| Says::Raw(raw.into()));
        let session = world.session();
        assert_eq!(world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#)).code(), -32001, "{raw}");
    }
    let world = World::new().upstream("demo", "2025-11-25", "{}", |_, _| Says::Accepted);
    let session = world.session();
    assert_eq!(world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#)).code(), -32001);
}

#[test]
fn a_result_that_the_clients_revision_cannot_express_is_an_error_and_not_an_empty_result() {
    for (kind, code) in [("task", Some(-32603)), ("complete", None)] {
        let result = format!(r#"{{"resultType":"{kind}","content":[]}}"#);
        let world = World::new().upstream("demo", "2026-07-28", "{}", move |_, _| Says::Result(result.clone()));
        let session = world.session();
        let seen = world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#));
        assert_eq!(seen.json()["error"]["code"].as_i64(), code, "{kind}");
        if code.is_none() {
            assert_eq!(seen.json()["result"], json!({ "content": [] }));
        }
    }
}

#[test]
fn ping_is_answered_here() {
    let world = World::new().down("demo");
    let session = world.session();
    assert_eq!(world.say(&session, &rpc("7", "ping", "")).body, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    assert!(world.sent().is_empty());
}

#[test]
fn the_log_level_is_set_at_every_upstream_that_logs() {
    let world = mirrors(&["a", "b"]).simple("silent").down("gone");
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "logging/setLevel", r#""level":"debug""#));
    assert_eq!(seen.json()["result"], json!({}));
    let mut names: Vec<_> = world.sent().into_iter().map(|sent| sent.upstream).collect();
    names.sort();
    assert_eq!(names, ["a", "b"]);
    let world = World::new().simple("a").simple("b");
    let session = world.session();
    assert_eq!(world.say(&session, &rpc("1", "logging/setLevel", r#""level":"debug""#)).code(), -32601);
}

#[test]
fn notifications_reach_those_they_may_concern() {
    let world = mirrors(&["a", "b"]).down("gone");
    let session = world.session();
    let notify = |method: &str, params: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{params}}}}}"#);
        let seen = world.say(&session, &body);
        assert_eq!((seen.status, seen.body.as_str()), (202, ""), "{method}");
        world.sent().into_iter().map(|sent| (sent.upstream, sent.message)).collect::<Vec<_>>()
    };
    assert_eq!(notify("notifications/initialized", ""), []);
    for (method, params) in [
        ("notifications/cancelled", r#""requestId":12345678901234567890,"reason":"x""#),
        ("notifications/roots/list_changed", ""),
        ("notifications/unheard-of", r#""x":1.0"#),
    ] {
        let message = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{params}}}}}"#);
        let expected = ["a", "b", "gone"].map(|name| (name.to_owned(), message.clone()));
        assert_eq!(notify(method, params), expected);
    }
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t:1","progress":0.5}}"#;
    assert_eq!(
        notify("notifications/progress", r#""progressToken":"b:\"t:1\"","progress":0.5"#),
        [("b".to_owned(), progress.to_owned())]
    );
    assert_eq!(notify("notifications/progress", r#""progressToken":1,"progress":0.5"#), []);
}

#[test]
fn answers_of_the_client_reach_the_upstream_that_asked() {
    let world = mirrors(&["a", "b"]);
    let session = world.session();
    for (outside, upstream, inside) in [
        (r#""a:7""#, "a", "7"),
        (r#""b:12345678901234567890""#, "b", "12345678901234567890"),
        (r#""b:\"x:\\u00e9\"""#, "b", r#""x:\u00e9""#),
    ] {
        for outcome in [r#""result":{"action":"accept","content":{"n":1.0}}"#, r#""error":{"code":-1,"message":"no"}"#]
        {
            let seen = world.say(&session, &format!(r#"{{"jsonrpc":"2.0","id":{outside},{outcome}}}"#));
            assert_eq!((seen.status, seen.body.as_str()), (202, ""));
            let sent = world.sent();
            assert_eq!(sent[0].upstream, upstream);
            assert_eq!(sent[0].message, format!(r#"{{"jsonrpc":"2.0","id":{inside},{outcome}}}"#));
        }
    }
    for id in ["7", r#""c:7""#, r#""a:{}""#, r#""x""#] {
        let seen = world.say(&session, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        assert_eq!((seen.status, seen.code()), (400, -32600), "{id}");
    }
    let world = World::new().down("a");
    let session = world.session();
    let seen = world.say(&session, r#"{"jsonrpc":"2.0","id":"a:7","result":{}}"#);
    assert_eq!((seen.status, seen.code(), &seen.json()["id"]), (502, -32001, &Value::Null));
}
