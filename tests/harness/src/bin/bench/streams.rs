//! Many open streams: what each costs in memory, and whether all of them live.

use crate::processes::Server;
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use harness::{McpClient, Revision, Upstream};
use std::time::Duration;
use tokio::time::timeout;

/// How many clients connect at once; all of them at once would measure the rush.
const AT_ONCE: usize = 32;

/// What was seen.
pub struct Held {
    /// Streams.
    pub count: usize,
    /// Memory of the gateway that a stream takes, in kB of 1024 bytes.
    pub kb_each: f64,
}

/// Open `count` GET streams (2025-11-25), hold them, and have the upstream say something that all of them must hear.
pub async fn hold(gateway: &Server, upstream: &Upstream, token: &str, count: usize, time: Duration) -> Result<Held> {
    let url = format!("http://{}/mcp", gateway.address);
    let open = || async {
        let client = McpClient::connected(url.as_str(), Some(token), Revision::V2025_11_25).await?;
        let stream = client.listen(None).await?.expect(200).await?;
        Ok::<_, anyhow::Error>((client, stream))
    };
    // What the first ones need stays for all: code, pools, instances.
    let first = try_join_all((0..AT_ONCE).map(|_| open())).await.context("the first streams")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = gateway.resident_kb()?;
    let mut streams = Vec::new();
    while streams.len() < count {
        let more = AT_ONCE.min(count - streams.len());
        streams
            .extend(try_join_all((0..more).map(|_| open())).await.with_context(|| format!("after {}", streams.len()))?);
    }
    drop(first);
    let watch = gateway.watch_memory()?;
    // A stream that is silent for a minute is an error of `next`, so comments must have come all the time.
    let quiet = streams.iter_mut().map(|(_, stream)| async {
        match timeout(time, stream.next()).await {
            Err(_) => Ok(()),
            Ok(message) => Err(anyhow::anyhow!("a stream did not stay quiet and open: {message:?}")),
        }
    });
    try_join_all(quiet).await?;
    let kb_each = watch.highest_kb().saturating_sub(before) as f64 / count as f64;
    upstream.tell("change/tools", "").await.context("the upstream's news")?;
    let heard = streams.iter_mut().map(|(_, stream)| async {
        let message = stream.next().await?.context("the stream has ended")?;
        ensure!(message["method"] == "notifications/tools/list_changed", "{message}");
        Ok(())
    });
    try_join_all(heard).await.context("the news on every stream")?;
    Ok(Held { count, kb_each })
}
