//! Ids of tasks, which find their upstream again, and are good for the user who was given them only: an upstream may know
//! all users by one credential, and so cannot tell whose task it is. The client sees `{upstream}:{mark}:{id}`. The key of
//! the mark is the user's keyed hash, which no client gets to see. In 2025-11-25 tasks are part of the protocol; for
//! 2026-07-28 they are the extension `io.modelcontextprotocol/tasks`. Both have ids in the same places.

use crate::answer::Out;
use crate::calls::Turn;
use crate::errors::{self, Refusal, invalid_params};
use crate::forward::forward;
use crate::mark::{is_mark, mark};
use crate::request::{Ports, RpcRequest};
use crate::view::Naming;
use serde_json::json;
use shared_mcp::{Era, ErrorObject, Object, code};

const ID: &str = "taskId";

/// Tasks in 2026-07-28.
const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// What the mark is on, besides the upstream and the id: marks for other things mean something else.
const MARKED: &str = "task";

/// In `_meta`: the task that a message belongs to (2025-11-25, "Tasks").
const RELATED: &str = "io.modelcontextprotocol/related-task";

/// A request about a task.
pub(crate) async fn serve<P: Ports>(turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    // The tasks of all users, where they share a credential; of several upstreams, it would need pages across them.
    if rpc.method == "tasks/list" {
        return Err(errors::no_method(&rpc.method));
    }
    let client = turn.client()?;
    if client.revision.era() == Era::Modern && !declares(&client.caller.client_capabilities) {
        return Err(undeclared());
    }
    let mut params = rpc.params();
    let id = params.string(ID).ok_or_else(|| invalid_params("`taskId` is missing."))?;
    let (upstream, inner) = inward(&turn.naming, &id).ok_or_else(|| invalid_params("Unknown task."))?;
    let (upstream, inner) = (upstream.to_owned(), inner.to_owned());
    params.set_string(ID, &inner);
    let message = rpc.with_params(&params);
    forward(turn, upstream, message, rpc).await
}

/// Whether a client of the modern era has said of itself that it knows tasks.
fn declares(capabilities: &str) -> bool {
    let capabilities = Object::parse(capabilities).unwrap_or_default();
    capabilities.object("extensions").is_some_and(|extensions| extensions.get(EXTENSION).is_some())
}

/// The refusal of one that has not: upstreams would say the same, but they are not asked about ids that nobody has given.
fn undeclared() -> Refusal {
    let message = "Tasks are for clients that declare the extension `io.modelcontextprotocol/tasks`.";
    let data = json!({ "requiredCapabilities": { "extensions": { EXTENSION: {} } } });
    Refusal::of(400, ErrorObject::new(code::MISSING_CLIENT_CAPABILITY, message).with_data(data))
}

/// The upstream, and its own id, of an id that this user was given.
fn inward<'a>(naming: &'a Naming, id: &'a str) -> Option<(&'a str, &'a str)> {
    let (upstream, rest) = id.split_once(':')?;
    let (mark, inner) = rest.split_once(':')?;
    let good = naming.upstreams.iter().any(|name| name == upstream)
        && is_mark(&naming.user_hash, &[MARKED, upstream, inner], mark);
    good.then_some((upstream, inner))
}

/// The client's id of a task.
fn given(naming: &Naming, upstream: &str, id: &str) -> Option<String> {
    let mark = mark(&naming.user_hash, &[MARKED, upstream, id])?;
    Some(format!("{upstream}:{mark}:{id}"))
}

/// Tasks that a subscription is about (`io.modelcontextprotocol/tasks`): a member of `notifications`, an array of ids.
pub(crate) const IDS: &str = "taskIds";

/// As [`IDS`], those of this upstream among the client's, as it knows them: JSON text; `None` if there are none.
pub(crate) fn wanted(naming: &Naming, upstream: &str, ids: &str) -> Option<String> {
    let ids: Vec<String> = serde_json::from_str(ids).ok()?;
    let own = ids.iter().filter_map(|id| inward(naming, id)).filter(|(name, _)| *name == upstream).map(|(_, id)| id);
    let own: Vec<&str> = own.collect();
    (!own.is_empty()).then(|| serde_json::Value::from(own).to_string())
}

/// The client's ids of the tasks of which an upstream has agreed to tell.
pub(crate) fn agreed(naming: &Naming, upstream: &str, members: &[(String, String)]) -> Vec<String> {
    let ids = members.iter().filter(|(name, _)| name == IDS);
    let ids = ids.filter_map(|(_, ids)| serde_json::from_str::<Vec<String>>(ids).ok()).flatten();
    ids.filter_map(|id| given(naming, upstream, &id)).collect()
}

/// Whether a text may have ids of tasks in it.
pub(crate) fn mentions(text: &str) -> bool {
    text.contains(ID)
}

/// Make the ids in a result, or in the params of a notification, the client's.
pub(crate) fn outward(naming: &Naming, upstream: &str, object: &mut Object<'_>) -> bool {
    let mut changed = tag(naming, upstream, object);
    if let Some(mut task) = object.object("task")
        && tag(naming, upstream, &mut task)
    {
        let task = task.to_string();
        object.set("task", task);
        changed = true;
    }
    related_outward(naming, upstream, object) || changed
}

/// The same for the id of the task that a message belongs to alone.
pub(crate) fn related_outward(naming: &Naming, upstream: &str, object: &mut Object<'_>) -> bool {
    related(object, |id| given(naming, upstream, id))
}

/// Make the id that a client's message (its text) mentions in `_meta` the upstream's; `None` if there is none.
pub(crate) fn response_inward(naming: &Naming, result: &str) -> Option<String> {
    if !result.contains(RELATED) {
        return None;
    }
    let mut object = Object::parse(result).ok()?;
    related(&mut object, |id| Some(inward(naming, id)?.1.to_owned())).then(|| object.to_string())
}

fn tag(naming: &Naming, upstream: &str, object: &mut Object<'_>) -> bool {
    let Some(id) = object.string(ID).and_then(|id| given(naming, upstream, &id)) else {
        return false;
    };
    object.set_string(ID, &id);
    true
}

fn related(object: &mut Object<'_>, change: impl Fn(&str) -> Option<String>) -> bool {
    let Some(mut meta) = object.object("_meta") else {
        return false;
    };
    let Some(mut task) = meta.object(RELATED) else {
        return false;
    };
    let Some(id) = task.string(ID).and_then(|id| change(&id)) else {
        return false;
    };
    task.set_string(ID, &id);
    let task = task.to_string();
    meta.set(RELATED, task);
    let meta = meta.to_string();
    object.set("_meta", meta);
    true
}
