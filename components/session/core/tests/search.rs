//! Two tools instead of all.

mod support;

use serde_json::{Value, json};
use session_core::{Context, Settings};
use shared_ports::memory::MemoryConfig;
use support::{Says, World, rpc};

fn server(method: &str, message: &Value) -> Says {
    let schema = json!({ "type": "object", "properties": { "repo": { "type": "string", "description": "Name of the repository" } } });
    let tool =
        |name: &str, description: &str| json!({ "name": name, "description": description, "inputSchema": schema });
    Says::Result(match method {
        "tools/list" if message["params"]["cursor"].is_null() => {
            json!({ "tools": [tool("create_issue", "Open a new issue"), tool("list_issues", "List issues")], "nextCursor": "2" }).to_string()
        }
        "tools/list" => json!({ "tools": [tool("delete_repo", "Delete a repository for ever"), tool("weather", "The weather")] }).to_string(),
        _ => json!({ "seen": message["params"] }).to_string(),
    })
}

fn world(context: Context, tool_search: bool) -> World {
    let settings = json!({ "toolSearch": tool_search, "mcpServers": {
        "hub": { "url": "https://a", "tools": { "deny": ["delete_*"] } }, "wiki": { "url": "https://b", "tools": { "allow": ["weather"] } },
    } });
    let config: MemoryConfig = [("settings".to_owned(), settings.to_string())].into_iter().collect();
    let world = World { settings: Settings::read(&config).unwrap(), context, ..World::new() };
    world.upstream("hub", "2025-11-25", r#"{"tools":{}}"#, server).upstream(
        "wiki",
        "2025-11-25",
        r#"{"tools":{}}"#,
        server,
    )
}

fn agent() -> World {
    world(Context { tool_search: true, ..Context::default() }, false)
}

fn call(world: &World, name: &str, arguments: Value) -> Value {
    let session = world.session();
    world.say(&session, &rpc("1", "tools/call", &format!(r#""name":"{name}","arguments":{arguments}"#))).json()
}

fn names(result: &Value) -> Vec<String> {
    let tools = result["result"]["structuredContent"]["tools"].as_array().unwrap_or_else(|| panic!("{result}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_client_sees_two_tools_where_it_or_the_settings_want_it_so() {
    for (world, expected) in [
        (world(Context::default(), false), &["hub_create_issue", "hub_list_issues"][..]),
        (world(Context::default(), true), &["search_tools", "call_tool"]),
        (agent(), &["search_tools", "call_tool"]),
    ] {
        let session = world.session();
        let result = world.say(&session, &rpc("1", "tools/list", "")).json();
        let names: Vec<_> =
            result["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected);
    }
    let modern = agent().modern("tools/list", "", "").json();
    assert_eq!(
        (&modern["result"]["resultType"], &modern["result"]["cacheScope"]),
        (&json!("complete"), &json!("private"))
    );
}

#[test]
fn what_is_found_can_be_called_and_what_is_hidden_is_neither() {
    let world = agent();
    let found = call(&world, "search_tools", json!({ "query": "list issues" }));
    assert_eq!(names(&found), ["hub_list_issues", "hub_create_issue"]);
    let first = &found["result"]["structuredContent"]["tools"][0];
    assert_eq!(first["inputSchema"]["properties"]["repo"]["type"], "string", "with its schema");
    assert_eq!(found["result"]["content"][0]["text"], found["result"]["structuredContent"].to_string());
    assert_eq!(names(&call(&world, "search_tools", json!({ "query": "weather" }))), ["hub_weather", "wiki_weather"]);
    assert_eq!(names(&call(&world, "search_tools", json!({ "query": "issue", "limit": 1 }))).len(), 1);
    let nothing = call(&world, "search_tools", json!({ "query": "delete" }));
    assert_eq!(nothing["result"]["content"][0]["text"], "No tool fits. Try other words.");

    let called =
        call(&world, "call_tool", json!({ "name": "hub_list_issues", "arguments": { "repo": "x", "n": 1.0 } }));
    assert_eq!(called["result"]["seen"], json!({ "name": "list_issues", "arguments": { "repo": "x", "n": 1.0 } }));
    let own = call(&world, "hub_list_issues", json!({ "repo": "y" }));
    assert_eq!(own["result"]["seen"]["arguments"], json!({ "repo": "y" }));
    world.sent();
    for name in ["hub_delete_repo", "wiki_create_issue", "search_tools", "none"] {
        let called = call(&world, "call_tool", json!({ "name": name }));
        assert_eq!(called["error"]["code"], -32602, "{name}: {called}");
        assert!(world.sent().iter().all(|sent| !sent.message.contains("tools/call")), "{name}");
    }
}

#[test]
fn a_mistake_is_one_that_a_model_can_put_right() {
    for (name, arguments) in
        [("search_tools", json!({})), ("search_tools", json!([])), ("call_tool", json!({ "arguments": {} }))]
    {
        let result = call(&agent(), name, arguments);
        assert_eq!(result["result"]["isError"], true, "{result}");
    }
}

#[test]
fn an_upstream_that_is_down_hides_only_its_own_tools() {
    let world = agent().down("wiki");
    let found = call(&world, "search_tools", json!({ "query": "issue" }));
    assert_eq!(names(&found).len(), 2, "{found}");
    assert_eq!(found["result"]["_meta"]["mcp-edge/unavailable"], json!(["wiki"]));
    let nothing = call(&world, "search_tools", json!({ "query": "pages" }));
    assert!(nothing["result"]["content"][0]["text"].as_str().unwrap().contains("wiki"));
    let world = agent().down("wiki").down("hub");
    assert_eq!(call(&world, "search_tools", json!({ "query": "issue" }))["error"]["code"], -32001);
}

#[test]
fn arguments_in_headers_are_no_matter_of_those_who_call_by_call_tool() {
    let world = agent().upstream("hub", "2026-07-28", r#"{"tools":{}}"#, |method, _| match method {
        "tools/list" => Says::Result(
            json!({ "resultType": "complete", "tools": [{ "name": "x", "inputSchema": { "type": "object", "properties": {
                "region": { "type": "string", "x-mcp-header": "Region" },
            } } }] })
            .to_string(),
        ),
        _ => Says::Result(r#"{"resultType":"complete","content":[]}"#.into()),
    });
    let call = |name: &str, headers: &[(&str, &str)], arguments: &str| {
        let usual = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", name)];
        let body = support::modern("tools/call", &format!(r#""name":"{name}","arguments":{arguments}"#));
        world.post((support::ALICE, "client"), &[&usual, headers].concat(), &body)
    };
    // Someone has made the gateway look: now it knows what the tool wants.
    let seen = call("hub_x", &[("mcp-param-region", "a")], r#"{"region":"b"}"#);
    assert_eq!(seen.code(), -32020);
    let seen = call("call_tool", &[], r#"{"name":"hub_x","arguments":{"region":"b"}}"#);
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.json()["result"]["resultType"], "complete");
}
