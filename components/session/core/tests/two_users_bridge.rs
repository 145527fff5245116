//! Two users with everything that meets in the store: questions, parked calls, subscriptions, levels. Whatever one of them
//! sends, guessed names of the other's included, nothing that is kept for the other changes.

mod support;

use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use support::{ALICE, BOB, Line, Says, World, rpc};

#[derive(Debug, Clone)]
enum Act {
    /// A call that asks in the middle, of the modern era.
    Park,
    /// Go on with the parked call at this place in the list of all.
    Resume(usize),
    /// Answer the question with this name.
    Answer(usize),
    Subscribe,
    Level,
    Cancel,
    Listen,
    List,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Park),
        (0_usize..4).prop_map(Act::Resume),
        (0_usize..4).prop_map(Act::Answer),
        Just(Act::Subscribe),
        Just(Act::Level),
        Just(Act::Cancel),
        Just(Act::Listen),
        Just(Act::List),
    ]
}

fn world() -> World {
    let tools = json!({ "resultType": "complete", "tools": [{ "name": "x", "inputSchema": { "properties": {
        "r": { "type": "string", "x-mcp-header": "R" } } } }] });
    World::new()
        .upstream("old", "2025-11-25", r#"{"tools":{}}"#, |method, _| match method {
            "tools/call" => {
                let line = Line::default();
                line.say(r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#);
                Says::Line(line)
            }
            method if method.starts_with("notifications/") || method.is_empty() => Says::Accepted,
            _ => Says::Result("{}".into()),
        })
        .upstream(
            "new",
            "2026-07-28",
            r#"{"logging":{},"resources":{"subscribe":true}}"#,
            move |method, _| match method {
                "tools/list" => Says::Result(tools.to_string()),
                method if method.starts_with("notifications/") => Says::Accepted,
                _ => Says::Result(r#"{"resultType":"complete"}"#.into()),
            },
        )
}

/// What is kept for a user.
fn kept(world: &World, user: &str) -> BTreeMap<String, Vec<u8>> {
    let prefix = format!("user:{user}:");
    let entries = world.store.entries.borrow();
    entries
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_kept_for_one_user_changes_by_what_another_one_does(
        acts in proptest::collection::vec((any::<bool>(), any::<bool>(), act()), 1..16),
    ) {
        let world = world();
        let users = [(ALICE, "client"), (BOB, "client")];
        let sessions = users.map(|who| world.session_of(who, "2025-11-25"));
        let mut states: Vec<String> = Vec::new();
        for (bob, foreign, act) in acts {
            let me = users[usize::from(bob)];
            let other = users[usize::from(!bob)].0;
            // The other one's session id, as if it had been overheard.
            let session = sessions[usize::from(bob != foreign)].as_str();
            let before = kept(&world, other);
            let say = |body: &str| world.post(me, &[("mcp-session-id", session)], body);
            let modern = |method: &str, name: &str, params: &str| {
                let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name)];
                let headers = if name.is_empty() { &headers[..2] } else { &headers[..] };
                world.post(me, headers, &support::modern(method, params))
            };
            match act {
                Act::Park => {
                    let seen = modern("tools/call", "old_x", r#""name":"old_x""#);
                    let last: serde_json::Value = serde_json::from_str(seen.events().last().unwrap()).unwrap();
                    states.push(last["result"]["requestState"].as_str().unwrap().to_owned());
                }
                Act::Resume(at) => if let Some(state) = states.get(at) {
                    // Whose it is does not matter here: only that it works for its owner alone. The client hangs up at once.
                    world.patience.set(0);
                    modern("tools/call", "old_x", &format!(r#""name":"old_x","requestState":"{state}","inputResponses":{{"0-0":{{}}}}"#));
                    world.patience.set(usize::MAX);
                }
                Act::Answer(at) => {
                    let name = format!("{at:032x}");
                    let key = format!("user:{}:session:{}:answer:{name}", other, sessions[usize::from(!bob)]);
                    world.store.entries.borrow_mut().insert(key.clone(), b"?".to_vec());
                    say(&format!(r#"{{"jsonrpc":"2.0","id":"ask.{name}","result":{{}}}}"#));
                    prop_assert_eq!(world.store.entries.borrow_mut().remove(&key), Some(b"?".to_vec()));
                }
                Act::Subscribe => { say(&rpc("1", "resources/subscribe", r#""uri":"mcp-edge://new/test://a""#)); }
                Act::Level => { say(&rpc("1", "logging/setLevel", r#""level":"error""#)); }
                Act::Cancel => { say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#); }
                Act::Listen => {
                    world.patience.set(0);
                    world.request(me, "GET", &[("accept", "text/event-stream"), ("mcp-session-id", session)], "");
                    world.patience.set(usize::MAX);
                }
                Act::List => { modern("tools/list", "", ""); }
            }
            let mut after = kept(&world, other);
            let mut before = before;
            // Signs of life of the other one's parked calls go on meanwhile, and calls end when their time is over.
            for entries in [&mut before, &mut after] {
                entries.retain(|key, _| !key.contains(":call:"));
            }
            prop_assert_eq!(before, after);
            for caller in world.sent().into_iter().map(|sent| sent.caller) {
                prop_assert!(caller.user_hash == me.0 || caller.user_hash == other);
            }
        }
        // And nothing lies anywhere else.
        let prefixes = users.map(|(user, _)| format!("user:{user}:"));
        prop_assert!(world.kept().iter().all(|key| prefixes.iter().any(|prefix| key.starts_with(prefix))));
    }
}
