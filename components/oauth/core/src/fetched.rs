//! Documents of others, kept as long as they may be (RFC 9111, as far as it is needed: `max-age`, `no-store`,
//! `no-cache`, `Age`).

use crate::Server;
use crate::crypto;
use crate::list::{Entry, Fate, List};
use crate::outbound::{Fetch, FetchError, Fetched, Reach};
use crate::records;
use serde::{Deserialize, Serialize};
use shared_ports::StoreError;
use std::time::Duration;

/// Shortest time that a document is kept, in seconds, whatever its headers say. One login looks at it four times.
const MIN_AGE: u64 = 60;

/// How long a document is kept that says nothing about it, in seconds.
const DEFAULT_AGE: u64 = 3600;

/// How long an old document stays in the store before it is swept, in seconds.
const SWEEP_AFTER: u64 = 24 * 3600;

/// What kind of document, and thereby its limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes.
    pub bytes: usize,
    /// Longest time it may be kept, in seconds.
    pub max_age: u64,
    /// Where it may come from.
    pub reach: Reach,
}

/// How long a whole fetch may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its text.
    pub body: String,
    /// When it came.
    pub at: u64,
    /// Until when it is good.
    pub expires_at: u64,
}

/// Why there is none. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It did not come.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It came with another status than 200. Redirects are not followed: what they lead to is not what was named.
    #[error("status {0}")]
    Status(u16),
    /// Not text.
    #[error("not UTF-8")]
    Utf8,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether nobody has to be asked for the document at this address.
pub fn is_kept(server: &Server, url: &str) -> Result<bool, StoreError> {
    let key = records::fetched_key(&crypto::hex(&crypto::sha256(url.as_bytes())));
    let kept: Option<Document> = records::get(server.store, &key)?;
    Ok(kept.is_some_and(|kept| kept.expires_at > server.now))
}

/// The document at an address: the one that is kept, or else a new one. `not_before`: older ones are fetched anew.
pub async fn get(server: &Server<'_>, url: &str, limits: Limits, not_before: u64) -> Result<Document, DocumentError> {
    let hash = crypto::hex(&crypto::sha256(url.as_bytes()));
    let key = records::fetched_key(&hash);
    let kept: Option<Document> = records::get(server.store, &key)?;
    if let Some(kept) = &kept
        && kept.expires_at > server.now
        && kept.at >= not_before
    {
        return Ok(kept.clone());
    }
    let fetch = Fetch {
        method: "GET",
        url: url.into(),
        headers: vec![("accept", "application/json".into()), ("user-agent", "mcp-edge".into())],
        body: Vec::new(),
        limit: limits.bytes,
        timeout: TIMEOUT,
        reach: limits.reach,
    };
    let answer = server.outside.fetch(fetch).await?;
    if answer.status != 200 {
        return Err(DocumentError::Status(answer.status));
    }
    let expires_at = server.now + lifetime(&answer, limits.max_age);
    let body = String::from_utf8(answer.body).map_err(|_| DocumentError::Utf8)?;
    let document = Document { body, at: server.now, expires_at };
    if kept.is_none() {
        let list = List::new(server.store, records::FETCHED.into());
        sweep(server, &list)?;
        list.append(&Entry { id: hash, at: server.now, also: None })?;
    }
    records::set(server.store, &key, &document)?;
    Ok(document)
}

/// How long an answer may be kept, in seconds.
pub fn lifetime(answer: &Fetched, max: u64) -> u64 {
    let control = answer.header("cache-control").to_ascii_lowercase();
    let mut directives = control.split(',').map(str::trim);
    if directives.clone().any(|directive| directive == "no-store" || directive == "no-cache") {
        return MIN_AGE;
    }
    let max_age = directives.find_map(|directive| directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok());
    let age = answer.header("age").trim().parse().unwrap_or(0);
    max_age.unwrap_or(DEFAULT_AGE).saturating_sub(age).clamp(MIN_AGE, max)
}

/// Look at a few of the oldest documents.
pub fn sweep(server: &Server, list: &List) -> Result<bool, StoreError> {
    list.sweep(server.now, |entry| {
        if entry.at.saturating_add(SWEEP_AFTER) > server.now {
            return Ok(Fate::Stop);
        }
        let key = records::fetched_key(&entry.id);
        match records::get::<Document>(server.store, &key)? {
            Some(kept) if kept.expires_at.saturating_add(SWEEP_AFTER) > server.now => Ok(Fate::Requeue),
            _ => {
                server.store.delete(&key)?;
                Ok(Fate::Drop)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_decide_how_long_a_document_is_kept() {
        const WEEK: u64 = 7 * 24 * 3600;
        for (headers, expected) in [
            (&[][..], DEFAULT_AGE),
            (&[("cache-control", "max-age=600")], 600),
            (&[("cache-control", "public, MAX-AGE=600")], 600),
            (&[("cache-control", "public"), ("cache-control", "max-age=600"), ("age", "100")], 500),
            (&[("cache-control", "max-age=99999999")], WEEK),
            (&[("cache-control", "max-age=99999999999999999999999")], DEFAULT_AGE),
            (&[("cache-control", "max-age=0")], MIN_AGE),
            (&[("cache-control", "no-store, max-age=600")], MIN_AGE),
            (&[("cache-control", "no-cache")], MIN_AGE),
            (&[("cache-control", "x-no-store")], DEFAULT_AGE),
            (&[("age", "x")], DEFAULT_AGE),
        ] {
            let headers = headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect();
            let answer = Fetched { status: 200, headers, body: Vec::new() };
            assert_eq!(lifetime(&answer, WEEK), expected, "{answer:?}");
        }
    }
}
