//! Lists and calls through the gateway.

use crate::mcp::text_of;
use crate::{ALICE, Gateway, HostKind, Revision, Settings, Upstream};
use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};

async fn fixtures(host: HostKind, arguments: &[&str]) -> Result<(Upstream, Gateway)> {
    let upstream = Upstream::start(&[&["--set", "fixtures"], arguments].concat()).await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    Ok((upstream, gateway))
}

/// The shortest way through everything.
pub async fn both_eras_list_and_call(host: HostKind) -> Result<()> {
    let (upstream, gateway) = fixtures(host, &[]).await?;
    let tokens = gateway.login(ALICE).await?;
    let own = crate::McpClient::connected(upstream.url(), None, Revision::V2025_11_25).await?.tools().await?;
    for revision in [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = gateway.client(&tokens.access, revision).await?;
        ensure!(client.session.is_some() != revision.is_stateless(), "{revision:?}: session {:?}", client.session);
        let mut expected: Vec<String> = own.iter().map(|name| format!("fix_{name}")).collect();
        let mut names = client.tools().await?;
        expected.sort();
        names.sort();
        ensure!(names == expected, "{revision:?}: {names:?}");
        let result = client.tool("fix_add", json!({ "a": 2, "b": 3 })).await?;
        ensure!(result["structuredContent"]["sum"] == 5.0, "{revision:?}: {result}");
        ensure!(!revision.is_stateless() || result["resultType"] == "complete", "{revision:?}: {result}");
        let echoed = client.tool("fix_echo", json!({ "text": "ä\u{1F980}\n\"x\"" })).await?;
        ensure!(text_of(&echoed) == "ä\u{1F980}\n\"x\"", "{echoed}");
    }
    Ok(())
}

/// `names: bare`.
pub async fn names_are_bare_where_the_settings_say_so(host: HostKind) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let settings = Settings::new().upstream("fix", upstream.url()).with("/names", json!("bare"));
    let gateway = Gateway::start_on(host, settings).await?;
    let client = gateway.connect(ALICE, Revision::V2025_11_25).await?;
    ensure!(client.tools().await?.contains(&"add".to_owned()), "no bare name");
    let result = client.tool("add", json!({ "a": 1, "b": 1 })).await?;
    ensure!(result["structuredContent"]["sum"] == 2.0, "{result}");
    let read = client.call("resources/read", json!({ "uri": "test://static-text" })).await?;
    ensure!(read["contents"][0]["uri"] == "test://static-text", "{read}");
    Ok(())
}

/// The other things that servers have.
pub async fn prompts_and_resources_work(host: HostKind) -> Result<()> {
    let (_upstream, gateway) = fixtures(host, &[]).await?;
    let tokens = gateway.login(ALICE).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&tokens.access, revision).await?;
        let prompts = client.names("prompts/list", "prompts", "name").await?;
        ensure!(prompts.contains(&"fix_test_simple_prompt".to_owned()), "{prompts:?}");
        let arguments = json!({ "arg1": "hello", "arg2": "world" });
        let prompt = client
            .call("prompts/get", json!({ "name": "fix_test_prompt_with_arguments", "arguments": arguments }))
            .await?;
        let text = &prompt["messages"][0]["content"]["text"];
        ensure!(text == "Prompt with arguments: arg1='hello', arg2='world'", "{prompt}");

        let resources = client.call("resources/list", json!({})).await?;
        let resources = resources["resources"].as_array().context("resources")?;
        let uri = resources
            .iter()
            .find(|resource| resource["name"].as_str().is_some_and(|name| name.ends_with("static-text")));
        let uri = uri.with_context(|| format!("{resources:?}"))?["uri"].clone();
        let read = client.call("resources/read", json!({ "uri": uri })).await?;
        ensure!(read["contents"][0]["text"] == "This is the content of the static text resource.", "{read}");
        let templates = client.names("resources/templates/list", "resourceTemplates", "uriTemplate").await?;
        let template = templates.first().context("no template")?;
        let read = client.call("resources/read", json!({ "uri": template.replace("{id}", "123") })).await?;
        ensure!(read["contents"][0]["text"].as_str().is_some_and(|text| text.contains("Data for ID: 123")), "{read}");
    }
    Ok(())
}

/// Unknown fields, vendor `_meta`, schema keywords.
pub async fn what_nobody_knows_passes_through(host: HostKind) -> Result<()> {
    let (upstream, gateway) = fixtures(host, &[]).await?;
    let tokens = gateway.login(ALICE).await?;
    for revision in Revision::ERAS {
        let direct = crate::McpClient::connected(upstream.url(), None, revision).await?;
        let client = gateway.client(&tokens.access, revision).await?;
        let tools = |list: Value| list["tools"].as_array().cloned().unwrap_or_default();
        let through = tools(client.call("tools/list", json!({})).await?);
        for mut tool in tools(direct.call("tools/list", json!({})).await?) {
            tool["name"] = format!("fix_{}", tool["name"].as_str().unwrap_or_default()).into();
            ensure!(through.contains(&tool), "{revision:?}: {tool} came differently");
        }
    }
    // What a client sends along reaches the upstream.
    let client = gateway.client(&tokens.access, Revision::V2026_07_28).await?;
    let meta = json!({ "example.com/vendor": { "kept": [1, 2.5, "x"] } });
    client
        .call("tools/call", json!({ "name": "fix_echo", "arguments": { "text": "x" }, "_meta": meta, "future": 7 }))
        .await?;
    let requests = upstream.requests().await?;
    let call = requests.iter().rfind(|request| request["method"] == "tools/call").context("no call upstream")?;
    let body: Value = serde_json::from_str(call["body"].as_str().unwrap_or_default())?;
    ensure!(body["params"]["_meta"]["example.com/vendor"] == meta["example.com/vendor"], "{body}");
    ensure!(body["params"]["future"] == 7, "{body}");
    ensure!(body["params"]["name"] == "echo", "{body}");
    Ok(())
}

/// JSON-RPC ids of every legal kind.
pub async fn ids_come_back_as_they_were(host: HostKind) -> Result<()> {
    let (_upstream, gateway) = fixtures(host, &[]).await?;
    let tokens = gateway.login(ALICE).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&tokens.access, revision).await?;
        for id in [json!(0), json!(-7), json!(u64::MAX), json!("a text"), json!(""), json!("0")] {
            let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
                "name": "fix_echo", "arguments": { "text": "x" } } });
            let response = client.post(&call).await?.response().await?;
            ensure!(response["id"] == id, "{revision:?}: {id} came back as {}", response["id"]);
        }
    }
    Ok(())
}

/// `isError` and JSON-RPC errors of the upstream.
pub async fn an_error_of_a_tool_is_not_an_error_of_the_gateway(host: HostKind) -> Result<()> {
    let (_upstream, gateway) = fixtures(host, &[]).await?;
    let tokens = gateway.login(ALICE).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&tokens.access, revision).await?;
        let result = client.tool("fix_test_error_handling", json!({})).await?;
        ensure!(result["isError"] == true, "{result}");
        ensure!(text_of(&result) == "This tool intentionally returns an error for testing", "{result}");
        let error = client.call_error("tools/call", json!({ "name": "fix_echo", "arguments": {} })).await?;
        ensure!(error["code"] == -32602 && error["message"] == "`text` has to be a text", "{error}");
        let error = client.call_error("tools/call", json!({ "name": "fix_no_such_tool", "arguments": {} })).await?;
        ensure!(error["code"] == -32602, "{error}");
        let error = client.call_error("tools/call", json!({ "name": "unknown", "arguments": {} })).await?;
        ensure!(error["code"] == -32602, "{error}");
        let error = client.call_error("resources/read", json!({ "uri": "test://nothing" })).await?;
        // Which of the two depends on the revision that the gateway speaks with the upstream.
        ensure!(error["code"] == -32602 || error["code"] == -32002, "{revision:?}: {error}");
    }
    Ok(())
}

/// Upstreams that speak one era only, with and without sessions, with JSON and with streams.
pub async fn upstreams_of_either_era_serve_clients_of_their_era(host: HostKind) -> Result<()> {
    for (arguments, revision) in [
        (&["--era", "2025"][..], Revision::V2025_11_25),
        (&["--era", "2025", "--stateless"], Revision::V2025_11_25),
        (&["--era", "2025", "--stateless", "--always-stream"], Revision::V2025_06_18),
        (&["--era", "2026"], Revision::V2026_07_28),
        (&["--era", "2026", "--always-stream"], Revision::V2026_07_28),
    ] {
        let (_upstream, gateway) = fixtures(host, arguments).await?;
        let client = gateway.connect(ALICE, revision).await?;
        ensure!(client.tools().await?.contains(&"fix_add".to_owned()), "{arguments:?}");
        let result = client.tool("fix_add", json!({ "a": 2, "b": 3 })).await?;
        ensure!(result["structuredContent"]["sum"] == 5.0, "{arguments:?}: {result}");
        ensure!(client.send(Method::PUT, Vec::new(), "").await?.status == 405, "PUT");
    }
    Ok(())
}
