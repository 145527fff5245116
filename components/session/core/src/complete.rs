//! What the results of one era have and those of the other have not.

use crate::describe::GATEWAY_INFO;
use shared_mcp::{ErrorObject, Object, code, meta};

/// Add what every result of the modern era has: its type, who made it, and how long lists and contents may be kept.
/// Never longer than the upstream says, and by nobody but this user: what is seen depends on who asks.
pub(crate) fn complete(result: &mut Object<'_>, method: &str) {
    if result.get("resultType").is_none() {
        result.set_string("resultType", "complete");
    }
    let mut meta = result.object("_meta").unwrap_or_default();
    meta.set(meta::SERVER_INFO, GATEWAY_INFO);
    let meta = meta.to_string();
    result.set("_meta", meta);
    let cacheable = matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    );
    if cacheable && result.string("resultType").as_deref() == Some("complete") {
        let ttl = result.get("ttlMs").and_then(|ttl| ttl.parse::<u64>().ok()).unwrap_or(0);
        result.set("ttlMs", ttl.to_string());
        result.set_string("cacheScope", "private");
    }
}

/// Take out of a result of the modern era what a client of the legacy era does not know; whether it was one.
pub(crate) fn to_legacy(result: &mut Object<'_>) -> Result<bool, ErrorObject> {
    match result.string("resultType").as_deref() {
        None => Ok(false),
        Some("complete") => {
            for member in ["resultType", "ttlMs", "cacheScope"] {
                result.remove(member);
            }
            Ok(true)
        }
        // Input requests and tasks look like empty results to a client that knows none of them.
        Some(_) => Err(ErrorObject::new(
            code::INTERNAL_ERROR,
            "The upstream wants something of the client that the protocol version of this session cannot express.",
        )),
    }
}

/// `requestState` of a request that is only to be sent once more.
pub(crate) const AGAIN: &str = "mcp-edge.again";

/// The error of the legacy era that says which URLs the user has to visit first (2025-11-25, "URL Elicitation Required
/// Error"), as a result of the modern era, which has no such error; `None` if it does not say any.
pub(crate) fn url_elicitations(error: &str) -> Option<String> {
    let error = Object::parse(error).ok()?;
    let data = error.object("data")?;
    let mut requests = Object::new();
    for (index, params) in crate::content::elements(data.get("elicitations")?)?.into_iter().enumerate() {
        let mut request = Object::new();
        request.set_string("method", "elicitation/create");
        request.set("params", params);
        requests.set(format!("url-{index}"), request.to_string());
    }
    if requests.is_empty() {
        return None;
    }
    let mut result = Object::new();
    result.set_string("resultType", "input_required");
    result.set("inputRequests", requests.to_string());
    result.set_string("requestState", AGAIN);
    complete(&mut result, "");
    Some(result.to_string())
}
