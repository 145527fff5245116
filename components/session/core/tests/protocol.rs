//! Batches, headers that repeat arguments, tasks, log levels, cancellation, errors of the other era.

mod support;

use serde_json::{Value, json};
use support::{ALICE, Says, World, rpc};

#[test]
fn batches_are_served_in_2025_03_26() {
    let world = World::new().simple("demo");
    let session = world.session_of((ALICE, "client"), "2025-03-26");
    let ping = |id: &str| rpc(id, "ping", "");
    let note = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let seen = world.say(&session, &format!("[{},{note},{},7]", ping("1"), ping("\"a\"")));
    assert_eq!((seen.status, seen.headers["content-type"].as_str()), (200, "application/json"));
    let responses = seen.json();
    assert_eq!(responses.as_array().unwrap().len(), 3);
    assert_eq!(responses[0], json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    assert_eq!(responses[1]["id"], "a");
    assert_eq!((&responses[2]["id"], responses[2]["error"]["code"].as_i64()), (&Value::Null, Some(-32600)));
    assert_eq!(world.sent().len(), 1);
    let seen = world.say(&session, &format!("[{note},{note}]"));
    assert_eq!((seen.status, seen.body.as_str()), (202, ""));
    // `initialize` must come alone.
    let seen = world.say(&session, &format!("[{}]", support::initialize("2025-03-26")));
    assert_eq!(seen.json()[0]["error"]["code"], -32601);
    for bad in ["[]".to_owned(), format!("[{}]", vec![ping("1"); 33].join(",")), "[".into()] {
        assert_eq!(world.say(&session, &bad).status, 400, "{bad}");
    }
    for revision in ["2025-06-18", "2025-11-25"] {
        let session = world.session_of((ALICE, "client"), revision);
        let seen = world.say(&session, &format!("[{}]", ping("1")));
        assert_eq!((seen.status, seen.code()), (400, -32600), "{revision}");
    }
    assert_eq!(world.post((ALICE, "client"), &[], "[]").status, 400);
}

#[test]
fn a_batch_with_a_stream_in_it_is_a_stream() {
    let world = World::new().upstream("demo", "2025-03-26", "{}", |method, _| match method {
        "tools/call" => Says::Stream(vec![
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#.into(),
            r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]}}"#.into(),
        ]),
        _ => Says::Accepted,
    });
    let session = world.session_of((ALICE, "client"), "2025-03-26");
    let call = |id: &str| rpc(id, "tools/call", r#""name":"demo_x""#);
    let seen = world.say(&session, &format!("[{},{},{}]", rpc("1", "ping", ""), call("2"), call("3")));
    assert_eq!(seen.headers["content-type"], "text/event-stream");
    let events: Vec<Value> = seen.events().iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let mut ids: Vec<i64> = events.iter().filter_map(|event| event["id"].as_i64()).collect();
    ids.sort_unstable();
    assert_eq!((ids, events.len()), (vec![1, 2, 3], 5));
}

fn mirrored() -> World {
    World::new().upstream("demo", "2026-07-28", r#"{"tools":{}}"#, |method, _| match method {
        "tools/list" => Says::Result(
            json!({ "resultType": "complete", "tools": [
                { "name": "x", "inputSchema": { "type": "object", "properties": {
                    "region": { "type": "string", "x-mcp-header": "Region" },
                    "count": { "type": "integer", "x-mcp-header": "Count" },
                } } },
                { "name": "y", "inputSchema": { "type": "object" } },
            ] })
            .to_string(),
        ),
        _ => Says::Result(r#"{"resultType":"complete","content":[]}"#.into()),
    })
}

fn call(world: &World, arguments: &str, headers: &[(&str, &str)]) -> Result<(), i64> {
    let usual = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "demo_x")];
    let body = support::modern("tools/call", &format!(r#""name":"demo_x","arguments":{arguments}"#));
    let seen = world.post((ALICE, "client"), &[&usual, headers].concat(), &body);
    match seen.json()["error"]["code"].as_i64() {
        None => Ok(()),
        Some(code) => {
            assert_eq!(seen.status, 400, "{}", seen.body);
            Err(code)
        }
    }
}

#[test]
fn headers_repeat_the_arguments_that_the_schema_says() {
    let region = |value| ("mcp-param-region", value);
    let world = mirrored();
    // Before any list, there is nothing to compare with, unless the client shows that it knows something.
    assert_eq!(call(&world, r#"{"region":"a"}"#, &[]), Ok(()));
    for told_by_list in [false, true] {
        let world = mirrored();
        if told_by_list {
            world.modern("tools/list", "", "");
        } else {
            assert_eq!(call(&world, "{}", &[("mcp-param-unknown", "1")]), Ok(()));
        }
        for (arguments, headers, expected) in [
            (r#"{"region":"a"}"#, vec![region("a")], Ok(())),
            (r#"{"region":"é"}"#, vec![region("=?base64?w6k=?=")], Ok(())),
            (r#"{"region":"a"}"#, vec![region("=?base64?YQ==?=")], Ok(())),
            (r#"{"region":"a"}"#, vec![], Err(-32020)),
            (r#"{"region":"a"}"#, vec![region("b")], Err(-32020)),
            (r#"{"region":"a"}"#, vec![region("A")], Err(-32020)),
            (r#"{"region":"a"}"#, vec![region("a"), region("b")], Err(-32020)),
            (r#"{"region":"a"}"#, vec![region("=?base64?!?=")], Err(-32020)),
            (r#"{"region":null}"#, vec![], Ok(())),
            (r#"{"region":null}"#, vec![region("null")], Err(-32020)),
            ("{}", vec![region("a")], Err(-32020)),
            ("{}", vec![], Ok(())),
            (r#"{"count":42}"#, vec![("mcp-param-count", "42.0")], Ok(())),
            (r#"{"count":42}"#, vec![("mcp-param-count", "43")], Err(-32020)),
            (r#"{"region":"042"}"#, vec![region("42")], Err(-32020)),
            ("{}", vec![("mcp-param-unknown", "x")], Ok(())),
        ] {
            assert_eq!(call(&world, arguments, &headers), expected, "{arguments} {headers:?}");
        }
    }
}

#[test]
fn tools_without_such_headers_are_looked_up_once() {
    let world = World::new().upstream("demo", "2026-07-28", "{}", |method, message| match method {
        "tools/list" if message["params"]["cursor"] == "p" => {
            Says::Result(r#"{"resultType":"complete","tools":[{"name":"x"}]}"#.into())
        }
        "tools/list" => Says::Result(r#"{"resultType":"complete","tools":[{"name":"y"}],"nextCursor":"p"}"#.into()),
        _ => Says::Result(r#"{"resultType":"complete","content":[]}"#.into()),
    });
    assert_eq!(call(&world, "{}", &[("mcp-param-x", "1")]), Ok(()));
    assert_eq!(world.sent().len(), 3);
    for _ in 0..2 {
        assert_eq!(call(&world, "{}", &[("mcp-param-x", "1")]), Ok(()));
        assert_eq!(world.sent().len(), 1, "the call alone");
    }
}

#[test]
fn a_list_does_not_depend_on_what_can_be_kept_of_it() {
    for world in [mirrored(), mirrored().simple("other")] {
        world.store.failing.set(true);
        let seen = world.modern("tools/list", "", "");
        assert!(seen.body.contains("demo_x"), "{}", seen.body);
    }
}

#[test]
fn the_log_level_goes_with_each_request_to_modern_upstreams() {
    let world = World::new().upstream("demo", "2026-07-28", r#"{"logging":{}}"#, |_, _| Says::Result("{}".into()));
    let session = world.session();
    let call = rpc("2", "tools/call", r#""name":"demo_x""#);
    world.say(&session, &call);
    assert!(!world.sent()[0].message.contains("logLevel"));
    assert_eq!(world.say(&session, &rpc("1", "logging/setLevel", r#""level":"loud""#)).code(), -32602);
    assert_eq!(
        world.say(&session, &rpc("1", "logging/setLevel", r#""level":"warning""#)).body,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#
    );
    assert!(world.sent().is_empty());
    world.say(&session, &call);
    assert!(world.sent()[0].message.contains(r#""io.modelcontextprotocol/logLevel":"warning""#));
    let other = world.session();
    world.say(&other, &call);
    assert!(!world.sent()[0].message.contains("logLevel"));
}

#[test]
fn a_modern_client_gets_log_messages_only_as_it_asked() {
    let world = World::new().upstream("demo", "2025-11-25", r#"{"logging":{}}"#, |_, _| {
        Says::Stream(vec![
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#.into(),
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":2}}"#.into(),
            r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]}}"#.into(),
        ])
    });
    for (level, expected) in [(None, 1), (Some("debug"), 3), (Some("error"), 2)] {
        let body = support::modern("tools/call", r#""name":"demo_x""#);
        let body = match level {
            None => body,
            Some(level) => {
                body.replace(r#""_meta":{"#, &format!(r#""_meta":{{"io.modelcontextprotocol/logLevel":"{level}","#))
            }
        };
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "demo_x")];
        assert_eq!(world.post((ALICE, "client"), &headers, &body).events().len(), expected, "{level:?}");
    }
}

#[test]
fn a_legacy_client_cancels_what_runs_at_a_modern_upstream() {
    let world = World::new().upstream("demo", "2026-07-28", "{}", |method, _| match method {
        "tools/call" => Says::Open(vec![
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#.into(),
        ]),
        _ => Says::Accepted,
    });
    let session = world.session();
    let store = world.store.clone();
    // What the notification does, once the request has left its name.
    let marked = session.clone();
    let watch = async move {
        loop {
            let running = store.entries.borrow().keys().find(|key| key.contains(":running:")).cloned();
            if let Some(key) = running {
                assert!(key.contains(&marked));
                store.entries.borrow_mut().insert(key, b"0".to_vec());
                return;
            }
            let mut rested = false;
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut rested, true) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        }
    };
    world.spawned.borrow_mut().push(Box::pin(watch));
    let seen = world.say(&session, &rpc("9", "tools/call", r#""name":"demo_x""#));
    assert_eq!(seen.events().len(), 1);
    assert_eq!(world.abandoned().len(), 1);
    assert!(world.store.entries.borrow().keys().all(|key| !key.contains(":running:")));
    // Nothing is kept of a request that does not run.
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}"#;
    assert_eq!(world.say(&session, cancel).status, 202);
    assert!(world.store.entries.borrow().keys().all(|key| !key.contains(":running:")));
}

#[test]
fn errors_of_the_legacy_era_become_what_the_modern_era_has() {
    let gone = || Says::Error(r#"{"code":-32002,"message":"Resource not found","data":{"uri":"test://x"}}"#.into());
    let world = World::new().upstream("demo", "2025-11-25", "{}", move |_, _| gone());
    let seen = world.modern("resources/read", "test://x", r#""uri":"test://x""#);
    assert_eq!(
        seen.json()["error"],
        json!({ "code": -32602, "message": "Resource not found", "data": { "uri": "test://x" } })
    );
    let session = world.session();
    assert_eq!(world.say(&session, &rpc("1", "resources/read", r#""uri":"test://x""#)).code(), -32002);

    let visit = json!({ "mode": "url", "elicitationId": "e", "url": "https://example.com", "message": "Go there." });
    let data = json!({ "elicitations": [visit] });
    let error = json!({ "code": -32042, "message": "first", "data": data }).to_string();
    let world =
        World::new().upstream("demo", "2025-11-25", "{}", move |_, message| match message["params"]["x"] == 2 {
            true => Says::Result("{}".into()),
            false => Says::Error(error.clone()),
        });
    let result = world.modern("tools/call", "demo_x", r#""name":"demo_x""#).json()["result"].take();
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(result["inputRequests"]["url-0"], json!({ "method": "elicitation/create", "params": visit }));
    world.sent();
    let again = format!(r#""name":"demo_x","x":2,"inputResponses":{{}},"requestState":{}"#, result["requestState"]);
    world.modern("tools/call", "demo_x", &again);
    let sent = world.sent();
    assert!(!sent[0].message.contains("requestState") && !sent[0].message.contains("inputResponses"));
}
