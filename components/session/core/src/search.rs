//! Two tools instead of all: one that finds tools by what they do, and one that calls what was found. A model then has a
//! few hundred bytes in its context where it would have the definitions of all tools.
//!
//! What is found is what the client may see, and a call goes the way of every other call: the same policy, the same
//! streaming. A client may also call a tool by its own name, as if it had listed it.

use crate::answer::Out;
use crate::calls::{self, Turn};
use crate::catalogue;
use crate::complete::complete;
use crate::errors::{self, Refusal, invalid_params};
use crate::rank::{Document, rank};
use crate::request::{Ports, RpcRequest};
use crate::upstreams::UpstreamError;
use crate::view::Kind;
use futures::future::join_all;
use serde_json::{Value, json};
use shared_mcp::{Era, Object, result_response};

/// Names of the two. They take the place of tools with the same names.
const SEARCH: &str = "search_tools";
const CALL: &str = "call_tool";

/// How many tools are shown if the client does not say, and at most: their schemas go into a model's context.
const DEFAULT_LIMIT: usize = 5;
const MAX_LIMIT: usize = 20;

/// Most bytes of one field of a definition that are searched.
const MAX_FIELD: usize = 4 * 1024;

/// How long a client may keep the list of the two: it changes with the settings only. Milliseconds.
const TTL: u32 = 300_000;

/// The list of the two.
pub(crate) fn list<P: Ports>(turn: Turn<'_, P>, rpc: &RpcRequest<'_>) -> Result<Out, Refusal> {
    if rpc.params().get("cursor").is_some_and(|cursor| cursor != "null") {
        return Err(invalid_params("`cursor` is not valid for this list. Start again without it."));
    }
    let mut result = Object::new();
    result.set("tools", definitions().to_string());
    if turn.client()?.revision.era() == Era::Modern {
        result.set("ttlMs", TTL.to_string());
        complete(&mut result, &rpc.method);
    }
    Ok(Out::json(200, result_response(&rpc.id, &result.to_string())))
}

fn definitions() -> Value {
    json!([
        {
            "name": SEARCH,
            "title": "Search tools",
            "description": "Find tools by what they do. Answers with the definitions of those that fit best, the best first. Call one of them with `call_tool`.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "query": { "type": "string", "description": "What the tool should do, in a few words" },
                    "limit": { "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT, "description": "How many tools to show" },
                },
                "required": ["query"],
            },
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
        },
        {
            "name": CALL,
            "title": "Call a tool",
            "description": "Call a tool that `search_tools` has found. The answer is the tool's own.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "name": { "type": "string", "description": "Name of the tool, as found" },
                    "arguments": { "type": "object", "description": "Arguments as the tool's `inputSchema` wants them" },
                },
                "required": ["name"],
            },
        },
    ])
}

/// A call of a tool.
pub(crate) async fn call<P: Ports>(turn: Turn<'_, P>, rpc: RpcRequest<'_>) -> Result<Out, Refusal> {
    match rpc.params().string("name").as_deref() {
        Some(SEARCH) => search(turn, &rpc).await,
        Some(CALL) => {
            let mut params = rpc.params();
            let given = params.object("arguments").unwrap_or_default();
            let Some(name) = given.string("name") else {
                return failed(
                    &turn,
                    &rpc,
                    "`name` is missing: give the name of a tool that `search_tools` has found.",
                );
            };
            let arguments = given.get("arguments").unwrap_or("{}").to_owned();
            params.set_string("name", &name);
            params.set("arguments", arguments);
            let message = rpc.with_params(&params);
            let object =
                Object::parse(&message).map_err(|_| errors::misconfigured("a message that was not written well"))?;
            turn.facts.name = Some(crate::answer::column(&name));
            let (id, method) = (rpc.id.clone(), rpc.method.clone());
            calls::named(turn, RpcRequest { id, method, object, stands_for_another: true }, Kind::Tool).await
        }
        _ => calls::named(turn, rpc, Kind::Tool).await,
    }
}

/// The tools that fit a question best.
async fn search<P: Ports>(turn: Turn<'_, P>, rpc: &RpcRequest<'_>) -> Result<Out, Refusal> {
    let given = rpc.params().object("arguments").map(|arguments| arguments.to_string());
    let given: Value = given.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let Some(query) = given.get("query").and_then(Value::as_str) else {
        return failed(&turn, rpc, "`query` is missing: say in a few words what the tool should do.");
    };
    let limit = given.get("limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let (tools, failures) = gather_all(&turn).await?;
    if !failures.is_empty() {
        if tools.is_empty() {
            return Err(errors::all_down(&failures));
        }
        turn.facts.reason = Some(errors::reasons(&failures));
    }
    let documents: Vec<Document> = tools.iter().map(|tool| document(tool)).collect();
    let found: Vec<&str> =
        rank(query, &documents).into_iter().filter_map(|at| tools.get(at)).take(limit).map(String::as_str).collect();
    let structured = format!(r#"{{"tools":[{}]}}"#, found.join(","));
    let text = match (found.is_empty(), failures.is_empty()) {
        (false, _) => structured.clone(),
        (true, true) => "No tool fits. Try other words.".to_owned(),
        (true, false) => {
            format!("No tool fits, but these upstreams could not be asked now: {}.", names(&failures).join(", "))
        }
    };
    let mut result = Object::new();
    result.set("content", json!([{ "type": "text", "text": text }]).to_string());
    result.set("structuredContent", structured);
    if !failures.is_empty() {
        result.set("_meta", json!({ catalogue::UNAVAILABLE: names(&failures) }).to_string());
    }
    respond(&turn, rpc, result)
}

fn names(failures: &[(String, UpstreamError)]) -> Vec<&str> {
    failures.iter().map(|(name, _)| name.as_str()).collect()
}

/// Upstreams that could not be asked, and why.
type Failures = Vec<(String, UpstreamError)>;

/// Every tool that the client may see, as it sees it.
async fn gather_all<P: Ports>(turn: &Turn<'_, P>) -> Result<(Vec<String>, Failures), Refusal> {
    let client = turn.client()?;
    let list = Kind::Tool.list();
    let asked = turn.naming.upstreams.iter().map(|upstream| catalogue::all(turn.ports, client, upstream, list));
    let answers = join_all(asked).await;
    let (mut tools, mut failures) = (Vec::new(), Vec::new());
    for (upstream, answer) in turn.naming.upstreams.iter().zip(answers) {
        match answer {
            Ok(found) => {
                let seen = found.iter().filter_map(|(_, text)| turn.naming.definition(list, upstream, text));
                tools.extend(seen);
            }
            Err(error) => failures.push((upstream.clone(), error)),
        }
    }
    Ok((tools, failures))
}

/// What of a definition is searched, and how much it counts.
fn document(tool: &str) -> Document {
    let cut = |text: &str| text.get(..text.floor_char_boundary(MAX_FIELD)).unwrap_or_default().to_owned();
    let mut document = Document::default();
    let Ok(tool) = serde_json::from_str::<Value>(tool) else { return document };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(cut).unwrap_or_default();
    document.add(&text(tool.get("name")), 4.0);
    document.add(&text(tool.get("title")), 3.0);
    document.add(&text(tool.get("description")), 1.0);
    let properties = tool.get("inputSchema").and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        document.add(&cut(name), 0.5);
        document.add(&text(schema.get("description")), 0.5);
    }
    document
}

/// A mistake that a model can put right (2025-11-25, tools, "Error Handling").
fn failed<P: Ports>(turn: &Turn<'_, P>, rpc: &RpcRequest<'_>, text: &str) -> Result<Out, Refusal> {
    let mut result = Object::new();
    result.set("content", json!([{ "type": "text", "text": text }]).to_string());
    result.set("isError", "true");
    respond(turn, rpc, result)
}

fn respond<P: Ports>(turn: &Turn<'_, P>, rpc: &RpcRequest<'_>, mut result: Object<'_>) -> Result<Out, Refusal> {
    if turn.client()?.revision.era() == Era::Modern {
        complete(&mut result, &rpc.method);
    }
    Ok(Out::json(200, result_response(&rpc.id, &result.to_string())))
}
