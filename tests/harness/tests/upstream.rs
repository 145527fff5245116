//! The upstream and the harness's own client, without a gateway in between: what fails here is not the gateway's fault.

use anyhow::{Context, Result};
use harness::mcp::text_of;
use harness::{McpClient, Revision, Upstream, unique};
use serde_json::json;

#[tokio::test]
async fn both_eras_list_and_call() -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    for revision in [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = McpClient::connected(upstream.url(), None, revision).await?;
        assert!(client.tools().await?.contains(&"test_simple_text".into()));
        let result = client.tool("add", json!({ "a": 2, "b": 3 })).await?;
        assert_eq!(result["structuredContent"]["sum"], 5.0, "{revision:?}");
        assert_eq!(client.session.is_some(), !revision.is_stateless());
    }
    Ok(())
}

#[tokio::test]
async fn progress_comes_while_the_tool_runs() -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    for revision in Revision::ERAS {
        let client = McpClient::connected(upstream.url(), None, revision).await?;
        let signal = unique("signal");
        let mut reply = client.open_tool("wait_for_signal", json!({ "name": signal }), "token").await?;
        let first = reply.next().await?.context("progress")?;
        assert_eq!((&first["params"]["progress"], &first["params"]["progressToken"]), (&json!(1.0), &json!("token")));
        upstream.signal(&signal).await?;
        let rest = reply.all().await?;
        assert_eq!(rest.len(), 2, "{rest:?}");
        assert_eq!(text_of(&rest[1]["result"]), format!("Got signal {signal}."));
    }
    Ok(())
}

#[tokio::test]
async fn an_ended_stream_is_resumed_by_its_last_event() -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let client = McpClient::connected(upstream.url(), None, Revision::V2025_11_25).await?;
    let mut reply = client.open("tools/call", json!({ "name": "test_reconnection", "arguments": {} })).await?;
    assert_eq!(reply.next().await?, None);
    let mut resumed = client.listen(reply.last_event_id.as_deref()).await?;
    let response = resumed.response().await?;
    assert_eq!(text_of(&response["result"]), "The stream was ended and resumed.");
    Ok(())
}

#[tokio::test]
async fn a_stateless_upstream_notices_a_hang_up() -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let client = McpClient::connected(upstream.url(), None, Revision::V2026_07_28).await?;
    let mut reply = client.open_tool("wait_for_signal", json!({ "name": unique("never") }), "token").await?;
    reply.next().await?.context("progress")?;
    drop(reply);
    upstream.until("the call is cancelled", |stats| stats["cancelled"] == 1 && stats["openStreams"] == 0).await?;
    Ok(())
}

#[tokio::test]
async fn it_ends_at_once_with_open_streams_and_starts_again_on_its_port() -> Result<()> {
    let mut upstream = Upstream::fixtures().await?;
    let url = upstream.url().to_owned();
    let client = McpClient::connected(&url, None, Revision::V2025_11_25).await?;
    let _stream = client.listen(None).await?.expect(200).await?;
    upstream.stop().await?;
    upstream.restart().await?;
    assert_eq!(upstream.url(), url);
    // Sessions of before are gone.
    client.open("tools/list", json!({})).await?.expect(404).await?;
    Ok(())
}

#[tokio::test]
async fn an_era_that_is_switched_off_is_refused() -> Result<()> {
    let old = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let mut client = McpClient::new(old.url(), None, Revision::V2026_07_28);
    assert!(client.connect().await.is_err());
    McpClient::connected(old.url(), None, Revision::V2025_11_25).await?;

    let new = Upstream::start(&["--set", "fixtures", "--era", "2026"]).await?;
    let mut client = McpClient::new(new.url(), None, Revision::V2025_11_25);
    assert!(client.connect().await.is_err());
    McpClient::connected(new.url(), None, Revision::V2026_07_28).await?;
    Ok(())
}

#[tokio::test]
async fn the_demo_counts_down_with_progress() -> Result<()> {
    let upstream = Upstream::start(&["--set", "demo"]).await?;
    for revision in Revision::ERAS {
        let client = McpClient::connected(upstream.url(), None, revision).await?;
        let mut reply = client.open_tool("countdown", json!({ "from": 1 }), "t").await?;
        let messages = reply.all().await?;
        let progress: Vec<_> = messages.iter().filter_map(|m| m["params"]["progress"].as_f64()).collect();
        assert_eq!(progress, [0.0, 1.0]);
        let notes = client.call("resources/read", json!({ "uri": "notes://all" })).await?;
        assert!(notes["contents"][0]["text"].as_str().is_some_and(|text| text.starts_with("1. ")));
        let prompt = client
            .call("prompts/get", json!({ "name": "summarize_notes", "arguments": { "style": "a poem" } }))
            .await?;
        assert!(prompt["messages"][0]["content"]["text"].as_str().is_some_and(|text| text.contains("a poem")));
    }
    Ok(())
}
