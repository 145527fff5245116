//! `subscriptions/listen` where the upstreams do not make it easy.

mod support;

use serde_json::{Value, json};
use session_core::{Event, UpstreamError};
use support::{Line, Says, Seen, World, message};

const CAPABILITIES: &str = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true}}"#;
const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

fn listen(world: &World, notifications: &Value) -> Seen {
    world.modern("subscriptions/listen", "", &format!(r#""notifications":{notifications}"#))
}

fn listening(world: World, revision: &str, subscribe: fn() -> Says, events: Vec<Event>) -> World {
    let answer = move |method: &str, _: &Value| match method {
        "resources/subscribe" => subscribe(),
        _ => Says::Accepted,
    };
    world.upstream("demo", revision, CAPABILITIES, answer).listening("demo", move |_, _| {
        let line = Line::default();
        events.iter().cloned().for_each(|event| line.event(event));
        Ok(Some(line))
    })
}

fn first(seen: &Seen) -> Value {
    let first: Value = serde_json::from_str(&seen.events()[0]).unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    first["params"]["notifications"].clone()
}

#[test]
fn many_subscriptions_do_not_hold_the_acknowledgement_back() {
    let world = listening(World::new(), "2025-11-25", || Says::Hangs, vec![]);
    world.patience.set(1);
    let uris: Vec<String> = (0..40).map(|n| format!("test://{n}")).collect();
    let seen = listen(&world, &json!({ "toolsListChanged": true, "resourceSubscriptions": uris }));
    assert_eq!(first(&seen), json!({ "toolsListChanged": true }));
    assert!(world.clock.elapsed.get().as_secs() < 30, "{:?}", world.clock.elapsed.get());

    let world = listening(World::new(), "2025-11-25", || Says::Result("{}".into()), vec![]);
    world.patience.set(1);
    let seen = listen(&world, &json!({ "resourceSubscriptions": uris }));
    assert_eq!(first(&seen), json!({ "resourceSubscriptions": uris }));
}

#[test]
fn an_upstream_does_not_agree_to_more_than_was_asked() {
    let agreed = json!({ "toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["test://a", "test://x"] });
    let acknowledged = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": { "notifications": agreed } });
    let updated = |uri: &str| {
        message(
            json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } })
                .to_string(),
        )
    };
    let events = vec![message(acknowledged.to_string()), updated("test://x"), message(CHANGED), updated("test://a")];
    let world = listening(World::new(), "2026-07-28", || Says::Accepted, events);
    world.patience.set(2);
    let seen = listen(&world, &json!({ "resourceSubscriptions": ["test://a", "test://b"] }));
    assert_eq!(first(&seen), json!({ "resourceSubscriptions": ["test://a"] }));
    assert!(seen.events()[1].contains("test://a"), "{}", seen.body);
}

#[test]
fn what_comes_before_the_acknowledgement_is_not_lost() {
    let world = listening(World::new(), "2026-07-28", || Says::Accepted, vec![message(CHANGED)]);
    world.patience.set(2);
    let seen = listen(&world, &json!({ "toolsListChanged": true }));
    assert_eq!(first(&seen), json!({ "toolsListChanged": true }));
    assert!(seen.events()[1].contains("tools/list_changed"), "{}", seen.body);
}

#[test]
fn a_client_that_goes_before_it_is_answered_leaves_no_conversation() {
    let world = listening(World::new(), "2025-11-25", || Says::Hangs, vec![]).upstream(
        "late",
        "2025-11-25",
        CAPABILITIES,
        |_, _| Says::Fails(UpstreamError::NotFound),
    );
    // It hangs up while a subscription is on its way.
    world.dropped("subscriptions/listen", r#""notifications":{"resourceSubscriptions":["mcp-edge://demo/test://a"]}"#);
    world.idle(1);
    assert_eq!(world.closed().len(), 1);
}
