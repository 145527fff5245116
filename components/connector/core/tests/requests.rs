//! What goes to the upstream.

mod common;

use common::*;
use connector_core::{Caller, UpstreamError};

/// The message that arrives, and the headers that the gateway set.
fn sent(message: &str, caller: &Caller, server: World) -> (String, Vec<(String, String)>) {
    server.exchange(&server.instance(), message, caller).unwrap();
    let log = server.http.log.borrow();
    let request = log.last().unwrap();
    let headers = request.headers.iter().filter(|(name, _)| name.starts_with("mcp-"));
    let headers = headers.map(|(name, value)| (name.clone(), String::from_utf8(value.clone()).unwrap()));
    (String::from_utf8(request.body.clone()).unwrap(), headers.collect())
}

fn any(_: &shared_ports::Request) -> Scripted {
    json(RESULT)
}

fn check_modern(message: &str, caller: &Caller, body: &str, headers: &[(&str, &str)]) {
    let (text, set) = sent(message, caller, World::new(ONE, modern(any)));
    assert_eq!(text, body);
    let set: Vec<_> = set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(set, headers);
}

#[test]
fn a_message_to_a_modern_upstream_is_complete_in_itself() {
    let fields = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"client","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{},"x":{"y":18446744073709551616}}"#;
    let version = ("mcp-protocol-version", "2026-07-28");
    check_modern(
        CALL,
        &modern_caller(),
        &format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"echo","arguments":{{}},"_meta":{{{fields}}}}}}}"#
        ),
        &[version, ("mcp-method", "tools/call"), ("mcp-name", "echo")],
    );
    check_modern(
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#,
        &modern_caller(),
        &format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{{"_meta":{{{fields}}}}}}}"#),
        &[version, ("mcp-method", "tools/list")],
    );
    check_modern(
        r#"{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"_meta":{"progressToken":18446744073709551616,"v/x":1},"uri":"é://"}}"#,
        &modern_caller(),
        &format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{{"_meta":{{"progressToken":18446744073709551616,"v/x":1,{fields}}},"uri":"é://"}}}}"#
        ),
        &[version, ("mcp-method", "resources/read"), ("mcp-name", "=?base64?w6k6Ly8=?=")],
    );
}

#[test]
fn a_client_promises_what_it_can_do_in_the_shape_of_the_upstreams_era() {
    let all = r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"tasks":{"cancel":{}},"x":18446744073709551616}"#;
    let caller = Caller { client_capabilities: all.into(), ..legacy_caller() };
    let (text, _) = sent(CALL, &caller, World::new(ONE, modern(any)));
    let expected = r#"clientCapabilities":{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"x":18446744073709551616}}"#;
    assert!(text.contains(expected), "{text}");
    for broken in ["", "[]", "{"] {
        let caller = Caller { client_capabilities: broken.into(), ..legacy_caller() };
        let (text, _) = sent(CALL, &caller, World::new(ONE, modern(any)));
        assert!(text.contains(r#"clientCapabilities":{}"#), "{text}");
    }
}

#[test]
fn a_message_to_a_legacy_upstream_loses_the_fields_of_the_modern_era_only() {
    for (message, expected) in [
        (CALL, CALL),
        (
            r#"{"jsonrpc":"2.0", "id":7,"method":"tools/call","params":{ "name":"a","_meta":{"progressToken":1}}}"#,
            r#"{"jsonrpc":"2.0", "id":7,"method":"tools/call","params":{ "name":"a","_meta":{"progressToken":1}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/logLevel":"info","v/x":1.0}}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","_meta":{"v/x":1.0}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/clientInfo":{},"io.modelcontextprotocol/clientCapabilities":{}}}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}"#,
        ),
    ] {
        let (text, headers) = sent(message, &legacy_caller(), World::new(ONE, legacy(|_| true, any)));
        assert_eq!(text, expected);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["mcp-session-id", "mcp-protocol-version"]);
    }
}

#[test]
fn a_modern_upstream_is_not_bothered_with_what_its_era_does_not_know() {
    let world = World::new(ONE, modern(any));
    let connector = world.instance();
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    world.sent();
    for (message, expected) in [
        (
            r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#,
            Got::Response(r#"{"jsonrpc":"2.0","id":"p","result":{}}"#.into()),
        ),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Got::Accepted),
        (r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#, Got::Accepted),
        (r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#, Got::Accepted),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Got::Accepted),
    ] {
        assert_eq!(world.exchange(&connector, message, &legacy_caller()), Ok(expected), "{message}");
    }
    assert_eq!(world.sent(), [""; 0]);
    let vendor = r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#;
    assert_eq!(world.exchange(&connector, vendor, &legacy_caller()), Ok(Got::Accepted));
    assert_eq!(world.sent(), ["POST notifications/vendor"]);
}

#[test]
fn what_is_not_one_message_is_not_sent() {
    let world = World::new(ONE, modern(any));
    for bad in [
        "",
        "[]",
        "{}",
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1,"x":2}}"#,
    ] {
        let got = world.exchange(&world.instance(), bad, &modern_caller());
        assert!(matches!(got, Err(UpstreamError::Misconfigured(_))), "{bad}");
    }
    assert!(!world.sent().iter().any(|sent| sent != "POST server/discover"));
}

#[test]
fn the_upstreams_own_headers_are_in_every_request() {
    let settings = r#"{"mcpServers":{"up":{"url":"https://up.example/mcp?k=${TOKEN}","headers":{"Authorization":"Bearer ${TOKEN}","X-Team":"a"}}}}"#;
    let world = World::new(settings, legacy(|_| true, any));
    let connector = world.instance();
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    run(&world.clock, connector.close(&legacy_caller())).unwrap();
    let log = world.http.log.borrow();
    assert_eq!(log.len(), 4);
    for request in log.iter() {
        assert_eq!(request.url, "https://up.example/mcp?k=s3cret");
        assert_eq!(header(request, "authorization"), Some("Bearer s3cret"));
        assert_eq!(header(request, "x-team"), Some("a"));
        assert_eq!(header(request, "accept"), Some("application/json, text/event-stream"));
        assert!(header(request, "user-agent").unwrap().starts_with("mcp-edge/"));
        assert_eq!(header(request, "content-type").is_some(), request.method == "POST");
    }
    let kept = format!(
        "{:?}",
        world.store.entries.borrow().values().map(|v| String::from_utf8_lossy(v).into_owned()).collect::<Vec<_>>()
    );
    assert!(!kept.contains("s3cret"), "{kept}");
}

#[test]
fn a_broken_entry_costs_that_upstream_only() {
    let long = "x".repeat(33);
    let settings = format!(
        r#"{{"mcpServers":{{
            "up":{{"url":"https://up.example/mcp"}},
            "unset":{{"url":"https://a.example","headers":{{"Authorization":"Bearer ${{ABSENT}}"}}}},
            "unknown":{{"url":"https://a.example","colour":"red"}},
            "process":{{"command":"npx"}},
            "plain":{{"url":"http://a.example"}},
            "hidden":{{"url":"${{TOKEN}}"}},
            "reserved":{{"url":"https://a.example","headers":{{"Mcp-Session-Id":"x"}}}},
            "broken":{{"url":"https://a.example","headers":{{"x":"${{LINE}}"}}}},
            "{long}":{{"url":"https://a.example"}}
        }}}}"#
    );
    let world = World::new(&settings, modern(any));
    world.config.set("line", "s3cret\nx: y");
    let connector = world.instance();
    let names = connector.list().unwrap();
    assert_eq!(names.len(), 9);
    assert!(names.is_sorted());
    for name in names.iter().filter(|name| *name != "up") {
        match run(&world.clock, connector.status(name, &legacy_caller())) {
            Err(UpstreamError::Misconfigured(why)) => {
                assert!(why.contains(name.as_str()) && !why.contains("s3cret"), "{why}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(world.sent(), [""; 0]);
    assert!(run(&world.clock, connector.status("up", &legacy_caller())).is_ok());
    assert_eq!(run(&world.clock, connector.status("none", &legacy_caller())), Err(UpstreamError::NotFound));
}

#[test]
fn settings_that_cannot_be_read_are_an_error_of_every_call() {
    for settings in ["", "[]", r#"{"mcpServers":[]}"#] {
        let world = World::new(settings, modern(any));
        assert!(matches!(world.instance().list(), Err(UpstreamError::Misconfigured(_))), "{settings}");
    }
    let world = World::new("{}", modern(any));
    assert_eq!(world.instance().list(), Ok(vec![]));
}

#[test]
fn changed_settings_are_seen_at_once() {
    let world = World::new("{}", modern(any));
    let connector = world.instance();
    assert_eq!(connector.list(), Ok(vec![]));
    world.config.set("settings", ONE);
    assert_eq!(connector.list(), Ok(vec!["up".to_owned()]));
}
