//! Sessions of legacy upstreams.

mod common;

use common::*;
use connector_core::{Abandoned, Caller, UpstreamError};
use futures::future::join;
use serde_json::json as value;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const COLD: [&str; 3] = ["POST initialize", "POST notifications/initialized", "POST tools/call"];
const RENEWED: [&str; 4] = ["POST tools/call", "POST initialize", "POST notifications/initialized", "POST tools/call"];
const WARM: [&str; 1] = ["POST tools/call"];

/// A legacy server of which a test can kill sessions.
fn mortal() -> (World, Rc<RefCell<Vec<String>>>) {
    let dead = Rc::new(RefCell::new(Vec::<String>::new()));
    let buried = Rc::clone(&dead);
    let alive = move |id: &str| !buried.borrow().iter().any(|dead| dead == id);
    (World::new(ONE, legacy(alive, answered)), dead)
}

fn used(world: &World) -> Vec<String> {
    let log = world.http.log.borrow();
    log.iter().filter_map(|request| header(request, "mcp-session-id")).map(str::to_owned).collect()
}

#[test]
fn a_session_is_begun_once_and_used_by_every_instance() {
    let (world, _) = mortal();
    let connector = world.instance();
    let expected = Ok(Got::Response(RESULT.into()));
    assert_eq!(world.exchange(&connector, CALL, &legacy_caller()), expected);
    assert_eq!(world.sent(), COLD);
    assert_eq!(world.exchange(&connector, CALL, &legacy_caller()), expected);
    assert_eq!(world.exchange(&world.instance(), CALL, &legacy_caller()), expected);
    assert_eq!(used(&world), ["s1", "s1"]);
    assert_eq!(world.sent(), ["POST tools/call", "POST tools/call"]);
}

#[test]
fn initialize_says_who_the_client_is_and_what_it_can_do() {
    let (world, _) = mortal();
    world.exchange(&world.instance(), CALL, &legacy_caller()).unwrap();
    let log = world.http.log.borrow();
    assert_eq!(
        std::str::from_utf8(&log[0].body).unwrap(),
        r#"{"jsonrpc":"2.0","id":"mcp-edge-initialize","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{},"x":{"y":18446744073709551616}},"clientInfo":{"name":"client","version":"1"}}}"#
    );
    assert_eq!(header(&log[0], "mcp-session-id"), None);
    assert_eq!(header(&log[0], "mcp-protocol-version"), None);
    for request in &log[1..] {
        assert_eq!(header(request, "mcp-session-id"), Some("s1"));
        assert_eq!(header(request, "mcp-protocol-version"), Some("2025-11-25"));
    }
}

#[test]
fn what_a_modern_client_can_do_is_promised_and_a_nameless_client_is_the_gateway() {
    let (world, _) = mortal();
    let caller = Caller { client_info: String::new(), ..modern_caller() };
    world.exchange(&world.instance(), CALL, &caller).unwrap();
    let params = body(&world.http.log.borrow()[1])["params"].clone();
    assert_eq!(params["capabilities"].as_object().unwrap().keys().collect::<Vec<_>>(), ["sampling", "x"]);
    assert_eq!(params["clientInfo"]["name"], value!("mcp-edge"));
}

#[test]
fn a_session_of_another_address_is_not_sent_there() {
    let (world, _) = mortal();
    let connector = world.instance();
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    world.config.set("settings", r#"{"mcpServers":{"up":{"url":"https://other.example/mcp"}}}"#);
    world.sent();
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    assert_eq!(used(&world), ["s2", "s2"]);
    assert_eq!(world.sent(), COLD);
}

#[test]
fn conversations_have_sessions_of_their_own() {
    let (world, _) = mortal();
    let connector = world.instance();
    let other = Caller { conversation: "c2".into(), ..legacy_caller() };
    let stranger = Caller { user_hash: "f".repeat(32), ..legacy_caller() };
    for caller in [&legacy_caller(), &other, &stranger] {
        world.exchange(&connector, CALL, caller).unwrap();
    }
    assert_eq!(used(&world), ["s1", "s1", "s2", "s2", "s3", "s3"]);
    // Without the lists of what is kept.
    let lists = |key: &&String| key.contains(":upstream:kept:") || key.starts_with("upstream:users:");
    let keys: Vec<String> = world.store.entries.borrow().keys().filter(|key| !lists(key)).cloned().collect();
    assert_eq!(
        keys,
        [
            "upstream:up:era:legacy",
            "user:0123456789abcdef0123456789abcdef:upstream:c1:up",
            "user:0123456789abcdef0123456789abcdef:upstream:c2:up",
            "user:ffffffffffffffffffffffffffffffff:upstream:c1:up",
        ]
    );
}

#[test]
fn names_that_could_reach_another_key_are_refused() {
    let (world, _) = mortal();
    for conversation in ["", "a:b", "a/b", "é", &"x".repeat(65)] {
        let caller = Caller { conversation: conversation.into(), ..legacy_caller() };
        let got = world.exchange(&world.instance(), CALL, &caller);
        assert!(matches!(got, Err(UpstreamError::Misconfigured(_))), "{conversation}");
    }
}

#[test]
fn a_session_that_the_upstream_forgot_is_renewed_once() {
    let (world, dead) = mortal();
    let connector = world.instance();
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    dead.borrow_mut().push("s1".into());
    world.sent();
    assert_eq!(world.exchange(&connector, CALL, &legacy_caller()), Ok(Got::Response(RESULT.into())));
    assert_eq!(used(&world), ["s1", "s2", "s2"]);
    assert_eq!(world.sent(), RENEWED);
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    assert_eq!(world.sent(), WARM);
}

/// A legacy server that says so of every session but its second.
fn forgetful(answer: Scripted) -> World {
    let mut server = legacy(|_| true, answered);
    World::new(ONE, move |request| match header(request, "mcp-session-id") {
        None | Some("s2") => server(request),
        Some(_) => answer.clone(),
    })
}

#[test]
fn servers_that_answer_400_for_a_session_they_forgot_are_known_by_their_words() {
    let error = |id: &str, code: i64, message: &str| {
        json(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#))
            .with_status(400)
    };
    let text = |text: &str| status(400).header("content-type", "text/plain; charset=utf-8").bytes(text);
    let (not_initialized, no_session) =
        ("Bad Request: Server not initialized", "Bad Request: No valid session ID provided");
    let record = r#"{"address":"https://up.example/mcp","session":"s0","revision":"2025-11-25","since":0,"about":{"capabilities":{},"serverInfo":{}}}"#;
    let key = "user:0123456789abcdef0123456789abcdef:upstream:c1:up";
    for (answer, renewed) in [
        (status(404), true),
        (error("null", -32000, not_initialized), true),
        (error("null", -32000, no_session), true),
        (status(400).bytes(no_session), true),
        (text("Bad Request: No valid session ID provided\n"), true),
        (status(400), false),
        (text("Bad Request"), false),
        (text(&format!("{no_session}{}", " ".repeat(256))), false),
        (text(no_session).with_status(422), false),
        (error("null", -32000, "Bad Request: Unsupported protocol version"), false),
        (error("null", -32603, no_session), false),
        (error("null", -32000, no_session).with_status(409), false),
        // The outcome of the request itself, whatever it says.
        (error("7", -32000, no_session), false),
    ] {
        let world = forgetful(answer.clone());
        // The server's first session is somebody else's.
        world.exchange(&world.instance(), CALL, &Caller { conversation: "c0".into(), ..legacy_caller() }).ok();
        world.sent();
        let keep = || world.store.entries.borrow_mut().insert(key.into(), record.into());
        keep();
        let connector = world.instance();
        let got = world.exchange(&connector, CALL, &legacy_caller());
        let sent = world.sent();
        if renewed {
            assert_eq!(got, Ok(Got::Response(RESULT.into())), "{answer:?}");
            assert_eq!(sent, RENEWED);
            // A response belongs to the session that asked.
            keep();
            let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
            assert!(world.exchange(&connector, response, &legacy_caller()).is_err());
            assert_eq!(world.sent(), ["POST -"]);
            assert!(!world.store.entries.borrow().contains_key(key), "forgotten");
        } else {
            assert_ne!(got, Ok(Got::Response(RESULT.into())), "{answer:?}");
            assert_eq!(sent, WARM);
            assert!(world.store.entries.borrow().contains_key(key), "kept");
        }
    }
}

#[test]
fn a_server_that_says_so_of_every_session_is_not_asked_for_ever() {
    let text = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#;
    let world = World::new(ONE, legacy(|_| true, move |_| json(text).with_status(400)));
    assert_eq!(world.exchange(&world.instance(), CALL, &legacy_caller()), Err(UpstreamError::Refused(400)));
    let calls = world.sent().iter().filter(|sent| *sent == "POST tools/call").count();
    assert_eq!(calls, 2);
}

#[test]
fn a_session_that_dies_at_once_is_not_renewed_for_ever() {
    let world = World::new(ONE, legacy(|_| true, |_| status(404)));
    assert_eq!(world.exchange(&world.instance(), CALL, &legacy_caller()), Err(UpstreamError::Refused(404)));
    let calls = world.sent().iter().filter(|sent| *sent == "POST tools/call").count();
    assert_eq!(calls, 2);
}

#[test]
fn a_session_renewed_by_another_instance_is_taken_over() {
    let (world, dead) = mortal();
    let (one, two) = (world.instance(), world.instance());
    world.exchange(&one, CALL, &legacy_caller()).unwrap();
    dead.borrow_mut().push("s1".into());
    world.sent();
    // Both send within s1 before either of them has begun another session.
    let caller = legacy_caller();
    let both =
        join(exchange(&one, CALL, &caller, Abandoned::never()), exchange(&two, CALL, &caller, Abandoned::never()));
    let (first, second) = run(&world.clock, both);
    assert_eq!((first.is_ok(), second.is_ok()), (true, true));
    world.sent();
    world.exchange(&one, CALL, &caller).unwrap();
    assert_eq!(world.sent(), WARM);
}

#[test]
fn calls_that_come_together_begin_one_session() {
    let slow = |reply: Scripted| reply.after(Duration::from_millis(300));
    let mut server = legacy(|_| true, |_| json(RESULT));
    let world = World::new(ONE, move |request| slow(server(request)));
    let connector = world.instance();
    let caller = legacy_caller();
    let call = || exchange(&connector, CALL, &caller, Abandoned::never());
    let (a, (b, c)) = run(&world.clock, join(call(), join(call(), call())));
    assert_eq!(
        [a, b, c].map(|got| got.unwrap()),
        [const { Got::Response(String::new()) }; 3].map(|_| Got::Response(RESULT.into()))
    );
    let sent = world.sent();
    assert_eq!(sent.iter().filter(|sent| *sent == "POST initialize").count(), 1, "{sent:?}");
    assert_eq!(sent.len(), 2 + 3);
}

#[test]
fn instances_that_begin_at_the_same_time_agree_on_one_session() {
    let mut count = 0;
    let mut server = legacy(|_| true, |_| json(RESULT));
    let world = World::new(ONE, move |request| {
        count += 1;
        server(request).after(Duration::from_millis(100 + count))
    });
    let (one, two) = (world.instance(), world.instance());
    let caller = legacy_caller();
    let both =
        join(exchange(&one, CALL, &caller, Abandoned::never()), exchange(&two, CALL, &caller, Abandoned::never()));
    let (first, second) = run(&world.clock, both);
    assert_eq!((first, second), (Ok(Got::Response(RESULT.into())), Ok(Got::Response(RESULT.into()))));
    let ended: Vec<_> = {
        let log = world.http.log.borrow();
        let ended = log.iter().filter(|request| request.method == "DELETE");
        ended.map(|request| header(request, "mcp-session-id").unwrap().to_owned()).collect()
    };
    assert_eq!(ended, ["s2"]);
    world.sent();
    world.exchange(&two, CALL, &caller).unwrap();
    assert_eq!(used(&world), ["s1"]);
}

#[test]
fn a_call_that_is_dropped_while_it_connects_blocks_nobody() {
    let mut first = true;
    let mut server = legacy(|_| true, |_| json(RESULT));
    let world = World::new(ONE, move |request| {
        let reply = server(request);
        if std::mem::take(&mut first) { reply.after(Duration::from_secs(30)) } else { reply }
    });
    let connector = world.instance();
    let caller = legacy_caller();
    let dropped = async {
        let call = exchange(&connector, CALL, &caller, Abandoned::never());
        let second = exchange(&connector, CALL, &caller, Abandoned::never());
        match futures::future::select(
            Box::pin(call),
            Box::pin(shared_ports::Clock::sleep(&world.clock, Duration::from_secs(1))),
        )
        .await
        {
            futures::future::Either::Left(_) => unreachable!("the handshake takes 30 s"),
            futures::future::Either::Right(((), call)) => drop(call),
        }
        second.await
    };
    assert_eq!(run(&world.clock, dropped), Ok(Got::Response(RESULT.into())));
}

#[test]
fn messages_of_a_session_that_does_not_exist_go_nowhere() {
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let (world, dead) = mortal();
    let connector = world.instance();
    let caller = legacy_caller();
    assert_eq!(world.exchange(&connector, cancelled, &caller), Ok(Got::Accepted));
    assert_eq!(world.exchange(&connector, response, &caller), Err(UpstreamError::Refused(404)));
    assert_eq!(world.sent(), [""; 0]);
    world.exchange(&connector, CALL, &caller).unwrap();
    world.sent();
    assert_eq!(world.exchange(&connector, cancelled, &caller), Ok(Got::Accepted));
    assert_eq!(world.exchange(&connector, response, &caller), Ok(Got::Accepted));
    assert_eq!(world.exchange(&connector, initialized, &caller), Ok(Got::Accepted));
    assert_eq!(world.sent(), ["POST notifications/cancelled", "POST -"], "the connector has said initialized itself");
    dead.borrow_mut().push("s1".into());
    assert_eq!(world.exchange(&connector, response, &caller), Err(UpstreamError::Refused(404)));
    world.sent();
    world.exchange(&connector, CALL, &caller).unwrap();
    assert_eq!(world.sent(), COLD);
}

#[test]
fn close_ends_the_sessions_of_one_conversation() {
    let settings = r#"{"mcpServers":{"up":{"url":"https://up.example/mcp"},"broken":{"url":"https://b.example","headers":{"x":"${NONE}"}},"other":{"url":"https://o.example"}}}"#;
    let world = World::new(settings, legacy(|_| true, |_| json(RESULT)));
    let connector = world.instance();
    let other = Caller { conversation: "c2".into(), ..legacy_caller() };
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    world.exchange(&connector, CALL, &other).unwrap();
    let broken = "user:0123456789abcdef0123456789abcdef:upstream:c1:broken";
    world.store.entries.borrow_mut().insert(broken.into(), b"{}".to_vec());
    world.sent();
    assert_eq!(run(&world.clock, connector.close(&legacy_caller())), Ok(()));
    assert_eq!(used(&world), ["s1"]);
    assert_eq!(world.sent(), ["DELETE -"]);
    assert_eq!(world.store.entries.borrow().keys().filter(|key| key.contains(":c1:")).count(), 0);
    assert_eq!(run(&world.clock, connector.close(&legacy_caller())), Ok(()));
    assert_eq!(world.sent(), [""; 0]);
    world.exchange(&connector, CALL, &other).unwrap();
    assert_eq!(world.sent(), WARM);
}

#[test]
fn close_does_not_wait_for_upstreams_that_do_not_answer() {
    let mut server = legacy(|_| true, |_| json(RESULT));
    let world = World::new(ONE, move |request| {
        let reply = server(request);
        if request.method == "DELETE" { reply.after(Duration::from_secs(3600)) } else { reply }
    });
    let connector = world.instance();
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    let before = shared_ports::Clock::elapsed(&world.clock);
    assert_eq!(run(&world.clock, connector.close(&legacy_caller())), Ok(()));
    assert_eq!(shared_ports::Clock::elapsed(&world.clock) - before, Duration::from_secs(2));
}

#[test]
fn a_store_that_does_not_answer_stops_a_call_before_anything_is_sent() {
    let (world, _) = mortal();
    world.store.failing.set(true);
    let got = world.exchange(&world.instance(), CALL, &legacy_caller());
    assert!(matches!(got, Err(UpstreamError::Unavailable(_))));
    let closed = run(&world.clock, world.instance().close(&legacy_caller()));
    assert!(matches!(closed, Err(UpstreamError::Unavailable(_))));
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn what_initialize_may_answer() {
    let answer = |version: &str| {
        json(format!(
            r#"{{"jsonrpc":"2.0","id":"mcp-edge-initialize","result":{{"protocolVersion":"{version}","capabilities":{{}}}}}}"#
        ))
    };
    let refused = |code: i64| {
        json(format!(r#"{{"jsonrpc":"2.0","id":"mcp-edge-initialize","error":{{"code":{code},"message":"no"}}}}"#))
    };
    for (reply, expected) in [
        (answer("2025-06-18"), Ok(Some("2025-06-18"))),
        (answer("2025-03-26"), Ok(None)),
        (answer("2024-11-05"), Ok(None)),
        (
            answer("2026-07-28"),
            Err("invalid reply: `initialize` was answered with a protocol revision that is not spoken here"),
        ),
        (
            answer("1900-01-01"),
            Err("invalid reply: `initialize` was answered with a protocol revision that is not spoken here"),
        ),
        (
            answer("2025-11-25").header("mcp-session-id", "a b"),
            Err("invalid reply: the session id has characters that are not allowed"),
        ),
        (refused(-32603), Err("invalid reply: `initialize` was answered with the JSON-RPC error -32603")),
        (refused(-32601), Err("invalid reply: `initialize` was answered with the JSON-RPC error -32601")),
        (json("[]"), Err("invalid reply: no response to `initialize`")),
        (status(404), Err("refused with HTTP status 404")),
        (status(503), Err("refused with HTTP status 503")),
        (status(401), Err("unauthorized: HTTP status 401, challenge: none; check the upstream's headers")),
    ] {
        let world = World::new(ONE, move |request| match name(request).as_str() {
            "POST server/discover" => status(400),
            "POST initialize" => reply.clone(),
            "POST tools/call" => json(RESULT),
            _ => status(202),
        });
        let got = world.exchange(&world.instance(), CALL, &legacy_caller());
        let log = world.http.log.borrow();
        match expected {
            Ok(version) => {
                assert_eq!(got, Ok(Got::Response(RESULT.into())));
                assert_eq!(header(log.last().unwrap(), "mcp-protocol-version"), version);
            }
            Err(text) => {
                assert_eq!(got.unwrap_err().to_string(), text);
                assert!(world.store.entries.borrow().is_empty(), "nothing is kept");
            }
        }
    }
}
