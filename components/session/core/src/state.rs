//! `requestState` of the upstreams (2026-07-28, "Multi Round-Trip Requests") on its way through the client. What comes back
//! with it, the user's answers, is for the upstream that has asked, so the state says which one that is:
//! `mcp-edge.of.{upstream}:{state}`, without `:{state}` where the upstream gave none.
//!
//! With a single upstream, states stay what they are, but for those that look like the gateway's own: such come from
//! another mcp-edge behind this one.

use crate::complete::AGAIN;
use crate::errors::{Refusal, invalid_params};
use crate::park;
use crate::view::Naming;
use shared_mcp::Object;

const MEMBER: &str = "requestState";

/// In front of all states that the gateway makes.
const OWN: &str = "mcp-edge.";

/// In front of the upstream's name. Names of parked calls are hex digits, so none of theirs looks like this.
const OF: &str = "mcp-edge.of.";

/// Make the state in a result of an upstream the client's, if the result asks for something.
pub(crate) fn outward(naming: &Naming, upstream: &str, method: &str, result: &mut Object<'_>) {
    if result.string("resultType").as_deref() != Some("input_required") {
        return;
    }
    let wrapped = match result.string(MEMBER) {
        Some(state) if !naming.is_single() || state.starts_with(OWN) => format!("{OF}{upstream}:{state}"),
        // What is asked elsewhere says by a name or a URI which upstream it is for.
        None if !naming.is_single() && method == "resources/read" => format!("{OF}{upstream}"),
        _ => return,
    };
    result.set_string(MEMBER, &wrapped);
}

/// The upstream that has given the state in these params, and the state as it was; `None` if they have none that
/// [`outward`] has made.
pub(crate) fn inward(params: &Object<'_>) -> Option<(String, Option<String>)> {
    let state = params.string(MEMBER)?;
    let rest = state.strip_prefix(OF)?;
    Some(match rest.split_once(':') {
        Some((upstream, state)) => (upstream.to_owned(), Some(state.to_owned())),
        None => (rest.to_owned(), None),
    })
}

/// Whether the params bring answers, or a state, so that there is somebody who has asked.
pub(crate) fn goes_on(params: &Object<'_>) -> bool {
    params.get(MEMBER).is_some() || params.get("inputResponses").is_some()
}

/// The message (JSON text) for this upstream, with its own state; `None` if there is nothing to change. The error is for a
/// state of another upstream.
pub(crate) fn for_upstream(upstream: &str, message: &str) -> Result<Option<String>, Refusal> {
    // Most requests need no look inside.
    if !message.contains(MEMBER) {
        return Ok(None);
    }
    let Ok(mut object) = Object::parse(message) else {
        return Ok(None);
    };
    let mut params = object.object("params").unwrap_or_default();
    let Some((asked, state)) = inward(&params) else {
        // Whatever begins like this is the gateway's own; what cannot be read was changed on its way.
        let own = params.string(MEMBER).is_some_and(|state| state.starts_with(OWN) && state != AGAIN);
        return if own && park::state(&params).is_none() { Err(unknown()) } else { Ok(None) };
    };
    if asked != upstream {
        return Err(unknown().because("requestState of another upstream"));
    }
    match state {
        Some(state) => params.set_string(MEMBER, &state),
        None => drop(params.remove(MEMBER)),
    }
    let params = params.to_string();
    object.set("params", params);
    Ok(Some(object.to_string()))
}

/// The refusal of a state that nobody here has given for this request.
pub(crate) fn unknown() -> Refusal {
    invalid_params("`requestState` is not one that was given for this request. Make the request again without it.")
}
