//! What nobody ends: it goes a day later, when somebody else comes.

mod support;

use serde_json::json;
use shared_ports::{Clock, Store};
use std::time::Duration;
use support::{ALICE, BOB, Line, Says, World, initialize, rpc};

const DAY: Duration = Duration::from_secs(24 * 3600);
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// Everything that lies under a user's hash.
fn keys(world: &World, user: &str) -> Vec<String> {
    let entries = world.store.entries.borrow();
    entries.keys().filter(|key| key.starts_with(&format!("user:{user}:"))).cloned().collect()
}

/// An upstream of the modern era whose resources can be subscribed to: the gateway keeps what is.
fn subscribable() -> World {
    let capabilities = r#"{"resources":{"subscribe":true,"listChanged":true}}"#;
    World::new().upstream("demo", "2026-07-28", capabilities, |_, _| Says::Result("{}".into()))
}

/// The sessions that upstreams were told are over.
fn closed(world: &World) -> Vec<String> {
    world.idle(1);
    let mut closed: Vec<String> = world.closed().into_iter().map(|caller| caller.conversation).collect();
    closed.sort();
    closed
}

#[test]
fn sessions_of_users_who_never_return_go_with_all_that_belongs_to_them() {
    let world = subscribable();
    let mut sessions: Vec<String> = (0..6).map(|_| world.session()).collect();
    for session in &sessions {
        assert_eq!(world.say(session, &rpc("1", "resources/subscribe", r#""uri":"test://a""#)).status, 200);
    }
    // Deleting a user gives a new hash; whatever lies under the old one is that of a user who never returns.
    for day in 1..4 {
        world.clock.advance(DAY);
        world.session_of((BOB, "client"), "2025-11-25");
        world.session_of((BOB, "client"), "2025-11-25");
        let left = keys(&world, ALICE);
        let told = closed(&world);
        if day == 1 {
            assert!(left.iter().all(|key| key.contains(":kept:")), "{left:?}");
            sessions.sort();
            assert_eq!(told, sessions);
        }
    }
    assert_eq!(keys(&world, ALICE), [""; 0]);
}

#[test]
fn a_day_of_sessions_that_nobody_ends_leaves_no_more_than_a_day_of_them() {
    let world = World::new().simple("demo");
    for hour in 0..24 * 10 {
        world.clock.advance(Duration::from_secs(3600));
        assert_eq!(world.post((ALICE, "client"), &[], &initialize("2025-11-25")).status, 200);
        assert!(keys(&world, ALICE).iter().filter(|key| key.matches(':').count() == 3).count() <= 25, "hour {hour}");
    }
    assert!(world.store.entries.borrow().len() < 2 * 25 + 8, "{:?}", world.store.entries.borrow().keys());
}

#[test]
fn a_session_that_is_used_is_swept_by_nobody() {
    let world = World::new().simple("demo");
    let session = world.session();
    for _ in 0..10 {
        world.clock.advance(DAY / 2);
        assert_eq!(world.say(&session, PING).status, 200);
        world.session_of((BOB, "client"), "2025-11-25");
    }
    assert!(!closed(&world).contains(&session));
}

#[test]
fn an_expired_session_ends_as_one_that_is_deleted() {
    let world = subscribable();
    let session = world.session();
    world.say(&session, &rpc("1", "resources/subscribe", r#""uri":"test://a""#));
    world.clock.advance(DAY);
    assert_eq!(world.say(&session, PING).status, 404);
    assert_eq!(world.kept(), [""; 0]);
    assert_eq!(closed(&world), [session]);
}

#[test]
fn a_parked_call_whose_host_died_goes() {
    let line = Line::default();
    let speaks = line.clone();
    let world = World::new()
        .upstream("demo", "2025-11-25", r#"{"tools":{}}"#, move |_, _| Says::Line(speaks.clone()))
        .simple("other");
    let ask = json!({ "jsonrpc": "2.0", "id": 7, "method": "roots/list" }).to_string();
    line.say(ask);
    let seen = world.modern("tools/call", "demo_x", r#""name":"demo_x""#);
    assert!(seen.body.contains("input_required"), "{}", seen.body);
    line.say(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#);
    world.idle(5);
    let call = |key: &String| key.contains(":session:call:");
    assert!(world.kept().iter().filter(|key| call(key)).count() >= 4, "{:?}", world.kept());
    // The host dies.
    world.running.borrow_mut().clear();
    world.clock.advance(DAY);
    world.session_of((BOB, "client"), "2025-11-25");
    assert!(!world.kept().iter().any(call), "{:?}", world.kept());
}

#[test]
fn a_parked_call_that_is_held_stays() {
    let world = World::new().simple("demo");
    world.session();
    let name = "c".repeat(32);
    let beat = format!("user:{ALICE}:session:call:{name}:beat");
    let note = json!({ "id": format!("call:{name}"), "at": world.clock.now() }).to_string();
    world.store.set(&format!("user:{ALICE}:session:kept:2"), note.as_bytes()).unwrap();
    world.store.increment(&format!("user:{ALICE}:session:kept:count"), 1).unwrap();
    world.clock.advance(DAY);
    world.store.set(&beat, (world.clock.now() - 59).to_string().as_bytes()).unwrap();
    world.session_of((BOB, "client"), "2025-11-25");
    assert!(world.kept().contains(&beat));
    world.clock.advance(DAY);
    world.session_of((BOB, "client"), "2025-11-25");
    assert!(!world.kept().contains(&beat));
}

#[test]
fn what_lists_have_told_a_user_goes_a_month_later() {
    let tools = json!({ "tools": [{ "name": "x", "inputSchema": { "type": "object", "properties": {
        "region": { "type": "string", "x-mcp-header": "Region" } } } }] });
    let world = World::new().upstream("demo", "2025-11-25", r#"{"tools":{}}"#, move |method, _| match method {
        "tools/list" => Says::Result(tools.to_string()),
        _ => Says::Accepted,
    });
    assert_eq!(world.modern("tools/list", "", "").status, 200);
    let mirrored = format!("user:{ALICE}:session:mirrored:demo");
    assert_eq!(world.kept(), std::slice::from_ref(&mirrored));
    for day in 1..32 {
        world.clock.advance(DAY);
        world.session_of((BOB, "client"), "2025-11-25");
        assert_eq!(world.kept().contains(&mirrored), day < 30, "day {day}");
    }
    world.clock.advance(DAY);
    world.session_of((BOB, "client"), "2025-11-25");
    assert_eq!(keys(&world, ALICE), [""; 0]);
}
