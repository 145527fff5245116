//! Which eras an upstream speaks: found out by asking, kept in the store.
//!
//! There is one record for each era, under `upstream:{name}:era:modern` and `upstream:{name}:era:legacy`, so that whoever
//! learns something of one side does not write over what another one learned of the other. No record: not known. They
//! hold for everybody: the era is a property of the server (2026-07-28, "Versioning and Compatibility"), not of a user or
//! a request. So nothing that a client can choose may decide what is kept: see `discover` here and `refuses_everybody`.

use crate::conversation_record::About;
use crate::handshake::Answer;
use crate::reply::no_evidence;
use crate::settings::Target;
use crate::{Caller, Connector, Ports, UpstreamError, request};
use serde::{Deserialize, Serialize};
use shared_mcp::{Era, Message, Object, Revision, code, meta};
use shared_ports::{Clock, Store};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How long is believed what is known of an era. A server that learned one is spoken to in it after this time at the
/// latest; a server that forgot one is noticed at the next call.
pub(crate) const ERA_SECONDS: u64 = 3600;

/// How long a description is good at least, whatever `ttlMs` says: finding out the era and asking for the description right
/// after it is one question to the upstream, not two.
const MIN_ABOUT_SECONDS: u64 = 5;

/// What is known of one era of an upstream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Side {
    /// Address, as the settings have it; the record of another address does not count.
    pub address: String,
    /// Whether the upstream speaks the era.
    pub spoken: bool,
    /// When this is not believed any more, in seconds since the Unix epoch.
    pub until: u64,
    /// Modern: the revision to speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Modern: what the upstream said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// When `about` is old, by the upstream's own `ttlMs`, in seconds since the Unix epoch.
    #[serde(default)]
    pub about_until: u64,
}

impl Side {
    /// The modern revision to speak, if the upstream speaks one.
    pub(crate) fn revision(&self) -> Option<Revision> {
        let revision = Revision::parse(self.revision.as_deref()?)?;
        (self.spoken && revision.era() == Era::Modern).then_some(revision)
    }
}

/// What this instance read of the store, by the keys there. Each entry ends with its record.
#[derive(Debug, Default)]
pub(crate) struct Cache(BTreeMap<String, Rc<Side>>);

/// Most entries of the cache. Names come from the settings, which may change while the instance lives.
const MAX_CACHED: usize = 512;

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
    /// What is kept of an era of an upstream.
    pub(crate) fn known(&self, target: &Target, era: Era) -> Result<Option<Rc<Side>>, UpstreamError> {
        let now = self.ports.clock().now();
        let holds = |side: &Side| side.address == target.address && side.until > now;
        let key = key(target, era);
        if let Some(side) = self.eras.borrow().0.get(&key).filter(|side| holds(side)) {
            return Ok(Some(Rc::clone(side)));
        }
        let record = self.ports.store().get(&key)?;
        let side = record.and_then(|bytes| serde_json::from_slice(&bytes).ok()).filter(holds).map(Rc::new);
        if let Some(side) = &side {
            self.cache(key, side);
        }
        Ok(side)
    }

    /// Keep that the modern era is spoken.
    pub(crate) fn learn_modern(
        &self,
        target: &Target,
        revision: Revision,
        about: Option<(About, u64)>,
    ) -> Result<(), UpstreamError> {
        let mut side = self.side(target, true);
        side.revision = Some(revision.as_str().into());
        if let Some((about, seconds)) = about {
            side.about = Some(about);
            side.about_until = self.ports.clock().now().saturating_add(seconds.clamp(MIN_ABOUT_SECONDS, ERA_SECONDS));
        }
        self.keep(target, Era::Modern, side)
    }

    /// Keep that the legacy era is spoken. What is known already is not prolonged: that would be a write for each session.
    pub(crate) fn learn_legacy(&self, target: &Target) -> Result<(), UpstreamError> {
        if self.known(target, Era::Legacy)?.is_some_and(|side| side.spoken) {
            return Ok(());
        }
        self.keep(target, Era::Legacy, self.side(target, true))
    }

    /// Keep that an era is not spoken.
    pub(crate) fn learn_absent(&self, target: &Target, era: Era) -> Result<(), UpstreamError> {
        self.keep(target, era, self.side(target, false))
    }

    /// Forget what is known of an era: it turned out wrong.
    pub(crate) fn unlearn(&self, target: &Target, era: Era) -> Result<(), UpstreamError> {
        let key = key(target, era);
        self.eras.borrow_mut().0.remove(&key);
        Ok(self.ports.store().delete(&key)?)
    }

    fn side(&self, target: &Target, spoken: bool) -> Side {
        let until = self.ports.clock().now().saturating_add(ERA_SECONDS);
        Side { address: target.address.clone(), spoken, until, revision: None, about: None, about_until: 0 }
    }

    fn keep(&self, target: &Target, era: Era, side: Side) -> Result<(), UpstreamError> {
        let record = serde_json::to_vec(&side).map_err(|e| UpstreamError::Unavailable(e.to_string()))?;
        let key = key(target, era);
        self.ports.store().set(&key, &record)?;
        self.cache(key, &Rc::new(side));
        Ok(())
    }

    fn cache(&self, key: String, side: &Rc<Side>) {
        let cache = &mut self.eras.borrow_mut().0;
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(key, Rc::clone(side));
    }

    /// Ask an upstream in the modern way who it is. The question is the gateway's own and has nothing of a client in it:
    /// the answer is kept for everybody, and a client that describes itself wrongly must not get a refusal kept.
    ///
    /// # Errors
    /// The answer says nothing about the era: no connection, no answer in time, 401, 403, a redirect, 408, 429, or 5xx.
    pub(crate) async fn discover(&self, target: &Target) -> Result<Evidence, UpstreamError> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{DISCOVER_ID},"method":"server/discover"}}"#);
        let message = Message::parse(&text).map_err(|_| request::malformed())?;
        let request = request::modern(target, &Caller::default(), Revision::NEWEST, &message, &[])?;
        judge(&self.ask(target, request, DISCOVER_ID).await?)
    }
}

fn key(target: &Target, era: Era) -> String {
    let era = match era {
        Era::Modern => "modern",
        Era::Legacy => "legacy",
    };
    format!("upstream:{}:era:{era}", target.name)
}

/// What an answer to `server/discover` shows (Streamable HTTP 2026-07-28, "Backward Compatibility").
pub(crate) fn judge(answer: &Answer) -> Result<Evidence, UpstreamError> {
    if let Some(error) = no_evidence(answer.status, answer.challenge.as_deref()) {
        return Err(error);
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
