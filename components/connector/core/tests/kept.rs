//! Conversations that nobody closes.

mod common;

use common::*;
use connector_core::Caller;
use std::collections::BTreeSet;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A world whose upstream takes every session.
fn world() -> World {
    World::new(ONE, legacy(|_| true, answered))
}

fn user(name: char) -> String {
    name.to_string().repeat(32)
}

fn of(user_hash: &str, conversation: &str) -> Caller {
    Caller { user_hash: user_hash.into(), conversation: conversation.into(), ..legacy_caller() }
}

/// Keys of users, or those of one.
fn keys(world: &World, user: &str) -> BTreeSet<String> {
    let entries = world.store.entries.borrow();
    entries.keys().filter(|key| key.starts_with(&format!("user:{user}"))).cloned().collect()
}

/// Upstream sessions that were ended.
fn ended(world: &World) -> Vec<String> {
    let mut log = world.http.log.borrow_mut();
    let ended = log.iter().filter(|request| request.method == "DELETE");
    let ended = ended.map(|request| header(request, "mcp-session-id").unwrap().to_owned()).collect();
    log.clear();
    ended
}

#[test]
fn what_users_leave_behind_goes_when_others_come() {
    let world = world();
    let connector = world.instance();
    let (gone, visitor) = (user('a'), user('b'));
    for conversation in ["c1", "c2", "client-x-1"] {
        world.exchange(&connector, CALL, &of(&gone, conversation)).unwrap();
    }
    assert_eq!(ended(&world), [""; 0]);
    // Also another instance, after a restart.
    let connector = world.instance();
    for day in 1..4 {
        world.clock.advance(DAY);
        world.exchange(&connector, CALL, &of(&visitor, &format!("v{day}"))).unwrap();
        assert!(!keys(&world, &gone).iter().any(|key| key.ends_with(":up")), "day {day}");
        let mut expected = if day == 1 { vec!["s1", "s2", "s3"] } else { vec![] };
        let before = format!("s{}", day + 2);
        expected.extend((day > 1).then_some(before.as_str()));
        assert_eq!(ended(&world), expected, "day {day}");
    }
    assert_eq!(keys(&world, &gone), BTreeSet::new());
}

#[test]
fn a_conversation_that_is_used_stays() {
    let world = world();
    let connector = world.instance();
    let used = of(&user('a'), "c1");
    world.exchange(&connector, CALL, &used).unwrap();
    for round in 0..10 {
        world.clock.advance(DAY / 2);
        world.exchange(&connector, CALL, &used).unwrap();
        world.exchange(&connector, CALL, &of(&user('b'), &format!("v{round}"))).unwrap();
    }
    assert!(!ended(&world).contains(&"s1".to_owned()));
    assert!(keys(&world, &used.user_hash).contains(&format!("user:{}:upstream:c1:up", used.user_hash)));
}

#[test]
fn a_busy_conversation_is_not_written_at_every_message() {
    let world = world();
    let connector = world.instance();
    let record = || world.store.entries.borrow()[&format!("user:{}:upstream:c1:up", user('a'))].clone();
    world.exchange(&connector, CALL, &of(&user('a'), "c1")).unwrap();
    let before = record();
    world.clock.advance(Duration::from_secs(590));
    world.exchange(&connector, CALL, &of(&user('a'), "c1")).unwrap();
    assert_eq!(record(), before);
    world.clock.advance(Duration::from_secs(11));
    world.exchange(&connector, CALL, &of(&user('a'), "c1")).unwrap();
    assert_ne!(record(), before);
}

#[test]
fn a_client_that_declares_something_else_with_each_request_has_few_conversations() {
    let world = world();
    let connector = world.instance();
    let user = user('a');
    let records = |of: &str| {
        let kept = format!("user:{user}:upstream:{of}");
        keys(&world, &user).iter().filter(|key| key.starts_with(&kept)).count()
    };
    world.exchange(&connector, CALL, &of(&user, "client-other-1")).unwrap();
    world.exchange(&connector, CALL, &of(&user, &"5".repeat(32))).unwrap();
    for number in 0..50 {
        world.exchange(&connector, CALL, &of(&user, &format!("client-greedy-{number}"))).unwrap();
        assert!(records("client-greedy-") <= 8, "{number}");
    }
    // The oldest ones have ended, the newest are there, and nobody else's.
    let expected: Vec<String> = (3..45).map(|session| format!("s{session}")).collect();
    assert_eq!(ended(&world), expected);
    assert_eq!((records("client-greedy-49"), records("client-other-1"), records("55")), (1, 1, 1));
    world.exchange(&connector, CALL, &of(&user, "client-greedy-49")).unwrap();
    assert_eq!(ended(&world), [""; 0]);
    // After a day without any, nothing is left but what the visitor brings.
    for number in 0..40 {
        world.clock.advance(if number == 0 { DAY } else { DAY / 4 });
        world.exchange(&connector, CALL, &of(&"b".repeat(32), &format!("v{number}"))).unwrap();
    }
    assert_eq!(keys(&world, &user), BTreeSet::new());
}

#[test]
fn a_record_that_cannot_be_read_goes_as_well() {
    let world = world();
    let connector = world.instance();
    world.exchange(&connector, CALL, &of(&user('a'), "c1")).unwrap();
    // A record that nobody can read, and a note that says nothing.
    let broken = format!("user:{}:upstream:c2:up", user('a'));
    world.exchange(&connector, CALL, &of(&user('a'), "c2")).unwrap();
    world.store.entries.borrow_mut().insert(broken.clone(), b"?".to_vec());
    world.clock.advance(DAY);
    world.exchange(&connector, CALL, &of(&user('b'), "v")).unwrap();
    assert!(!world.store.entries.borrow().contains_key(&broken));
    assert_eq!(ended(&world), ["s1"]);
}

#[test]
fn an_upstream_that_is_down_leaves_no_notes() {
    let world = World::new(ONE, |_| status(503));
    let connector = world.instance();
    for _ in 0..3 {
        assert!(world.exchange(&connector, CALL, &legacy_caller()).is_err());
    }
    assert!(world.store.entries.borrow().is_empty());
}

#[test]
fn no_conversation_can_have_the_name_of_the_lists() {
    let world = world();
    assert!(world.exchange(&world.instance(), CALL, &of(&user('a'), "kept")).is_err());
    assert!(world.store.entries.borrow().keys().all(|key| !key.starts_with("user:")));
}
