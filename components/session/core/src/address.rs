//! Where a request leads: to which upstream, under which names there, and whether it may. A request that is let through
//! here is one for something that the client may see.

use crate::answer::column;
use crate::bound;
use crate::calls::Turn;
use crate::catalogue;
use crate::errors::{Refusal, invalid_params, unknown_resource};
use crate::names::Target;
use crate::pins;
use crate::request::{Ports, RpcRequest};
use crate::uris::UriTarget;
use crate::view::Kind;
use shared_mcp::Object;

/// A request on its way to one upstream.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub upstream: String,
    /// The request as the upstream gets it: JSON text.
    pub message: String,
}

/// A tool or prompt.
struct Found {
    upstream: String,
    /// The upstream's own name.
    name: String,
    /// Read from the upstream's list, where something of it is needed.
    definition: Option<String>,
}

/// A call of a tool or prompt by name.
pub(crate) async fn named<P: Ports>(
    turn: &mut Turn<'_, P>,
    kind: Kind,
    rpc: &RpcRequest<'_>,
) -> Result<Addressed, Refusal> {
    let mut params = rpc.params();
    let name = params.string("name").ok_or_else(|| invalid_params("`name` is missing."))?;
    let found = find(turn, kind, &name).await?;
    let naming = turn.naming.clone();
    let bound = naming.part(&found.upstream).map(|part| part.bound.as_slice()).unwrap_or_default();
    if found.name == name && bound.is_empty() {
        return Ok(Addressed { upstream: found.upstream, message: rpc.object.to_string() });
    }
    params.set_string("name", &found.name);
    if !bound.is_empty() {
        bound::fill(&mut params, kind, bound, found.definition.as_deref().unwrap_or_default())?;
    }
    Ok(Addressed { upstream: found.upstream, message: rpc.with_params(&params) })
}

/// The tool or prompt that a name means, if it may be used.
async fn find<P: Ports>(turn: &mut Turn<'_, P>, kind: Kind, name: &str) -> Result<Found, Refusal> {
    let naming = turn.naming.clone();
    let unknown = || {
        let what = if kind == Kind::Tool { "tool" } else { "prompt" };
        invalid_params(format!("Unknown {what}: {}", column(name)))
    };
    let (upstream, own, changed) = match naming.inward(kind, name) {
        Some(Target::Name(upstream, own)) => (upstream, own, false),
        Some(Target::Changed(upstream, own)) => (upstream, own, true),
        None => return Err(unknown()),
    };
    let part = naming.part(upstream).ok_or_else(unknown)?;
    if !changed || !naming.upstreams.iter().any(|name| name == upstream) {
        naming.check(kind, upstream, own, unknown)?;
    }
    turn.facts.upstream = Some(upstream.into());
    let pinned = part.pinned && kind == Kind::Tool;
    let needed = pinned || !part.bound.is_empty();
    let mut found = Found { upstream: upstream.into(), name: own.into(), definition: None };
    if changed || needed {
        match catalogue::find(turn, kind, upstream, name).await? {
            Some((name, definition)) => found = Found { name, definition: Some(definition), ..found },
            None if needed => return Err(unknown()),
            None => {}
        }
    }
    naming.check(kind, upstream, &found.name, unknown)?;
    if pinned {
        let accepted = naming.pins.get(upstream).and_then(|tools| tools.get(&found.name));
        if accepted.is_none() || accepted != found.definition.as_deref().map(pins::hash).as_ref() {
            return Err(
                unknown().because(format!("{upstream}: the definition of {} is not accepted", column(&found.name)))
            );
        }
    }
    Ok(found)
}

/// Where a request about a resource leads.
pub(crate) enum Resource {
    /// To this upstream.
    At(Addressed),
    /// It does not say; these may be asked.
    Anywhere(Vec<String>),
}

/// A request about a resource, by its URI.
pub(crate) fn resource<P: Ports>(turn: &Turn<'_, P>, rpc: &RpcRequest<'_>, uri: &str) -> Result<Resource, Refusal> {
    match turn.naming.uri_inward(uri) {
        UriTarget::Upstream(upstream, inner) => {
            turn.naming.resource(upstream, &inner)?;
            let message = if inner == uri {
                rpc.object.to_string()
            } else {
                let mut params = rpc.params();
                params.set_string("uri", &inner);
                rpc.with_params(&params)
            };
            Ok(Resource::At(Addressed { upstream: upstream.into(), message }))
        }
        UriTarget::Anywhere => {
            let upstreams = turn.naming.upstreams.iter().filter(|upstream| turn.naming.shows_resource(upstream, uri));
            let upstreams: Vec<String> = upstreams.cloned().collect();
            if upstreams.is_empty() {
                let lacking = turn.naming.parts.iter().map(|part| turn.naming.resource(&part.name, uri));
                return Err(lacking
                    .filter_map(Result::err)
                    .find(|refusal| refusal.status == 403)
                    .unwrap_or_else(|| unknown_resource(uri)));
            }
            Ok(Resource::Anywhere(upstreams))
        }
        UriTarget::Nowhere => Err(unknown_resource(uri)),
    }
}

/// A completion, for an argument of a prompt or of a resource template.
pub(crate) async fn completion<P: Ports>(turn: &mut Turn<'_, P>, rpc: &RpcRequest<'_>) -> Result<Addressed, Refusal> {
    let mut params = rpc.params();
    let reference = params.object("ref").ok_or_else(|| invalid_params("`ref` is missing."))?;
    let mut changed = reference.clone();
    let naming = turn.naming.clone();
    let (upstream, member, inner) = match (reference.string("type").as_deref(), naming.only()) {
        (Some("ref/prompt"), _) => {
            let name = reference.string("name").ok_or_else(|| invalid_params("`ref.name` is missing."))?;
            let found = find(turn, Kind::Prompt, &name).await?;
            (found.upstream, "name", found.name)
        }
        (Some("ref/resource"), _) => {
            let uri = reference.string("uri").ok_or_else(|| invalid_params("`ref.uri` is missing."))?;
            match naming.uri_inward(&uri) {
                UriTarget::Upstream(upstream, inner) => {
                    naming.resource(upstream, &inner)?;
                    (upstream.to_owned(), "uri", inner.into_owned())
                }
                UriTarget::Anywhere | UriTarget::Nowhere => return Err(unknown_resource(&uri)),
            }
        }
        // A kind of reference that the gateway does not know is for the single upstream to know.
        (_, Some(only)) if !naming.restricts(only) => {
            return Ok(Addressed { upstream: only.into(), message: rpc.object.to_string() });
        }
        (_, _) => return Err(invalid_params("`ref.type` must be `ref/prompt` or `ref/resource`.")),
    };
    changed.set_string(member, &inner);
    let changed = changed.to_string();
    params.set("ref", changed);
    let bound = naming.part(&upstream).map(|part| part.bound.as_slice()).unwrap_or_default();
    complete_bound(&mut params, bound)?;
    Ok(Addressed { upstream, message: rpc.with_params(&params) })
}

/// Completions that depend on other arguments get those that the gateway fills in; these have no completions themselves.
fn complete_bound(params: &mut Object<'_>, bound: &[(String, String)]) -> Result<(), Refusal> {
    if bound.is_empty() {
        return Ok(());
    }
    let name = params.object("argument").and_then(|argument| argument.string("name"));
    if let Some(name) = name.filter(|name| bound.iter().any(|(bound, _)| bound == name)) {
        return Err(invalid_params(format!("Unknown argument: {}", column(&name))));
    }
    let mut context = params.object("context").unwrap_or_default();
    let mut arguments = context.object("arguments").unwrap_or_default();
    for (name, value) in bound {
        arguments.set_string(name.clone(), value);
    }
    let arguments = arguments.to_string();
    context.set("arguments", arguments);
    let context = context.to_string();
    params.set("context", context);
    Ok(())
}
