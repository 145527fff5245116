//! Arguments of tools that travel in headers too, towards modern upstreams.

mod common;

use common::*;
use serde_json::{Value, json as value};
use shared_ports::Request;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn tool(name: &str, property: Value) -> Value {
    value!({ "name": name, "inputSchema": { "type": "object", "properties": { "region": property } }, "n": 1 })
}

fn region(header: &str) -> Value {
    value!({ "type": "string", "x-mcp-header": header })
}

fn call(tool: &str, arguments: Value) -> String {
    let params = value!({ "name": tool, "arguments": arguments });
    value!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }).to_string()
}

/// A modern server with these tools in pages, which a test may change.
fn server(pages: &Rc<RefCell<Vec<Vec<Value>>>>) -> impl FnMut(&Request) -> Scripted + 'static {
    let pages = Rc::clone(pages);
    move |request| match name(request).as_str() {
        "POST server/discover" => discovered(),
        "POST initialize" => not_legacy(),
        "POST tools/list" => {
            let pages = pages.borrow();
            let body = body(request);
            let at = body["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse::<usize>().unwrap());
            let mut result = value!({ "resultType": "complete", "tools": pages[at] });
            if at + 1 < pages.len() {
                result["nextCursor"] = (at + 1).to_string().into();
            }
            json(value!({ "jsonrpc": "2.0", "id": body["id"], "result": result }).to_string())
        }
        _ => answered(request),
    }
}

fn world(tools: Vec<Vec<Value>>) -> (World, Rc<RefCell<Vec<Vec<Value>>>>) {
    let pages = Rc::new(RefCell::new(tools));
    (World::new(ONE, server(&pages)), pages)
}

fn all_sent(world: &World) -> Vec<String> {
    world.http.log.borrow().iter().map(name).collect()
}

/// The header of the last request.
fn mirrored(world: &World, header_name: &str) -> Option<String> {
    let log = world.http.log.borrow();
    header(log.last().unwrap(), header_name).map(str::to_owned)
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[test]
fn arguments_travel_in_headers_where_the_tool_says_so() {
    let (world, _) = world(vec![vec![tool("plain", value!({ "type": "string" })), tool("sql", region("Region"))]]);
    let connector = world.instance();
    world.exchange(&connector, LIST, &modern_caller()).unwrap();
    for (name, arguments, expected) in [
        ("sql", value!({ "region": "us-west1" }), Some("us-west1")),
        ("sql", value!({ "region": "é" }), Some("=?base64?w6k=?=")),
        ("sql", value!({ "region": "a\r\nx-injected: 1" }), Some("=?base64?YQ0KeC1pbmplY3RlZDogMQ==?=")),
        ("sql", value!({ "region": null }), None),
        ("sql", value!({}), None),
        ("plain", value!({ "region": "us-west1" }), None),
    ] {
        world.exchange(&connector, &call(name, arguments.clone()), &modern_caller()).unwrap();
        assert_eq!(mirrored(&world, "mcp-param-region").as_deref(), expected, "{name} {arguments}");
        assert_eq!(mirrored(&world, "mcp-name").as_deref(), Some(name));
    }
    let lists = all_sent(&world).iter().filter(|name| *name == "POST tools/list").count();
    assert_eq!(lists, 1, "the list that passed was enough");
    // Another instance reads it in the store, also for a legacy client.
    world.exchange(&world.instance(), &call("sql", value!({ "region": "b" })), &legacy_caller()).unwrap();
    assert_eq!(mirrored(&world, "mcp-param-region").as_deref(), Some("b"));
}

#[test]
fn without_a_list_the_upstream_is_asked_before_the_first_call_once_an_hour() {
    let (world, _) = world(vec![vec![tool("a", value!({}))], vec![tool("sql", region("Region"))]]);
    let connector = world.instance();
    for _ in 0..2 {
        world.exchange(&connector, &call("sql", value!({ "region": "r" })), &modern_caller()).unwrap();
        world.exchange(&connector, &call("a", value!({ "region": "r" })), &modern_caller()).unwrap();
    }
    assert_eq!(
        all_sent(&world),
        [
            "POST server/discover",
            "POST tools/list",
            "POST tools/list",
            "POST tools/call",
            "POST tools/call",
            "POST tools/call",
            "POST tools/call"
        ]
    );
    assert_eq!(header(&world.http.log.borrow()[3], "mcp-param-region"), Some("r"));
    world.clock.advance(Duration::from_secs(3601));
    world.exchange(&connector, &call("sql", value!({ "region": "r" })), &modern_caller()).unwrap();
    assert_eq!(all_sent(&world).iter().filter(|name| *name == "POST tools/list").count(), 4);
}

#[test]
fn a_call_goes_without_where_the_list_cannot_be_had() {
    let world = World::new(ONE, |request| match name(request).as_str() {
        "POST server/discover" => discovered(),
        "POST tools/list" => status(500),
        _ => answered(request),
    });
    let got = world.exchange(&world.instance(), CALL, &modern_caller());
    assert_eq!(got, Ok(Got::Response(RESULT.into())));
}

#[test]
fn tools_that_break_the_rules_are_left_out_and_the_others_stay_as_they_are() {
    let tools =
        vec![tool("good", region("Region")), tool("bad", region("")), tool("plain", value!({ "type": "null" }))];
    for stream in [false, true] {
        let list = value!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools, "x": [1] } }).to_string();
        let world = World::new(
            ONE,
            modern(move |_| if stream { events([data(PROGRESS), data(&list)]) } else { json(list.as_str()) }),
        );
        let text = match world.exchange(&world.instance(), LIST, &modern_caller()).unwrap() {
            Got::Response(text) => text,
            Got::Messages(texts) => texts.last().unwrap().clone(),
            Got::Accepted => panic!(),
        };
        let list: Value = serde_json::from_str(&text).unwrap();
        let tools = value!([tool("good", region("Region")), tool("plain", value!({ "type": "null" }))]);
        assert_eq!(list["result"], value!({ "tools": tools, "x": [1] }));
    }
    // Sessions know nothing of headers: their lists are as they are.
    let list = value!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": [tool("bad", region(""))] } }).to_string();
    let mut sessions = legacy(|_| true, |_| status(500));
    let answer = list.clone();
    let world = World::new(ONE, move |request| match name(request).as_str() {
        "POST tools/list" => json(answer.as_str()),
        _ => sessions(request),
    });
    assert_eq!(world.exchange(&world.instance(), LIST, &legacy_caller()), Ok(Got::Response(list)));
}

#[test]
fn a_call_refused_for_its_headers_is_made_once_more_if_the_tool_has_changed() {
    let pages = Rc::new(RefCell::new(vec![vec![tool("sql", region("Old"))]]));
    let mut inner = server(&pages);
    let world = World::new(ONE, move |request| {
        if name(request) == "POST tools/call" && header(request, "mcp-param-new").is_none() {
            let error = value!({ "code": -32020, "message": "Header mismatch" });
            let refusal = value!({ "jsonrpc": "2.0", "id": body(request)["id"], "error": error });
            return json(refusal.to_string()).with_status(400);
        }
        inner(request)
    });
    let connector = world.instance();
    let message = call("sql", value!({ "region": "r" }));
    // As long as the list is the same, the refusal is the answer.
    let Got::Response(text) = world.exchange(&connector, &message, &modern_caller()).unwrap() else { panic!() };
    assert!(text.contains("-32020"), "{text}");
    pages.borrow_mut()[0][0] = tool("sql", region("New"));
    assert_eq!(world.exchange(&connector, &message, &modern_caller()), Ok(Got::Response(RESULT.into())));
    assert_eq!(mirrored(&world, "mcp-param-new").as_deref(), Some("r"));
    assert_eq!(mirrored(&world, "mcp-param-old"), None);
}
