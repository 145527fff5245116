//! Ids of tasks, which find their upstream again: with several upstreams, the client sees `{upstream}:{id}`. In 2025-11-25
//! tasks are part of the protocol; for 2026-07-28 they are the extension `io.modelcontextprotocol/tasks`. Both have ids in
//! the same places.

use crate::answer::Out;
use crate::calls::Turn;
use crate::content::elements;
use crate::errors::{self, Refusal, invalid_params};
use crate::forward::forward;
use crate::request::{Ports, RpcRequest};
use crate::view::Naming;
use shared_mcp::Object;

const ID: &str = "taskId";

/// In `_meta`: the task that a message belongs to (2025-11-25, "Tasks").
const RELATED: &str = "io.modelcontextprotocol/related-task";

/// A request about a task.
pub(crate) async fn serve<P: Ports>(turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    if let Some(only) = turn.naming.only().map(str::to_owned) {
        return forward(turn, only, rpc.object.to_string(), rpc).await;
    }
    // A list of the tasks of all upstreams would need pages across them; none declares it through the gateway.
    if rpc.method == "tasks/list" {
        return Err(errors::no_method(&rpc.method));
    }
    let mut params = rpc.params();
    let id = params.string(ID).ok_or_else(|| invalid_params("`taskId` is missing."))?;
    let (upstream, inner) = inward(&turn.naming, &id).ok_or_else(|| invalid_params("Unknown task."))?;
    let (upstream, inner) = (upstream.to_owned(), inner.to_owned());
    params.set_string(ID, &inner);
    let message = rpc.with_params(&params);
    forward(turn, upstream, message, rpc).await
}

fn inward<'a>(naming: &'a Naming, id: &'a str) -> Option<(&'a str, &'a str)> {
    let (upstream, inner) = id.split_once(':')?;
    naming.upstreams.iter().any(|name| name == upstream).then_some((upstream, inner))
}

/// Whether a text may have ids of tasks in it.
pub(crate) fn mentions(text: &str) -> bool {
    text.contains(ID)
}

/// Make the ids in a result, or in the params of a message, the client's.
pub(crate) fn outward(naming: &Naming, upstream: &str, object: &mut Object<'_>) -> bool {
    if !naming.wraps_uris() {
        return false;
    }
    let mut changed = tag(upstream, object);
    if let Some(mut task) = object.object("task")
        && tag(upstream, &mut task)
    {
        let task = task.to_string();
        object.set("task", task);
        changed = true;
    }
    if let Some(tasks) = object.get("tasks").and_then(elements) {
        let tagged = tasks.into_iter().map(|text| {
            let mut task = Object::parse(text).unwrap_or_default();
            if tag(upstream, &mut task) { task.to_string() } else { text.to_owned() }
        });
        let tasks = format!("[{}]", tagged.collect::<Vec<_>>().join(","));
        object.set("tasks", tasks);
        changed = true;
    }
    related(object, |id| Some(format!("{upstream}:{id}"))) || changed
}

/// Make the id that a client's message (its text) mentions in `_meta` the upstream's; `None` if there is none.
pub(crate) fn response_inward(naming: &Naming, result: &str) -> Option<String> {
    if !naming.wraps_uris() || !result.contains(RELATED) {
        return None;
    }
    let mut object = Object::parse(result).ok()?;
    related(&mut object, |id| Some(inward(naming, id)?.1.to_owned())).then(|| object.to_string())
}

fn tag(upstream: &str, object: &mut Object<'_>) -> bool {
    match object.string(ID) {
        Some(id) => {
            object.set_string(ID, &format!("{upstream}:{id}"));
            true
        }
        None => false,
    }
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
