//! One catalogue of many.

mod support;

use serde_json::{Value, json};
use session_core::UpstreamError;
use support::{Says, World, rpc};

fn list(world: &World, method: &str, params: &str) -> Value {
    let session = world.session();
    world.say(&session, &rpc("1", method, params)).json()
}

fn names(result: &Value) -> Vec<&str> {
    result["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn one_upstream_gives_its_list_with_its_prefix_and_nothing_else_changed() {
    let tools = r##"{ "tools": [ {"name":"echo", "x-vendor": 1.0, "inputSchema":{"$ref":"#/a"}} ], "nextCursor":"page 2", "x-new": 12345678901234567890123 }"##;
    let world = World::new().upstream("demo", "2025-11-25", "{}", move |_, _| Says::Result(tools.into()));
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "tools/list", r#""cursor":"page 1""#));
    assert_eq!(
        seen.body,
        r##"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"demo_echo","x-vendor":1.0,"inputSchema":{"$ref":"#/a"}}],"nextCursor":"page 2","x-new":12345678901234567890123}}"##
    );
    assert!(world.sent()[0].message.contains(r#""cursor":"page 1""#), "cursors are the upstream's own");
}

#[test]
fn bare_names_of_one_upstream_go_through_letter_by_letter() {
    let tools = r#"{ "tools": [ {"name":"echo"} ] }"#;
    let world = World::bare().upstream("demo", "2025-11-25", "{}", move |_, _| Says::Result(tools.into()));
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "tools/list", ""));
    assert_eq!(seen.body, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{tools}}}"#));
}

#[test]
fn several_upstreams_make_one_list_in_the_order_of_their_names() {
    let world = World::new().simple("zeta").simple("alpha");
    for _ in 0..2 {
        assert_eq!(names(&list(&world, "tools/list", "")), ["alpha_echo", "alpha_add", "zeta_echo", "zeta_add"]);
    }
    assert_eq!(list(&world, "tools/list", "")["result"]["tools"][0]["x-vendor"], json!(1.0));
}

#[test]
fn an_upstream_that_is_down_hides_only_itself() {
    let world = World::new().simple("demo").down("other");
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "tools/list", ""));
    assert_eq!(names(&seen.json()), ["demo_echo", "demo_add"]);
    assert_eq!(seen.json()["result"]["_meta"], json!({ "mcp-edge/unavailable": ["other"] }));
    assert_eq!(seen.facts.reason.as_deref(), Some("other: unreachable: connection refused"));
    assert_eq!(seen.facts.error, None);
}

#[test]
fn an_upstream_that_hangs_hides_only_itself() {
    let world = World::new().simple("demo").upstream("slow", "2025-11-25", "{}", |_, _| Says::Hangs);
    let result = list(&world, "tools/list", "");
    assert_eq!(result["result"]["_meta"]["mcp-edge/unavailable"], json!(["slow"]));
}

#[test]
fn an_upstream_without_such_a_list_is_not_missed() {
    let none = |_: &str, _: &Value| Says::Error(r#"{"code":-32601,"message":"no"}"#.into());
    let world = World::new().simple("demo").upstream("none", "2025-11-25", "{}", none);
    let result = list(&world, "tools/list", "");
    assert_eq!(names(&result), ["demo_echo", "demo_add"]);
    assert_eq!(result["result"]["_meta"], Value::Null);
    let world = World::new().upstream("a", "2025-11-25", "{}", none).upstream("b", "2025-11-25", "{}", none);
    assert_eq!(list(&world, "prompts/list", "")["error"]["code"], -32601);
}

#[test]
fn all_upstreams_down_is_an_error_that_names_them() {
    let world = World::new().down("a").down("b");
    let error = &list(&world, "tools/list", "")["error"];
    assert_eq!((&error["code"], &error["data"]), (&json!(-32001), &json!({ "upstreams": ["a", "b"] })));
    let error = &list(&World::new().down("a"), "tools/list", "")["error"];
    assert_eq!((&error["code"], &error["data"]), (&json!(-32001), &json!({ "upstream": "a" })));
}

#[test]
fn no_upstream_at_all_is_an_empty_catalogue() {
    assert_eq!(list(&World::new(), "tools/list", "")["result"], json!({ "tools": [] }));
}

/// Gives `count` pages of one tool each.
fn paged(name: &'static str, count: usize) -> impl Fn(&str, &Value) -> Says {
    move |_, message| {
        let page: usize = message["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let mut result = json!({ "tools": [{ "name": format!("{name}{page}") }], "ttlMs": 1000 * (page + 1) });
        if page + 1 < count {
            result["nextCursor"] = json!((page + 1).to_string());
        }
        Says::Result(result.to_string())
    }
}

#[test]
fn pages_go_on_with_those_upstreams_that_have_more() {
    let world = World::new()
        .upstream("a", "2025-11-25", "{}", paged("x", 1))
        .upstream("b", "2025-11-25", "{}", paged("y", 3))
        .upstream("c", "2025-11-25", "{}", paged("z", 2));
    let mut pages = Vec::new();
    let mut params = String::new();
    loop {
        let result = list(&world, "tools/list", &params);
        pages.push(names(&result).join(" "));
        let Some(cursor) = result["result"]["nextCursor"].as_str() else { break };
        params = format!(r#""cursor":"{cursor}""#);
    }
    assert_eq!(pages, ["a_x0 b_y0 c_z0", "b_y1 c_z1", "b_y2"]);
}

#[test]
fn a_cursor_that_is_none_is_refused() {
    let world = World::new().simple("a").simple("b");
    for cursor in [r#""x""#, "1", "{}", r#""e30""#] {
        assert_eq!(list(&world, "tools/list", &format!(r#""cursor":{cursor}"#))["error"]["code"], -32602, "{cursor}");
    }
    assert!(world.sent().is_empty());
}

#[test]
fn a_list_may_come_as_a_stream() {
    let stream = |_: &str, _: &Value| {
        Says::Stream(vec![
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#.into(),
            r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#.into(),
            r#"{"jsonrpc":"2.0","id":{id},"result":{"tools":[{"name":"echo"}]}}"#.into(),
        ])
    };
    let world = World::new().upstream("a", "2025-11-25", "{}", stream).simple("b");
    assert_eq!(names(&list(&world, "tools/list", "")), ["a_echo", "b_echo", "b_add"]);
    let sent = world.sent();
    let answer = sent.iter().find(|sent| sent.message.contains(r#""id":"q""#)).expect("its request is answered");
    assert!(answer.message.contains("-32601"), "{}", answer.message);
}

#[test]
fn a_list_that_breaks_off_or_makes_no_sense_counts_as_down() {
    for says in [
        || Says::Breaks(Vec::new(), UpstreamError::InvalidReply("cut".into())),
        || Says::Stream(Vec::new()),
        || Says::Accepted,
        || Says::Raw("[]".into()),
        || Says::Raw("\u{fffd}".into()),
        || Says::Result(r#"{"tools":{}}"#.into()),
        || Says::Result("[]".into()),
        || Says::Error(r#"{"code":-32603,"message":"secret"}"#.into()),
    ] as [fn() -> Says; 8]
    {
        let world = World::new().simple("demo").upstream("odd", "2025-11-25", "{}", move |_, _| says());
        let result = list(&world, "tools/list", "");
        assert_eq!(result["result"]["_meta"]["mcp-edge/unavailable"], json!(["odd"]));
        assert!(!result.to_string().contains("secret"));
    }
}

#[test]
fn resources_and_templates_of_several_upstreams_name_their_upstream() {
    let handler = |method: &str, _: &Value| match method {
        "resources/list" => {
            Says::Result(r#"{"resources":[{"uri":"test://a"},{"uri":"https://a.example/x"},{"x":1}]}"#.into())
        }
        _ => Says::Result(r#"{"resourceTemplates":[{"uriTemplate":"test://{id}/data"}]}"#.into()),
    };
    let world = World::new()
        .upstream("a", "2025-11-25", "{}", handler)
        .upstream("b", "2025-11-25", "{}", |_, _| Says::Error(r#"{"code":-32601,"message":"no"}"#.into()));
    assert_eq!(
        list(&world, "resources/list", "")["result"]["resources"],
        json!([{ "uri": "mcp-edge://a/test://a" }, { "uri": "https://a.example/x" }])
    );
    assert_eq!(
        list(&world, "resources/templates/list", "")["result"]["resourceTemplates"],
        json!([{ "uriTemplate": "mcp-edge://a/test://{id}/data" }])
    );
}

#[test]
fn the_page_of_an_app_follows_its_tool() {
    let tools = r#"{"tools":[{"name":"t","_meta":{"ui":{"resourceUri":"ui://x/app.html","y":1.0},"ui/resourceUri":"ui://x/app.html"}}]}"#;
    let world = World::new().upstream("a", "2025-11-25", "{}", move |_, _| Says::Result(tools.into())).simple("b");
    assert_eq!(
        list(&world, "tools/list", "")["result"]["tools"][0]["_meta"],
        json!({ "ui": { "resourceUri": "ui://a/x/app.html", "y": 1.0 }, "ui/resourceUri": "ui://a/x/app.html" })
    );
}

#[test]
fn modern_lists_say_how_long_they_are_good_and_for_whom() {
    let two = || {
        World::new().upstream("a", "2026-07-28", "{}", paged("x", 1)).upstream("b", "2026-07-28", "{}", |_, _| {
            Says::Result(r#"{"tools":[],"ttlMs":300,"cacheScope":"public","resultType":"complete"}"#.into())
        })
    };
    for (world, ttl) in [
        (World::new().upstream("a", "2026-07-28", "{}", paged("x", 1)), 1000),
        (two(), 300),
        (two().simple("c"), 0),
        (two().down("c"), 0),
    ] {
        let result = world.modern("tools/list", "", "").json()["result"].clone();
        assert_eq!(result["ttlMs"], ttl, "{result}");
        assert_eq!(result["cacheScope"], "private");
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "mcp-edge");
    }
}

#[test]
fn a_part_of_a_list_is_asked_for_without_progress() {
    let world = World::new().simple("a").simple("b");
    list(&world, "tools/list", r#""_meta":{"progressToken":1,"x":2}"#);
    for sent in world.sent() {
        assert!(sent.message.contains(r#""_meta":{"x":2}"#), "{}", sent.message);
    }
}
