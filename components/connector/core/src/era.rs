//! Which era an upstream speaks: found out by asking, kept in the store.
//!
//! The record is under `upstream:{name}:era` and holds for everybody: the era is a property of the server (2026-07-28,
//! "Versioning and Compatibility"), not of a user or a request.

use crate::conversation_record::About;
use crate::handshake::Answer;
use crate::reply::unauthorized;
use crate::settings::Target;
use crate::{Caller, Connector, Ports, UpstreamError, request};
use serde::{Deserialize, Serialize};
use shared_mcp::{Era, Message, Object, Revision, code, meta};
use shared_ports::{Clock, Store};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How long an era is believed. A server that learned the modern era is spoken to in it after this time at the latest; a
/// server that forgot an era is noticed at the next call.
pub(crate) const ERA_SECONDS: u64 = 3600;

/// How long a description is good at least, whatever `ttlMs` says: finding out the era and asking for the description right
/// after it is one question to the upstream, not two.
const MIN_ABOUT_SECONDS: u64 = 5;

/// What is known of an upstream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Address, as the settings have it; the record of another address does not count.
    pub address: String,
    /// The modern revision to speak; `None` where the upstream is a legacy one.
    pub modern: Option<String>,
    /// When this is not believed any more, in seconds since the Unix epoch.
    pub until: u64,
    /// What a modern upstream said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// When `about` is old, by the upstream's own `ttlMs`, in seconds since the Unix epoch.
    #[serde(default)]
    pub about_until: u64,
}

impl Known {
    /// The modern revision to speak, if it is one.
    pub(crate) fn revision(&self) -> Option<Revision> {
        Revision::parse(self.modern.as_deref()?).filter(|revision| revision.era() == Era::Modern)
    }
}

/// What this instance read of the store, by name of the upstream. Each entry ends with its record.
#[derive(Debug, Default)]
pub(crate) struct Cache(BTreeMap<String, Rc<Known>>);

/// Most entries of the cache. Names come from the settings, which may change while the instance lives.
const MAX_CACHED: usize = 256;

/// What the answer to `server/discover` shows.
#[derive(Debug)]
pub(crate) enum Evidence {
    /// It speaks this modern revision; with what it says of itself and for how many seconds that holds, if it told.
    Modern(Revision, Option<(About, u64)>),
    /// It does not speak the modern era: go on with `initialize`.
    Legacy,
}

/// Id of `server/discover` requests, as JSON text. Modern ids are unique among the requests in flight, and servers are
/// stateless, so one is enough.
const DISCOVER_ID: &str = "\"mcp-edge-discover\"";

impl<P: Ports> Connector<P> {
    /// What is kept of an upstream's era.
    pub(crate) fn known(&self, target: &Target) -> Result<Option<Rc<Known>>, UpstreamError> {
        let now = self.ports.clock().now();
        let holds = |known: &Known| known.address == target.address && known.until > now;
        if let Some(known) = self.eras.borrow().0.get(&target.name).filter(|known| holds(known)) {
            return Ok(Some(Rc::clone(known)));
        }
        let record = self.ports.store().get(&key(target))?;
        let known = record.and_then(|bytes| serde_json::from_slice(&bytes).ok()).filter(holds).map(Rc::new);
        if let Some(known) = &known {
            self.cache(target, known);
        }
        Ok(known)
    }

    /// Keep what was found out.
    pub(crate) fn learn(&self, target: &Target, evidence: Evidence) -> Result<Rc<Known>, UpstreamError> {
        let now = self.ports.clock().now();
        let mut known = Known {
            address: target.address.clone(),
            modern: None,
            until: now.saturating_add(ERA_SECONDS),
            about: None,
            about_until: 0,
        };
        if let Evidence::Modern(revision, about) = evidence {
            known.modern = Some(revision.as_str().into());
            if let Some((about, seconds)) = about {
                known.about = Some(about);
                known.about_until = now.saturating_add(seconds.clamp(MIN_ABOUT_SECONDS, ERA_SECONDS));
            }
        }
        let record = serde_json::to_vec(&known).map_err(|e| UpstreamError::Unavailable(e.to_string()))?;
        self.ports.store().set(&key(target), &record)?;
        let known = Rc::new(known);
        self.cache(target, &known);
        Ok(known)
    }

    /// Forget the era: what was kept turned out wrong.
    pub(crate) fn unlearn(&self, target: &Target) -> Result<(), UpstreamError> {
        self.eras.borrow_mut().0.remove(&target.name);
        Ok(self.ports.store().delete(&key(target))?)
    }

    fn cache(&self, target: &Target, known: &Rc<Known>) {
        let cache = &mut self.eras.borrow_mut().0;
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(target.name.clone(), Rc::clone(known));
    }

    /// Ask an upstream in the modern way who it is.
    ///
    /// # Errors
    /// The answer says nothing about the era: no connection, no answer in time, 401, 403, a redirect, 408, 429, or 5xx.
    pub(crate) async fn discover(&self, target: &Target, caller: &Caller) -> Result<Evidence, UpstreamError> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{DISCOVER_ID},"method":"server/discover"}}"#);
        let message = Message::parse(&text).map_err(|_| request::malformed())?;
        let request = request::modern(target, caller, Revision::NEWEST, &message)?;
        judge(&self.ask(target, request, DISCOVER_ID).await?)
    }
}

fn key(target: &Target) -> String {
    format!("upstream:{}:era", target.name)
}

/// What an answer to `server/discover` shows (Streamable HTTP 2026-07-28, "Backward Compatibility").
pub(crate) fn judge(answer: &Answer) -> Result<Evidence, UpstreamError> {
    match answer.status {
        401 | 403 => return Err(unauthorized(answer.status, answer.challenge.as_deref())),
        // Says nothing about the era: a redirect, a server that is busy or broken.
        300..=399 | 408 | 429 | 500.. => return Err(UpstreamError::Refused(answer.status)),
        _ => {}
    }
    let Some(Ok(Message::Response { outcome, .. })) = answer.response.as_deref().map(Message::parse) else {
        return Ok(Evidence::Legacy);
    };
    match outcome {
        Ok(result) => Ok(discovered(&result)),
        Err(error) => Ok(refused(&error)),
    }
}

/// A `DiscoverResult`.
fn discovered(result: &str) -> Evidence {
    let Ok(result) = Object::parse(result) else {
        return Evidence::Legacy;
    };
    let Some(revision) = result.get("supportedVersions").and_then(spoken) else {
        return Evidence::Legacy;
    };
    let fields = result.object("_meta");
    let server_info = fields.as_ref().and_then(|fields| fields.get(meta::SERVER_INFO));
    let milliseconds: u64 = result.get("ttlMs").and_then(|text| text.parse().ok()).unwrap_or(0);
    let about = About::of(&result, server_info).map(|about| (about, milliseconds / 1000));
    Evidence::Modern(revision, about)
}

/// A JSON-RPC error: only the codes that 2026-07-28 itself defines show that it is spoken.
fn refused(error: &str) -> Evidence {
    let Ok(error) = Object::parse(error) else {
        return Evidence::Legacy;
    };
    match error.get("code").and_then(|text| text.parse().ok()) {
        Some(code::UNSUPPORTED_PROTOCOL_VERSION) => {
            let data = error.object("data");
            match data.as_ref().and_then(|data| data.get("supported")).and_then(spoken) {
                Some(revision) => Evidence::Modern(revision, None),
                None => Evidence::Legacy,
            }
        }
        Some(code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY) => Evidence::Modern(Revision::NEWEST, None),
        _ => Evidence::Legacy,
    }
}

/// The newest modern revision in a JSON array of revisions that is spoken here.
fn spoken(list: &str) -> Option<Revision> {
    let list: Vec<String> = serde_json::from_str(list).ok()?;
    list.iter().filter_map(|text| Revision::parse(text)).filter(|revision| revision.era() == Era::Modern).max()
}

/// Whether the error code is one that only modern servers use.
pub(crate) fn is_modern_code(code: i64) -> bool {
    matches!(code, code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY | code::UNSUPPORTED_PROTOCOL_VERSION)
}
