//! The gateway's log lines, for people.

use serde_json::Value;

use crate::ui::{dim, green, red, yellow};

/// The address in the host's line `listening on http://127.0.0.1:8787`.
pub fn listening_address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    let address = rest.split_whitespace().next()?;
    let address = address.strip_prefix("http://").unwrap_or(address);
    Some(address.trim_end_matches(['/', ',', '.']).to_owned())
}

/// The URL in the host's line `MCP endpoint https://mcp.example.com/mcp, state in …`.
pub fn mcp_url(line: &str) -> Option<String> {
    let rest = line.strip_prefix("MCP endpoint ")?;
    Some(rest.split([',', ' ']).next()?.to_owned())
}

/// One request in one short line: status, HTTP method and route, what was asked of MCP, duration, and why it failed.
/// Lines that are not about a request are left to the log file.
pub fn readable(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| event.get(name).and_then(shown);
    let status = text("status")?;
    let painted = match status.bytes().next() {
        Some(b'2' | b'3') => green(&status),
        Some(b'5') => red(&status),
        _ => yellow(&status),
    };
    let mut words = vec![painted, text("http_method")?, text("route")?];
    words.extend(text("rpc_method"));
    words.extend(text("rpc_name"));
    if let Some(millis) = event.get("total_ms").and_then(Value::as_f64) {
        words.push(dim(&format!("{millis:.0} ms")));
    }
    words.extend(text("reason").map(|reason| yellow(&reason)));
    words.extend(text("outcome").filter(|outcome| outcome != "done").map(|outcome| yellow(&outcome)));
    Some(words.join(" "))
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        // What a client sent must not move the cursor or paint the terminal.
        Value::String(text) => Some(text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_hosts_line() {
        let check = |line, expected: Option<&str>| assert_eq!(listening_address(line).as_deref(), expected);
        check("listening on http://127.0.0.1:8787", Some("127.0.0.1:8787"));
        check("INFO mcp_edge: listening on http://[::1]:8787/ (dev)", Some("[::1]:8787"));
        check("listening on 127.0.0.1:1", Some("127.0.0.1:1"));
        check("compiled in 3 s", None);
    }

    #[test]
    fn the_public_url_is_found_in_the_hosts_line() {
        let check = |line, expected: Option<&str>| assert_eq!(mcp_url(line).as_deref(), expected);
        check("MCP endpoint https://a.test/mcp, state in .mcp-edge, upstreams: demo", Some("https://a.test/mcp"));
        check("listening on http://127.0.0.1:8787", None);
    }

    #[test]
    fn a_request_becomes_one_short_line() {
        let check = |line: &str, expected: Option<&str>| assert_eq!(readable(line).as_deref(), expected);
        check(
            r#"{"time":1,"route":"mcp","http_method":"POST","status":200,"rpc_method":"tools/call","rpc_name":"demo_add","total_ms":12.4,"outcome":"done"}"#,
            Some("200 POST mcp tools/call demo_add 12 ms"),
        );
        check(
            r#"{"route":"mcp","http_method":"GET","status":401,"reason":"no token","total_ms":0.2,"outcome":"aborted"}"#,
            Some("401 GET mcp 0 ms no token aborted"),
        );
        check(r#"{"level":"info","message":"started"}"#, None);
        check("not json", None);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let line = r#"{"status":404,"http_method":"GET","route":"none","rpc_name":"\u001b[2J"}"#;
        assert_eq!(readable(line).unwrap(), "404 GET none \u{fffd}[2J");
    }
}
