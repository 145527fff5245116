//! Headers that repeat arguments of a tool (2026-07-28, "Custom Headers from Tool Parameters"). Which arguments that are says
//! the tool's schema; what lists have told a user is kept, so that a call need not read the list again.

use crate::calls::Turn;
use crate::catalogue;
use crate::errors::{self, Refusal};
use crate::keys::UserKeys;
use crate::modern::{mismatch, repeated};
use crate::request::{Ports, RpcRequest};
use crate::sweep::{self, Noted};
use crate::upstreams::Caller;
use crate::view::Kind;
use shared_mcp::mirror::{ANNOTATION, Mirror, mirrors};
use shared_mcp::{Object, header};
use shared_ports::Store;
use std::collections::BTreeMap;

/// Most tools of one upstream that are kept: the record is read with each call.
const MAX_TOOLS: usize = 500;

/// By the upstream's own names of its tools.
type Known = BTreeMap<String, Vec<Mirror>>;

/// Keep what the definitions of a list (JSON texts, as the upstream sent them) say.
pub(crate) fn note<'a>(
    ports: &impl Ports,
    caller: &Caller,
    upstream: &str,
    definitions: impl Iterator<Item = &'a str>,
) -> Result<(), Refusal> {
    let definitions: Vec<&str> = definitions.collect();
    // Most upstreams have no such thing, and then there is no record to read or write.
    if !definitions.iter().any(|text| text.contains(ANNOTATION)) {
        return Ok(());
    }
    let before = known(ports, caller, upstream)?.unwrap_or_default();
    let mut after = before.clone();
    after.extend(told(definitions.into_iter()));
    after.retain(|_, mirrors| !mirrors.is_empty());
    if after == before || after.len() > MAX_TOOLS {
        return Ok(());
    }
    keep(ports, caller, upstream, &after)
}

/// What definitions say, those included that say nothing.
fn told<'a>(definitions: impl Iterator<Item = &'a str>) -> Known {
    let mut told = Known::new();
    for text in definitions {
        let Ok(tool) = Object::parse(text) else { continue };
        let found = tool.get("inputSchema").and_then(|schema| mirrors(schema).ok()).unwrap_or_default();
        told.extend(tool.string("name").map(|name| (name, found)));
    }
    told
}

fn keep(ports: &impl Ports, caller: &Caller, upstream: &str, known: &Known) -> Result<(), Refusal> {
    let record = serde_json::to_vec(known).unwrap_or_default();
    let (key, failed) = (key(caller, upstream)?, |error| errors::store(&error));
    if ports.store().get(&key).map_err(failed)?.is_none() {
        sweep::note(ports, &caller.user_hash, Noted::Mirrored(upstream)).map_err(failed)?;
    }
    ports.store().set(&key, &record).map_err(failed)
}

/// Keep what the response to `tools/list` of an upstream says.
pub(crate) fn note_response(
    ports: &impl Ports,
    caller: &Caller,
    upstream: &str,
    response: &str,
) -> Result<(), Refusal> {
    if !response.contains(ANNOTATION) {
        return Ok(());
    }
    let response = Object::parse(response).unwrap_or_default();
    let result = response.object("result").unwrap_or_default();
    let tools = result.get("tools").and_then(crate::content::elements).unwrap_or_default();
    note(ports, caller, upstream, tools.into_iter())
}

/// Check the headers of a call. `message` is the request as the upstream gets it.
pub(crate) async fn check<P: Ports>(
    turn: &Turn<'_, P>,
    upstream: &str,
    message: &str,
    rpc: &RpcRequest<'_>,
) -> Result<(), Refusal> {
    let caller = &turn.client()?.caller;
    let request = Object::parse(message).unwrap_or_default();
    let name = request.object("params").and_then(|params| params.string("name")).unwrap_or_default();
    let params = rpc.params();
    let mut known = known(turn.ports, caller, upstream)?;
    let has_any = turn.request.headers.iter().any(|(name, _)| name.starts_with(header::PARAM_PREFIX));
    if known.is_none() && has_any {
        // The client has its knowledge from somewhere; so the gateway looks, too. Once: that there is nothing is kept.
        let found = catalogue::all(turn.ports, turn.client()?, upstream, Kind::Tool.list()).await;
        let found = found.map_err(|error| errors::upstream(upstream, &error))?;
        let mut looked = told(found.iter().map(|(_, text)| text.as_str()));
        looked.retain(|_, mirrors| !mirrors.is_empty());
        // What cannot be kept is looked up again.
        if looked.len() <= MAX_TOOLS {
            let _ = keep(turn.ports, caller, upstream, &looked);
        }
        known = Some(looked);
    }
    let Some(mirrors) = known.as_ref().and_then(|known| known.get(&name)) else {
        return Ok(());
    };
    let arguments = params.get("arguments").unwrap_or("{}");
    for mirror in mirrors {
        let sent = repeated(turn.request, &mirror.header)?;
        let column = crate::answer::column(&mirror.header);
        match (mirror.value(arguments), sent) {
            (None, None) => {}
            (Some(_), None) => return Err(mismatch(format!("The header `{column}` is missing."))),
            (None, Some(_)) => return Err(mismatch(format!("The header `{column}` repeats no argument."))),
            (Some(value), Some(sent)) => {
                let sent = header::decode(sent)
                    .ok_or_else(|| mismatch(format!("The header `{column}` is not valid Base64.")))?;
                if sent != value && !(is_number(mirror, arguments) && same_number(&sent, &value)) {
                    return Err(mismatch(format!("The header `{column}` differs from its argument in the body.")));
                }
            }
        }
    }
    Ok(())
}

fn known(ports: &impl Ports, caller: &Caller, upstream: &str) -> Result<Option<Known>, Refusal> {
    let record = ports.store().get(&key(caller, upstream)?).map_err(|error| errors::store(&error))?;
    Ok(record.and_then(|record| serde_json::from_slice(&record).ok()))
}

fn key(caller: &Caller, upstream: &str) -> Result<String, Refusal> {
    let keys = UserKeys::new(&caller.user_hash);
    Ok(keys.ok_or_else(|| errors::misconfigured("the user hash is not 32 hex digits"))?.mirrored(upstream))
}

/// Whether the argument is a number.
fn is_number(mirror: &Mirror, arguments: &str) -> bool {
    let mut value: serde_json::Value = serde_json::from_str(arguments).unwrap_or_default();
    for name in &mirror.path {
        value = value.get_mut(name).map(serde_json::Value::take).unwrap_or_default();
    }
    value.is_number()
}

/// Integers are compared as numbers (2026-07-28, "Server Validation").
fn same_number(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    number(a).is_some() && number(a) == number(b)
}
