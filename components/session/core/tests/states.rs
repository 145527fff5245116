//! Results of upstreams that want input, for clients of the modern era: what comes back reaches the one who asked.

mod support;

use serde_json::{Value, json};
use support::{ALICE, Line, Says, World, message};

const PAGE: &str = "https://pages.example/1";

/// Two upstreams of the modern era; `b` has a page, and asks with this state before it shows it.
fn pages(state: Option<&str>) -> World {
    let world = World::new().upstream("a", "2026-07-28", r#"{"resources":{}}"#, |_, _| {
        Says::Error(r#"{"code":-32602,"message":"no such resource"}"#.into())
    });
    let mut asks = json!({ "resultType": "input_required", "inputRequests": { "k": { "method": "roots/list" } } });
    if let Some(state) = state {
        asks["requestState"] = json!(state);
    }
    world.upstream("b", "2026-07-28", r#"{"resources":{}}"#, move |_, message| {
        let answered = message["params"]["inputResponses"].is_object();
        let page = json!({ "resultType": "complete", "contents": [{ "uri": PAGE, "text": "x" }] });
        Says::Result(if answered { &page } else { &asks }.to_string())
    })
}

fn read(world: &World, params: &str) -> Value {
    world.modern("resources/read", PAGE, &format!(r#""uri":"{PAGE}"{params}"#)).json()
}

fn answers(state: &Value) -> String {
    let state = if state.is_null() { String::new() } else { format!(r#","requestState":{state}"#) };
    format!(r#"{state},"inputResponses":{{"k":{{"roots":["secret"]}}}}"#)
}

#[test]
fn answers_for_one_upstream_reach_no_other() {
    for state in [Some("s"), Some(""), Some("a:s"), None] {
        let world = pages(state);
        let asked = read(&world, "");
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        assert_eq!(world.sent().len(), 2);
        let done = read(&world, &answers(&asked["result"]["requestState"]));
        assert_eq!(done["result"]["contents"][0]["text"], "x", "{done}");
        let sent = world.sent();
        assert_eq!(sent.iter().map(|sent| sent.upstream.as_str()).collect::<Vec<_>>(), ["b"], "{state:?}");
        let got: Value = serde_json::from_str(&sent[0].message).unwrap();
        assert_eq!(got["params"].get("requestState"), state.map(Value::from).as_ref(), "as it was");
        assert_eq!(got["params"]["inputResponses"]["k"]["roots"][0], "secret");
    }
}

#[test]
fn answers_that_name_nobody_reach_nobody() {
    let world = pages(Some("s"));
    for state in [json!("s"), Value::Null, json!("mcp-edge.of.gone:s"), json!("mcp-edge.of."), json!(7)] {
        assert_eq!(read(&world, &answers(&state))["error"]["code"], -32602, "{state}");
        assert!(world.sent().is_empty(), "{state}");
    }
}

/// An upstream of the modern era that asks with this state.
fn asking(world: World, name: &str, state: &'static str) -> World {
    world.upstream(name, "2026-07-28", r#"{"tools":{}}"#, move |_, _| {
        Says::Result(json!({ "resultType": "input_required", "requestState": state }).to_string())
    })
}

#[test]
fn a_state_goes_to_the_upstream_that_gave_it_only() {
    let world = asking(asking(World::new(), "a", "s"), "b", "t");
    let asked = world.modern("tools/call", "a_x", r#""name":"a_x""#).json();
    world.sent();
    let again = |tool: &str| {
        let params = format!(r#""name":"{tool}","requestState":{}"#, asked["result"]["requestState"]);
        world.modern("tools/call", tool, &params).json()
    };
    assert_eq!(again("b_x")["error"]["code"], -32602);
    assert!(world.sent().is_empty());
    assert_eq!(again("a_x")["result"]["resultType"], "input_required");
    assert!(world.sent()[0].message.contains(r#""requestState":"s""#));
}

#[test]
fn states_of_another_gateway_behind_this_one_are_its_own() {
    for state in ["mcp-edge.0123456789abcdef0123456789abcdef.0", "mcp-edge.again", "mcp-edge.of.x:y", "mcp-edge.", "s"]
    {
        for world in [asking(World::new(), "a", state), asking(World::new().simple("other"), "a", state)] {
            let asked = world.modern("tools/call", "a_x", r#""name":"a_x""#).json();
            world.sent();
            let given = &asked["result"]["requestState"];
            let params = format!(r#""name":"a_x","requestState":{given},"inputResponses":{{}}"#);
            let again = world.modern("tools/call", "a_x", &params).json();
            assert_eq!(again["result"]["requestState"], *given, "{again}");
            let got: Value = serde_json::from_str(&world.sent()[0].message).unwrap();
            assert_eq!(got["params"]["requestState"], state);
            assert_eq!(got["params"]["inputResponses"], json!({}));
        }
    }
}

#[test]
fn a_parked_call_goes_on_at_its_own_upstream_only() {
    let line = Line::default();
    let legacy = |world: World, name: &str, line: Line| {
        world.upstream(name, "2025-11-25", r#"{"tools":{}}"#, move |method, _| match method {
            "tools/call" => Says::Line(line.clone()),
            _ => Says::Accepted,
        })
    };
    let world = legacy(legacy(World::new(), "a", line.clone()), "b", Line::default());
    line.event(message(
        json!({ "jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": { "message": "?" } }).to_string(),
    ));
    let call = |tool: &str, more: &str| {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", tool)];
        let body = support::modern("tools/call", &format!(r#""name":"{tool}"{more}"#));
        world.post((ALICE, "client"), &headers, &body.replace(r#"{"roots":{}}"#, r#"{"elicitation":{}}"#))
    };
    let asked: Value = serde_json::from_str(call("a_x", "").events().last().unwrap()).unwrap();
    let state = &asked["result"]["requestState"];
    world.sent();
    // The same name at another upstream, and the same params: what is checked for that one says nothing of this.
    let more = format!(r#","requestState":{state},"inputResponses":{{"0-0":{{"action":"accept"}}}}"#);
    assert_eq!(call("b_x", &more).code(), -32602);
    assert!(world.sent().is_empty());
}

#[test]
fn a_state_of_the_gateways_own_that_was_changed_reaches_nobody() {
    let world = asking(World::new(), "a", "s");
    for state in ["mcp-edge.0123456789abcdef0123456789abcdef.0-TAMPERED", "mcp-edge.", "mcp-edge.x.0"] {
        let params = format!(r#""name":"a_x","requestState":"{state}","inputResponses":{{}}"#);
        let refused = world.modern("tools/call", "a_x", &params).json();
        assert_eq!(refused["error"]["code"], -32602, "{state}: {refused}");
        assert!(world.sent().is_empty(), "{state}");
    }
}
