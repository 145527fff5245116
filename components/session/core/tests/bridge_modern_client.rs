//! A client of the modern era in front of upstreams of the legacy era that ask in the middle of a call.

mod support;

use serde_json::{Value, json};
use session_core::HangUp;
use shared_ports::Clock;
use std::cell::RefCell;
use std::rc::Rc;
use support::{ALICE, BOB, Line, Says, Seen, World};

/// A world with an upstream that lets the test speak for it during calls; and the ids of the calls.
fn world() -> (World, Line) {
    let line = Line::default();
    let speaks = line.clone();
    let world = World::new().upstream("demo", "2025-11-25", r#"{"tools":{}}"#, move |method, message| match method {
        "tools/call" => Says::Line(speaks.clone()),
        "" if message["result"]["end"] == true => {
            speaks.say(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"done":true}}"#);
            Says::Accepted
        }
        "" if message["result"]["more"] == true => {
            speaks.say(ask(8, "sampling/createMessage"));
            Says::Accepted
        }
        _ => Says::Accepted,
    });
    (world, line)
}

fn ask(id: u32, method: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": { "message": "?", "_meta": { "progressToken": 9 } } })
        .to_string()
}

fn call_as(world: &World, who: (&str, &str), params: &str) -> Seen {
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "demo_x")];
    let capabilities = r#"{"elicitation":{},"sampling":{}}"#;
    let body = support::modern("tools/call", &format!(r#""name":"demo_x"{params}"#));
    let body = body.replace(r#"{"roots":{}}"#, capabilities);
    world.post(who, &headers, &body)
}

fn call(world: &World, params: &str) -> Seen {
    call_as(world, (ALICE, "client"), params)
}

#[track_caller]
fn last(seen: &Seen) -> Value {
    match seen.headers["content-type"].as_str() {
        "text/event-stream" => serde_json::from_str(seen.events().last().unwrap()).unwrap(),
        _ => seen.json(),
    }
}

fn with(state: &Value, responses: Value) -> String {
    format!(r#","requestState":{state},"inputResponses":{responses}"#)
}

fn parked(world: &World) -> Vec<String> {
    world.store.entries.borrow().keys().filter(|key| key.contains(":call:")).cloned().collect()
}

#[test]
fn a_question_in_the_middle_is_a_result_and_the_next_request_goes_on() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    let first = last(&call(&world, ""));
    let result = &first["result"];
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(result["inputRequests"]["0-0"], json!({ "method": "elicitation/create", "params": { "message": "?" } }));
    let sent = world.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");

    let second =
        last(&call(&world, &with(&result["requestState"], json!({ "0-0": { "action": "accept", "more": true } }))));
    let result = &second["result"];
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(result["inputRequests"]["1-0"]["method"], "sampling/createMessage");
    let answer: Value = serde_json::from_str(&world.sent()[0].message).unwrap();
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 7, "result": { "action": "accept", "more": true } }));

    let third = last(&call(&world, &with(&result["requestState"], json!({ "1-0": { "end": true } }))));
    assert_eq!(third["result"]["done"], true, "{third}");
    assert_eq!(third["id"], 1);
    assert_eq!(third["result"]["resultType"], "complete");
    // The call itself was sent once.
    assert!(world.sent().iter().all(|sent| !sent.message.contains("tools/call")));
    world.idle(10);
    assert_eq!(parked(&world), Vec::<String>::new());
    assert_eq!(world.abandoned(), []);
}

#[test]
fn questions_that_come_together_are_asked_together() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    line.say(ask(8, "sampling/createMessage"));
    let result = last(&call(&world, ""))["result"].take();
    assert_eq!(result["inputRequests"].as_object().unwrap().len(), 2);
    // One answer is not enough: it is asked again, and nothing has happened.
    world.sent();
    let again = last(&call(&world, &with(&result["requestState"], json!({ "0-0": {} }))))["result"].take();
    assert_eq!(again["inputRequests"], result["inputRequests"]);
    assert_eq!(again["requestState"], result["requestState"]);
    assert!(world.sent().is_empty());
    let done = last(&call(&world, &with(&again["requestState"], json!({ "0-0": {}, "0-1": { "end": true } }))));
    assert_eq!(done["result"]["done"], true);
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn a_state_is_good_for_its_user_its_client_its_request_and_once() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    let state = last(&call(&world, ""))["result"]["requestState"].take();
    world.sent();
    let good = with(&state, json!({ "0-0": { "end": true } }));
    let refused = |seen: &Seen| {
        assert_eq!(last(seen)["error"]["code"], -32602, "{}", seen.body);
        assert!(world.sent().is_empty());
    };
    refused(&call_as(&world, (BOB, "client"), &good));
    refused(&call_as(&world, (ALICE, "another"), &good));
    refused(&call(&world, &format!(r#"{good},"arguments":{{"other":1}}"#)));
    refused(&call(&world, &with(&json!("mcp-edge.00000000000000000000000000000000.0"), json!({ "0-0": {} }))));
    refused(&call(&world, &with(&json!(state.as_str().unwrap().replace(".0", ".1")), json!({ "0-0": {} }))));
    assert_eq!(last(&call(&world, &good))["result"]["done"], true);
    world.sent();
    refused(&call(&world, &good));
}

#[test]
fn what_the_client_cannot_do_is_declined() {
    let (world, line) = world();
    line.say(ask(7, "roots/list"));
    line.say(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    let done = last(&call(&world, ""));
    assert_eq!(done["result"]["resultType"], "complete");
    let declined: Value = serde_json::from_str(&world.sent()[1].message).unwrap();
    assert_eq!((declined["id"].as_i64(), declined["error"]["code"].as_i64()), (Some(7), Some(-32601)));
    assert_eq!(parked(&world), Vec::<String>::new());
}

#[test]
fn a_client_that_never_comes_back_cancels_the_call() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    call(&world, "");
    world.idle(100);
    assert_eq!(world.abandoned(), []);
    assert!(!parked(&world).is_empty());
    world.idle(700);
    assert_eq!(world.abandoned(), [HangUp::Cancel]);
    assert_eq!(parked(&world), Vec::<String>::new());
}

#[test]
fn a_client_that_hangs_up_while_it_waits_cancels_the_call() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    let state = last(&call(&world, ""))["result"]["requestState"].take();
    world.patience.set(0);
    call(&world, &with(&state, json!({ "0-0": {} })));
    world.idle(10);
    assert_eq!(world.abandoned(), [HangUp::Cancel]);
    assert_eq!(parked(&world), Vec::<String>::new());
}

#[test]
fn a_response_that_the_store_does_not_take_is_an_error_and_not_silence() {
    for (largest, code) in [(2000, -32603), (100, -32602)] {
        let (world, line) = world();
        line.say(ask(7, "elicitation/create"));
        let state = last(&call(&world, ""))["result"]["requestState"].take();
        world.store.largest.set(Some(largest));
        let large = "x".repeat(5000);
        line.say(json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [], "large": large } }).to_string());
        world.idle(5);
        let error = last(&call(&world, &with(&state, json!({ "0-0": {} }))))["error"].take();
        assert_eq!(error["code"], code, "{error}");
        assert!(world.clock.elapsed.get().as_secs() < 60);
        world.idle(10);
        assert_eq!(parked(&world), Vec::<String>::new());
    }
}

#[test]
fn a_question_that_the_store_does_not_take_ends_the_call() {
    let (world, line) = world();
    let question = ask(7, "elicitation/create").replace("\"?\"", &format!("\"{}\"", "\\\"".repeat(500)));
    world.store.largest.set(Some(question.len() + 10));
    line.say(question);
    let error = last(&call(&world, ""))["error"].take();
    assert_eq!(error["code"], -32603, "{error}");
    world.idle(10);
    assert_eq!(world.abandoned(), [HangUp::Cancel]);
    assert_eq!(parked(&world), Vec::<String>::new());
}

const PROGRESS: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}"#;

#[test]
fn an_upstream_that_talks_without_end_is_asked_about_nevertheless() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    for _ in 0..2000 {
        line.say(PROGRESS);
    }
    let first = call(&world, "");
    assert_eq!(last(&first)["result"]["resultType"], "input_required");
    assert!(first.events().len() < 100, "{}", first.events().len());
}

#[test]
fn a_client_that_reads_gets_everything_and_one_that_does_not_costs_a_thousand_messages() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    let state = last(&call(&world, ""))["result"]["requestState"].take();
    for _ in 0..1500 {
        line.say(PROGRESS);
    }
    world.idle(60);
    assert!((1000..1010).contains(&parked(&world).len()), "{}", parked(&world).len());
    let answer = with(&state, json!({ "0-0": {} }));
    let say = line.clone();
    let clock = world.clock.clone();
    world.spawned.borrow_mut().push(Box::pin(async move {
        clock.sleep(std::time::Duration::from_secs(30)).await;
        for _ in 0..500 {
            say.say(PROGRESS);
        }
        say.say(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"done":true}}"#);
    }));
    let events = call(&world, &answer).events();
    assert!(
        (1500..1510).contains(&events.len()),
        "the first thousand, and what came while it was read: {}",
        events.len()
    );
    world.idle(10);
    assert_eq!(parked(&world), Vec::<String>::new());
}

#[test]
fn an_upstream_that_asks_without_end_is_stopped() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    let state = last(&call(&world, ""))["result"]["requestState"].take();
    for id in 100..1200 {
        line.say(ask(id, "elicitation/create"));
    }
    world.idle(60);
    assert_eq!(world.abandoned(), [HangUp::Cancel]);
    assert!(parked(&world).len() < 1010, "{}", parked(&world).len());
    assert_eq!(last(&call(&world, &with(&state, json!({ "0-0": {} }))))["result"]["resultType"], "input_required");
    world.idle(700);
    assert_eq!(parked(&world), Vec::<String>::new());
}

#[test]
fn signs_of_life_are_written_now_and_then() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    call(&world, "");
    line.say(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    world.idle(5);
    let beat = || {
        let entries = world.store.entries.borrow();
        let beat = entries.iter().find(|(key, _)| key.ends_with(":beat")).map(|(_, beat)| beat.clone()).unwrap();
        String::from_utf8(beat).unwrap().parse::<u64>().unwrap()
    };
    let mut beats = vec![beat()];
    for _ in 0..120 {
        world.idle(1);
        beats.push(beat());
    }
    beats.dedup();
    assert!(beats.len() > 5, "{beats:?}");
    assert!(beats.windows(2).all(|two| two[1] - two[0] >= 15), "{beats:?}");
}

#[test]
fn progress_goes_to_the_token_of_the_request_that_waits() {
    let (world, line) = world();
    line.say(ask(7, "elicitation/create"));
    let state = last(&call(&world, r#","_x":1"#));
    assert_eq!(state["result"]["resultType"], "input_required");

    let got: Rc<RefCell<Vec<String>>> = Rc::default();
    let meta = |token: &str| format!(r#""_meta":{{"progressToken":{token},"#);
    for (token, expected) in [("\"new\"", 1), ("", 0)] {
        let (world, line) = self::world();
        line.say(ask(7, "elicitation/create"));
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "demo_x")];
        let body = |params: &str| {
            support::modern("tools/call", &format!(r#""name":"demo_x"{params}"#))
                .replace(r#"{"roots":{}}"#, r#"{"elicitation":{}}"#)
        };
        let first = body("").replace(r#""_meta":{"#, &meta("\"old\""));
        let state = last(&world.post((ALICE, "client"), &headers, &first))["result"]["requestState"].take();
        line.say(
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"old","progress":1}}"#,
        );
        let mut second = body(&with(&state, json!({ "0-0": { "end": true } })));
        if !token.is_empty() {
            second = second.replace(r#""_meta":{"#, &meta(token));
        }
        let events = world.post((ALICE, "client"), &headers, &second).events();
        let progress: Vec<_> = events.iter().filter(|event| event.contains("progressToken")).cloned().collect();
        assert_eq!(progress.len(), expected, "{events:?}");
        got.borrow_mut().extend(progress);
    }
    assert!(got.borrow()[0].contains(r#""progressToken":"new""#), "{got:?}");
}

#[test]
fn a_state_of_an_upstream_goes_through() {
    let world = World::new().upstream("demo", "2026-07-28", "{}", |_, message| {
        Says::Result(json!({ "state": message["params"]["requestState"] }).to_string())
    });
    for state in ["x", "mcp-edge", "eyJhIjoxfQ=="] {
        let seen = call(&world, &with(&json!(state), json!({})));
        assert_eq!(last(&seen)["result"]["state"], state);
    }
}
