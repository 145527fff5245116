//! Two users: neither ever sees, ends or speaks in what belongs to the other.

mod support;

use proptest::prelude::*;
use support::{World, initialize, rpc};

#[derive(Debug, Clone)]
enum Act {
    Start,
    Call(usize),
    Cancel(usize),
    Answer(usize),
    End(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Start),
        4 => (0_usize..6).prop_map(Act::Call),
        1 => (0_usize..6).prop_map(Act::Cancel),
        1 => (0_usize..6).prop_map(Act::Answer),
        2 => (0_usize..6).prop_map(Act::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever acts on whichever session: it works exactly if it is the actor's own and has not ended, and what reaches
    /// an upstream bears the actor's name.
    #[test]
    fn nobody_reaches_into_the_sessions_of_another(
        users in proptest::collection::vec("[0-9a-f]{32}", 2..4),
        clients in proptest::collection::vec("[a-z:/?#]{0,8}", 1..3),
        acts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), act()), 1..40),
    ) {
        let world = World::new().simple("demo").simple("other");
        let mut sessions: Vec<(String, (String, String), bool)> = Vec::new();
        for (user, client, act) in acts {
            let who = (user.get(&users).clone(), client.get(&clients).clone());
            let me = (who.0.as_str(), who.1.as_str());
            let pick = |at: usize| if sessions.is_empty() { None } else { Some(at % sessions.len()) };
            let works = |at: usize| { let (_, owner, alive) = &sessions[at]; *alive && *owner == who };
            let post = |at: usize, body: &str| world.post(me, &[("mcp-session-id", sessions[at].0.as_str())], body).status;
            match act {
                Act::Start => {
                    let seen = world.post(me, &[], &initialize("2025-11-25"));
                    prop_assert_eq!(seen.status, 200);
                    sessions.push((seen.headers["mcp-session-id"].clone(), who.clone(), true));
                }
                Act::Call(at) => if let Some(at) = pick(at) {
                    let status = post(at, &rpc("1", "tools/call", r#""name":"demo_echo""#));
                    prop_assert_eq!(status, if works(at) { 200 } else { 404 });
                }
                Act::Cancel(at) => if let Some(at) = pick(at) {
                    let body = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
                    prop_assert_eq!(post(at, body), if works(at) { 202 } else { 404 });
                }
                Act::Answer(at) => if let Some(at) = pick(at) {
                    let body = r#"{"jsonrpc":"2.0","id":"demo:1","result":{}}"#;
                    prop_assert_eq!(post(at, body), if works(at) { 202 } else { 404 });
                }
                Act::End(at) => if let Some(at) = pick(at) {
                    let header = [("mcp-session-id", sessions[at].0.as_str())];
                    let seen = world.request(me, "DELETE", &header, "");
                    prop_assert_eq!(seen.status, if works(at) { 204 } else { 404 });
                    if works(at) {
                        sessions[at].2 = false;
                    }
                }
            }
            for caller in world.sent().into_iter().map(|sent| sent.caller).chain(world.closed()) {
                prop_assert_eq!(&caller.user_hash, &who.0);
                let owner = sessions.iter().find(|session| session.0 == caller.conversation).map(|session| &session.1);
                prop_assert_eq!(owner, Some(&who));
            }
        }
        for key in world.kept() {
            let (id, owner) = sessions.iter().map(|(id, owner, _)| (id, owner)).find(|(id, _)| key.ends_with(*id)).unwrap();
            prop_assert_eq!(&key, &format!("user:{}:session:{id}", owner.0));
        }
    }
}
