//! What happens to an open GET stream besides what its upstreams say: subscriptions, the end of the session, broken streams.

mod support;

use serde_json::{Value, json};
use session_core::{Event, UpstreamError};
use shared_ports::Clock;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use support::{ALICE, Line, Says, Seen, World, event, message, rpc};

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
const CAPABILITIES: &str = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true}}"#;

/// An upstream that agrees to every subscription but those to `test://no`.
fn upstream(world: World, name: &str, revision: &str) -> World {
    world.upstream(name, revision, CAPABILITIES, |method, message| match method {
        "resources/subscribe" if message["params"]["uri"].as_str().is_some_and(|uri| uri.ends_with("no")) => {
            Says::Error(r#"{"code":-32602,"message":"no"}"#.into())
        }
        "resources/subscribe" if message["params"]["uri"] == "test://slow" => {
            Says::Stream(vec![CHANGED.into(), r#"{"jsonrpc":"2.0","id":{id},"result":{}}"#.into()])
        }
        "resources/subscribe" | "resources/unsubscribe" => Says::Result("{}".into()),
        _ => Says::Accepted,
    })
}

fn get(world: &World, session: &str) -> Seen {
    world.request((ALICE, "client"), "GET", &[("accept", "text/event-stream"), ("mcp-session-id", session)], "")
}

fn subscribe(uri: &str) -> String {
    rpc("1", "resources/subscribe", &format!(r#""uri":"{uri}""#))
}

fn resources(notifications: &str) -> Value {
    let mut notifications: Value = serde_json::from_str(notifications).unwrap();
    notifications["resourceSubscriptions"].take()
}

/// What this upstream is asked for when somebody listens now.
fn interest(world: &World, session: &str, name: &str) -> Value {
    world.listened();
    world.patience.set(0);
    get(world, session);
    let listened = world.listened();
    let (interest, _) = listened.iter().find(|(interest, _)| interest.upstream == name).unwrap();
    resources(&interest.notifications)
}

#[test]
fn a_subscription_is_seen_while_its_upstream_is_busy() {
    let said = Line::default();
    let says = said.clone();
    let world = upstream(World::new(), "demo", "2026-07-28").listening("demo", move |_, _| Ok(Some(says.clone())));
    let session = world.session();
    world.later(3, "POST", &session, &subscribe("test://a"));
    let clock = world.clock.clone();
    world.spawned.borrow_mut().push(Box::pin(async move {
        loop {
            clock.sleep(Duration::from_secs(1)).await;
            said.say(CHANGED);
        }
    }));
    world.patience.set(30);
    let seen = get(&world, &session);
    assert!(seen.body.contains("test://a"), "it may have changed already");
    let listened = world.listened();
    assert_eq!(listened.len(), 2);
    assert_eq!(resources(&listened[1].0.notifications), json!(["test://a"]));
}

#[test]
fn nothing_is_lost_when_an_upstream_is_listened_to_anew() {
    let (first, second) = (Line::default(), Line::of(vec![message(CHANGED.replace("tools", "prompts"))]));
    let (before, count) = (first.clone(), Cell::new(0));
    let world = upstream(World::new(), "demo", "2026-07-28").listening("demo", move |_, _| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            return Ok(Some(first.clone()));
        }
        before.say(CHANGED);
        Ok(Some(second.clone()))
    });
    let session = world.session();
    world.later(1, "POST", &session, &subscribe("test://a"));
    world.patience.set(3);
    let seen = get(&world, &session);
    assert!(seen.body.contains("tools/list_changed") && seen.body.contains("prompts/list_changed"), "{}", seen.body);
}

#[test]
fn a_broken_stream_goes_on_after_its_last_event() {
    let broken = || Event::Failed(UpstreamError::InvalidReply("broken".into()));
    let reached = || Event::Reached { event_id: "8".into(), retry: None };
    let count = Rc::new(Cell::new(0));
    let world = upstream(World::new(), "demo", "2025-11-25").listening("demo", move |_, _| {
        count.set(count.get() + 1);
        Ok(Some(Line::of(match count.get() {
            1 => vec![event("7", CHANGED), broken()],
            2 => vec![reached(), broken()],
            3 => vec![broken()],
            _ => vec![message(CHANGED)],
        })))
    });
    let session = world.session();
    world.patience.set(3);
    get(&world, &session);
    let after: Vec<_> = world.listened().into_iter().map(|(interest, _)| interest.after).collect();
    // Where nothing comes after the event, nothing ever may.
    assert_eq!(after, [None, Some("7".into()), Some("8".into()), None]);
}

#[test]
fn the_end_of_a_session_ends_its_stream() {
    for (revision, seconds) in [("2025-11-25", 12), ("2026-07-28", 5)] {
        let world = upstream(World::new(), "demo", revision).listening("demo", |_, _| Ok(Some(Line::default())));
        let session = world.session();
        let start = world.clock.elapsed.get().as_secs();
        world.later(2, "DELETE", &session, "");
        world.patience.set(10);
        assert_eq!(get(&world, &session).status, 200);
        let took = world.clock.elapsed.get().as_secs() - start;
        assert!(took <= 2 + seconds, "{took}");
        // Once by the request, and once more for what the stream may have begun anew meanwhile.
        let closed: Vec<_> = world.closed().into_iter().map(|caller| caller.conversation).collect();
        assert_eq!(closed, [session.clone(), session]);
    }
}

#[test]
fn what_an_upstream_with_sessions_agreed_to_is_kept_for_its_next_session() {
    let world = upstream(World::new(), "demo", "2025-11-25").listening("demo", |_, _| Ok(Some(Line::default())));
    let session = world.session();
    for uri in ["test://a", "test://slow", "test://no", "test://b"] {
        world.say(&session, &subscribe(uri));
    }
    world.say(&session, &subscribe("test://b").replace("subscribe", "unsubscribe"));
    assert_eq!(world.sent().len(), 5, "it is told all the same");
    assert_eq!(interest(&world, &session, "demo"), json!(["test://a", "test://slow"]));
}

#[test]
fn a_resource_that_any_upstream_may_have_is_subscribed_to_at_upstreams_of_both_eras() {
    let world = upstream(World::new(), "one", "2025-11-25").listening("one", |_, _| Ok(Some(Line::default())));
    let world = upstream(world, "two", "2026-07-28").listening("two", |_, _| Ok(Some(Line::default())));
    let session = world.session();
    let seen = world.say(&session, &subscribe("https://example.com/no"));
    assert_eq!(seen.body, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(world.sent().iter().map(|sent| sent.upstream.as_str()).collect::<Vec<_>>(), ["one"]);
    assert_eq!(interest(&world, &session, "two"), json!(["https://example.com/no"]));
    assert_eq!(interest(&world, &session, "one"), Value::Null);
    // Where the first one agrees, it is known whose it is.
    assert_eq!(world.say(&session, &subscribe("https://example.com/yes")).status, 200);
    assert_eq!(interest(&world, &session, "one"), json!(["https://example.com/yes"]));
}

#[test]
fn a_step_that_could_not_be_written_hides_no_other() {
    let world = upstream(World::new(), "demo", "2026-07-28").listening("demo", |_, _| Ok(Some(Line::default())));
    let session = world.session();
    world.say(&session, &subscribe("test://a"));
    world.store.largest.set(Some(5));
    assert_eq!(world.say(&session, &subscribe("test://b")).status, 503);
    world.store.largest.set(None);
    world.say(&session, &subscribe("test://c"));
    assert_eq!(interest(&world, &session, "demo"), json!(["test://a", "test://c"]));
    assert_eq!(world.request((ALICE, "client"), "DELETE", &[("mcp-session-id", &session)], "").status, 204);
    assert!(world.store.entries.borrow().keys().all(|key| !key.contains("subscription")));
}

#[test]
fn a_response_is_handed_on_also_under_an_event_id_that_was_seen() {
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    let world = World::new()
        .upstream("demo", "2025-11-25", CAPABILITIES, move |_, _| Says::Events(vec![event("e", progress)]))
        .listening("demo", move |_, _| Ok(Some(Line::of(vec![event("e", progress), event("e", response)]))));
    let session = world.session();
    world.patience.set(1);
    let seen = world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#));
    let events = shared_mcp::sse::Parser::new(1 << 20).push(seen.body.as_bytes()).unwrap();
    let last = events[0].id.clone().unwrap();
    world.patience.set(5);
    let headers = [("accept", "text/event-stream"), ("mcp-session-id", &*session), ("last-event-id", &*last)];
    assert_eq!(world.request((ALICE, "client"), "GET", &headers, "").events(), [response]);
}
