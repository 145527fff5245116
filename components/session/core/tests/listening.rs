//! What comes outside of requests: GET and taking streams up in the legacy era, `subscriptions/listen` in the modern one.

mod support;

use serde_json::{Value, json};
use session_core::{Event, UpstreamError};
use support::{ALICE, BOB, Line, Says, Seen, World, event, message, rpc};

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
const CAPABILITIES: &str = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true}}"#;

/// An upstream of this revision that says this when somebody listens.
fn says(world: World, name: &str, revision: &str, events: Vec<Event>) -> World {
    world
        .upstream(name, revision, CAPABILITIES, |method, _| match method {
            "resources/subscribe" => Says::Result("{}".into()),
            _ => Says::Accepted,
        })
        .listening(name, move |_, _| Ok(Some(Line::of(events.clone()))))
}

fn get(world: &World, session: &str, last: Option<&str>) -> Seen {
    let mut headers = vec![("accept", "text/event-stream"), ("mcp-session-id", session)];
    headers.extend(last.map(|id| ("last-event-id", id)));
    world.request((ALICE, "client"), "GET", &headers, "")
}

fn ids(seen: &Seen) -> Vec<Option<String>> {
    let events = shared_mcp::sse::Parser::new(1 << 20).push(seen.body.as_bytes()).unwrap();
    events.into_iter().map(|event| event.id).collect()
}

#[test]
fn what_all_upstreams_say_comes_on_one_stream() {
    let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://a"}}"#;
    let asks = r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#;
    let world = says(World::new(), "one", "2025-11-25", vec![event("1", CHANGED), event("2", updated)]);
    let world = says(world, "two", "2025-11-25", vec![message(asks)]);
    let session = world.session();
    world.patience.set(4);
    let seen = get(&world, &session, None);
    assert_eq!((seen.status, seen.headers["content-type"].as_str()), (200, "text/event-stream"));
    let mut events: Vec<String> = seen.events().into_iter().filter(|event| !event.is_empty()).collect();
    events.sort();
    assert_eq!(
        events,
        [
            asks.replace("\"id\":7", r#""id":"two:7""#),
            updated.replace("test://a", "mcp-edge://one/test://a"),
            CHANGED.to_owned(),
        ]
    );
    assert_eq!(world.listened().len(), 2);
}

#[test]
fn a_stream_goes_on_at_every_upstream_where_the_client_lost_it() {
    let world = says(World::new(), "one", "2025-11-25", vec![event("a/1", CHANGED), event("a/2", CHANGED)]);
    let world = says(world, "two", "2025-11-25", vec![event("b 1", CHANGED)]);
    let session = world.session();
    world.patience.set(3);
    let seen = get(&world, &session, None);
    let last = ids(&seen).pop().unwrap().unwrap();
    assert!(last.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{last}");
    world.listened();
    world.patience.set(0);
    get(&world, &session, Some(&last));
    let after: Vec<_> = world.listened().into_iter().map(|(interest, _)| (interest.upstream, interest.after)).collect();
    assert_eq!(after, [("one".into(), Some("a/2".into())), ("two".into(), Some("b 1".to_owned()))]);
}

#[test]
fn the_answer_to_a_call_is_taken_up_where_it_was_lost() {
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let world = World::new()
        .upstream("demo", "2025-11-25", CAPABILITIES, move |method, _| match method {
            "tools/list" => {
                Says::Events(vec![Event::Reached { event_id: "p".into(), retry: Some(1500) }, event("e-1", progress)])
            }
            _ => Says::Accepted,
        })
        .listening("demo", |interest, _| match interest.after.as_deref() {
            Some("e-1") => Ok(Some(Line::of(vec![
                // As some servers do: the one that was seen, once more.
                event("e-1", CHANGED),
                event("e-2", r#"{"jsonrpc":"2.0","id":"theirs","result":{"tools":[{"name":"echo"}]}}"#),
            ]))),
            _ => Err(UpstreamError::Refused(404)),
        });
    let session = world.session();
    world.patience.set(2);
    let seen = world.say(&session, &rpc("98765432109876543210", "tools/list", ""));
    assert!(seen.body.starts_with("retry: 1500\nid: "), "{}", seen.body);
    let last = ids(&seen)[1].clone().unwrap();
    world.patience.set(usize::MAX);
    let rest = get(&world, &session, Some(&last));
    assert_eq!(
        rest.events(),
        [r#"{"jsonrpc":"2.0","id":98765432109876543210,"result":{"tools":[{"name":"demo_echo"}]}}"#]
    );
    assert_eq!(world.listened().pop().unwrap().1.conversation, session);
    // What nobody knows.
    for unknown in ["x", &ids(&seen)[0].clone().unwrap()] {
        let seen = get(&world, &session, Some(unknown));
        assert_eq!((seen.status, seen.code()), (400, -32602), "{unknown}");
    }
}

#[test]
fn clients_before_2025_11_25_get_no_events_without_data() {
    let reached = || Event::Reached { event_id: "p".into(), retry: Some(10) };
    for (revision, expected) in [("2025-06-18", false), ("2025-11-25", true)] {
        let world = World::new().upstream("demo", "2025-11-25", CAPABILITIES, move |_, _| {
            Says::Events(vec![reached(), message(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)])
        });
        let session = world.session_of((ALICE, "client"), revision);
        let seen = world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#));
        assert_eq!(seen.body.contains("retry: 10\n"), expected, "{revision}");
    }
}

#[test]
fn there_is_no_stream_where_nothing_can_come() {
    let world = World::new().simple("demo");
    let session = world.session();
    let seen = get(&world, &session, None);
    assert_eq!((seen.status, seen.headers["allow"].as_str()), (405, "POST, DELETE"));
    let headers = [("accept", "text/event-stream"), ("mcp-protocol-version", "2026-07-28")];
    let seen = world.request((ALICE, "client"), "GET", &headers, "");
    assert_eq!((seen.status, seen.headers["allow"].as_str()), (405, "POST"));
    let accept = ("accept", "text/event-stream");
    assert_eq!(world.request((ALICE, "client"), "GET", &[accept], "").status, 400);
    assert_eq!(world.request((BOB, "client"), "GET", &[accept, ("mcp-session-id", &session)], "").status, 404);
    let json = [("accept", "application/json"), ("mcp-session-id", session.as_str())];
    assert_eq!(world.request((ALICE, "client"), "GET", &json, "").status, 406);
}

#[test]
fn an_upstream_that_is_down_is_listened_to_when_it_is_back() {
    let tries = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = tries.clone();
    let world = World::new().simple("demo").listening("demo", move |_, _| {
        counted.set(counted.get() + 1);
        match counted.get() {
            1..=3 => Err(UpstreamError::Unreachable("refused".into())),
            _ => Ok(Some(Line::of(vec![message(CHANGED)]))),
        }
    });
    let session = world.session();
    world.patience.set(1);
    assert_eq!(get(&world, &session, None).events(), [CHANGED]);
    assert_eq!(tries.get(), 4);
}

#[test]
fn resources_of_modern_upstreams_are_subscribed_to_by_listening() {
    let world = says(World::new(), "demo", "2026-07-28", vec![]);
    let session = world.session();
    let subscribe = |method: &str, uri: &str| world.say(&session, &rpc("1", method, &format!(r#""uri":"{uri}""#)));
    assert_eq!(subscribe("resources/subscribe", "test://a").body, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    subscribe("resources/subscribe", "test://b");
    subscribe("resources/unsubscribe", "test://a");
    assert!(world.sent().iter().all(|sent| !sent.message.contains("subscribe")));
    world.patience.set(0);
    get(&world, &session, None);
    let notifications: Value = serde_json::from_str(&world.listened()[0].0.notifications).unwrap();
    assert_eq!(notifications["resourceSubscriptions"], json!(["test://b"]));
    let end = [("mcp-session-id", session.as_str())];
    assert_eq!(world.request((ALICE, "client"), "DELETE", &end, "").status, 204);
    assert!(world.store.entries.borrow().keys().all(|key| !key.contains("subscription")));
}

fn listen(world: &World, notifications: &Value) -> Seen {
    world.modern("subscriptions/listen", "", &format!(r#""notifications":{notifications}"#))
}

#[test]
fn a_subscription_covers_upstreams_of_both_eras() {
    let updated = |uri: &str| {
        json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } }).to_string()
    };
    let acknowledged = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://b"]}}}"#;
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    let world = says(
        World::new(),
        "one",
        "2025-11-25",
        vec![message(log), message(CHANGED), message(updated("test://a")), message(updated("test://other"))],
    );
    let world = says(world, "two", "2026-07-28", vec![message(acknowledged), message(updated("test://b"))]);
    let uris = ["mcp-edge://one/test://a", "mcp-edge://two/test://b", "mcp-edge://gone/test://c", "test://d"];
    world.patience.set(4);
    let seen =
        listen(&world, &json!({ "toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": uris }));
    let events: Vec<Value> = seen.events().iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert_eq!(events[0]["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        events[0]["params"]["notifications"],
        json!({ "toolsListChanged": true, "resourceSubscriptions": ["mcp-edge://one/test://a", "mcp-edge://two/test://b"] })
    );
    assert_eq!(events.len(), 4, "{events:?}");
    for event in &events {
        assert_eq!(event["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    }
    let uris: Vec<&str> = events.iter().filter_map(|event| event["params"]["uri"].as_str()).collect();
    assert!(uris.contains(&"mcp-edge://one/test://a") && uris.contains(&"mcp-edge://two/test://b"), "{uris:?}");
    // A conversation of its own, which ends with the stream, and in which nothing can be asked.
    let callers: Vec<_> = world.listened().into_iter().map(|(_, caller)| caller).collect();
    assert!(callers.iter().all(|caller| caller.conversation == format!("listen-{}", caller.request_id)));
    assert!(callers.iter().all(|caller| caller.client_capabilities == "{}"));
    world.idle(1);
    assert_eq!(world.closed().len(), 1);
    let subscribed: Vec<_> =
        world.sent().into_iter().filter(|sent| sent.message.contains("resources/subscribe")).collect();
    assert_eq!(subscribed.len(), 1);
    assert!(subscribed[0].message.contains("test://a"));
}

#[test]
fn a_subscription_to_nothing_ends_in_good_order() {
    let world = World::new().simple("demo");
    let events = listen(&world, &json!({ "promptsListChanged": true })).events();
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert_eq!(events[0]["params"]["notifications"], json!({}));
    assert_eq!(events[1]["id"], 1);
    assert_eq!(events[1]["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    for wrong in [json!([]), json!({ "toolsListChanged": "yes" }), json!({ "resourceSubscriptions": [1] })] {
        assert_eq!(listen(&world, &wrong).code(), -32602, "{wrong}");
    }
    let many: Vec<String> = (0..257).map(|n| format!("test://{n}")).collect();
    assert_eq!(listen(&world, &json!({ "resourceSubscriptions": many })).code(), -32602);
}
