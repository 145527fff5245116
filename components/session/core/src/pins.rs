//! Accepted definitions of tools. A tool of an upstream with `pinned` is there for clients only while its definition is
//! the one that an admin has accepted: what a model reads cannot be changed behind everybody's back.
//!
//! The accepted definitions of one upstream are one record, which an admin replaces as a whole; nobody else writes it.
//! `GET /admin/pins` shows what is offered and what is accepted, `PUT /admin/pins/{upstream}` accepts.

use crate::answer::Out;
use crate::catalogue;
use crate::describe::GATEWAY_INFO;
use crate::errors::{self, Refusal};
use crate::request::{Client, Context, HttpRequest, Ports, Settings};
use crate::upstreams::{Caller, UpstreamError};
use crate::view::{Kind, Naming};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use shared_mcp::{Revision, code};
use shared_ports::{MAX_VALUE, Store};
use std::collections::BTreeMap;

/// Where an admin looks and accepts.
pub(crate) const PATH: &str = "/admin/pins";

/// Most tools of one upstream that can be accepted: the record is read with each request.
const MAX_TOOLS: usize = 1000;

/// The hash of a definition: SHA-256 over the JSON text with members in ascending order and no spaces, as base64url. All
/// of the definition counts: everything in it may reach a model, or decide what is done with the tool.
pub(crate) fn hash(definition: &str) -> String {
    let text =
        serde_json::from_str::<Value>(definition).map_or_else(|_| definition.to_owned(), |value| value.to_string());
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

fn key(upstream: &str) -> String {
    format!("session:pins:{upstream}")
}

/// What is accepted of an upstream: hashes by the names of tools.
fn load(ports: &impl Ports, upstream: &str) -> Result<BTreeMap<String, String>, Refusal> {
    match ports.store().get(&key(upstream)).map_err(|error| errors::store(&error))? {
        None => Ok(BTreeMap::new()),
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| errors::misconfigured(&format!("record `{}`: {error}", key(upstream)))),
    }
}

impl Naming {
    /// Load what is accepted, for those upstreams where it matters.
    pub fn load_pins(&mut self, ports: &impl Ports) -> Result<(), Refusal> {
        for part in self.parts.iter().filter(|part| part.pinned) {
            self.pins.insert(part.name.clone(), load(ports, &part.name)?);
        }
        Ok(())
    }
}

/// Serve a request of an admin.
pub(crate) async fn serve<P: Ports>(
    ports: &P,
    settings: &Settings,
    request: &HttpRequest,
    context: &Context,
) -> Result<Out, Refusal> {
    if !context.roles.iter().any(|role| role == "admin") {
        return Err(Refusal::new(403, code::INVALID_REQUEST, "Only users with the role `admin` may do this."));
    }
    let upstream = request.path.strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/'));
    let answer = match (request.method.as_str(), upstream) {
        ("GET", None) => offered(ports, settings, context).await?,
        ("PUT", Some(upstream)) => accept(ports, settings, upstream, &request.body)?,
        _ => return Err(Refusal::new(405, code::INVALID_REQUEST, "GET /admin/pins, or PUT /admin/pins/{upstream}.")),
    };
    Ok(Out::json(200, answer.to_string()))
}

fn is_pinned(settings: &Settings, upstream: &str) -> bool {
    matches!(settings.upstreams.get(upstream), Some(Ok(upstream)) if upstream.pinned)
}

/// Every tool of the pinned upstreams, with the definition that it has now. An upstream that cannot be asked does not
/// hide the others.
async fn offered(ports: &impl Ports, settings: &Settings, context: &Context) -> Result<Value, Refusal> {
    let client = Client {
        revision: Revision::NEWEST,
        client_id: context.client_id.clone(),
        log_level: None,
        event_key: None,
        caller: caller(context),
    };
    let mut upstreams = Map::new();
    for name in settings.upstreams.keys().filter(|name| is_pinned(settings, name)) {
        let accepted = load(ports, name)?;
        let found = catalogue::all(ports, &client, name, Kind::Tool.list()).await;
        upstreams.insert(name.clone(), tools(&accepted, found));
    }
    Ok(json!({ "upstreams": upstreams }))
}

fn tools(accepted: &BTreeMap<String, String>, found: Result<Vec<(String, String)>, UpstreamError>) -> Value {
    let definitions = match found {
        Ok(definitions) => definitions,
        Err(_) => return json!({ "error": "cannot be asked now", "accepted": accepted }),
    };
    let mut tools = Map::new();
    for (name, text) in definitions {
        let hash = hash(&text);
        let state = match accepted.get(&name) {
            None => "new",
            Some(known) if *known == hash => "accepted",
            Some(_) => "changed",
        };
        let definition: Value = serde_json::from_str(&text).unwrap_or_default();
        tools.insert(name, json!({ "state": state, "hash": hash, "definition": definition }));
    }
    for name in accepted.keys().filter(|name| !tools.contains_key(*name)).cloned().collect::<Vec<_>>() {
        tools.insert(name, json!({ "state": "gone" }));
    }
    json!({ "tools": tools })
}

/// Accept exactly these definitions of an upstream. They are named by their hashes, so that one which changes between
/// the look and the word is not accepted unseen.
fn accept(ports: &impl Ports, settings: &Settings, upstream: &str, body: &[u8]) -> Result<Value, Refusal> {
    if !is_pinned(settings, upstream) {
        return Err(Refusal::new(404, code::INVALID_REQUEST, "There is no upstream of this name with `pinned`."));
    }
    let wrong = || {
        let message = format!("The body must be an object of up to {MAX_TOOLS} hashes by the names of tools.");
        Refusal::new(400, code::INVALID_REQUEST, message)
    };
    let accepted: BTreeMap<String, String> = serde_json::from_slice(body).map_err(|_| wrong())?;
    let is_hash = |hash: &String| BASE64_URL_SAFE_NO_PAD.decode(hash).is_ok_and(|bytes| bytes.len() == 32);
    let text = serde_json::to_vec(&accepted).map_err(|_| wrong())?;
    if accepted.len() > MAX_TOOLS || text.len() > MAX_VALUE || !accepted.values().all(is_hash) {
        return Err(wrong());
    }
    ports.store().set(&key(upstream), &text).map_err(|error| errors::store(&error))?;
    Ok(json!({ "accepted": accepted.len() }))
}

/// The gateway asks on behalf of the admin, and says so.
fn caller(context: &Context) -> Caller {
    Caller {
        user_hash: context.user_hash.clone(),
        conversation: "admin-pins".into(),
        request_id: context.request_id.clone(),
        revision: Revision::NEWEST,
        client_info: GATEWAY_INFO.into(),
        client_capabilities: "{}".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_what_is_said_and_not_of_how() {
        let base = hash(r#"{"name":"a","inputSchema":{"type":"object","x":1}}"#);
        assert_eq!(hash(r#"{ "inputSchema": {"x":1, "type":"object"}, "name":"\u0061" }"#), base);
        for other in [
            r#"{"name":"b","inputSchema":{"type":"object","x":1}}"#,
            r#"{"name":"a","description":"","inputSchema":{"type":"object","x":1}}"#,
            r#"{"name":"a","inputSchema":{"type":"object","x":2}}"#,
            r#"{"name":"a","inputSchema":{"type":"object","x":1},"_meta":{}}"#,
        ] {
            assert_ne!(hash(other), base, "{other}");
        }
    }
}
