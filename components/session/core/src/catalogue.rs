//! Lists that are made of the lists of several upstreams.

use crate::answer::Out;
use crate::calls::{LIST_DEADLINE, Turn, within};
use crate::complete::complete;
use crate::content::{elements, item_member};
use crate::cursor::Positions;
use crate::errors::{self, Refusal, invalid_params};
use crate::gather::{Outcome, gather};
use crate::mirrored;
use crate::request::{Client, Ports, RpcRequest};
use crate::upstreams::{Call, UpstreamError};
use crate::view::Kind;
use futures::future::join_all;
use serde_json::Value;
use shared_mcp::{Era, Object, code, result_response};
use std::collections::BTreeMap;

/// Member of a list's `_meta` that names the upstreams whose part is missing.
pub(crate) const UNAVAILABLE: &str = "mcp-edge/unavailable";

/// Most pages of a list that are read to find a definition: an upstream that never comes to an end must not hold a call
/// for ever.
const MAX_PAGES: usize = 50;

/// One upstream's page of a list.
#[derive(Debug, Default)]
struct Page {
    items: Vec<String>,
    next: Option<String>,
    /// Milliseconds, where the upstream says so.
    ttl: Option<u64>,
}

/// A page of the merged list: the items of all upstreams that have more, in the order of their names. One upstream that
/// cannot be used does not hide the others: its part is missing, and `_meta` says so.
pub(crate) async fn list<P: Ports>(turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    let client = turn.client()?;
    let era = client.revision.era();
    let positions = positions(&rpc, &turn.naming.upstreams)?;
    let asked = positions.iter().map(|(upstream, cursor)| async {
        let call = Call { upstream: upstream.clone(), message: page_request(&rpc, cursor.as_deref()) };
        let outcome = gather(turn.ports, call, &client.caller, era, LIST_DEADLINE).await;
        (upstream.clone(), outcome)
    });
    let mut merged = Page { ttl: Some(u64::MAX), ..Page::default() };
    let mut cursors = BTreeMap::new();
    let mut failures = Vec::new();
    let mut without = 0_usize;
    for (upstream, outcome) in join_all(asked).await {
        match outcome.and_then(|outcome| page(outcome, &rpc.method)) {
            Ok(Some(page)) => {
                if era == Era::Modern && rpc.method == "tools/list" {
                    // Without it, headers of calls are only checked by the upstream.
                    let _ =
                        mirrored::note(turn.ports, &client.caller, &upstream, page.items.iter().map(String::as_str));
                }
                let shown = page.items.iter().filter_map(|item| turn.naming.definition(&rpc.method, &upstream, item));
                merged.items.extend(shown);
                merged.ttl = merged.ttl.min(Some(page.ttl.unwrap_or(0)));
                cursors.extend(page.next.map(|cursor| (upstream, cursor)));
            }
            Ok(None) => without += 1,
            Err(error) => failures.push((upstream, error)),
        }
    }
    if !failures.is_empty() {
        if failures.len() + without == positions.len() {
            return Err(errors::all_down(&failures));
        }
        turn.facts.reason = Some(errors::reasons(&failures));
        // What is missing now may be back at any time.
        merged.ttl = Some(0);
    } else if without > 0 && without == positions.len() {
        return Err(errors::no_method(&rpc.method));
    }
    let next = Positions::new(&rpc.method, cursors).map(|positions| positions.encode());
    let missing: Vec<&str> = failures.iter().map(|(upstream, _)| upstream.as_str()).collect();
    Ok(Out::json(200, result_response(&rpc.id, &result(&rpc.method, era, &merged, next.as_deref(), &missing))))
}

/// Which upstreams to ask, and from where on.
fn positions(rpc: &RpcRequest<'_>, upstreams: &[String]) -> Result<Vec<(String, Option<String>)>, Refusal> {
    let params = rpc.params();
    if params.get("cursor").is_none_or(|cursor| cursor == "null") {
        return Ok(upstreams.iter().map(|name| (name.clone(), None)).collect());
    }
    let cursors = params.string("cursor").and_then(|cursor| Positions::decode(&cursor, &rpc.method, upstreams));
    let cursors =
        cursors.ok_or_else(|| invalid_params("`cursor` is not valid for this list. Start again without it."))?;
    Ok(cursors.into_iter().map(|(name, cursor)| (name, Some(cursor))).collect())
}

/// The request for one upstream's page. Its progress would be the progress of a part only, so it is not asked for.
fn page_request(rpc: &RpcRequest<'_>, cursor: Option<&str>) -> String {
    let mut params = rpc.params();
    params.remove("cursor");
    if let Some(cursor) = cursor {
        params.set_string("cursor", cursor);
    }
    if let Some(mut meta) = params.object("_meta")
        && meta.remove("progressToken").is_some()
    {
        let meta = meta.to_string();
        params.set("_meta", meta);
    }
    rpc.with_params(&params)
}

/// What an upstream answered; `Ok(None)` if it has no such list.
fn page(outcome: Outcome, method: &str) -> Result<Option<Page>, UpstreamError> {
    let result = match outcome {
        Outcome::Result(result) => result,
        Outcome::Error(error) => {
            let error = Object::parse(&error).unwrap_or_default();
            if error.get("code").and_then(|code| code.parse().ok()) == Some(code::METHOD_NOT_FOUND) {
                return Ok(None);
            }
            let text = error.string("message").unwrap_or_default();
            return Err(UpstreamError::InvalidReply(format!("error {}: {text}", error.get("code").unwrap_or("?"))));
        }
    };
    let invalid = |why: &str| UpstreamError::InvalidReply(format!("{method}: {why}"));
    let object = Object::parse(&result).map_err(|_| invalid("the result is not an object"))?;
    let items = object.get(item_member(method)).and_then(elements).ok_or_else(|| invalid("no list in the result"))?;
    Ok(Some(Page {
        items: items.into_iter().map(str::to_owned).collect(),
        next: object.string("nextCursor"),
        ttl: object.get("ttlMs").and_then(|ttl| ttl.parse().ok()),
    }))
}

fn result(method: &str, era: Era, merged: &Page, next: Option<&str>, missing: &[&str]) -> String {
    let mut result = Object::new();
    result.set(item_member(method), format!("[{}]", merged.items.join(",")));
    if let Some(next) = next {
        result.set_string("nextCursor", next);
    }
    if !missing.is_empty() {
        let mut meta = Object::new();
        meta.set(UNAVAILABLE, Value::from(missing).to_string());
        result.set("_meta", meta.to_string());
    }
    if era == Era::Modern {
        let ttl = merged.ttl.filter(|ttl| *ttl != u64::MAX).unwrap_or(0);
        result.set("ttlMs", ttl.to_string());
        complete(&mut result, method);
    }
    result.to_string()
}

/// Read an upstream's list of named things, page by page, until `stop` says so of a name and its definition.
async fn walk(
    ports: &impl Ports,
    client: &Client,
    upstream: &str,
    list: &str,
    mut stop: impl FnMut(String, &str) -> bool,
) -> Result<(), UpstreamError> {
    let mut cursor: Option<String> = None;
    for number in 0..MAX_PAGES {
        // An id of the gateway's own: a client's may not be used twice.
        let mut request = Object::new();
        request.set_string("jsonrpc", "2.0");
        request.set_string("id", &format!("mcp-edge:{}:{upstream}:{number}", client.caller.request_id));
        request.set_string("method", list);
        let mut params = Object::new();
        if let Some(cursor) = &cursor {
            params.set_string("cursor", cursor);
        }
        request.set("params", params.to_string());
        let call = Call { upstream: upstream.into(), message: request.to_string() };
        let outcome = gather(ports, call, &client.caller, client.revision.era(), LIST_DEADLINE).await?;
        let Some(page) = page(outcome, list)? else {
            return Ok(());
        };
        for item in &page.items {
            if let Some(name) = Object::parse(item).ok().and_then(|item| item.string("name"))
                && stop(name, item)
            {
                return Ok(());
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

/// The tool or prompt that the client knows by a name: the upstream's own name, and its definition.
pub(crate) async fn find<P: Ports>(
    turn: &Turn<'_, P>,
    kind: Kind,
    upstream: &str,
    outward: &str,
) -> Result<Option<(String, String)>, Refusal> {
    let mut found = None;
    let stop = |name: String, text: &str| {
        if turn.naming.outward(kind, upstream, &name).as_deref() != Some(outward) {
            return false;
        }
        found = Some((name, text.to_owned()));
        true
    };
    let walked = walk(turn.ports, turn.client()?, upstream, kind.list(), stop).await;
    walked.map_err(|error| errors::upstream(upstream, &error))?;
    Ok(found)
}

/// All there is in an upstream's list: own names and definitions.
pub(crate) async fn all(
    ports: &impl Ports,
    client: &Client,
    upstream: &str,
    list: &str,
) -> Result<Vec<(String, String)>, UpstreamError> {
    let mut found = Vec::new();
    let add = |name: String, text: &str| {
        found.push((name, text.to_owned()));
        false
    };
    let late = || Err(UpstreamError::TimedOut(format!("the list did not end within {LIST_DEADLINE:?}")));
    within(ports, LIST_DEADLINE, walk(ports, client, upstream, list, add)).await.unwrap_or_else(late)?;
    Ok(found)
}
