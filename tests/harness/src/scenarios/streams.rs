//! Streams.

use crate::mcp::text_of;
use crate::{ALICE, Gateway, HostKind, Revision, Settings, Upstream, unique};
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;

async fn fixtures(host: HostKind) -> Result<(Upstream, Gateway, String)> {
    let upstream = Upstream::fixtures().await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    let tokens = gateway.login(ALICE).await?;
    Ok((upstream, gateway, tokens.access))
}

/// The tool goes on only after the first progress was seen, so progress that waits for the end would wait forever.
pub async fn progress_comes_while_the_tool_runs(host: HostKind) -> Result<()> {
    let (upstream, gateway, token) = fixtures(host).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&token, revision).await?;
        let signal = unique("signal");
        let mut reply = client.open_tool("fix_wait_for_signal", json!({ "name": signal }), "my token").await?;
        ensure!(reply.status == 200 && reply.is_stream(), "{revision:?}: {:?}", reply.headers);
        let first = reply.next().await?.context("no progress")?;
        ensure!(first["method"] == "notifications/progress", "{first}");
        ensure!(first["params"]["progressToken"] == "my token" && first["params"]["progress"] == 1.0, "{first}");
        upstream.signal(&signal).await?;
        let rest = reply.all().await?;
        ensure!(rest.len() == 2, "{revision:?}: {rest:?}");
        ensure!(rest[0]["params"]["progress"] == 2.0, "{rest:?}");
        ensure!(text_of(&rest[1]["result"]) == format!("Got signal {signal}."), "{rest:?}");
    }
    Ok(())
}

/// Four times what the gateway takes from clients.
pub async fn a_large_answer_comes_whole(host: HostKind) -> Result<()> {
    let (_upstream, gateway, token) = fixtures(host).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&token, revision).await?;
        for bytes in [100_000, 3_000_000] {
            let result = client.tool("fix_repeat", json!({ "bytes": bytes })).await?;
            let text = text_of(&result);
            ensure!(text.len() == bytes && text.bytes().all(|byte| byte == b'x'), "{revision:?}: {} bytes", text.len());
        }
    }
    Ok(())
}

/// Nothing lost, nothing out of order.
pub async fn many_messages_come_in_order(host: HostKind) -> Result<()> {
    const COUNT: usize = 500;
    let (_upstream, gateway, token) = fixtures(host).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&token, revision).await?;
        let messages = client.open_tool("fix_stream", json!({ "count": COUNT }), "t").await?.all().await?;
        ensure!(messages.len() == COUNT + 1, "{revision:?}: {} messages", messages.len());
        let progress: Vec<f64> = messages.iter().filter_map(|message| message["params"]["progress"].as_f64()).collect();
        ensure!(progress.len() == COUNT && progress.is_sorted(), "{revision:?}: {progress:?}");
        ensure!(messages[COUNT]["result"].is_object(), "{revision:?}: {}", messages[COUNT]);
    }
    Ok(())
}

/// In 2026-07-28 closing the stream is the cancellation.
pub async fn who_hangs_up_frees_the_upstream(host: HostKind) -> Result<()> {
    let (upstream, gateway, token) = fixtures(host).await?;
    let client = gateway.client(&token, Revision::V2026_07_28).await?;
    for count in 1..=3 {
        let mut reply = client.open_tool("fix_wait_for_signal", json!({ "name": unique("never") }), "t").await?;
        reply.next().await?.context("no progress")?;
        drop(reply);
        let freed = |stats: &serde_json::Value| {
            stats["cancelled"] == count && stats["waiting"] == 0 && stats["openStreams"] == 0
        };
        upstream.until("the call is cancelled upstream", freed).await?;
    }
    client.tools().await?;
    Ok(())
}

/// More at once than one instance serves.
pub async fn calls_at_the_same_time_do_not_wait_for_each_other(host: HostKind) -> Result<()> {
    const COUNT: usize = 40;
    let (upstream, gateway, token) = fixtures(host).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&token, revision).await?;
        let signal = unique("all");
        let call = || client.open_tool("fix_wait_for_signal", json!({ "name": signal }), "t");
        let mut replies = try_join_all((0..COUNT).map(|_| call())).await?;
        // All of them wait at the same time: nobody has got the signal yet.
        upstream.until("all wait", |stats| stats["waiting"] == COUNT).await?;
        let quick = client.tool("fix_echo", json!({ "text": "quick" })).await?;
        ensure!(text_of(&quick) == "quick", "{quick}");
        upstream.signal(&signal).await?;
        for reply in &mut replies {
            let response = reply.response().await?;
            ensure!(text_of(&response["result"]) == format!("Got signal {signal}."), "{response}");
        }
    }
    Ok(())
}
