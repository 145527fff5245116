//! What comes back as server-sent events.

mod common;

use common::*;
use connector_core::{Abandoned, Call, Caller, Event, Interest, Reply, UpstreamError};
use shared_ports::{Clock, HttpError};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const EARLY: &str = "invalid reply: the stream ended before the response";

fn messages<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Got {
    Got::Messages(texts.into_iter().map(Into::into).collect())
}

fn up(reply: Scripted) -> World {
    World::new(ONE, modern(move |_| reply.clone()))
}

fn check(reply: Scripted, expected: Got) {
    let world = up(reply);
    assert_eq!(world.exchange(&world.instance(), CALL, &modern_caller()), Ok(expected));
}

#[test]
fn a_stream_with_nothing_but_the_response_is_a_response() {
    let response = Got::Response(RESULT.into());
    check(events([data(RESULT)]), response.clone());
    check(events([format!(": hello\n\nid: 1\nretry: 10\ndata:\n\n{}", data(RESULT))]), response.clone());
    check(events([": hello\n\n", "id: 1\ndata:\n\n", &data(RESULT)]), response.clone());
    let text = data(RESULT);
    let (head, tail) = text.split_at(20);
    check(events([head, tail]), response.clone());
    check(events([format!("event: message\n{}", data(RESULT))]), response);
}

#[test]
fn messages_come_in_order_and_as_they_are_with_the_response_last() {
    let odd = r#"{"jsonrpc":"2.0",  "method":"notifications/vendor","params":{"n":18446744073709551616.0}}"#;
    let request = r#"{"jsonrpc":"2.0","id":"up-1","method":"sampling/createMessage","params":{}}"#;
    // Event ids are those of an era that the upstream does not speak.
    check(
        events([data(PROGRESS), format!("id: a/1\n{}", data(odd)), data(request), data(RESULT), data(PROGRESS)]),
        messages([PROGRESS, odd, request, RESULT]),
    );
    check(events([data(PROGRESS) + &data(RESULT)]), messages([PROGRESS, RESULT]));
    check(
        events([format!("event: ping\n{}{}", data("x"), data(PROGRESS)), data(RESULT)]),
        messages([PROGRESS, RESULT]),
    );
}

#[test]
fn a_slow_response_is_a_stream_so_that_the_client_hears_of_it() {
    let world = up(events([""; 0]).step(Step::Wait(SECOND)).bytes(data(RESULT)));
    let connector = world.instance();
    let call = Call { upstream: "up".into(), message: CALL.into() };
    run(&world.clock, async {
        let caller = modern_caller();
        let start = world.clock.elapsed();
        let reply = connector.exchange(&call, &caller, Abandoned::never()).await.unwrap();
        assert_eq!(world.clock.elapsed() - start, Duration::from_millis(20));
        let Reply::Messages(mut messages) = reply else { panic!("no stream") };
        let event = Event::Message { data: RESULT.into(), event_id: None };
        assert_eq!(messages.next(&connector).await, Some(event));
        assert_eq!(world.clock.elapsed() - start, SECOND);
        assert_eq!(messages.next(&connector).await, None);
    });
}

#[test]
fn comments_without_end_do_not_hold_the_head_back() {
    let mut reply = events([""; 0]);
    for _ in 0..100 {
        reply = reply.bytes(": wait\n\n").step(Step::Wait(Duration::from_millis(10)));
    }
    check(reply.bytes(data(RESULT)), messages([RESULT]));
}

#[test]
fn a_stream_that_is_not_mcp_fails_where_it_stops_being_so() {
    let large = format!("data: {}", "x".repeat(1024 * 1024));
    for (tail, expected) in [
        (events([data("{")]), "an event that is not one JSON-RPC message"),
        (events([data("[]")]), "an event that is not one JSON-RPC message"),
        (events([data(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#)]), "a response to another request"),
        (
            events([data(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#)]),
            "a response to another request",
        ),
        (events([data(PROGRESS)]).bytes(*b"data: \xff\n\n"), "the stream is not UTF-8"),
        (events(vec![large.clone(); 9]), "a message of more than 8388608 bytes"),
        (events([""; 0]), "the stream ended before the response"),
        (events(["data: {\"jsonrpc\""]), "the stream ended before the response"),
        (events([data(PROGRESS)]).step(Step::Break), "the connection broke: reset"),
    ] {
        let mut reply = events([data(PROGRESS)]);
        reply.steps.extend(tail.steps.clone());
        let world = up(reply);
        let got = world.exchange(&world.instance(), CALL, &modern_caller());
        let Ok(Got::Messages(texts)) = got else { panic!("{expected}: {got:?}") };
        assert_eq!(texts[0], PROGRESS);
        assert_eq!(texts.last().unwrap(), &format!("invalid reply: {expected}"));
        // And also where it is the first thing in the stream.
        let world = up(tail);
        let Ok(Got::Messages(texts)) = world.exchange(&world.instance(), CALL, &modern_caller()) else {
            panic!("{expected}")
        };
        assert_eq!(texts.last().unwrap(), &format!("invalid reply: {expected}"));
    }
}

#[test]
fn any_sign_of_life_starts_the_timeout_anew() {
    let settings = r#"{"mcpServers":{"up":{"url":"https://up.example/mcp","timeout":3}}}"#;
    let mut reply = events([""; 0]);
    for sign in [": alive\n\n", &data(PROGRESS), ": alive\n\n"] {
        reply = reply.step(Step::Wait(2 * SECOND)).bytes(sign);
    }
    let ends = reply.clone().step(Step::Wait(2 * SECOND)).bytes(data(RESULT));
    let world = World::new(settings, modern(move |_| ends.clone()));
    let got = world.exchange(&world.instance(), CALL, &modern_caller());
    assert_eq!(got, Ok(messages([PROGRESS, RESULT])));

    let hangs = reply.step(Step::Hang);
    let world = World::new(settings, modern(move |_| hangs.clone()));
    let got = world.exchange(&world.instance(), CALL, &modern_caller());
    assert_eq!(got, Ok(messages([PROGRESS, "timed out: the stream was silent for 3 s"])));
    assert_eq!(world.http.cut.get(), 1, "the connection was closed");
}

#[test]
fn a_subscription_may_be_silent() {
    let listen = r#"{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{}}"#;
    let world = up(events([data(PROGRESS)]).step(Step::Wait(86400 * SECOND)).bytes(data(RESULT)));
    let got = world.exchange(&world.instance(), listen, &modern_caller());
    assert_eq!(got, Ok(messages([PROGRESS, RESULT])));
}

/// A call to an upstream that hangs after a second, abandoned after two; and what the upstream saw of it.
fn abandon(world: &World, caller: &Caller, interest: Interest) -> (Result<Got, UpstreamError>, Vec<String>) {
    let connector = world.instance();
    // Connect first, so that the abandoned message is all that happens.
    let warm = r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#;
    world.exchange(&connector, warm, caller).unwrap();
    world.sent();
    let clock = world.clock.clone();
    let abandoned = Abandoned::when(async move {
        clock.sleep(2 * SECOND).await;
        interest
    });
    let start = world.clock.elapsed();
    let got = world.exchange_until(&connector, CALL, caller, abandoned);
    assert!(world.clock.elapsed() - start < 5 * SECOND);
    let log = world.http.log.borrow();
    let last = log.last().unwrap();
    if name(last) == "POST notifications/cancelled" {
        assert_eq!(body(last)["params"]["requestId"], serde_json::json!(7));
        assert_eq!(header(last, "mcp-session-id"), Some("s1"));
    }
    let sent = log.iter().filter(|request| !asks_for_parameters(request)).map(name).collect();
    (got, sent)
}

#[test]
fn an_abandoned_call_is_withdrawn_in_the_way_of_the_upstreams_era() {
    let streaming = || events([data(PROGRESS)]).step(Step::Wait(SECOND)).bytes(data(PROGRESS)).step(Step::Hang);
    let (silent, half) = (json(RESULT).after(3600 * SECOND), json("{").step(Step::Hang));
    let vendor = |request: &shared_ports::Request, reply: &Scripted| {
        if name(request) == "POST tools/call" { reply.clone() } else { status(202) }
    };
    for (reply, expected) in [
        (streaming(), Ok(messages([PROGRESS, PROGRESS]))),
        (silent, Err(UpstreamError::TimedOut("nobody waited any more".into()))),
        (half, Err(UpstreamError::TimedOut("nobody waited any more".into()))),
    ] {
        for interest in [Interest::Cancelled, Interest::Ended] {
            let answer = reply.clone();
            let world = World::new(ONE, modern(move |request| vendor(request, &answer)));
            let (got, sent) = abandon(&world, &modern_caller(), interest);
            assert_eq!((got, sent), (expected.clone(), vec!["POST tools/call".to_owned()]));

            let answer = reply.clone();
            let world = World::new(ONE, legacy(|_| true, move |_| answer.clone()));
            let (got, sent) = abandon(&world, &legacy_caller(), interest);
            assert_eq!(got, expected);
            match interest {
                Interest::Cancelled => assert_eq!(sent, ["POST tools/call", "POST notifications/cancelled"]),
                Interest::Ended => assert_eq!(sent, ["POST tools/call"]),
            }
        }
    }
}

#[test]
fn a_call_abandoned_before_it_was_sent_is_not_sent() {
    let world = up(json(RESULT));
    let got =
        world.exchange_until(&world.instance(), CALL, &modern_caller(), Abandoned::when(async { Interest::Ended }));
    assert_eq!(got, Err(UpstreamError::TimedOut("nobody waited any more; nothing was sent".into())));
    assert_eq!(world.sent(), ["POST server/discover"]);
}

#[test]
fn a_stream_whose_reader_left_is_withdrawn_if_it_was_cancelled_and_not_over() {
    let told = vec!["POST notifications/cancelled"];
    for (taken, abandoned, expected) in [
        // Resolved a moment after the reader left, as WIT streams and futures may.
        (1, Some(Interest::Cancelled), told.clone()),
        (1, Some(Interest::Ended), vec![]),
        (1, None, vec![]),
        (2, Some(Interest::Cancelled), vec![]),
    ] {
        let world = World::new(ONE, legacy(|_| true, move |_| events([data(PROGRESS), data(RESULT)])));
        let connector = world.instance();
        let call = Call { upstream: "up".into(), message: CALL.into() };
        let caller = legacy_caller();
        let clock = world.clock.clone();
        let abandoned = Abandoned::when(async move {
            clock.sleep(SECOND).await;
            match abandoned {
                Some(interest) => interest,
                None => std::future::pending().await,
            }
        });
        run(&world.clock, async {
            let Ok(Reply::Messages(mut messages)) = connector.exchange(&call, &caller, abandoned).await else {
                panic!("no stream")
            };
            world.sent();
            for _ in 0..taken {
                assert!(messages.next(&connector).await.is_some());
            }
            messages.give_up(&connector).await;
        });
        assert_eq!(world.sent(), expected);
    }
}

#[test]
fn a_timeout_of_a_legacy_upstream_is_told_to_it() {
    let world = World::new(ONE, legacy(|_| true, |_| events([data(PROGRESS)]).step(Step::Hang)));
    let got = world.exchange(&world.instance(), CALL, &legacy_caller());
    assert_eq!(got, Ok(messages([PROGRESS, "timed out: the stream was silent for 30 s"])));
    assert_eq!(world.sent().last().unwrap(), "POST notifications/cancelled");
}

/// What a call brings whose stream breaks, and goes on with these replies; and with which event ids it was resumed.
fn resumed(first: Scripted, mut next: impl FnMut(usize) -> Scripted + 'static) -> (Vec<String>, Vec<String>, Duration) {
    let mut count = 0;
    let world = World::new(
        ONE,
        legacy(
            |_| true,
            move |request| {
                if request.method == "POST" {
                    return first.clone();
                }
                assert_eq!(header(request, "accept"), Some("text/event-stream"));
                assert_eq!(header(request, "mcp-protocol-version"), Some("2025-11-25"));
                count += 1;
                next(count)
            },
        ),
    );
    let start = world.clock.elapsed();
    let got = world.exchange(&world.instance(), CALL, &legacy_caller());
    let Ok(Got::Messages(texts)) = got else { panic!("{got:?}") };
    let ids = world.http.log.borrow().iter().filter_map(|r| header(r, "last-event-id")).map(str::to_owned).collect();
    (texts, ids, world.clock.elapsed() - start)
}

#[test]
fn a_broken_stream_of_a_legacy_upstream_is_resumed_where_it_broke() {
    let priming = "id: p\nretry: 2000\ndata:\n\n";
    let (texts, ids, time) = resumed(events([priming]), |_| events([format!("id: q\n{}", data(RESULT))]));
    assert_eq!(texts, ["reached p".to_owned(), format!("q: {RESULT}")]);
    assert_eq!(ids, ["p"]);
    assert_eq!(time, 2 * SECOND, "the time the upstream asked for");

    let broken = events([format!("id: a\n{}", data(PROGRESS))]).bytes("data: {\"js").step(Step::Break);
    let (texts, ids, time) = resumed(broken, |count| match count {
        1 => events([format!("id: b\n{}", data(PROGRESS))]).step(Step::Break),
        _ => events([data(RESULT)]),
    });
    assert_eq!(texts, [&format!("a: {PROGRESS}"), &format!("b: {PROGRESS}"), RESULT]);
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(time, 2 * SECOND, "a second each time, where the upstream asked for nothing");
}

#[test]
fn a_stream_that_cannot_be_resumed_fails() {
    let first = || events([format!("id: a\n{}", data(PROGRESS))]);
    let broken = fails(HttpError::Unreachable("refused".into()));
    for (reply, tries) in
        [(status(404), 1), (status(405), 1), (status(401), 1), (json(RESULT), 1), (status(503), 6), (broken, 6)]
    {
        let (texts, ids, time) = resumed(first(), move |_| reply.clone());
        assert_eq!(texts, [&format!("a: {PROGRESS}"), EARLY]);
        assert_eq!(ids, vec!["a"; tries]);
        assert!(tries == 1 || time > 30 * SECOND && time < 60 * SECOND, "{time:?}");
    }
    let (texts, ids, _) = resumed(events([data(PROGRESS)]), |_| status(500));
    assert_eq!((texts, ids.len()), (vec![PROGRESS.to_owned(), EARLY.to_owned()], 0), "without an event id");
}

#[test]
fn a_stream_that_goes_on_may_be_resumed_for_ever() {
    let (texts, ids, _) = resumed(events(["id: 0\ndata:\n\n"]), |count| match count {
        ..100 => events([format!("id: {count}\ndata:\n\n")]),
        _ => events([data(RESULT)]),
    });
    assert_eq!(texts.len(), 101, "each place was told, and then the response");
    assert_eq!(texts.last().unwrap(), RESULT);
    assert_eq!(ids.len(), 100);
}

#[test]
fn an_upstream_that_was_out_of_reach_for_a_while_is_gone_on_with() {
    let (texts, ids, _) = resumed(events(["id: a\ndata:\n\n"]), |count| match count {
        1 => status(503),
        2 => fails(HttpError::Broken("reset".into())),
        _ => events([data(RESULT)]),
    });
    assert_eq!(texts, ["reached a", RESULT]);
    assert_eq!(ids, ["a", "a", "a"]);
}

#[test]
fn a_ping_is_answered_here_and_nobody_else_hears_of_it() {
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    let world = World::new(ONE, legacy(|_| true, move |_| events([data(ping), data(PROGRESS), data(RESULT)])));
    let got = world.exchange(&world.instance(), CALL, &legacy_caller());
    assert_eq!(got, Ok(messages([PROGRESS, RESULT])));
    let log = world.http.log.borrow();
    let answer = log.last().unwrap();
    assert_eq!(body(answer), serde_json::json!({ "jsonrpc": "2.0", "id": "p", "result": {} }));
    assert_eq!(header(answer, "mcp-session-id"), Some("s1"));
}

/// A question on the stream of a call, then this much silence, then the response.
fn asks(method: &str, silence: Duration) -> Got {
    let ask = format!(r#"{{"jsonrpc":"2.0","id":"q","method":"{method}","params":{{}}}}"#);
    let reply = events([data(&ask)]).step(Step::Wait(silence)).bytes(data(RESULT));
    let world = World::new(ONE, legacy(|_| true, move |_| reply.clone()));
    world.exchange(&world.instance(), CALL, &legacy_caller()).unwrap()
}

#[test]
fn an_upstream_that_waits_for_a_person_is_waited_for() {
    for method in ["elicitation/create", "sampling/createMessage"] {
        let ask = format!(r#"{{"jsonrpc":"2.0","id":"q","method":"{method}","params":{{}}}}"#);
        assert_eq!(asks(method, 60 * SECOND), messages([ask.as_str(), RESULT]));
        assert_eq!(asks(method, 601 * SECOND), messages([&ask, "timed out: the stream was silent for 600 s"]));
    }
    assert_eq!(asks("ping", 60 * SECOND), messages(["timed out: the stream was silent for 30 s"]));
}

#[test]
fn a_stream_that_has_nothing_more_in_it_is_given_up_soon() {
    let (texts, ids, time) = resumed(events([format!("id: a\n{}", data(PROGRESS))]), |_| events([""; 0]));
    assert!(texts.last().unwrap().contains("with nothing in it"), "{texts:?}");
    assert_eq!(ids.len(), 8);
    assert!(time < 20 * SECOND, "{time:?}");
    // One that is held open for a while, and one that wants to be polled, may have something yet.
    let (texts, ..) = resumed(events(["id: a\ndata:\n\n"]), |count| match count {
        ..30 => events([""; 0]).step(Step::Wait(5 * SECOND)),
        _ => events([data(RESULT)]),
    });
    assert_eq!(texts.last().unwrap(), RESULT);
}

#[test]
fn a_retry_of_nothing_does_not_make_the_gateway_spin() {
    for reply in [events(["retry: 0\n\n"]), events([format!("id: a\n{}", data(PROGRESS))])] {
        let (_, ids, time) = resumed(events(["id: a\nretry: 0\ndata:\n\n"]), move |_| reply.clone());
        assert!((20..60).contains(&ids.len()), "{}", ids.len());
        assert!(time >= Duration::from_secs(600) && time < Duration::from_secs(720), "{time:?}");
    }
}

#[test]
fn the_rest_of_a_stream_is_read_so_that_the_connection_can_be_used_again() {
    let world = up(events([data(RESULT)]).step(Step::Wait(Duration::from_millis(500))).bytes(": bye\n\n"));
    world.exchange(&world.instance(), CALL, &modern_caller()).unwrap();
    assert_eq!(world.http.cut.get(), 0);
    for endless in [
        events([data(RESULT)]).step(Step::Wait(Duration::from_secs(5))).bytes(": bye\n\n"),
        events([data(RESULT), " ".repeat(40 * 1024), " ".repeat(40 * 1024), String::from("x")]),
    ] {
        let world = up(endless);
        world.exchange(&world.instance(), CALL, &modern_caller()).unwrap();
        assert_eq!(world.http.cut.get(), 1);
    }
}
