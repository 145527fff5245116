//! A client of the legacy era in front of upstreams of the modern era that need input.

mod support;

use serde_json::{Value, json};
use shared_ports::Store;
use support::{ALICE, BOB, Says, World, rpc};

const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

fn call() -> String {
    rpc("1", "tools/call", r#""name":"demo_x","arguments":{"a":1.0}"#)
}

/// A session whose client declares these capabilities.
fn session(world: &World, capabilities: &str) -> String {
    let body = support::initialize("2025-11-25").replace(r#"{"roots":{},"x":1.50}"#, capabilities);
    world.post((ALICE, "client"), &[], &body).headers["mcp-session-id"].clone()
}

/// An upstream that asks these first, then says what it got.
fn asks(requests: Value, state: Option<&'static str>) -> World {
    World::new().upstream("demo", "2026-07-28", r#"{"tools":{}}"#, move |method, message| match method {
        "tools/call" => {
            let params = &message["params"];
            let missing = requests.as_object().unwrap().keys().any(|key| params["inputResponses"][key].is_null());
            if missing {
                let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
                if let Some(state) = state {
                    result["requestState"] = state.into();
                }
                return Says::Result(result.to_string());
            }
            let got = json!({ "responses": params["inputResponses"], "state": params["requestState"] });
            Says::Result(json!({ "resultType": "complete", "content": [], "got": got }).to_string())
        }
        _ => Says::Accepted,
    })
}

fn questions() -> Value {
    json!({
        "name": { "method": "elicitation/create", "params": { "message": "Who?", "requestedSchema": {} } },
        "capital": { "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 5 } },
        "roots": { "method": "roots/list" },
    })
}

/// A client that answers each request with its method.
fn polite(message: &Value) -> Option<Value> {
    let method = message.get("method").filter(|_| message.get("id").is_some())?;
    Some(json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "answers": method } }))
}

/// What is left in the store besides the session itself.
fn leftovers(world: &World) -> Vec<String> {
    world.kept().into_iter().filter(|key| key.matches(':').count() > 3).collect()
}

#[test]
fn input_requests_become_requests_and_the_answers_go_up_together() {
    let world = asks(questions(), Some("opaque \u{e9}")).answering(polite);
    let session = session(&world, CAPABILITIES);
    let seen = world.say(&session, &call());
    assert_eq!(seen.headers["content-type"], "text/event-stream");
    let events: Vec<Value> = seen.events().iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let mut asked: Vec<_> = events[..3].iter().map(|event| event["method"].as_str().unwrap()).collect();
    // The order of a JSON object means nothing.
    asked.sort_unstable();
    assert_eq!(asked, ["elicitation/create", "roots/list", "sampling/createMessage"]);
    assert!(events[..3].iter().any(|event| event["params"]["message"] == "Who?"));
    assert_eq!(events[3]["id"], 1);
    let got = &events[3]["result"]["got"];
    assert_eq!(got["state"], "opaque \u{e9}");
    assert_eq!(got["responses"]["name"]["answers"], "elicitation/create");
    assert_eq!(got["responses"]["roots"]["answers"], "roots/list");
    assert!(events[3]["result"].get("resultType").is_none());
    let calls: Vec<Value> = world
        .sent()
        .iter()
        .map(|sent| serde_json::from_str(&sent.message).unwrap())
        .filter(|m: &Value| m["method"] == "tools/call")
        .collect();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(calls[0]["params"]["arguments"], calls[1]["params"]["arguments"]);
    assert_eq!(leftovers(&world), Vec::<String>::new());
}

#[test]
fn what_the_client_has_not_declared_is_not_asked() {
    for (capabilities, requests, needed) in [
        ("{}", json!({ "a": { "method": "roots/list" } }), json!({ "roots": {} })),
        (r#"{"roots":{}}"#, json!({ "a": { "method": "sampling/createMessage" } }), json!({ "sampling": {} })),
        (
            r#"{"elicitation":{}}"#,
            json!({ "a": { "method": "elicitation/create", "params": { "mode": "url" } } }),
            json!({ "elicitation": { "url": {} } }),
        ),
        (
            r#"{"elicitation":{"url":{}}}"#,
            json!({ "a": { "method": "elicitation/create", "params": { "message": "?" } } }),
            json!({ "elicitation": {} }),
        ),
    ] {
        let world = asks(requests, None).answering(polite);
        let session = session(&world, capabilities);
        let events = world.say(&session, &call()).events();
        assert_eq!(events.len(), 1, "{events:?}");
        let error: Value = serde_json::from_str(&events[0]).unwrap();
        assert_eq!(error["error"]["code"], -32021);
        assert_eq!(error["error"]["data"]["requiredCapabilities"], needed);
    }
}

#[test]
fn an_elicitation_that_fails_is_a_cancelled_one_and_other_errors_end_the_call() {
    let refuse = |message: &Value| {
        message.get("method")?;
        Some(json!({ "jsonrpc": "2.0", "id": message.get("id")?, "error": { "code": -1, "message": "no" } }))
    };
    let world = asks(json!({ "a": { "method": "elicitation/create", "params": {} } }), None).answering(refuse);
    let open = session(&world, CAPABILITIES);
    let last: Value = serde_json::from_str(world.say(&open, &call()).events().last().unwrap()).unwrap();
    assert_eq!(last["result"]["got"]["responses"], json!({ "a": { "action": "cancel" } }));

    let world = asks(json!({ "a": { "method": "roots/list" } }), None).answering(refuse);
    let open = session(&world, CAPABILITIES);
    let last: Value = serde_json::from_str(world.say(&open, &call()).events().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], -32603);
    assert_eq!(leftovers(&world), Vec::<String>::new());
}

#[test]
fn a_client_that_does_not_answer_gets_an_error_and_nothing_stays() {
    let world = asks(json!({ "a": { "method": "roots/list" } }), None);
    let session = session(&world, CAPABILITIES);
    let events = world.say(&session, &call()).events();
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert!(last["error"]["message"].as_str().unwrap().contains("600 s"), "{last}");
    assert!(world.clock.elapsed.get().as_secs() >= 600);
    assert_eq!(leftovers(&world), Vec::<String>::new());
}

#[test]
fn an_answer_that_cannot_be_kept_is_refused_and_ends_the_call() {
    for (bytes, largest, status) in [(1024 * 1024, usize::MAX, 413), (5000, 2000, 503)] {
        let world = asks(json!({ "a": { "method": "elicitation/create" } }), None).answering(move |message| {
            message.get("method")?;
            let large = "x".repeat(bytes);
            Some(json!({ "jsonrpc": "2.0", "id": message.get("id")?, "result": { "content": large } }))
        });
        let session = session(&world, CAPABILITIES);
        world.store.largest.set(Some(largest));
        world.answered.set(status);
        let events = world.say(&session, &call()).events();
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert!(last["error"]["message"].as_str().unwrap().contains("could not be kept"), "{last}");
        assert!(world.clock.elapsed.get().as_secs() < 10);
        assert_eq!(leftovers(&world), Vec::<String>::new());
    }
}

#[test]
fn a_client_that_goes_leaves_nothing() {
    let world = asks(questions(), None);
    let session = session(&world, CAPABILITIES);
    world.patience.set(1);
    world.say(&session, &call());
    assert_eq!(leftovers(&world), Vec::<String>::new());
}

#[test]
fn nobody_else_can_answer() {
    let world = asks(json!({ "a": { "method": "roots/list" } }), None);
    let alice = session(&world, CAPABILITIES);
    let bob = world.session_of((BOB, "client"), "2025-11-25");
    let other = session(&world, CAPABILITIES);
    let key = format!("user:{ALICE}:session:{alice}:answer:{}", "a".repeat(32));
    world.store.set(&key, b"?").unwrap();
    let answer = format!(r#"{{"jsonrpc":"2.0","id":"ask.{}","result":{{}}}}"#, "a".repeat(32));
    for (who, session) in [((BOB, "client"), &bob), ((BOB, "client"), &alice), ((ALICE, "client"), &other)] {
        let seen = world.post(who, &[("mcp-session-id", session)], &answer);
        assert!(matches!(seen.status, 400 | 404), "{}", seen.status);
    }
    assert_eq!(world.store.get(&key).unwrap().unwrap(), b"?");
    assert_eq!(world.say(&alice, &answer).status, 202);
    assert_eq!(world.store.get(&key).unwrap().unwrap(), answer.as_bytes());
    // The first one counts.
    assert_eq!(world.say(&alice, &answer.replace("{}", r#"{"x":1}"#)).status, 202);
    assert_eq!(world.store.get(&key).unwrap().unwrap(), answer.as_bytes());
    for id in ["ask.", "ask.aaaa", "ask.:", "ask.user:x:session:y:answer:z"] {
        let seen = world.say(&alice, &format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{}}}}"#));
        assert_eq!(seen.status, 400, "{id}");
    }
}

#[test]
fn an_upstream_that_never_has_enough_is_stopped() {
    let world = World::new().upstream("demo", "2026-07-28", "{}", |method, _| match method {
        "tools/call" => Says::Result(r#"{"resultType":"input_required","requestState":"again"}"#.into()),
        _ => Says::Accepted,
    });
    let session = session(&world, CAPABILITIES);
    let last: Value = serde_json::from_str(world.say(&session, &call()).events().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], -32001);
    let calls = world.sent().iter().filter(|sent| sent.message.contains("tools/call")).count();
    assert_eq!(calls, 32);
}

#[test]
fn input_is_not_asked_for_where_the_revision_does_not_allow_it() {
    for (method, params, result) in [
        ("tools/call", r#""name":"demo_x""#, r#"{"resultType":"input_required"}"#),
        (
            "completion/complete",
            r#""ref":{"type":"ref/prompt","name":"demo_p"}"#,
            r#"{"resultType":"input_required","requestState":"x"}"#,
        ),
        (
            "tools/call",
            r#""name":"demo_x""#,
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"tools/list"}}}"#,
        ),
    ] {
        let world = World::new().upstream("demo", "2026-07-28", "{}", move |_, _| Says::Result(result.into()));
        let session = session(&world, CAPABILITIES);
        let last: Value =
            serde_json::from_str(world.say(&session, &rpc("1", method, params)).events().last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], -32603, "{last}");
    }
}
