//! Which era an upstream speaks.

mod common;

use common::*;
use connector_core::{Caller, UpstreamError};
use shared_ports::{HttpError, Request};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const DISCOVER: &str = "POST server/discover";
const INITIALIZE: &str = "POST initialize";
const INITIALIZED: &str = "POST notifications/initialized";
const TOOLS_CALL: &str = "POST tools/call";

fn error(status_code: u16, code: i64, data: &str) -> Scripted {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":"mcp-edge-discover","error":{{"code":{code},"message":"no","data":{data}}}}}"#
    );
    json(text).with_status(status_code)
}

/// The same for `initialize`.
fn refused(status_code: u16, code: i64) -> Scripted {
    let text = format!(r#"{{"jsonrpc":"2.0","id":"mcp-edge-initialize","error":{{"code":{code},"message":"no"}}}}"#);
    json(text).with_status(status_code)
}

/// A server that answers the probe so, and everything else as servers of both eras do.
fn probe(answer: Scripted) -> impl FnMut(&Request) -> Scripted {
    let mut rest = legacy(|_| true, |_| json(RESULT));
    move |request| match name(request).as_str() {
        DISCOVER => answer.clone(),
        TOOLS_CALL => answered(request),
        _ => rest(request),
    }
}

#[test]
fn the_answer_to_the_probe_decides() {
    let modern = [DISCOVER, TOOLS_CALL].as_slice();
    let legacy = [DISCOVER, INITIALIZE, INITIALIZED, TOOLS_CALL].as_slice();
    let supported = r#"{"supported":["2025-11-25","2026-07-28"],"requested":"x"}"#;
    for (what, answer, expected) in [
        ("a description", discovered(), modern),
        ("a description as an event", events([data(&String::from_utf8(first_bytes(&discovered())).unwrap())]), modern),
        ("another revision wanted", error(400, -32022, supported), modern),
        ("headers refused", error(400, -32020, "{}"), modern),
        ("capabilities missing", error(400, -32021, "{}"), modern),
        ("only legacy revisions", error(400, -32022, r#"{"supported":["2025-11-25"]}"#), legacy),
        ("not initialized", error(400, -32000, "{}"), legacy),
        ("method unknown", error(200, -32601, "{}"), legacy),
        ("method unknown, as 404", error(404, -32601, "{}"), legacy),
        ("400 and nothing", status(400), legacy),
        ("404 and nothing", status(404), legacy),
        ("405", status(405), legacy),
        ("406", status(406), legacy),
        ("400 and text", status(400).header("content-type", "text/plain").bytes("Bad Request: no session"), legacy),
        ("200 and HTML", status(200).header("content-type", "text/html").bytes("<p>"), legacy),
        ("a result of something else", json(r#"{"jsonrpc":"2.0","id":"mcp-edge-discover","result":{}}"#), legacy),
        ("broken JSON", json("{"), legacy),
    ] {
        let world = World::new(ONE, probe(answer));
        let got = world.exchange(&world.instance(), CALL, &modern_caller());
        assert_eq!(got, Ok(Got::Response(RESULT.into())), "{what}");
        assert_eq!(world.sent(), expected, "{what}");
    }
}

fn first_bytes(scripted: &Scripted) -> Vec<u8> {
    match scripted.steps.first() {
        Some(Step::Bytes(bytes)) => bytes.clone(),
        _ => Vec::new(),
    }
}

#[test]
fn what_says_nothing_about_the_era_is_an_error_and_is_not_kept() {
    for (answer, expected) in [
        (
            status(401).header("www-authenticate", "Bearer realm=\"x\""),
            UpstreamError::Unauthorized(
                "HTTP status 401, challenge: Bearer realm=\"x\"; check the upstream's headers".into(),
            ),
        ),
        (
            status(403),
            UpstreamError::Unauthorized("HTTP status 403, challenge: none; check the upstream's headers".into()),
        ),
        (status(302).header("location", "https://elsewhere.example"), UpstreamError::Refused(302)),
        (status(429), UpstreamError::Refused(429)),
        (status(500), UpstreamError::Refused(500)),
        (status(503), UpstreamError::Refused(503)),
        (fails(HttpError::Unreachable("refused".into())), UpstreamError::Unreachable("refused".into())),
        (fails(HttpError::TimedOut("slow".into())), UpstreamError::TimedOut("slow".into())),
        (fails(HttpError::Broken("reset".into())), UpstreamError::InvalidReply("the connection broke: reset".into())),
        (
            status(200).after(Duration::from_secs(3600)),
            UpstreamError::TimedOut("no answer to the handshake in 35 s".into()),
        ),
    ] {
        for (caller, first) in [(modern_caller(), DISCOVER), (legacy_caller(), INITIALIZE)] {
            let answer = answer.clone();
            let mut rest = both(|_| json(RESULT));
            let world = World::new(ONE, move |request| match name(request) == first {
                true => answer.clone(),
                false => rest(request),
            });
            let connector = world.instance();
            assert_eq!(world.exchange(&connector, CALL, &caller), Err(expected.clone()));
            assert_eq!(world.sent(), [first]);
            assert!(world.store.entries.borrow().is_empty());
            let _ = world.exchange(&connector, CALL, &caller);
            assert_eq!(world.sent(), [first]);
        }
    }
}

#[test]
fn a_known_era_costs_one_request_a_call_also_in_a_new_instance() {
    let world = World::new(ONE, modern(|_| json(RESULT)));
    let connector = world.instance();
    world.exchange(&connector, CALL, &modern_caller()).unwrap();
    assert_eq!(world.sent(), [DISCOVER, TOOLS_CALL]);
    world.exchange(&connector, CALL, &modern_caller()).unwrap();
    world.exchange(&world.instance(), CALL, &modern_caller()).unwrap();
    assert_eq!(world.sent(), [TOOLS_CALL, TOOLS_CALL]);
    // Only a legacy client makes it worth asking whether the other era is spoken too, and only the first one.
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    assert_eq!(world.sent(), [INITIALIZE, TOOLS_CALL]);
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    world.exchange(&world.instance(), CALL, &Caller { conversation: "c2".into(), ..legacy_caller() }).unwrap();
    assert_eq!(world.sent(), [TOOLS_CALL, TOOLS_CALL]);
}

#[test]
fn an_upstream_of_both_eras_is_spoken_to_in_the_one_of_the_caller() {
    let world = World::new(ONE, both(|_| json(RESULT)));
    let connector = world.instance();
    let modern = |request: &Request| header(request, "mcp-method").is_some();
    let cold = [[DISCOVER, TOOLS_CALL].as_slice(), &[INITIALIZE, INITIALIZED, TOOLS_CALL]];
    for (first, expected) in [(modern_caller(), cold[0]), (legacy_caller(), cold[1])] {
        for round in 0..2 {
            assert_eq!(world.exchange(&connector, CALL, &first), Ok(Got::Response(RESULT.into())));
            let last = world.http.log.borrow().last().map(modern);
            assert_eq!(last, Some(first == modern_caller()));
            assert_eq!(world.sent(), if round == 0 { expected } else { &[TOOLS_CALL] });
        }
    }
    for caller in [modern_caller(), legacy_caller()] {
        let description = run(&world.clock, connector.status("up", &caller)).unwrap();
        assert_eq!(description.revision, caller.revision);
        world.exchange(&world.instance(), CALL, &caller).unwrap();
    }
    assert_eq!(world.sent(), [TOOLS_CALL, TOOLS_CALL], "also in a new instance");
}

#[test]
fn the_answer_to_initialize_decides_for_a_legacy_client() {
    let sure = [INITIALIZE, DISCOVER, TOOLS_CALL].as_slice();
    // What may be due to this client's words is asked once more in the gateway's own, before it is kept for everybody.
    let unsure = [INITIALIZE, DISCOVER, INITIALIZE, TOOLS_CALL].as_slice();
    let modern_revision =
        r#"{"jsonrpc":"2.0","id":"mcp-edge-initialize","result":{"protocolVersion":"2026-07-28","capabilities":{}}}"#;
    for (what, answer, expected) in [
        ("method unknown", refused(200, -32601), sure),
        ("method unknown, as 404", refused(404, -32601), sure),
        ("revision not spoken", refused(200, -32022), sure),
        ("headers missing", refused(400, -32020), sure),
        ("404 and nothing", status(404), sure),
        ("405", status(405), sure),
        ("a modern revision", json(modern_revision), sure),
        ("400 and nothing", status(400), unsure),
        ("400 and another id", error(400, -32022, "{}"), unsure),
        ("parameters refused", refused(400, -32602), unsure),
        ("some error", refused(400, -32000), unsure),
    ] {
        let mut rest = both(|_| json(RESULT));
        let world = World::new(ONE, move |request| match name(request).as_str() {
            INITIALIZE => answer.clone(),
            _ => rest(request),
        });
        let connector = world.instance();
        for expected in [expected, &[TOOLS_CALL]] {
            assert_eq!(world.exchange(&connector, CALL, &legacy_caller()), Ok(Got::Response(RESULT.into())), "{what}");
            assert_eq!(world.sent(), expected, "{what}");
        }
    }
}

#[test]
fn a_client_whose_words_an_upstream_refuses_does_not_change_the_era_for_others() {
    let mut rest = both(|_| json(RESULT));
    let world = World::new(ONE, move |request| match name(request).as_str() {
        INITIALIZE if body(request)["params"]["clientInfo"]["name"] == 5 => refused(200, -32602),
        DISCOVER if String::from_utf8_lossy(&request.body).contains(r#""name":5"#) => error(400, -32602, "{}"),
        _ => rest(request),
    });
    let connector = world.instance();
    let odd = |caller: Caller| Caller { client_info: r#"{"name":5,"version":"1"}"#.into(), ..caller };
    let got = world.exchange(&connector, CALL, &odd(legacy_caller()));
    let text = "`initialize` was answered with the JSON-RPC error -32602";
    assert_eq!(got, Err(UpstreamError::InvalidReply(text.into())));
    assert_eq!(world.sent(), [INITIALIZE, DISCOVER, INITIALIZE, "DELETE -"]);
    world.exchange(&connector, CALL, &odd(modern_caller())).unwrap();
    assert_eq!(world.sent(), [TOOLS_CALL]);
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    assert_eq!(world.sent(), [INITIALIZE, INITIALIZED, TOOLS_CALL]);
}

#[test]
fn a_conversation_outlives_what_is_known_of_the_era_if_the_upstream_can_end_it() {
    let hour = Duration::from_secs(3600);
    for (session, caller, expected) in [
        ("s1", legacy_caller(), [TOOLS_CALL].as_slice()),
        ("s1", modern_caller(), &[DISCOVER, TOOLS_CALL]),
        ("", legacy_caller(), &[INITIALIZE, INITIALIZED, TOOLS_CALL]),
        ("", modern_caller(), &[DISCOVER, INITIALIZE, INITIALIZED, TOOLS_CALL]),
    ] {
        let world = World::new(ONE, move |request| match name(request).as_str() {
            DISCOVER => status(400),
            INITIALIZE => initialized(session),
            INITIALIZED => status(202),
            _ => answered(request),
        });
        let connector = world.instance();
        world.exchange(&connector, CALL, &caller).unwrap();
        world.clock.advance(hour);
        world.sent();
        world.exchange(&connector, CALL, &caller).unwrap();
        assert_eq!(world.sent(), expected, "{session} {}", caller.revision);
    }
}

#[test]
fn an_era_is_asked_for_again_after_an_hour() {
    let world = World::new(ONE, modern(|_| json(RESULT)));
    let connector = world.instance();
    world.exchange(&connector, CALL, &modern_caller()).unwrap();
    world.clock.advance(Duration::from_secs(3599));
    world.exchange(&connector, CALL, &modern_caller()).unwrap();
    assert_eq!(world.sent(), [DISCOVER, TOOLS_CALL, TOOLS_CALL]);
    world.clock.advance(Duration::from_secs(1));
    world.exchange(&connector, CALL, &modern_caller()).unwrap();
    assert_eq!(world.sent(), [DISCOVER, TOOLS_CALL]);
}

#[test]
fn an_upstream_that_changes_its_era_is_noticed_at_the_next_call() {
    let is_modern = Rc::new(Cell::new(true));
    let now = Rc::clone(&is_modern);
    let mut old = legacy(|_| true, |_| json(RESULT));
    let mut new = modern(|_| json(RESULT));
    let world = World::new(ONE, move |request| {
        if now.get() {
            match name(request).as_str() {
                INITIALIZE => refused(404, -32601),
                _ if header(request, "mcp-method").is_none() => {
                    json(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32020,"message":"Mcp-Method is missing"}}"#)
                        .with_status(400)
                }
                _ => new(request),
            }
        } else if header(request, "mcp-session-id").is_none() && name(request) == TOOLS_CALL {
            status(400)
        } else {
            old(request)
        }
    });
    let connector = world.instance();
    let result = Ok(Got::Response(RESULT.into()));
    assert_eq!(world.exchange(&connector, CALL, &legacy_caller()), result);
    assert_eq!(world.sent(), [INITIALIZE, DISCOVER, TOOLS_CALL]);
    is_modern.set(false);
    assert_eq!(world.exchange(&connector, CALL, &legacy_caller()), result);
    assert_eq!(world.sent(), [TOOLS_CALL, DISCOVER, INITIALIZE, INITIALIZED, TOOLS_CALL]);
    is_modern.set(true);
    assert_eq!(world.exchange(&connector, CALL, &legacy_caller()), result);
    assert_eq!(world.sent(), [TOOLS_CALL, INITIALIZE, DISCOVER, TOOLS_CALL]);
}

#[test]
fn an_upstream_that_became_modern_under_a_session_is_noticed_also_if_it_only_finds_the_parameters_wrong() {
    let wrong = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no"}}"#;
    let is_modern = Rc::new(Cell::new(false));
    let now = Rc::clone(&is_modern);
    let (mut old, mut new) = (both(|_| json(RESULT)), modern(|_| json(RESULT)));
    let world = World::new(ONE, move |request| {
        let legacy_request = header(request, "mcp-method").is_none() && name(request) != INITIALIZE;
        match (now.get(), legacy_request) {
            (false, _) => old(request),
            (true, true) => json(wrong).with_status(400),
            (true, false) => new(request),
        }
    });
    let connector = world.instance();
    let call = || world.exchange(&connector, CALL, &legacy_caller());
    assert_eq!(call(), Ok(Got::Response(RESULT.into())));
    world.sent();
    is_modern.set(true);
    assert_eq!(call(), Ok(Got::Response(RESULT.into())));
    assert_eq!(world.sent(), [TOOLS_CALL, DISCOVER, INITIALIZE, TOOLS_CALL]);
    assert_eq!(call(), Ok(Got::Response(RESULT.into())));
    assert_eq!(world.sent(), [TOOLS_CALL]);

    // A legacy server with the same answer is asked once whether it is one, and its session goes on.
    let world = World::new(ONE, legacy(|_| true, move |_| json(wrong).with_status(400)));
    let connector = world.instance();
    let call = || world.exchange(&connector, CALL, &legacy_caller());
    assert_eq!(call(), Ok(Got::Response(wrong.into())));
    assert_eq!(world.sent(), [INITIALIZE, INITIALIZED, TOOLS_CALL, DISCOVER]);
    assert_eq!(call(), Ok(Got::Response(wrong.into())));
    assert_eq!(world.sent(), [TOOLS_CALL]);
}

#[test]
fn a_kept_legacy_era_does_not_lock_out_a_server_that_is_modern_now() {
    let mut new = modern(|_| json(RESULT));
    let world = World::new(ONE, move |request| match name(request).as_str() {
        INITIALIZE => refused(400, -32022),
        _ => new(request),
    });
    for (side, spoken) in [("legacy", true), ("modern", false)] {
        let known = format!(r#"{{"address":"https://up.example/mcp","spoken":{spoken},"until":9000000000}}"#);
        world.store.entries.borrow_mut().insert(format!("upstream:up:era:{side}"), known.into());
    }
    for (caller, expected) in
        [(modern_caller(), [INITIALIZE, DISCOVER, TOOLS_CALL].as_slice()), (legacy_caller(), &[INITIALIZE, TOOLS_CALL])]
    {
        let connector = world.instance();
        assert_eq!(world.exchange(&connector, CALL, &caller), Ok(Got::Response(RESULT.into())));
        assert_eq!(world.sent(), expected);
    }
}

#[test]
fn the_era_of_another_address_does_not_count() {
    let world = World::new(ONE, modern(|_| json(RESULT)));
    let known = r#"{"address":"https://old.example/mcp","spoken":false,"until":9000000000}"#;
    world.store.entries.borrow_mut().insert("upstream:up:era:modern".into(), known.into());
    world.exchange(&world.instance(), CALL, &modern_caller()).unwrap();
    assert_eq!(world.sent(), [DISCOVER, TOOLS_CALL]);
}

#[test]
fn status_tells_what_the_upstream_says_of_itself() {
    let world = World::new(ONE, modern(|_| json(RESULT)));
    let connector = world.instance();
    let status = || run(&world.clock, connector.status("up", &modern_caller()));
    let description = status().unwrap();
    assert_eq!(description.revision, "2026-07-28");
    assert_eq!(description.capabilities, r#"{"tools":{}}"#);
    assert_eq!(description.server_info, r#"{"name":"modern","version":"2"}"#);
    assert_eq!(description.instructions.as_deref(), Some("Be kind."));
    assert_eq!(status(), Ok(description));
    assert_eq!(world.sent(), [DISCOVER]);
    world.clock.advance(Duration::from_secs(60));
    assert!(status().is_ok());
    assert_eq!(world.sent(), [DISCOVER], "its ttlMs is over");
}

#[test]
fn status_of_a_legacy_upstream_is_the_one_of_its_session() {
    let world = World::new(ONE, legacy(|_| true, |_| json(RESULT)));
    let connector = world.instance();
    let description = run(&world.clock, connector.status("up", &legacy_caller())).unwrap();
    assert_eq!(description.revision, "2025-11-25");
    assert_eq!(description.server_info, r#"{"name":"legacy","version":"1"}"#);
    assert_eq!(description.instructions, None);
    assert_eq!(world.sent(), [INITIALIZE, INITIALIZED]);
    world.exchange(&connector, CALL, &legacy_caller()).unwrap();
    assert_eq!(world.sent(), [TOOLS_CALL]);
}
