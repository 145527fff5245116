//! Two users with different scopes and tenants, through the same gateway and the same instance: what one of them lists is
//! what that one can call, nothing of the other gets into it, and what an upstream gets says truly for whom it is.

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use session_core::{Context, Settings};
use shared_ports::memory::MemoryConfig;
use std::collections::BTreeMap;
use support::{ALICE, BOB, Says, World, rpc};

const TOOLS: [&str; 4] = ["get_a", "get_b", "put_a", "put_b"];

fn server(method: &str, message: &Value) -> Says {
    let schema = json!({ "type": "object", "properties": { "org": { "type": "string" } } });
    let tools = TOOLS.map(|name| json!({ "name": name, "inputSchema": schema }));
    Says::Result(match method {
        "tools/list" => json!({ "tools": tools }).to_string(),
        _ => json!({ "seen": message["params"] }).to_string(),
    })
}

/// What a user has.
#[derive(Debug, Clone)]
struct User {
    scopes: Vec<String>,
    tenant: Option<String>,
    features: Vec<String>,
}

fn user() -> impl Strategy<Value = User> {
    let some = |names: &'static [&'static str]| proptest::sample::subsequence(names, 0..=names.len());
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    (some(&["all", "read", "write"]), proptest::option::of("(acme|other)"), some(&["f"]))
        .prop_map(move |(scopes, tenant, features)| User { scopes: owned(scopes), tenant, features: owned(features) })
}

/// Whether the user may use a tool, said as plainly as the settings below say it.
fn may(user: &User, upstream: &str, tool: &str) -> bool {
    let scope = |name: &str| user.scopes.iter().any(|scope| scope == name);
    let by_scope = scope("all") || (scope("read") && tool.starts_with("get_")) || (scope("write") && upstream == "b");
    let by_feature = user.features.is_empty() || (upstream == "a" && tool.ends_with("_a"));
    let by_tenant = match upstream {
        "a" => user.tenant.is_some(),
        _ => user.tenant.as_deref() == Some("acme"),
    };
    by_scope && by_feature && by_tenant && tool != "put_b"
}

fn world() -> World {
    let deny = json!({ "deny": ["put_b"] });
    let document = json!({
        "mcpServers": {
            "a": { "url": "https://a", "tools": deny, "bind": { "org": "{tenant}" }, "features": { "f": { "tools": { "allow": ["*_a"] } } } },
            "b": { "url": "https://b", "tools": deny, "tenants": ["acme"] },
        },
        "oauth": { "scopes": {
            "all": { "meaning": "All" },
            "read": { "meaning": "Read", "mcpServers": { "a": { "tools": { "allow": ["get_*"] } }, "b": { "tools": { "allow": ["get_*"] } } } },
            "write": { "meaning": "Write", "mcpServers": { "b": {} } },
        } },
    });
    let config: MemoryConfig = [("settings".to_owned(), document.to_string())].into_iter().collect();
    let world = World { settings: Settings::read(&config).unwrap(), ..World::new() };
    world.upstream("a", "2025-11-25", "{}", server).upstream("b", "2025-11-25", "{}", server)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_sees_and_reaches_what_is_theirs(
        alice in user(),
        bob in user(),
        steps in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_usize..2, 0_usize..4), 1..16),
    ) {
        let world = world();
        let mut sessions: BTreeMap<&str, String> = BTreeMap::new();
        for (first, lists, upstream, tool) in steps {
            let (hash, user) = if first { (ALICE, &alice) } else { (BOB, &bob) };
            let context = Context {
                scopes: user.scopes.clone(),
                tenant: user.tenant.clone(),
                features: user.features.clone(),
                ..Context::default()
            };
            let world = World { context, ..world.clone() };
            let may_start = user.features.is_empty() || user.tenant.is_some();
            if !sessions.contains_key(hash) {
                let seen = world.post((hash, "client"), &[], &support::initialize("2025-11-25"));
                match seen.headers.get("mcp-session-id") {
                    Some(id) => sessions.insert(hash, id.clone()),
                    None => {
                        prop_assert!(seen.status == 403 && !user.features.is_empty(), "{:?} {}", user, seen.body);
                        continue;
                    }
                };
                prop_assert!(may_start);
                world.sent();
            }
            let say = |body: &str| world.post((hash, "client"), &[("mcp-session-id", sessions[hash].as_str())], body);
            if lists {
                let result = say(&rpc("1", "tools/list", "")).json();
                let names: Vec<&str> = result["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
                let expected: Vec<String> = ["a", "b"].iter().flat_map(|upstream| {
                    TOOLS.iter().filter(|tool| may(user, upstream, tool)).map(move |tool| format!("{upstream}_{tool}"))
                }).collect();
                prop_assert_eq!(names, expected, "{:?}", user);
            } else {
                let (upstream, tool) = (["a", "b"][upstream], TOOLS[tool]);
                let seen = say(&rpc("1", "tools/call", &format!(r#""name":"{upstream}_{tool}","arguments":{{"org":"evil"}}"#))).json();
                let calls: Vec<_> = world.sent().into_iter().filter(|sent| sent.message.contains("tools/call")).collect();
                prop_assert_eq!(calls.len(), usize::from(may(user, upstream, tool)), "{:?} {} {}", user, upstream, tool);
                for call in calls {
                    prop_assert_eq!((call.caller.user_hash.as_str(), call.upstream.as_str()), (hash, upstream));
                    let org = &seen["result"]["seen"]["arguments"]["org"];
                    let expected = if upstream == "a" { user.tenant.as_deref().unwrap() } else { "evil" };
                    prop_assert_eq!(org, expected, "bound to the tenant where it is bound at all");
                }
            }
            for sent in world.sent() {
                prop_assert_eq!(sent.caller.user_hash.as_str(), hash);
            }
        }
        for key in world.kept() {
            prop_assert!(key.starts_with(&format!("user:{ALICE}:")) || key.starts_with(&format!("user:{BOB}:")), "{}", key);
        }
    }
}
