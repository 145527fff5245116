//! What of the catalogue is shown to whom, and that nothing else can be reached.

use crate::mcp::text_of;
use crate::oauth::{Client, Tokens};
use crate::{ALICE, BOB, Gateway, HostKind, McpClient, Person, Revision, Settings, Upstream, http};
use ::http::Method;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// Every page of a list.
async fn pages(client: &McpClient, method: &str, list: &str, key: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut params = json!({});
    for _ in 0..100 {
        let result = client.call(method, params).await?;
        let entries = result[list].as_array().with_context(|| format!("no {list} in {result}"))?;
        names.extend(entries.iter().filter_map(|entry| entry[key].as_str().map(str::to_owned)));
        if result["nextCursor"].is_null() {
            return Ok(names);
        }
        params = json!({ "cursor": result["nextCursor"] });
    }
    bail!("{method} has no end")
}

/// One list of several upstreams, page by page, in an order that stays; each name leads to its own tool.
pub async fn pages_of_several_upstreams_make_one_list(host: HostKind) -> Result<()> {
    let first = Upstream::start(&["--set", "fixtures", "--page", "7"]).await?;
    let second = Upstream::start(&["--set", "fixtures", "--page", "11", "--era", "2025"]).await?;
    let settings = Settings::new()
        .with("/mcpServers/first", json!({ "url": first.url(), "prefix": "" }))
        .with("/mcpServers/second", json!({ "url": second.url(), "prefix": "s" }));
    let gateway = Gateway::start_on(host, settings).await?;
    let tokens = gateway.login(ALICE).await?;
    let own = McpClient::connected(second.url(), None, Revision::V2025_11_25).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&tokens.access, revision).await?;
        for (method, list, key) in [
            ("tools/list", "tools", "name"),
            ("prompts/list", "prompts", "name"),
            ("resources/list", "resources", "uri"),
            ("resources/templates/list", "resourceTemplates", "uriTemplate"),
        ] {
            let all = pages(&client, method, list, key).await?;
            ensure!(all == pages(&client, method, list, key).await?, "{method}: another order");
            let mut unique = all.clone();
            unique.sort();
            unique.dedup();
            ensure!(unique.len() == all.len(), "{method}: a name is there twice: {all:?}");
            let of_one = pages(&own, method, list, key).await?;
            ensure!(all.len() == 2 * of_one.len(), "{method}: {all:?}, but each has {of_one:?}");
            if key == "name" {
                ensure!(of_one.iter().all(|name| all.contains(name) && all.contains(&format!("s_{name}"))), "{all:?}");
            }
        }
        let sums = [
            client.tool("add", json!({ "a": 1, "b": 2 })).await?,
            client.tool("s_add", json!({ "a": 2, "b": 2 })).await?,
        ];
        ensure!(sums[0]["structuredContent"]["sum"] == 3.0 && sums[1]["structuredContent"]["sum"] == 4.0, "{sums:?}");
        let reference = json!({ "type": "ref/prompt", "name": "s_test_prompt_with_arguments" });
        let argument = json!({ "name": "arg1", "value": "te" });
        let completed = client.call("completion/complete", json!({ "ref": reference, "argument": argument })).await?;
        ensure!(completed["completion"]["values"].is_array(), "{completed}");
    }
    Ok(())
}

/// Lists, new names and texts; whoever knows the name of a hidden thing gets no further.
pub async fn what_is_not_listed_cannot_be_used(host: HostKind) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let settings = Settings::new().with(
        "/mcpServers/fix",
        json!({
            "url": upstream.url(),
            "tools": {
                "allow": ["add", "echo", "test_*"], "deny": ["test_*"],
                "overrides": { "add": { "name": "plus", "description": "Ours." } },
            },
            "prompts": { "allow": ["test_simple_prompt"] },
            "resources": { "deny": ["test://static-*"] },
        }),
    );
    let gateway = Gateway::start_on(host, settings).await?;
    let tokens = gateway.login(ALICE).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&tokens.access, revision).await?;
        let tools = client.call("tools/list", json!({})).await?["tools"].clone();
        let mut names: Vec<&str> =
            tools.as_array().context("tools")?.iter().filter_map(|tool| tool["name"].as_str()).collect();
        names.sort_unstable();
        ensure!(names == ["fix_echo", "fix_plus"], "{names:?}");
        ensure!(
            tools.as_array().is_some_and(|tools| tools.iter().any(|tool| tool["description"] == "Ours.")),
            "{tools}"
        );
        ensure!(client.names("prompts/list", "prompts", "name").await? == ["fix_test_simple_prompt"], "other prompts");
        let sum = client.tool("fix_plus", json!({ "a": 2, "b": 2 })).await?;
        ensure!(sum["structuredContent"]["sum"] == 4.0, "{sum}");
        let uris = client.names("resources/list", "resources", "uri").await?;
        ensure!(uris.iter().all(|uri| !uri.starts_with("test://static-")), "{uris:?}");
        let before = upstream.stats().await?["methods"].clone();
        for (method, params) in [
            ("tools/call", json!({ "name": "fix_add", "arguments": { "a": 1, "b": 1 } })),
            ("tools/call", json!({ "name": "fix_test_simple_text", "arguments": {} })),
            ("prompts/get", json!({ "name": "fix_test_prompt_with_arguments", "arguments": {} })),
            ("resources/read", json!({ "uri": "test://static-text" })),
            ("resources/read", json!({ "uri": "TEST://static%2Dtext" })),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": "fix_test_prompt_with_arguments" }, "argument": { "name": "arg1", "value": "" } }),
            ),
        ] {
            let error = client.call_error(method, params.clone()).await?;
            ensure!(error["code"] == -32602, "{method} {params}: {error}");
        }
        let after = upstream.stats().await?["methods"].clone();
        for method in ["tools/call", "prompts/get", "resources/read", "completion/complete"] {
            ensure!(before[method] == after[method], "{method} got through: {before} {after}");
        }
    }
    Ok(())
}

/// Tokens with these scopes only.
async fn tokens(gateway: &Gateway, person: Person, scope: &str) -> Result<Tokens> {
    let client = Client::register(&gateway.mcp_url(), "harness").await?;
    let mut authorization = client.authorization()?;
    let pairs: Vec<(String, String)> =
        authorization.url.query_pairs().into_owned().filter(|(name, _)| name != "scope").collect();
    authorization.url.query_pairs_mut().clear().extend_pairs(pairs).append_pair("scope", scope);
    let code = client.code(&authorization, person).await?;
    Tokens::read(&client.redeem(&code, &authorization.verifier).await?)
}

/// Skills: a scope gives access to what the settings say, and who lacks it is told which one to ask for (MCP
/// 2025-11-25, "Scope Challenge Handling").
pub async fn a_scope_gives_access_and_a_missing_one_is_named(host: HostKind) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let settings = Settings::new().upstream("fix", upstream.url()).with(
        "/oauth/scopes",
        json!({
            "talk": { "meaning": "Say things", "mcpServers": { "fix": { "tools": { "allow": ["echo"] } } } },
            "count": { "meaning": "Count things", "mcpServers": { "fix": { "tools": { "allow": ["add"] }, "prompts": { "allow": [] } } } },
        }),
    );
    let gateway = Gateway::start_on(host, settings).await?;
    // Clients ask for what the first challenge names ("Scope Selection Strategy").
    let nobody = McpClient::new(gateway.mcp_url(), None, Revision::V2025_11_25).open("ping", json!({})).await?;
    let challenge = nobody.header("www-authenticate").context("no challenge")?;
    ensure!(challenge.contains("scope=\"count talk\""), "other scopes: {challenge}");
    let talk = tokens(&gateway, ALICE, "talk").await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&talk.access, revision).await?;
        ensure!(client.tools().await? == ["fix_echo"], "{:?}", client.tools().await?);
        let mut reply =
            client.open("tools/call", json!({ "name": "fix_add", "arguments": { "a": 1, "b": 1 } })).await?;
        ensure!(reply.status == 403, "{}", reply.status);
        let challenge = reply.header("www-authenticate").context("no challenge")?.to_owned();
        for part in
            ["error=\"insufficient_scope\"", "scope=\"count talk\"", "/.well-known/oauth-protected-resource/mcp\""]
        {
            ensure!(challenge.contains(part), "no {part} in {challenge}");
        }
        ensure!(reply.response().await?["error"]["code"] == -32000, "no JSON-RPC error");
        let unknown =
            client.call_error("tools/call", json!({ "name": "fix_test_simple_text", "arguments": {} })).await?;
        ensure!(unknown["code"] == -32602, "no scope gives access to it: {unknown}");
    }
    let both = tokens(&gateway, ALICE, "count talk").await?;
    let client = gateway.client(&both.access, Revision::V2026_07_28).await?;
    let sum = client.tool("fix_add", json!({ "a": 1, "b": 1 })).await?;
    ensure!(sum["structuredContent"]["sum"] == 2.0, "{sum}");
    Ok(())
}

/// `?features=`, `?region=` and `/mcp/{tenant}/{project}`: what is there, what is filled in, what is forbidden.
pub async fn an_address_chooses_what_is_there_and_fills_arguments_in(host: HostKind) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let person =
        |person: Person, tenant: &str| json!({ "name": person.name, "passwordHash": person.hash, "tenant": tenant });
    let server = |keys: Value| {
        let mut server = json!({ "url": upstream.url(), "tools": { "allow": ["echo", "add"] } });
        for (key, value) in keys.as_object().into_iter().flatten() {
            server[key] = value.clone();
        }
        server
    };
    let settings = Settings::new()
        .with("/identity/users", json!([person(ALICE, "acme"), person(BOB, "other")]))
        .with(
            "/mcpServers/eu",
            server(json!({ "region": "eu", "features": { "talk": { "tools": { "allow": ["echo"] } } } })),
        )
        .with("/mcpServers/us", server(json!({ "region": "us", "bind": { "text": "{tenant}/{project}" } })))
        .with("/mcpServers/web", server(json!({ "projects": ["web*"], "tenants": ["acme"] })));
    let gateway = Gateway::start_on(host, settings).await?;
    let (alice, bob) = (gateway.login(ALICE).await?, gateway.login(BOB).await?);
    let (eu, us, web) = (["eu_add", "eu_echo"], ["us_add", "us_echo"], ["web_add", "web_echo"]);
    for revision in Revision::ERAS {
        for (token, address, expected) in [
            (&alice, "/mcp", [&eu[..], &us, &web].concat()),
            (&bob, "/mcp", [&eu[..], &us].concat()),
            (&alice, "/mcp?region=eu", [&eu[..], &web].concat()),
            (&bob, "/mcp?features=talk", vec!["eu_echo"]),
            (&alice, "/mcp/acme/web-1?region=us", [&us[..], &web].concat()),
            (&alice, "/mcp/acme/app?region=us", us.to_vec()),
        ] {
            let client =
                McpClient::connected(format!("{}{address}", gateway.url()), Some(&token.access), revision).await?;
            let mut tools = client.tools().await?;
            tools.sort();
            ensure!(tools == expected, "{address}: {tools:?}");
            for hidden in [&eu[..], &us, &web].concat().iter().filter(|name| !expected.contains(name)) {
                let error = client.call_error("tools/call", json!({ "name": hidden, "arguments": {} })).await?;
                ensure!(error["code"] == -32602, "{address} {hidden}: {error}");
            }
        }
        let client =
            McpClient::connected(format!("{}/mcp/acme/web", gateway.url()), Some(&alice.access), revision).await?;
        let tools = client.call("tools/list", json!({})).await?["tools"].clone();
        let echo =
            tools.as_array().into_iter().flatten().find(|tool| tool["name"] == "us_echo").context("no us_echo")?;
        ensure!(echo["inputSchema"]["properties"]["text"].is_null(), "{echo}");
        let said = client.tool("us_echo", json!({ "text": "evil" })).await?;
        ensure!(text_of(&said) == "acme/web", "{said}");
        for (token, address, status) in [
            (&alice, "/mcp/other", 403),
            (&bob, "/mcp/acme/web", 403),
            (&bob, "/mcp?region=mars", 403),
            (&bob, "/mcp?features=talk,fly", 403),
            (&bob, "/mcp?features=a%20b", 400),
            (&bob, "/mcp/other/web/more", 404),
        ] {
            let client = McpClient::new(format!("{}{address}", gateway.url()), Some(&token.access), revision);
            let reply = client.open("tools/list", json!({})).await?;
            ensure!(reply.status == status, "{address}: {}", reply.status);
        }
    }
    Ok(())
}

/// A request of somebody to `/admin/pins`.
async fn pins(gateway: &Gateway, token: &str, method: Method, path: &str, body: &Value) -> Result<http::Answer> {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = if method == Method::GET { String::new() } else { body.to_string() };
    let url = format!("{}/admin/pins{path}", gateway.url());
    http::Http::new().send(http::request(method, &url, &headers, body)?).await
}

/// Pinned definitions: what a tool says of itself does not change behind everybody's back.
pub async fn a_changed_definition_is_held_back_until_an_admin_accepts_it(host: HostKind) -> Result<()> {
    let mut upstream = Upstream::start(&["--set", "demo"]).await?;
    let settings = Settings::new().with("/mcpServers/up", json!({ "url": upstream.url(), "pinned": true }));
    let gateway = Gateway::start_on(host, settings).await?;
    let (admin, user) = (gateway.login(ALICE).await?, gateway.login(BOB).await?);
    let client = gateway.client(&user.access, Revision::V2026_07_28).await?;
    ensure!(client.tools().await?.is_empty(), "nothing was accepted yet");

    for (token, status) in [(&user.access, 403), (&admin.access, 200)] {
        let answer = pins(&gateway, token, Method::GET, "", &Value::Null).await?;
        ensure!(answer.status == status, "{}: {}", answer.status, answer.text());
    }
    let offered = pins(&gateway, &admin.access, Method::GET, "", &Value::Null).await?.json()?;
    let hash = |name: &str| offered["upstreams"]["up"]["tools"][name]["hash"].clone();
    let accepted = json!({ "echo": hash("echo"), "add": hash("add") });
    ensure!(pins(&gateway, &user.access, Method::PUT, "/up", &accepted).await?.status == 403, "a user accepted");
    ensure!(client.tools().await?.is_empty(), "what a user accepted counts");
    pins(&gateway, &admin.access, Method::PUT, "/up", &accepted).await?.expect(200)?;
    ensure!(client.tools().await? == ["up_echo", "up_add"], "{:?}", client.tools().await?);
    client.tool("up_echo", json!({ "text": "x" })).await?;

    // The fixtures have tools of the same names and say other things about them.
    upstream.become_another(&["--set", "fixtures"]).await?;
    ensure!(client.tools().await?.is_empty(), "{:?}", client.tools().await?);
    let error = client.call_error("tools/call", json!({ "name": "up_echo", "arguments": { "text": "x" } })).await?;
    ensure!(error["code"] == -32602, "{error}");
    ensure!(upstream.count("tools/call").await? == 0, "the call got through");
    let offered = pins(&gateway, &admin.access, Method::GET, "", &Value::Null).await?.json()?;
    let echo = &offered["upstreams"]["up"]["tools"]["echo"];
    ensure!(echo["state"] == "changed" && echo["definition"]["name"] == "echo", "{echo}");
    pins(&gateway, &admin.access, Method::PUT, "/up", &json!({ "echo": echo["hash"] })).await?.expect(200)?;
    ensure!(client.tools().await? == ["up_echo"], "{:?}", client.tools().await?);
    client.tool("up_echo", json!({ "text": "x" })).await?;
    Ok(())
}

/// Two tools instead of all: the same policy, and the same streaming.
pub async fn tools_are_found_and_called_by_two_tools(host: HostKind) -> Result<()> {
    let upstream = Upstream::start(&["--set", "demo"]).await?;
    let settings = Settings::new()
        .with("/mcpServers/demo", json!({ "url": upstream.url(), "tools": { "deny": ["delete_note"] } }))
        .upstream("gone", "http://127.0.0.1:9/mcp");
    let gateway = Gateway::start_on(host, settings).await?;
    let tokens = gateway.login(ALICE).await?;
    for revision in Revision::ERAS {
        let url = format!("{}?agent=1", gateway.mcp_url());
        let client = McpClient::connected(url, Some(&tokens.access), revision).await?;
        ensure!(client.tools().await? == ["search_tools", "call_tool"], "{:?}", client.tools().await?);
        let found = client.tool("search_tools", json!({ "query": "count down seconds" })).await?;
        let first = &found["structuredContent"]["tools"][0];
        ensure!(first["name"] == "demo_countdown", "{found}");
        ensure!(first["inputSchema"]["properties"]["from"]["type"] == "integer", "{first}");
        ensure!(found["_meta"]["mcp-edge/unavailable"] == json!(["gone"]), "{found}");
        let hidden = client.tool("search_tools", json!({ "query": "delete note", "limit": 20 })).await?;
        ensure!(!hidden.to_string().contains("demo_delete_note"), "{hidden}");
        let arguments = json!({ "name": "demo_delete_note", "arguments": { "id": 1 } });
        let error = client.call_error("tools/call", json!({ "name": "call_tool", "arguments": arguments })).await?;
        ensure!(error["code"] == -32602, "{error}");
        let arguments = json!({ "name": "demo_countdown", "arguments": { "from": 1 } });
        let messages = client.open_tool("call_tool", arguments, "t").await?.all().await?;
        ensure!(messages.len() > 1 && messages[0]["params"]["progressToken"] == "t", "{messages:?}");
        ensure!(messages.last().is_some_and(|last| text_of(&last["result"]) == "Liftoff!"), "{messages:?}");
    }
    Ok(())
}
