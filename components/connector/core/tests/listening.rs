//! What upstreams say outside of calls.

mod common;

use common::*;
use connector_core::{Abandoned, Event, Interest, Listening, Subject, UpstreamError};
use serde_json::json as value;
use shared_ports::{Clock, HttpError, Request};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
const ASKED: &str = r#"{"toolsListChanged":true,"resourceSubscriptions":["a://b"]}"#;

fn subject(after: Option<&str>, notifications: &str) -> Subject {
    Subject { upstream: "up".into(), after: after.map(str::to_owned), notifications: notifications.into() }
}

/// The first so many events, or all there are.
async fn take(
    connector: &TestConnector,
    mut listening: Listening<FakeBody>,
    count: usize,
) -> (Vec<String>, Listening<FakeBody>) {
    let mut texts = Vec::new();
    while texts.len() < count
        && let Some(event) = listening.next(connector).await
    {
        texts.push(match event {
            Event::Message { data, event_id: None } => String::from_utf8(data).unwrap(),
            Event::Message { data, event_id: Some(id) } => format!("{id}: {}", String::from_utf8(data).unwrap()),
            Event::Reached(position) => format!("reached {} {:?}", position.event_id, position.retry),
            Event::Failed(error) => error.to_string(),
        });
    }
    (texts, listening)
}

/// Listen, and take so many events.
fn listen(
    world: &World,
    subject: &Subject,
    caller: &connector_core::Caller,
    count: usize,
) -> Result<Option<Vec<String>>, UpstreamError> {
    let connector = world.instance();
    run(&world.clock, async {
        match connector.listen(subject, caller, Abandoned::never()).await? {
            None => Ok(None),
            Some(listening) => Ok(Some(take(&connector, listening, count).await.0)),
        }
    })
}

fn some<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Result<Option<Vec<String>>, UpstreamError> {
    Ok(Some(texts.into_iter().map(Into::into).collect()))
}

/// A legacy server that answers its GETs so, each with its number.
fn sessions(mut get: impl FnMut(usize, &Request) -> Scripted + 'static) -> World {
    let mut count = 0;
    World::new(
        ONE,
        legacy(
            |_| true,
            move |request| {
                assert_eq!(request.method, "GET");
                count += 1;
                get(count, request)
            },
        ),
    )
}

fn gets(world: &World) -> Vec<Option<String>> {
    let log = world.http.log.borrow();
    log.iter().filter(|r| r.method == "GET").map(|r| header(r, "last-event-id").map(str::to_owned)).collect()
}

#[test]
fn the_stream_of_the_session_is_handed_on_as_it_comes() {
    let request = r#"{"jsonrpc":"2.0","id":"s-1","method":"sampling/createMessage","params":{"x":1.0}}"#;
    let stray = r#"{"jsonrpc":"2.0","id":5,"result":{}}"#;
    let ping = r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#;
    let reply = events(["id: 0\nretry: 700\ndata:\n\n", &data(CHANGED), &data(stray), &data(ping)])
        .bytes(format!("id: 1\n{}", data(request)))
        .step(Step::Hang);
    let world = sessions(move |_, _| reply.clone());
    let got = listen(&world, &subject(None, "{}"), &legacy_caller(), 3);
    assert_eq!(got, some(["reached 0 Some(700)", CHANGED, &format!("1: {request}")]));
    let log = world.http.log.borrow();
    let get = log.iter().find(|request| request.method == "GET").unwrap();
    assert_eq!(header(get, "accept"), Some("text/event-stream"));
    assert_eq!(header(get, "mcp-session-id"), Some("s1"));
    assert_eq!(header(get, "mcp-protocol-version"), Some("2025-11-25"));
    let pong = log.last().unwrap();
    assert_eq!(body(pong), value!({ "jsonrpc": "2.0", "id": 9, "result": {} }));
    assert_eq!(world.http.cut.get(), 1, "the connection is closed when nobody listens");
}

#[test]
fn an_upstream_may_have_nothing_to_say() {
    for reply in [status(405), status(501), status(204), json("{}"), status(200).header("content-type", "text/html")] {
        let world = sessions(move |_, _| reply.clone());
        assert_eq!(listen(&world, &subject(None, "{}"), &legacy_caller(), 1), Ok(None));
    }
    // Without a session, 404 says that there is no GET.
    let world = World::new(ONE, |request| match name(request).as_str() {
        "POST initialize" => initialized(""),
        "GET -" => status(404),
        _ => status(202),
    });
    assert_eq!(listen(&world, &subject(None, "{}"), &legacy_caller(), 1), Ok(None));
}

#[test]
fn what_keeps_from_listening_is_told() {
    let refused = HttpError::Unreachable("refused".into());
    for (reply, expected) in [
        (status(400), UpstreamError::Refused(400)),
        (status(500), UpstreamError::Refused(500)),
        (status(429), UpstreamError::Refused(429)),
        (fails(refused), UpstreamError::Unreachable("refused".into())),
        (
            status(401),
            UpstreamError::Unauthorized("HTTP status 401, challenge: none; check the upstream's headers".into()),
        ),
        (status(200).after(60 * SECOND), UpstreamError::TimedOut("no stream in 30 s".into())),
    ] {
        let world = sessions(move |_, _| reply.clone());
        assert_eq!(listen(&world, &subject(None, "{}"), &legacy_caller(), 1), Err(expected));
    }
    let world = sessions(|_, _| status(405));
    let other = Subject { upstream: "other".into(), ..subject(None, "{}") };
    assert_eq!(listen(&world, &other, &legacy_caller(), 1), Err(UpstreamError::NotFound));
    for broken in ["", "[]", "{"] {
        let got = listen(&world, &subject(None, broken), &legacy_caller(), 1);
        assert!(matches!(got, Err(UpstreamError::Misconfigured(_))), "{got:?}");
    }
}

#[test]
fn a_stream_that_ends_is_opened_again_where_it_ended() {
    let world = sessions(|count, _| match count {
        1 => events(["retry: 3000\n\n", &format!("id: a\n{}", data(CHANGED))]),
        2 => events([format!("id: b\n{}", data(CHANGED))]).step(Step::Break),
        3 => status(503),
        4 => fails(HttpError::Unreachable("refused".into())),
        _ => events([format!("id: c\n{}", data(CHANGED))]).step(Step::Hang),
    });
    let start = world.clock.elapsed();
    let got = listen(&world, &subject(None, "{}"), &legacy_caller(), 3);
    assert_eq!(got, some([format!("a: {CHANGED}"), format!("b: {CHANGED}"), format!("c: {CHANGED}")]));
    assert_eq!(gets(&world), [None, Some("a".into()), Some("b".into()), Some("b".into()), Some("b".into())]);
    // What the upstream asked for each time, twice and four times that after failures, and up to a quarter more.
    let time = world.clock.elapsed() - start;
    assert!(time >= 24 * SECOND && time <= 30 * SECOND, "{time:?}");
}

#[test]
fn a_silent_stream_is_left_alone_and_one_that_always_ends_at_once_is_opened_less_and_less() {
    let world = sessions(|count, _| match count {
        1 => events([""; 0]).step(Step::Wait(86400 * SECOND)).bytes(data(CHANGED)).step(Step::Hang),
        _ => panic!("opened again"),
    });
    assert_eq!(listen(&world, &subject(None, "{}"), &legacy_caller(), 1), some([CHANGED]));

    let world = sessions(|count, _| match count {
        ..=20 => events([": nothing\n\n"]),
        _ => events([data(CHANGED)]).step(Step::Hang),
    });
    let start = world.clock.elapsed();
    assert_eq!(listen(&world, &subject(None, "{}"), &legacy_caller(), 1), some([CHANGED]));
    let time = world.clock.elapsed() - start;
    assert!(time > 14 * 60 * SECOND && time < 20 * 60 * SECOND, "{time:?}");
}

#[test]
fn a_session_that_is_gone_is_renewed_and_what_was_missed_is_made_good() {
    let mut first = true;
    let mut sessions = 0;
    let initialized = r#"{"jsonrpc":"2.0","id":"mcp-edge-initialize","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"prompts":{}},"serverInfo":{"name":"l","version":"1"}}}"#;
    let world = World::new(ONE, move |request| match name(request).as_str() {
        "POST initialize" => {
            sessions += 1;
            json(initialized).header("mcp-session-id", &format!("s{sessions}"))
        }
        "GET -" if header(request, "mcp-session-id") == Some("s1") => match std::mem::take(&mut first) {
            true => events([format!("id: a\n{}", data(PROGRESS))]),
            false => status(404),
        },
        "GET -" => {
            assert_eq!(header(request, "last-event-id"), None, "the event is one of the old session");
            events([data(PROGRESS)]).step(Step::Hang)
        }
        _ => status(202),
    });
    let got = listen(&world, &subject(None, ASKED), &legacy_caller(), 4);
    let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://b"}}"#;
    assert_eq!(got, some([&format!("a: {PROGRESS}"), CHANGED, updated, PROGRESS]));
    let log = world.http.log.borrow();
    let again: Vec<_> = log.iter().filter(|request| name(request) == "POST resources/subscribe").collect();
    assert_eq!(again.len(), 1, "subscribed to again");
    assert_eq!(header(again[0], "mcp-session-id"), Some("s2"));
    assert_eq!(body(again[0])["params"]["uri"], "a://b");
}

#[test]
fn somebody_else_on_the_stream_is_waited_for_a_moment() {
    let world = sessions(|count, _| match count {
        ..=3 => status(409),
        _ => events([data(CHANGED)]).step(Step::Hang),
    });
    assert_eq!(listen(&world, &subject(None, "{}"), &legacy_caller(), 1), some([CHANGED]));
    let world = sessions(|_, _| status(409));
    assert_eq!(listen(&world, &subject(None, "{}"), &legacy_caller(), 1), Err(UpstreamError::Refused(409)));
    assert_eq!(gets(&world).len(), 4);
}

#[test]
fn a_stream_that_can_never_be_opened_again_fails() {
    for (reply, expected) in [
        (status(400), vec!["refused with HTTP status 400"]),
        (status(401), vec!["unauthorized: HTTP status 401, challenge: none; check the upstream's headers"]),
        (status(405), vec![]),
    ] {
        let world = sessions(move |count, _| if count == 1 { events([data(CHANGED)]) } else { reply.clone() });
        let got = listen(&world, &subject(None, "{}"), &legacy_caller(), 9);
        assert_eq!(got, some([vec![CHANGED], expected].concat()));
    }
    let world = sessions(|_, _| events([data("{")]));
    let got = listen(&world, &subject(None, "{}"), &legacy_caller(), 9);
    assert_eq!(got, some(["invalid reply: an event that is not one JSON-RPC message"]));
}

/// Go on after event `e` of a session that a call has begun.
fn go_on(
    get: impl FnMut(usize, &Request) -> Scripted + 'static,
) -> (World, Result<Option<Vec<String>>, UpstreamError>) {
    let world = sessions(get);
    let connector = world.instance();
    run(&world.clock, connector.status("up", &legacy_caller())).unwrap();
    let got = listen(&world, &subject(Some("e"), "{}"), &legacy_caller(), 9);
    (world, got)
}

#[test]
fn a_call_is_gone_on_with_up_to_its_response() {
    let (world, got) = go_on(|count, _| match count {
        1 => events([format!("id: f\n{}", data(PROGRESS))]),
        2 => status(503),
        _ => events([data(RESULT), data(PROGRESS)]),
    });
    assert_eq!(got, some([&format!("f: {PROGRESS}"), RESULT]));
    assert_eq!(gets(&world), [Some("e".into()), Some("f".into()), Some("f".into())]);
}

#[test]
fn a_message_that_was_handed_on_and_comes_again_is_not_handed_on_twice() {
    let message = |id: &str| format!("id: {id}\n{}", data(PROGRESS));
    let (_, got) = go_on(move |count, _| match count {
        1 => events([message("f")]),
        _ => events([message("f"), message("g"), data(RESULT)]),
    });
    assert_eq!(got, some([&format!("f: {PROGRESS}"), &format!("g: {PROGRESS}"), RESULT]));
    // Of a place nobody knows whether a message had its id; and servers whose events all have one id lose no response.
    let (_, got) = go_on(move |count, _| match count {
        1 => events(["id: f\ndata:\n\n"]),
        2 => events([message("f")]),
        _ => events([format!("id: f\n{}", data(RESULT))]),
    });
    assert_eq!(got, some(["reached f None", &format!("f: {PROGRESS}"), &format!("f: {RESULT}")]));
}

#[test]
fn an_event_that_cannot_be_gone_on_after_is_refused() {
    for code in [400, 404, 405, 410] {
        let (_, got) = go_on(move |_, _| status(code));
        assert_eq!(got, Err(UpstreamError::Refused(code)));
    }
    let (_, got) = go_on(|_, _| json(RESULT));
    assert!(matches!(got, Err(UpstreamError::InvalidReply(_))), "{got:?}");
    // Neither is there a session that it could be of, nor may it be anything at all.
    let world = sessions(|_, _| panic!("asked"));
    for (event, expected) in [("e", 404), ("", 400), ("a\r\nb", 400), (&"x".repeat(1025), 400)] {
        let got = listen(&world, &subject(Some(event), "{}"), &legacy_caller(), 9);
        assert_eq!(got, Err(UpstreamError::Refused(expected)));
    }
    let world = World::new(ONE, modern(|_| panic!("asked")));
    run(&world.clock, world.instance().status("up", &modern_caller())).unwrap();
    let got = listen(&world, &subject(Some("e"), ASKED), &modern_caller(), 9);
    assert_eq!(got, Err(UpstreamError::Refused(404)));
}

#[test]
fn a_call_that_never_goes_on_is_given_up() {
    let (_, got) = go_on(|_, _| events(["event: ping\ndata: x\n\n"]));
    assert_eq!(got, some(["invalid reply: the stream ended before the response"]));
    // A server that knows the session and not the call says nothing at all, each time.
    let (world, got) = go_on(|_, _| events([": nothing\n\n"]));
    assert!(got.unwrap().unwrap()[0].contains("with nothing in it"));
    assert!(world.clock.elapsed() < 30 * SECOND);
    assert_eq!(gets(&world).len(), 5);
}

fn acknowledged(accepted: &str, id: &str) -> String {
    data(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{accepted}}}}}"#
    ))
}

fn subscriptions(mut answer: impl FnMut(usize, &Request) -> Scripted + 'static) -> World {
    let mut count = 0;
    World::new(
        ONE,
        modern(move |request| {
            assert_eq!(name(request), "POST subscriptions/listen");
            count += 1;
            answer(count, request)
        }),
    )
}

#[test]
fn a_modern_upstream_is_subscribed_to() {
    let update = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://b","_meta":{"io.modelcontextprotocol/subscriptionId":"r1-listen","v/x":1.0}}}"#;
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let world = subscriptions(move |_, _| {
        events([": hello\n\n", "id: 7\ndata:\n\n", &acknowledged(ASKED, "\"r1-listen\"")])
            .bytes(data(request) + &data(update))
            .bytes(format!("id: 8\n{}", data(CHANGED)))
            .step(Step::Hang)
    });
    let got = listen(&world, &subject(None, ASKED), &modern_caller(), 3);
    let ack = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{ASKED}}}}}"#
    );
    let updated =
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://b","_meta":{"v/x":1.0}}}"#;
    assert_eq!(got, some([&ack, updated, CHANGED]), "the name of the subscription is taken out, all else stays");
    let log = world.http.log.borrow();
    let sent = log.last().unwrap();
    let body = body(sent);
    assert_eq!(body["params"]["notifications"], serde_json::from_str::<serde_json::Value>(ASKED).unwrap());
    assert_eq!(body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(header(sent, "mcp-method"), Some("subscriptions/listen"));
    assert_eq!(header(sent, "mcp-protocol-version"), Some("2026-07-28"));
}

#[test]
fn a_modern_upstream_may_have_nothing_to_say() {
    let unknown = |request: &Request| {
        format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"no"}}}}"#, body(request)["id"])
    };
    let replies: [fn(String) -> Scripted; 4] = [
        |error| json(error).with_status(404),
        |error| json(error),
        |error| events([data(&error)]),
        |_| events([acknowledged("{}", "1")]).step(Step::Hang),
    ];
    for reply in replies {
        let world = subscriptions(move |_, request| reply(unknown(request)));
        assert_eq!(listen(&world, &subject(None, ASKED), &modern_caller(), 9), Ok(None));
    }
    let world = subscriptions(|_, _| panic!("asked for nothing"));
    for nothing in ["{}", r#"{"toolsListChanged":false,"resourceSubscriptions":[]}"#] {
        assert_eq!(listen(&world, &subject(None, nothing), &modern_caller(), 9), Ok(None));
    }
}

#[test]
fn a_subscription_that_ends_is_made_again_and_everything_may_have_changed() {
    let world = subscriptions(|count, request| {
        let id = body(request)["id"].to_string();
        let end = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete"}}}}"#);
        match count {
            1 => events([acknowledged(ASKED, &id), data(PROGRESS), data(&end)]),
            2 => status(503),
            _ => events([acknowledged(ASKED, &id), data(PROGRESS)]).step(Step::Hang),
        }
    });
    let got = listen(&world, &subject(None, ASKED), &modern_caller(), 5).unwrap().unwrap();
    let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://b"}}"#;
    assert!(got[0].contains("acknowledged"));
    assert_eq!(got[1..], [PROGRESS, CHANGED, updated, PROGRESS]);
}

#[test]
fn nobody_waits_for_one_that_has_left() {
    for (reply, open) in [(events([""; 0]).step(Step::Hang), true), (events([": x\n\n"]), true), (status(409), false)] {
        let world = sessions(move |_, _| reply.clone());
        let connector = world.instance();
        let clock = world.clock.clone();
        let abandoned = Abandoned::when(async move {
            clock.sleep(SECOND / 2).await;
            Interest::Cancelled
        });
        let start = world.clock.elapsed();
        run(&world.clock, async {
            let listening = connector.listen(&subject(None, "{}"), &legacy_caller(), abandoned).await.unwrap();
            assert_eq!(listening.is_some(), open);
            if let Some(listening) = listening {
                assert!(take(&connector, listening, 9).await.0.is_empty());
            }
        });
        assert_eq!(world.clock.elapsed() - start, SECOND / 2);
        assert!(!world.sent().iter().any(|name| name.contains("cancelled")), "there is nothing to cancel");
    }
}

#[test]
fn a_message_that_is_too_large_is_not_read() {
    let world = sessions(|_, _| events(vec![format!("data: {}", "x".repeat(1024 * 1024)); 9]).step(Step::Hang));
    let got = listen(&world, &subject(None, "{}"), &legacy_caller(), 9);
    assert_eq!(got, some(["invalid reply: a message of more than 8388608 bytes"]));
}
