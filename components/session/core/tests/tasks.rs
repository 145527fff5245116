//! Ids of tasks: they find their upstream again, and nobody but the user who was given them can use them.

mod support;

use serde_json::{Value, json};
use support::{ALICE, BOB, Says, World, rpc};

const RELATED: &str = "io.modelcontextprotocol/related-task";
const CAPABILITIES: &str = r#"{"tools":{},"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}}"#;

/// An upstream that knows its tasks by their ids alone: the credential is the gateway's, whoever asks.
fn upstream(world: World) -> World {
    world.upstream("demo", "2025-11-25", CAPABILITIES, |method, message| {
        let id = &message["params"]["taskId"];
        match method {
            "tools/call" => Says::Result(r#"{"task":{"taskId":"t:1","status":"working"}}"#.into()),
            "tasks/get" | "tasks/cancel" => Says::Result(json!({ "taskId": id, "status": "working" }).to_string()),
            "tasks/result" => {
                Says::Result(json!({ "content": [], "_meta": { RELATED: { "taskId": id } } }).to_string())
            }
            "tasks/list" => Says::Result(r#"{"tasks":[{"taskId":"of-somebody"}]}"#.into()),
            _ => Says::Accepted,
        }
    })
}

fn worlds() -> [World; 2] {
    [upstream(World::new()), upstream(World::new().simple("other"))]
}

fn ask(world: &World, user: &str, method: &str, params: &str) -> Value {
    let session = world.session_of((user, "client"), "2025-11-25");
    world.post((user, "client"), &[("mcp-session-id", &session)], &rpc("2", method, params)).json()
}

fn start(world: &World, user: &str) -> String {
    let created = ask(world, user, "tools/call", r#""name":"demo_x","task":{}"#);
    world.sent();
    created["result"]["task"]["taskId"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned()
}

#[test]
fn tasks_find_their_upstream_again() {
    for world in worlds() {
        let id = start(&world, ALICE);
        let about = |method: &str| ask(&world, ALICE, method, &format!(r#""taskId":"{id}""#));
        for method in ["tasks/get", "tasks/cancel"] {
            assert_eq!(about(method)["result"]["taskId"], id.as_str());
            let sent = world.sent();
            assert_eq!((sent.len(), sent[0].upstream.as_str()), (1, "demo"));
            assert!(sent[0].message.contains(r#""taskId":"t:1""#), "{}", sent[0].message);
        }
        assert_eq!(about("tasks/result")["result"]["_meta"][RELATED]["taskId"], id.as_str());
    }
}

#[test]
fn tasks_are_used_by_those_who_have_started_them_only() {
    for world in worlds() {
        let id = start(&world, ALICE);
        assert_ne!(id, start(&world, BOB), "the upstream's id is the same");
        for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
            for id in [id.as_str(), "t:1", "demo:t:1", "demo:", "gone:t:1", ""] {
                let answer = ask(&world, BOB, method, &format!(r#""taskId":"{id}""#));
                assert_eq!(answer["error"]["code"], -32602, "{method} {id}");
            }
        }
        assert_eq!(ask(&world, ALICE, "tasks/get", "")["error"]["code"], -32602);
        assert!(world.sent().is_empty());
    }
}

#[test]
fn nobody_is_shown_a_list_of_tasks() {
    for world in worlds() {
        assert_eq!(ask(&world, ALICE, "tasks/list", "")["error"]["code"], -32601);
        assert!(world.sent().is_empty());
        let seen = world.post((ALICE, "client"), &[], &support::initialize("2025-11-25")).json();
        let tasks = &seen["result"]["capabilities"]["tasks"];
        assert_eq!(*tasks, json!({ "cancel": {}, "requests": { "tools": { "call": {} } } }));
    }
}

#[test]
fn tasks_of_the_client_keep_their_ids() {
    for world in [World::new(), World::new().simple("other")] {
        let asks = r#"{"jsonrpc":"2.0","id":3,"method":"tasks/get","params":{"taskId":"of-the-client"}}"#;
        let world = world.upstream("demo", "2025-11-25", "{}", move |method, _| match method {
            "tools/call" => {
                Says::Stream(vec![asks.into(), r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]}}"#.into()])
            }
            _ => Says::Accepted,
        });
        let session = world.session();
        let events = world.say(&session, &rpc("1", "tools/call", r#""name":"demo_x""#)).events();
        assert_eq!(events[0], asks.replace("\"id\":3", r#""id":"demo:3""#));
    }
}

#[test]
fn a_client_of_the_modern_era_is_told_of_its_own_tasks() {
    let modern = |world: World| {
        let status = r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t:1","status":"working"}}"#;
        world
            .upstream("demo", "2026-07-28", r#"{"tools":{}}"#, |_, _| {
                Says::Result(r#"{"resultType":"task","taskId":"t:1","status":"working"}"#.into())
            })
            .listening("demo", move |interest, _| {
                let notifications: Value = serde_json::from_str(&interest.notifications).unwrap();
                let line = support::Line::default();
                let params = json!({ "notifications": notifications });
                let method = "notifications/subscriptions/acknowledged";
                line.say(json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
                line.say(status);
                Ok(Some(line))
            })
    };
    for world in [modern(World::new()), modern(World::new().simple("other"))] {
        let created = world.modern("tools/call", "demo_x", r#""name":"demo_x""#).json();
        let id = created["result"]["taskId"].as_str().unwrap();
        world.patience.set(2);
        let notifications = json!({ "taskIds": [id, "t:1", "demo:forged:t:1"] });
        let seen = world.modern("subscriptions/listen", "", &format!(r#""notifications":{notifications}"#));
        let asked: Value = serde_json::from_str(&world.listened()[0].0.notifications).unwrap();
        assert_eq!(asked, json!({ "taskIds": ["t:1"] }));
        let events: Vec<Value> = seen.events().iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        assert_eq!(events[0]["params"]["notifications"], json!({ "taskIds": [id] }));
        assert_eq!(events[1]["params"]["taskId"], id);
        world.patience.set(2);
        world.modern("subscriptions/listen", "", r#""notifications":{"taskIds":["t:1"]}"#);
        assert!(world.listened().is_empty(), "an id of somebody else");
    }
}

#[test]
fn clients_of_the_modern_era_that_do_not_declare_tasks_have_none() {
    for world in worlds() {
        let refused = world.modern("tasks/get", "demo:x:1", r#""taskId":"demo:x:1""#).json();
        assert_eq!(refused["error"]["code"], -32021, "{refused}");
        let wanted = &refused["error"]["data"]["requiredCapabilities"]["extensions"];
        assert!(wanted["io.modelcontextprotocol/tasks"].is_object(), "{refused}");
        assert!(world.sent().is_empty());
    }
}
