//! What happened: `GET /stats` and `GET /requests`, so that tests can assert on what reached an upstream.

use http::{HeaderMap, header};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests kept by `--record`.
const KEPT: usize = 512;

/// Bytes of a body kept by `--record`.
const BODY_KEPT: usize = 16 * 1024;

/// One request to `/mcp`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// HTTP method.
    pub http: String,
    /// JSON-RPC method, or `response` for an answer of the client.
    pub method: Option<String>,
    /// Headers. Of `authorization` only a hash: see [`hide`].
    pub headers: BTreeMap<String, String>,
    /// The body's beginning.
    pub body: String,
}

/// Counters and the last requests.
pub struct Stats {
    recording: bool,
    requests: AtomicU64,
    open_streams: AtomicU64,
    waiting: AtomicU64,
    cancelled: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    methods: BTreeMap<String, u64>,
    last_headers: BTreeMap<String, String>,
    requests: VecDeque<Recorded>,
    answers: Vec<Value>,
}

/// The answer of `GET /stats`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    requests: u64,
    methods: BTreeMap<String, u64>,
    sessions: usize,
    open_streams: u64,
    waiting: u64,
    cancelled: u64,
    last_headers: BTreeMap<String, String>,
    answers: Vec<Value>,
}

impl Stats {
    /// Empty.
    pub fn new(recording: bool) -> Self {
        Self {
            recording,
            requests: AtomicU64::new(0),
            open_streams: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            kept: Mutex::default(),
        }
    }

    /// Count a request to `/mcp`.
    pub fn request(&self, http: &http::Method, method: Option<&str>, headers: &HeaderMap, body: &[u8]) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !self.recording {
            return;
        }
        let headers: BTreeMap<_, _> =
            headers.iter().map(|(name, value)| (name.to_string(), hide(name, value))).collect();
        let mut kept = self.kept();
        let counted = method.map_or_else(|| http.to_string(), str::to_owned);
        *kept.methods.entry(counted).or_default() += 1;
        kept.last_headers.clone_from(&headers);
        kept.requests.push_back(Recorded {
            http: http.to_string(),
            method: method.map(str::to_owned),
            headers,
            body: String::from_utf8_lossy(&body[..body.len().min(BODY_KEPT)]).into_owned(),
        });
        if kept.requests.len() > KEPT {
            kept.requests.pop_front();
        }
    }

    /// An event stream was opened; it counts until the guard is dropped.
    pub fn stream_opened(&self) {
        self.open_streams.fetch_add(1, Ordering::Relaxed);
    }

    /// See [`Self::stream_opened`].
    pub fn stream_closed(&self) {
        self.open_streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// A tool waits for a signal until the guard is dropped.
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// A call was cancelled while a tool waited.
    pub fn cancelled(&self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// A client answered what it was asked outside of calls; or an error as a string.
    pub fn answered(&self, answer: Value) {
        self.kept().answers.push(answer);
    }

    /// For `GET /stats`.
    pub fn report(&self, sessions: usize) -> Report {
        let kept = self.kept();
        Report {
            requests: self.requests.load(Ordering::Relaxed),
            methods: kept.methods.clone(),
            sessions,
            open_streams: self.open_streams.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            last_headers: kept.last_headers.clone(),
            answers: kept.answers.clone(),
        }
    }

    /// For `GET /requests`, oldest first.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.kept().requests.iter().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Stats::wait`].
pub struct Waiting<'a>(&'a Stats);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A header's value, for `authorization` and `cookie` only `sha256:` and the hash in hex: enough to tell which credential came
/// without telling it.
fn hide(name: &header::HeaderName, value: &header::HeaderValue) -> String {
    if name == header::AUTHORIZATION || name == header::COOKIE {
        let hash = Sha256::digest(value.as_bytes());
        return format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hashed() {
        let value = header::HeaderValue::from_static("Bearer s3cret");
        assert_eq!(
            hide(&header::AUTHORIZATION, &value),
            "sha256:".to_owned()
                + &Sha256::digest(b"Bearer s3cret").iter().map(|b| format!("{b:02x}")).collect::<String>()
        );
        assert_eq!(hide(&header::ACCEPT, &value), "Bearer s3cret");
    }

    #[test]
    fn requests_are_counted_by_method() {
        let stats = Stats::new(true);
        stats.request(&http::Method::POST, Some("tools/call"), &HeaderMap::new(), b"{}");
        stats.request(&http::Method::GET, None, &HeaderMap::new(), b"");
        let report = stats.report(0);
        assert_eq!(report.requests, 2);
        assert_eq!(report.methods, BTreeMap::from([("tools/call".into(), 1), ("GET".into(), 1)]));
        assert_eq!(stats.recorded().len(), 2);
    }
}
