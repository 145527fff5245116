//! Servers of each era, and what they say.

use super::{Scripted, body, header, json, name, status};
use shared_ports::Request;

pub const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;
pub const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#;
pub const PROGRESS: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;

/// The response [`RESULT`] with the id that the request has: what servers do.
pub fn answered(request: &Request) -> Scripted {
    json(RESULT.replace("\"id\":7", &format!("\"id\":{}", body(request)["id"])))
}

/// An event with this data.
pub fn data(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// The answer to `server/discover` of a modern server.
pub fn discovered() -> Scripted {
    json(
        r#"{"jsonrpc":"2.0","id":"mcp-edge-discover","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"Be kind.","ttlMs":60000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"modern","version":"2"}}}}"#,
    )
}

/// A modern server that answers calls so.
pub fn modern(mut answer: impl FnMut(&Request) -> Scripted) -> impl FnMut(&Request) -> Scripted {
    move |request| match name(request).as_str() {
        "POST server/discover" => discovered(),
        "POST initialize" => not_legacy(),
        _ if asks_for_parameters(request) => no_tools(),
        _ => answer(request),
    }
}

/// Whether it is the connector's own `tools/list`.
pub fn asks_for_parameters(request: &Request) -> bool {
    serde_json::from_slice(&request.body).is_ok_and(|body: serde_json::Value| body["id"] == "mcp-edge-parameters")
}

/// The answer to it.
pub fn no_tools() -> Scripted {
    json(r#"{"jsonrpc":"2.0","id":"mcp-edge-parameters","result":{"resultType":"complete","tools":[]}}"#)
}

/// The answer to `initialize` of a server that is modern only.
pub fn not_legacy() -> Scripted {
    json(
        r#"{"jsonrpc":"2.0","id":"mcp-edge-initialize","error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}"#,
    )
}

/// A server of both eras: the modern one for messages that say they are, and sessions for all others.
pub fn both(mut answer: impl FnMut(&Request) -> Scripted + Clone) -> impl FnMut(&Request) -> Scripted {
    let mut sessions = legacy(|_| true, answer.clone());
    move |request| {
        if name(request) == "POST server/discover" {
            discovered()
        } else if asks_for_parameters(request) {
            no_tools()
        } else if header(request, "mcp-method").is_some() {
            answer(request)
        } else {
            sessions(request)
        }
    }
}

/// The answer to `initialize` of a legacy server.
pub fn initialized(session: &str) -> Scripted {
    let reply = json(
        r#"{"jsonrpc":"2.0","id":"mcp-edge-initialize","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"legacy","version":"1"}}}"#,
    );
    if session.is_empty() { reply } else { reply.header("mcp-session-id", session) }
}

/// A legacy server that gives its sessions the names `s1`, `s2`, …, knows the sessions that `alive` accepts, and answers
/// calls within them so.
pub fn legacy(
    alive: impl Fn(&str) -> bool,
    mut answer: impl FnMut(&Request) -> Scripted,
) -> impl FnMut(&Request) -> Scripted {
    let mut sessions = 0;
    move |request| match name(request).as_str() {
        "POST server/discover" => status(400).header("content-type", "application/json").bytes(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#,
        ),
        "POST initialize" => {
            sessions += 1;
            initialized(&format!("s{sessions}"))
        }
        _ if !header(request, "mcp-session-id").is_some_and(&alive) => status(404),
        "POST tools/call" | "GET -" => answer(request),
        "DELETE -" => status(200),
        _ => status(202),
    }
}
