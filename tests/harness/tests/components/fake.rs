//! Fakes of what is around a component: a store that is out of order, servers that misbehave, and the router.

use anyhow::Result;
use mcp_edge::plugins::keyvalue::{Backend, BoxFuture, Change, Outcome, Page, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A store that works like another one until it is broken.
pub struct Breakable {
    inner: Store,
    broken: Arc<AtomicBool>,
}

impl Breakable {
    /// The store, and the switch that breaks it.
    pub fn store(inner: Store) -> (Store, Arc<AtomicBool>) {
        let broken = Arc::new(AtomicBool::new(false));
        (Store::new(Self { inner, broken: broken.clone() }), broken)
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(StoreError::Backend("broken by the test".into())),
            false => Ok(()),
        }
    }
}

impl Backend for Breakable {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        self.inner.get(key)
    }

    fn keys(&self, after: Option<&str>) -> Result<Page, StoreError> {
        self.check()?;
        self.inner.keys(after)
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.inner.change(change).await
        })
    }
}

/// A server that answers every request with these bytes and hangs up. Returns its URL.
pub async fn canned(answer: &'static str) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                // One read is enough for the small requests of these tests.
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    Ok(url)
}
