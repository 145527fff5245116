//! Messages of clients.

pub fn initialize(revision: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{"roots":{{}},"x":1.50}},"clientInfo":{{"name":"test","version":"1"}}}}}}"#
    )
}

pub fn rpc(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#)
}

pub fn modern(method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    rpc(
        "1",
        method,
        &format!(
            r#"{params}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{"roots":{{}}}},"io.modelcontextprotocol/clientInfo":{{"name":"test","version":"1"}}}}"#
        ),
    )
}
