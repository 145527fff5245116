//! Answers that come message by message.

mod support;

use session_core::{HangUp, UpstreamError};
use support::{Says, World, rpc};

const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":12345678901234567890,"progress":0.50}}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"demo_x"}}"#;

fn response() -> String {
    r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]}}"#.into()
}

fn upstream(says: impl Fn() -> Says + 'static) -> World {
    World::new().upstream("demo", "2025-11-25", "{}", move |method, _| match method {
        "" => Says::Accepted,
        method if method.starts_with("notifications/") => Says::Accepted,
        _ => says(),
    })
}

/// What a legacy client gets for a call.
fn events(says: impl Fn() -> Says + 'static) -> Vec<String> {
    let world = upstream(says);
    let session = world.session();
    world.say(&session, CALL).events()
}

fn failure(events: &[String]) -> i64 {
    let last: serde_json::Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["id"], 1);
    assert_eq!(last["error"]["data"]["upstream"], "demo");
    last["error"]["code"].as_i64().unwrap()
}

#[test]
fn a_stream_is_marked_so_that_nobody_on_the_way_keeps_it() {
    let world = upstream(|| Says::Stream(vec![response()]));
    let session = world.session();
    let seen = world.say(&session, CALL);
    assert_eq!(seen.status, 200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(seen.headers[name], value);
    }
}

#[test]
fn messages_go_through_letter_by_letter_and_the_response_ends_the_stream() {
    let got = events(|| Says::Open(vec![PROGRESS.into(), response(), PROGRESS.into()]));
    assert_eq!(got, [PROGRESS.to_owned(), response().replace("{id}", "1")]);
}

#[test]
fn a_stream_that_fails_ends_with_an_error_response() {
    let got = events(|| Says::Breaks(vec![PROGRESS.into()], UpstreamError::TimedOut("secret".into())));
    assert_eq!((got.len(), failure(&got)), (2, -32001));
    assert!(!got[1].contains("secret"));
    for says in [
        || Says::Stream(vec![PROGRESS.into()]),
        || Says::Stream(vec![PROGRESS.into(), "{".into()]),
        || Says::Stream(vec![PROGRESS.into(), r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#.into()]),
    ] as [fn() -> Says; 3]
    {
        let got = events(says);
        assert_eq!((got.len(), failure(&got)), (2, -32001));
    }
}

#[test]
fn requests_of_an_upstream_say_where_they_come_from() {
    let got = events(|| {
        Says::Stream(vec![
            r#"{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"message":"?","n":1.0}}"#.into(),
            r#"{"jsonrpc":"2.0","id":"a","method":"sampling/createMessage","params":{"_meta":{"progressToken":7,"x":1.0}}}"#.into(),
            r#"{"jsonrpc":"2.0","id":2,"method":"roots/list"}"#.into(),
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a","reason":"x"}}"#.into(),
            response(),
        ])
    });
    assert_eq!(
        got[..4],
        [
            r#"{"jsonrpc":"2.0","id":"demo:0","method":"elicitation/create","params":{"message":"?","n":1.0}}"#,
            r#"{"jsonrpc":"2.0","id":"demo:\"a\"","method":"sampling/createMessage","params":{"_meta":{"progressToken":"demo:7","x":1.0}}}"#,
            r#"{"jsonrpc":"2.0","id":"demo:2","method":"roots/list"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"demo:\"a\"","reason":"x"}}"#,
        ]
    );
}

#[test]
fn a_question_and_its_answer_meet() {
    let world = upstream(|| {
        Says::Stream(vec![
            r#"{"jsonrpc":"2.0","id":98765432109876543210,"method":"elicitation/create"}"#.into(),
            response(),
        ])
    });
    let session = world.session();
    let question = world.say(&session, CALL).events().remove(0);
    let id = shared_mcp::Message::parse(&question).unwrap().id().unwrap().to_owned();
    world.sent();
    assert_eq!(world.say(&session, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)).status, 202);
    assert_eq!(world.sent()[0].message, r#"{"jsonrpc":"2.0","id":98765432109876543210,"result":{}}"#);
}

#[test]
fn updated_resources_of_several_upstreams_name_their_upstream() {
    let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://a","x":1.0}}"#;
    let world = upstream(move || Says::Stream(vec![updated.into(), response()])).simple("other");
    let session = world.session();
    assert_eq!(world.say(&session, CALL).events()[0], updated.replace("test://", "mcp-edge://demo/test://"));
}

#[test]
fn modern_clients_get_no_requests_and_the_upstream_is_told() {
    let world = World::new().upstream("demo", "2025-11-25", "{}", |method, _| match method {
        "tools/call" => Says::Stream(vec![
            r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{}}"#.into(),
            r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#.into(),
            PROGRESS.into(),
            response(),
        ]),
        _ => Says::Accepted,
    });
    let events = world.modern("tools/call", "demo_x", r#""name":"demo_x""#).events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], PROGRESS);
    assert!(events[1].contains(r#""resultType":"complete""#));
    let sent: Vec<_> = world.sent().into_iter().map(|sent| sent.message).skip(1).collect();
    assert!(sent[0].starts_with(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"#), "{}", sent[0]);
    assert_eq!(sent[1], r#"{"jsonrpc":"2.0","id":8,"result":{}}"#);
}

#[test]
fn silence_is_filled_with_comments() {
    let world = upstream(|| Says::Open(vec![PROGRESS.into()]));
    world.patience.set(4);
    let session = world.session();
    let seen = world.say(&session, CALL);
    assert_eq!(seen.body, format!("data: {PROGRESS}\n\n{}", ": keep-alive\n\n".repeat(3)));
    // Three times 25 seconds, and the next look finds the client gone.
    let elapsed = world.clock.elapsed.get().as_millis();
    assert!((77_500..=80_000).contains(&elapsed), "{elapsed}");
}

#[test]
fn a_client_that_goes_in_silence_is_missed_within_seconds() {
    let world = upstream(|| Says::Open(vec![PROGRESS.into()]));
    world.patience.set(1);
    world.modern("tools/call", "demo_x", r#""name":"demo_x""#);
    // One look.
    assert_eq!(world.clock.elapsed.get(), std::time::Duration::from_millis(2500));
    assert_eq!(world.abandoned(), [HangUp::Cancel]);
}

#[test]
fn an_answer_that_takes_long_becomes_a_stream() {
    let world = upstream(|| Says::Hangs);
    world.patience.set(2);
    let session = world.session();
    let seen = world.say(&session, CALL);
    assert_eq!((seen.status, seen.headers["content-type"].as_str()), (200, "text/event-stream"));
    assert_eq!(seen.body, ": keep-alive\n\n".repeat(2));
    assert_eq!(world.abandoned(), [HangUp::LetRun]);
}

#[test]
fn a_client_that_goes_cancels_in_the_modern_era_and_only_there() {
    for patience in [0, 1, 5] {
        let world = upstream(|| Says::Open(vec![PROGRESS.into(), PROGRESS.into()]));
        let session = world.session();
        world.patience.set(patience);
        world.say(&session, CALL);
        assert_eq!(world.abandoned(), [HangUp::LetRun], "{patience}");
        world.patience.set(patience);
        world.modern("tools/call", "demo_x", r#""name":"demo_x""#);
        assert_eq!(world.abandoned(), [HangUp::Cancel], "{patience}");
    }
}

#[test]
fn a_stream_that_came_to_its_end_is_not_abandoned() {
    let world = upstream(|| Says::Stream(vec![PROGRESS.into(), response()]));
    let session = world.session();
    world.say(&session, CALL);
    world.say(&session, &rpc("2", "tools/list", ""));
    assert_eq!(world.abandoned(), []);
}

#[test]
fn lists_in_a_stream_get_their_names_too() {
    let got =
        events(|| Says::Stream(vec![r#"{"jsonrpc":"2.0","id":{id},"result":{"tools":[{"name":"echo"}]}}"#.into()]));
    assert_eq!(got, [r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"}]}}"#], "a call's result is no list");
    let world =
        upstream(|| Says::Stream(vec![r#"{"jsonrpc":"2.0","id":{id},"result":{"tools":[{"name":"echo"}]}}"#.into()]));
    let session = world.session();
    assert_eq!(
        world.say(&session, &rpc("9", "tools/list", "")).events(),
        [r#"{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"demo_echo"}]}}"#]
    );
}
