//! What a request may see, and that it reaches nothing else.

mod support;

use serde_json::{Value, json};
use session_core::{Context, Settings};
use shared_ports::memory::MemoryConfig;
use support::{ALICE, Says, World, rpc};

/// Two tools, two prompts, two resources and a template; every call answers with what reached the upstream.
fn server(method: &str, message: &Value) -> Says {
    let schema = json!({ "type": "object", "properties": { "q": { "type": "string" }, "org": { "type": "string" } }, "required": ["org"] });
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|name| json!({ "name": name, "description": "Its own.", "inputSchema": schema }))
            .collect::<Vec<_>>()
    };
    Says::Result(
        match method {
            "tools/list" => json!({ "tools": named(&["get_a", "get_secret", "put_a"]) }),
            "prompts/list" => json!({ "prompts": named(&["ask", "tell"]) }),
            "resources/list" => json!({ "resources": [{ "uri": "test://open/1", "name": "x" }, { "uri": "test://secret/1", "name": "y" }] }),
            "resources/templates/list" => json!({ "resourceTemplates": [{ "uriTemplate": "test://open/{id}", "name": "x" }, { "uriTemplate": "test://secret/{id}", "name": "y" }] }),
            _ => json!({ "seen": message["params"] }),
        }
        .to_string(),
    )
}

const ALL: &str = r#"{"tools":{},"prompts":{},"resources":{},"completions":{}}"#;

fn world(document: Value) -> World {
    let names: Vec<String> = document["mcpServers"].as_object().unwrap().keys().cloned().collect();
    let mut document = document;
    document["publicUrl"] = json!("http://127.0.0.1:8787");
    let config: MemoryConfig = [("settings".to_owned(), document.to_string())].into_iter().collect();
    let world = World { settings: Settings::read(&config).unwrap(), ..World::new() };
    names.iter().fold(world, |world, name| world.upstream(name, "2025-11-25", ALL, server))
}

/// A server with these keys besides its address.
fn entry(keys: Value) -> Value {
    let mut entry = json!({ "url": "https://a.example/mcp" });
    entry.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    entry
}

fn one(keys: Value) -> World {
    world(json!({ "mcpServers": { "a": entry(keys) } }))
}

fn with(world: World, context: Context) -> World {
    World { context, ..world }
}

/// The names or URIs in a list.
fn list(world: &World, method: &str) -> Vec<String> {
    let session = world.session();
    let result = world.say(&session, &rpc("1", method, "")).json();
    let (items, member) = match method {
        "tools/list" => (&result["result"]["tools"], "name"),
        "prompts/list" => (&result["result"]["prompts"], "name"),
        "resources/list" => (&result["result"]["resources"], "uri"),
        _ => (&result["result"]["resourceTemplates"], "uriTemplate"),
    };
    let items = items.as_array().unwrap_or_else(|| panic!("{result}"));
    items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
}

/// The status of an answer, its error, and whether anything but a list reached an upstream.
fn ask(world: &World, method: &str, params: &str) -> (u16, Option<i64>, bool) {
    let session = world.session();
    let seen = world.say(&session, &rpc("1", method, params));
    let reached = world.sent().iter().any(|sent| !sent.message.contains("/list"));
    (seen.status, seen.json()["error"]["code"].as_i64(), reached)
}

const DONE: (u16, Option<i64>, bool) = (200, None, true);
const UNKNOWN: (u16, Option<i64>, bool) = (200, Some(-32602), false);
const MORE_SCOPE: (u16, Option<i64>, bool) = (403, Some(-32000), false);

#[test]
fn what_is_not_listed_cannot_be_used() {
    for keys in [
        json!({
            "tools": { "allow": ["get_*"], "deny": ["*_secret"] },
            "prompts": { "allow": ["ask"] },
            "resources": { "deny": ["test://secret/*"] },
        }),
        json!({
            "tools": { "deny": ["put_*", "get_secret"] },
            "prompts": { "deny": ["tell"] },
            "resources": { "allow": ["test://open/*"] },
        }),
    ] {
        let several = world(
            json!({ "mcpServers": { "a": entry(keys.clone()), "b": entry(json!({ "tools": { "allow": [] } })) } }),
        );
        for (world, uri) in [(one(keys), ""), (several, "mcp-edge://a/")] {
            assert_eq!(list(&world, "tools/list"), ["a_get_a"]);
            assert_eq!(
                list(&world, "prompts/list").iter().filter(|name| name.starts_with("a_")).collect::<Vec<_>>(),
                ["a_ask"]
            );
            let own = |uris: Vec<String>| {
                uris.into_iter().filter(|own| own.starts_with(uri) && !own.contains("//b/")).collect::<Vec<_>>()
            };
            assert_eq!(own(list(&world, "resources/list")), [format!("{uri}test://open/1")]);
            assert_eq!(own(list(&world, "resources/templates/list")), [format!("{uri}test://open/{{id}}")]);
            for (method, params, expected) in [
                ("tools/call", r#""name":"a_get_a""#.to_owned(), DONE),
                ("tools/call", r#""name":"a_get_secret""#.into(), UNKNOWN),
                ("tools/call", r#""name":"a_put_a""#.into(), UNKNOWN),
                ("prompts/get", r#""name":"a_ask""#.into(), DONE),
                ("prompts/get", r#""name":"a_tell""#.into(), UNKNOWN),
                ("resources/read", format!(r#""uri":"{uri}test://open/2""#), DONE),
                ("resources/read", format!(r#""uri":"{uri}test://secret/2""#), UNKNOWN),
                ("resources/read", format!(r#""uri":"{uri}test://open/../secret/2""#), UNKNOWN),
                ("resources/read", format!(r#""uri":"{uri}test://secre%74/2""#), UNKNOWN),
                ("resources/subscribe", format!(r#""uri":"{uri}test://secret/2""#), UNKNOWN),
                ("completion/complete", r#""ref":{"type":"ref/prompt","name":"a_ask"}"#.into(), DONE),
                ("completion/complete", r#""ref":{"type":"ref/prompt","name":"a_tell"}"#.into(), UNKNOWN),
                (
                    "completion/complete",
                    format!(r#""ref":{{"type":"ref/resource","uri":"{uri}test://open/{{id}}"}}"#),
                    DONE,
                ),
                (
                    "completion/complete",
                    format!(r#""ref":{{"type":"ref/resource","uri":"{uri}test://secret/{{id}}"}}"#),
                    UNKNOWN,
                ),
                ("completion/complete", r#""ref":{"type":"ref/new","name":"a_tell"}"#.into(), UNKNOWN),
                ("x/unheard-of", String::new(), (200, Some(-32601), false)),
            ] {
                assert_eq!(ask(&world, method, &params), expected, "{method} {params}");
            }
        }
    }
    assert_eq!(ask(&one(json!({})), "x/unheard-of", ""), DONE);
}

#[test]
fn a_hidden_tool_and_one_that_never_was_look_the_same() {
    let world = one(json!({ "tools": { "deny": ["get_secret"] } }));
    let session = world.session();
    let error = |name: &str| {
        let seen = world.say(&session, &rpc("1", "tools/call", &format!(r#""name":"{name}""#)));
        (seen.status, seen.body.replace(name, ""))
    };
    assert_eq!(error("a_get_secret"), error("b_never_was"));
}

#[test]
fn names_and_texts_are_those_of_the_settings() {
    let world = one(json!({
        "prefix": "x",
        "tools": { "overrides": { "get_a": { "name": "fetch", "title": "Fetch", "description": "Ours." } } },
        "prompts": { "overrides": { "ask": { "description": "Ours." } } },
    }));
    let session = world.session();
    let result = world.say(&session, &rpc("1", "tools/list", "")).json();
    let tool = &result["result"]["tools"][0];
    assert_eq!(
        (&tool["name"], &tool["title"], &tool["description"]),
        (&json!("x_fetch"), &json!("Fetch"), &json!("Ours."))
    );
    assert_eq!(result["result"]["tools"][1]["description"], "Its own.");
    let prompts = world.say(&session, &rpc("1", "prompts/list", "")).json();
    assert_eq!(prompts["result"]["prompts"][0]["description"], "Ours.");
    let called = world.say(&session, &rpc("1", "tools/call", r#""name":"x_fetch","arguments":{"q":1.0}"#)).json();
    assert_eq!(called["result"]["seen"], json!({ "name": "get_a", "arguments": { "q": 1.0 } }));
    assert_eq!(ask(&world, "tools/call", r#""name":"x_get_a""#), UNKNOWN, "the old name is gone");
    assert_eq!(ask(&world, "tools/call", r#""name":"a_fetch""#), UNKNOWN);
}

fn scopes(granted: &[&str]) -> World {
    let document = json!({
        "mcpServers": { "a": entry(json!({})), "b": entry(json!({ "tools": { "deny": ["put_a"] } })) },
        "oauth": {
            "clients": { "c": { "secret": "${NOT_SET}" } },
            "scopes": {
                "all": { "meaning": "Everything", "includes": ["read"] },
                "read": { "meaning": "Read", "mcpServers": { "a": { "tools": { "allow": ["get_a"], "overrides": { "get_a": { "description": "For readers." } } }, "prompts": { "allow": [] } } } },
                "write": { "meaning": "Write", "mcpServers": { "a": { "tools": { "allow": ["put_*"] }, "resources": { "allow": [] } }, "b": {} } },
            },
        },
    });
    let scopes = granted.iter().map(|scope| (*scope).to_owned()).collect();
    with(world(document), Context { scopes, ..Context::default() })
}

#[test]
fn a_scope_gives_access_to_what_the_settings_say() {
    for (granted, tools) in [
        (&["read"][..], &["a_get_a"][..]),
        (&["write"], &["a_put_a", "b_get_a", "b_get_secret"]),
        (&["read", "write"], &["a_get_a", "a_put_a", "b_get_a", "b_get_secret"]),
        (&["all"], &["a_get_a", "a_get_secret", "a_put_a", "b_get_a", "b_get_secret"]),
        (&[], &[]),
        (&["unknown"], &[]),
    ] {
        let world = scopes(granted);
        assert_eq!(list(&world, "tools/list"), tools, "{granted:?}");
        for tool in ["a_get_a", "a_get_secret", "a_put_a", "b_get_a", "b_get_secret"] {
            let expected = if tools.contains(&tool) { DONE } else { MORE_SCOPE };
            assert_eq!(ask(&world, "tools/call", &format!(r#""name":"{tool}""#)), expected, "{granted:?} {tool}");
        }
        assert_eq!(
            ask(&world, "tools/call", r#""name":"b_put_a""#),
            UNKNOWN,
            "no scope gives access to it: {granted:?}"
        );
    }
    let world = scopes(&["read"]);
    let session = world.session();
    let tool = world.say(&session, &rpc("1", "tools/list", "")).json()["result"]["tools"][0].clone();
    assert_eq!(tool["description"], "For readers.");
    assert_eq!(list(&world, "prompts/list"), Vec::<String>::new());
    assert_eq!(ask(&world, "prompts/get", r#""name":"a_ask""#), MORE_SCOPE);
    assert_eq!(ask(&scopes(&["write"]), "resources/read", r#""uri":"mcp-edge://a/test://open/1""#), MORE_SCOPE);
    assert_eq!(ask(&scopes(&["write"]), "resources/read", r#""uri":"mcp-edge://b/test://open/1""#), DONE);
}

#[test]
fn a_client_that_lacks_a_scope_is_told_which_with_those_that_it_has() {
    let world = scopes(&["read"]);
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "tools/call", r#""name":"b_get_a""#));
    let challenge = &seen.headers["www-authenticate"];
    assert!(challenge.starts_with(r#"Bearer error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="all read""#), "the union: {challenge}");
    assert!(
        challenge.contains(r#"resource_metadata="http://127.0.0.1:8787/.well-known/oauth-protected-resource/mcp""#)
    );
    let modern = world.modern("tools/call", "b_get_a", r#""name":"b_get_a""#);
    assert_eq!((modern.status, modern.code()), (403, -32000));
}

fn places(context: Context) -> World {
    let document = json!({ "mcpServers": {
        "eu": entry(json!({ "region": "eu", "features": { "read": { "tools": { "allow": ["get_*"] } } } })),
        "us": entry(json!({ "region": "us", "features": { "write": { "tools": { "allow": ["put_*"] } }, "read": {} } })),
        "web": entry(json!({ "projects": ["web", "web-*"], "tenants": ["acme"], "tools": { "allow": ["get_a"] } })),
        "all": entry(json!({ "tools": { "allow": ["get_a"] } })),
    } });
    with(world(document), context)
}

#[test]
fn an_address_chooses_what_is_there() {
    let choose = |tenant: Option<&str>, project: Option<&str>, region: Option<&str>, features: &[&str]| Context {
        tenant: tenant.map(str::to_owned),
        project: project.map(str::to_owned),
        region: region.map(str::to_owned),
        features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        ..Context::default()
    };
    let eu = ["eu_get_a", "eu_get_secret", "eu_put_a"];
    let us = ["us_get_a", "us_get_secret", "us_put_a"];
    for (context, expected) in [
        (choose(None, None, None, &[]), [&["all_get_a"][..], &eu, &us].concat()),
        (choose(Some("acme"), None, None, &[]), [&["all_get_a"][..], &eu, &us, &["web_get_a"]].concat()),
        (choose(Some("other"), None, Some("eu"), &[]), [&["all_get_a"][..], &eu].concat()),
        (choose(Some("acme"), Some("web-1"), Some("us"), &[]), [&["all_get_a"][..], &us, &["web_get_a"]].concat()),
        (choose(Some("acme"), Some("app"), Some("us"), &[]), [&["all_get_a"][..], &us].concat()),
        (choose(None, None, None, &["read"]), [&["eu_get_a", "eu_get_secret"][..], &us].concat()),
        (choose(None, None, Some("us"), &["write"]), vec!["us_put_a"]),
        (choose(None, None, Some("eu"), &["read"]), vec!["eu_get_a", "eu_get_secret"]),
    ] {
        let world = places(context.clone());
        assert_eq!(list(&world, "tools/list"), expected, "{context:?}");
        for tool in [&eu[..], &us, &["web_get_a", "all_get_a"]].concat() {
            let expected = if expected.contains(&tool) { DONE } else { UNKNOWN };
            assert_eq!(ask(&world, "tools/call", &format!(r#""name":"{tool}""#)), expected, "{context:?} {tool}");
        }
    }
    for context in [
        choose(None, None, Some("mars"), &[]),
        choose(None, None, None, &["read", "fly"]),
        choose(None, None, Some("eu"), &["write"]),
    ] {
        let world = places(context.clone());
        let seen = world.post((ALICE, "client"), &[], &support::initialize("2025-11-25"));
        assert_eq!((seen.status, seen.code()), (403, -32000), "{context:?}");
    }
}

#[test]
fn a_choice_that_needs_a_scope_says_so() {
    let document = json!({
        "mcpServers": { "a": entry(json!({ "features": { "f": {} } })) },
        "oauth": { "scopes": { "read": { "meaning": "Read", "mcpServers": { "a": {} } } } },
    });
    let world = with(world(document), Context { features: vec!["f".into()], ..Context::default() });
    let seen = world.post((ALICE, "client"), &[], &support::initialize("2025-11-25"));
    assert_eq!(seen.status, 403);
    assert!(seen.headers["www-authenticate"].contains(r#"scope="read""#));
}

#[test]
fn bound_arguments_are_not_for_the_client() {
    let keys = json!({ "bind": { "org": "{tenant}", "q": "{project}" } });
    let place = |tenant: Option<&str>, project: Option<&str>| Context {
        tenant: tenant.map(str::to_owned),
        project: project.map(str::to_owned),
        ..Context::default()
    };
    let world = with(one(keys.clone()), place(Some("acme"), None));
    let session = world.session();
    let tool = world.say(&session, &rpc("1", "tools/list", "")).json()["result"]["tools"][0].clone();
    assert_eq!(
        tool["inputSchema"],
        json!({ "type": "object", "properties": { "q": { "type": "string" } }, "required": [] })
    );
    let call = |world: &World, arguments: &str| {
        let session = world.session();
        world.say(&session, &rpc("1", "tools/call", &format!(r#""name":"a_get_a","arguments":{arguments}"#))).json()
    };
    let seen = call(&world, r#"{"q":"x","org":"evil"}"#);
    assert_eq!(seen["result"]["seen"]["arguments"], json!({ "q": "x", "org": "acme" }));
    assert_eq!(call(&world, "[]")["error"]["code"], -32602);
    let world = with(one(keys.clone()), place(Some("acme"), Some("web")));
    assert_eq!(call(&world, "{}")["result"]["seen"]["arguments"], json!({ "org": "acme", "q": "web" }));
    let params = r#""ref":{"type":"ref/prompt","name":"a_ask"},"argument":{"name":"org","value":""}"#;
    assert_eq!(ask(&world, "completion/complete", params), UNKNOWN, "others' tenants are nobody's business");
    let nobody = with(one(keys), place(None, None));
    assert_eq!(
        list(&nobody, "tools/list"),
        Vec::<String>::new(),
        "who has no tenant gets nothing of what is bound to tenants"
    );
    assert_eq!(ask(&nobody, "tools/call", r#""name":"a_get_a","arguments":{"org":"acme"}"#), UNKNOWN);
}

#[test]
fn notifications_that_nobody_knows_reach_unrestricted_upstreams_only() {
    let notify = |world: &World| {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "notifications/x")];
        let body = r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"n":1.0}}"#;
        assert_eq!(world.post((ALICE, "client"), &headers, body).status, 202);
        world.sent().len()
    };
    let legacy = |world: &World, method: &str| {
        let session = world.session();
        let seen = world.say(&session, &format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}"}}"#));
        assert_eq!(seen.status, 202);
        world.sent().len()
    };
    for (world, expected) in [(one(json!({})), 1), (one(json!({ "tools": { "deny": ["x"] } })), 0)] {
        assert_eq!((notify(&world), legacy(&world, "x")), (expected, expected));
        assert_eq!(legacy(&world, "roots/list_changed"), 1);
    }
}

#[test]
fn nothing_is_said_of_resources_that_are_hidden() {
    for servers in [
        json!({ "a": entry(json!({ "resources": { "deny": ["test://secret/*"] } })) }),
        json!({ "a": entry(json!({ "resources": { "deny": ["test://secret/*"] } })), "b": entry(json!({})) }),
    ] {
        let updated = |uri: &str| {
            json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } })
                .to_string()
        };
        let (secret, open) = (updated("test://secret/1"), updated("test://open/1"));
        let world = world(json!({ "mcpServers": servers })).listening("a", move |_, _| {
            let line = support::Line::default();
            line.say(secret.clone());
            line.say(open.clone());
            Ok(Some(line))
        });
        let session = world.session();
        world.patience.set(2);
        let headers = [("accept", "text/event-stream"), ("mcp-session-id", session.as_str())];
        let seen = world.request((ALICE, "client"), "GET", &headers, "");
        assert!(seen.body.contains("test://open/1"), "{}", seen.body);
        assert!(!seen.body.contains("secret"), "{}", seen.body);
    }
}

#[test]
fn a_place_in_a_stream_that_the_client_has_made_up_is_none() {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as CODE;
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get_a"},{"name":"get_secret"}]}}"#;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let (first, second) = (support::event("7", progress), support::event("8", list));
    let again = second.clone();
    let world = one(json!({ "tools": { "deny": ["*secret"] } }))
        .upstream("a", "2025-11-25", ALL, move |_, _| Says::Events(vec![first.clone(), second.clone()]))
        .listening("a", move |_, _| {
            let line = support::Line::default();
            line.event(again.clone());
            Ok(Some(line))
        });
    let session = world.session();
    let seen = world.say(&session, &rpc("1", "tools/list", ""));
    assert!(!seen.body.contains("secret"), "{}", seen.body);
    let id = shared_mcp::sse::Parser::new(1 << 20).push(seen.body.as_bytes()).unwrap().remove(0).id.unwrap();
    let get = |session: &str, id: &str| {
        let headers = [("accept", "text/event-stream"), ("mcp-session-id", session), ("last-event-id", id)];
        world.request((ALICE, "client"), "GET", &headers, "")
    };
    let resumed = get(&session, &id);
    assert!(resumed.body.contains("a_get_a") && !resumed.body.contains("secret"), "{}", resumed.body);
    let (position, mark) = id.split_once('.').unwrap_or((&id, ""));
    let position = String::from_utf8(CODE.decode(position).unwrap()).unwrap();
    world.listened();
    for (from, to) in [("tools/list", "x"), ("tools/list", "tools/call"), ("\"7\"", "\"6\"")] {
        assert!(position.contains(from), "{position}");
        let forged = CODE.encode(position.replace(from, to));
        for forged in [forged.clone(), format!("{forged}."), format!("{forged}.{mark}")] {
            assert_eq!(get(&session, &forged).status, 400, "{forged}");
        }
    }
    // It is good for its session only.
    assert_eq!(get(&world.session(), &id).status, 400);
    assert!(world.listened().is_empty());
}
