//! A legacy client cancels what runs at an upstream of the modern era, with the notification that its era has.

mod support;

use support::{Says, World, rpc};

#[test]
fn a_call_may_be_cancelled_as_soon_as_it_runs() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    for seconds in [1, 4, 8] {
        let world = World::new().upstream("demo", "2026-07-28", r#"{"tools":{}}"#, |method, _| match method {
            "tools/call" => Says::Hangs,
            _ => Says::Accepted,
        });
        let session = world.session();
        let before = world.clock.elapsed.get().as_secs();
        world.later(seconds, "POST", &session, cancel);
        world.patience.set(3);
        let seen = world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#));
        assert!(seen.events().is_empty(), "{}", seen.body);
        assert!(world.clock.elapsed.get().as_secs() - before < 20, "{seconds}: it ends soon");
        assert_eq!(world.abandoned().len(), 1, "{seconds}: the upstream is told");
        assert!(world.store.entries.borrow().keys().all(|key| !key.contains(":running:")));
    }
}
