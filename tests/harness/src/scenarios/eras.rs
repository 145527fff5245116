//! Clients of one era in front of upstreams of another, and what only one of the eras has.

use crate::mcp::text_of;
use crate::{ALICE, BOB, Gateway, HostKind, McpClient, Revision, Settings, Upstream, unique};
use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// A gateway in front of fixtures that speak one era only.
async fn of_era(host: HostKind, era: &str) -> Result<(Upstream, Gateway, String)> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", era]).await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    let token = gateway.login(ALICE).await?.access;
    Ok((upstream, gateway, token))
}

const ERAS: [&str; 2] = ["2025", "2026"];

/// Lists, calls, prompts, resources, completion and progress: each client with each upstream.
pub async fn every_client_works_with_every_upstream(host: HostKind) -> Result<()> {
    for era in ERAS {
        let (upstream, gateway, token) = of_era(host, era).await?;
        for revision in [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
            let client = gateway.client(&token, revision).await?;
            let at = format!("{revision:?} on {era}");
            ensure!(client.tools().await?.contains(&"fix_echo".to_owned()), "{at}");
            let text = text_of(&client.tool("fix_echo", json!({ "text": "x" })).await?).to_owned();
            ensure!(text == "x", "{at}: {text}");
            let prompt = client.call("prompts/get", json!({ "name": "fix_test_simple_prompt" })).await?;
            ensure!(prompt["messages"][0]["content"]["text"].is_string(), "{at}: {prompt}");
            let read = client.call("resources/read", json!({ "uri": "test://static-text" })).await?;
            ensure!(read["contents"][0]["text"].is_string(), "{at}: {read}");
            let reference = json!({ "type": "ref/prompt", "name": "fix_test_prompt_with_arguments" });
            let argument = json!({ "name": "arg1", "value": "" });
            let completed =
                client.call("completion/complete", json!({ "ref": reference, "argument": argument })).await?;
            ensure!(completed["completion"]["values"].is_array(), "{at}: {completed}");
            let signal = unique("signal");
            let mut reply = client.open_tool("fix_wait_for_signal", json!({ "name": signal }), "t").await?;
            let first = reply.next().await?.context("no progress")?;
            ensure!(first["params"]["progressToken"] == "t", "{at}: {first}");
            upstream.signal(&signal).await?;
            let response = reply.response().await?;
            ensure!(text_of(&response["result"]) == format!("Got signal {signal}."), "{at}: {response}");
            let missing = client.call_error("resources/read", json!({ "uri": "test://missing" })).await?;
            let codes: &[i64] = if revision.is_stateless() { &[-32602] } else { &[-32602, -32002] };
            ensure!(codes.contains(&missing["code"].as_i64().unwrap_or(0)), "{at}: {missing}");
        }
    }
    Ok(())
}

/// Elicitation, sampling and roots: in both eras on both sides, one step and several.
pub async fn input_requests_reach_every_client(host: HostKind) -> Result<()> {
    for era in ERAS {
        let (_upstream, gateway, token) = of_era(host, era).await?;
        for revision in Revision::ERAS {
            let client = gateway.client(&token, revision).await?;
            let at = format!("{revision:?} on {era}");
            for (tool, asked, expected) in [
                ("test_input_required_result_elicitation", &["elicitation/create"][..], "Hello, Ada!"),
                ("test_input_required_result_sampling", &["sampling/createMessage"], "Paris"),
                ("test_input_required_result_list_roots", &["roots/list"], "file:///home"),
                ("test_streaming_elicitation", &["elicitation/create"], "Hello, Ada!"),
                ("test_input_required_result_multi_round", &["elicitation/create", "elicitation/create"], "likes"),
                (
                    "test_input_required_result_multiple_inputs",
                    &["elicitation/create", "roots/list", "sampling/createMessage"],
                    "Paris",
                ),
            ] {
                let params = json!({ "name": format!("fix_{tool}"), "arguments": {} });
                let done = client.converse("tools/call", params).await.with_context(|| format!("{at}: {tool}"))?;
                let mut methods: Vec<&str> = done.asked.iter().map(String::as_str).collect();
                methods.sort_unstable();
                ensure!(methods == asked, "{at}: {tool}: {done:?}");
                ensure!(text_of(&done.result).contains(expected), "{at}: {tool}: {done:?}");
            }
            let done =
                client.converse("prompts/get", json!({ "name": "fix_test_input_required_result_prompt" })).await?;
            let text = done.result["messages"][0]["content"]["text"].as_str().unwrap_or_default().to_owned();
            // The fixtures ask for it in the modern era only.
            ensure!(text.contains("Ada") || done.asked.is_empty(), "{at}: {done:?}");
        }
    }
    Ok(())
}

/// The answer to a question, and the rest of a parked call, are its user's alone.
pub async fn nobody_else_goes_on_with_a_parked_call(host: HostKind) -> Result<()> {
    let (_upstream, gateway, token) = of_era(host, "2025").await?;
    let alice = gateway.client(&token, Revision::V2026_07_28).await?;
    let bob = gateway.connect(BOB, Revision::V2026_07_28).await?;
    let params = json!({ "name": "fix_test_input_required_result_elicitation", "arguments": {} });
    let asked = alice.call("tools/call", params.clone()).await?;
    ensure!(asked["resultType"] == "input_required", "{asked}");
    let key = asked["inputRequests"].as_object().and_then(|r| r.keys().next()).context("no key")?.clone();
    let mut again = params;
    again["requestState"] = asked["requestState"].clone();
    again["inputResponses"] = json!({ key: { "action": "accept", "content": { "name": "Ada" } } });
    let refused = bob.call_error("tools/call", again.clone()).await?;
    ensure!(refused["code"] == -32602, "{refused}");
    let done = alice.call("tools/call", again.clone()).await?;
    ensure!(text_of(&done) == "Hello, Ada!", "{done}");
    let used = alice.call_error("tools/call", again).await?;
    ensure!(used["code"] == -32602, "{used}");
    Ok(())
}

/// The upstream's stream stays open from one step to the next.
pub async fn a_parked_call_is_held_until_its_client_comes(host: HostKind) -> Result<()> {
    let (upstream, gateway, token) = of_era(host, "2025").await?;
    let client = gateway.client(&token, Revision::V2026_07_28).await?;
    let params = json!({ "name": "fix_test_input_required_result_multi_round", "arguments": {} });
    let asked = client.call("tools/call", params.clone()).await?;
    let streams = |count: u64| move |stats: &Value| stats["openStreams"].as_u64() == Some(count);
    upstream.until("the call is held", streams(1)).await?;
    let key = asked["inputRequests"].as_object().and_then(|r| r.keys().next()).context("no key")?.clone();
    let mut again = params;
    again["requestState"] = asked["requestState"].clone();
    again["inputResponses"] = json!({ key: { "action": "decline" } });
    let next = client.call("tools/call", again.clone()).await?;
    ensure!(next["resultType"] == "input_required", "{next}");
    upstream.until("the call is still held", streams(1)).await?;
    Ok(())
}

/// GET in the 2025 revisions, `subscriptions/listen` in 2026-07-28: each client with each upstream, and two upstreams at once.
pub async fn changes_reach_every_open_stream(host: HostKind) -> Result<()> {
    let one = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let two = Upstream::start(&["--set", "fixtures", "--era", "2026"]).await?;
    let settings = Settings::new().upstream("one", one.url()).upstream("two", two.url());
    let gateway = Gateway::start_on(host, settings).await?;
    let token = gateway.login(ALICE).await?.access;
    let legacy = gateway.client(&token, Revision::V2025_11_25).await?;
    let modern = gateway.client(&token, Revision::V2026_07_28).await?;
    let mut stream = legacy.listen(None).await?.expect(200).await?;
    ensure!(stream.header("x-accel-buffering") == Some("no"), "{:?}", stream.headers);
    ensure!(stream.header("cache-control").is_some_and(|value| value.contains("no-store")), "{:?}", stream.headers);
    let watched = ["one", "two"].map(|name| format!("mcp-edge://{name}/test://watched-resource"));
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": watched });
    let mut subscription = modern.open("subscriptions/listen", json!({ "notifications": filter })).await?;
    let first = subscription.next().await?.context("no acknowledgement")?;
    ensure!(first["method"] == "notifications/subscriptions/acknowledged", "{first}");
    ensure!(first["params"]["notifications"] == filter, "{first}");
    let id = first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
    ensure!(id.is_i64(), "{first}");
    for name in ["one", "two"] {
        legacy.tool(&format!("{name}_test_trigger_tool_change"), json!({ "present": true })).await?;
        let told = stream.next().await?.context("the stream ended")?;
        ensure!(told["method"] == "notifications/tools/list_changed" && told["id"].is_null(), "{name}: {told}");
        let told = subscription.next().await?.context("the subscription ended")?;
        ensure!(told["method"] == "notifications/tools/list_changed", "{name}: {told}");
        ensure!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == id, "{name}: {told}");
    }
    for uri in &watched {
        legacy.call("resources/subscribe", json!({ "uri": uri })).await?;
    }
    for (name, uri) in [("one", &watched[0]), ("two", &watched[1])] {
        modern.tool(&format!("{name}_test_touch_resource"), json!({ "uri": "test://watched-resource" })).await?;
        for (reply, who) in [(&mut stream, "legacy"), (&mut subscription, "modern")] {
            // The beginning of a subscription may be told as a change, too.
            let told = reply.next().await?.with_context(|| format!("{who}: the stream ended"))?;
            ensure!(told["method"] == "notifications/resources/updated", "{who}: {told}");
            ensure!(told["params"]["uri"] == **uri, "{who}: {uri}: {told}");
        }
    }
    Ok(())
}

/// A client that lost its stream gets the rest of it, from the event on that it saw last.
pub async fn a_lost_stream_is_taken_up_again(host: HostKind) -> Result<()> {
    let (upstream, gateway, token) = of_era(host, "2025").await?;
    let client = gateway.client(&token, Revision::V2025_11_25).await?;
    let signal = unique("signal");
    let mut reply = client.open_tool("fix_wait_for_signal", json!({ "name": signal }), "t").await?;
    let first = reply.next().await?.context("no progress")?;
    ensure!(first["params"]["progress"] == 1.0, "{first}");
    let seen = reply.last_event_id.clone().context("no event id")?;
    ensure!(seen.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{seen}");
    drop(reply);
    // What the gateway has passed on is gone with the connection; what comes after that is not.
    upstream.until("the gateway has let go", |stats| stats["openStreams"] == 0).await?;
    // The fixtures keep what they say for as long as the call runs.
    let mut rest = client.listen(Some(&seen)).await?.expect(200).await?;
    upstream.until("the gateway listens again", |stats| stats["openStreams"] == 1).await?;
    upstream.signal(&signal).await?;
    let messages = rest.all().await?;
    ensure!(messages.len() == 2 && messages[0]["params"]["progress"] == 2.0, "{messages:?}");
    ensure!(text_of(&messages[1]["result"]) == format!("Got signal {signal}."), "{messages:?}");
    // It is the session's, and no event of another one.
    let other = gateway.connect(BOB, Revision::V2025_11_25).await?;
    let mut foreign = other.listen(Some(&seen)).await?;
    // Some upstreams refuse an event that they do not know, others wait for what will never come.
    let heard = tokio::time::timeout(Duration::from_secs(1), foreign.response()).await;
    ensure!(!matches!(&heard, Ok(Ok(response)) if response["result"].is_object()), "{heard:?}");
    drop(foreign);
    let invented = client.listen(Some("made-up")).await?;
    ensure!(invented.status == 400, "{}", invented.status);
    Ok(())
}

/// Requests, notifications and both, in 2025-03-26 and nowhere else.
pub async fn batches_are_for_their_revision(host: HostKind) -> Result<()> {
    let (_upstream, gateway, token) = of_era(host, "2025").await?;
    let old = gateway.client(&token, Revision::V2025_03_26).await?;
    let call = |id: Value, text: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "fix_echo", "arguments": { "text": text } } });
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    let batch = json!([call(json!(1), "a"), notification, call(json!("b"), "b"), { "jsonrpc": "2.0", "id": 3, "method": "nobody/knows" }]);
    let mut reply = post(&old, &batch).await?.expect(200).await?;
    let mut responses = Vec::new();
    while let Some(message) = reply.next().await? {
        match message {
            Value::Array(all) => responses.extend(all),
            one => responses.push(one),
        }
    }
    ensure!(responses.len() == 3, "{responses:?}");
    for (id, text) in [(json!(1), "a"), (json!("b"), "b")] {
        let response = responses.iter().find(|response| response["id"] == id).context("a response is missing")?;
        ensure!(text_of(&response["result"]) == text, "{response}");
    }
    ensure!(responses.iter().any(|r| r["id"] == 3 && r["error"]["code"] == -32601), "{responses:?}");
    post(&old, &json!([notification, notification])).await?.expect(202).await?;
    for refused in [json!([]), Value::Array(vec![notification.clone(); 33])] {
        post(&old, &refused).await?.expect(400).await?;
    }
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = gateway.client(&token, revision).await?;
        post(&client, &batch).await?.expect(400).await?;
    }
    Ok(())
}

async fn post(client: &McpClient, body: &Value) -> Result<crate::mcp::Reply> {
    let mut headers = vec![
        ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
        ("content-type".into(), "application/json".into()),
        ("mcp-protocol-version".into(), client.revision.as_str().into()),
    ];
    headers.extend(client.token.as_ref().map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
    headers.extend(client.session.as_ref().map(|id| ("mcp-session-id".to_owned(), id.clone())));
    client.send(Method::POST, headers, body.to_string()).await
}
