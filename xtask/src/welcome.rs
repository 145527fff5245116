//! What `up` says when the gateway is ready.

use crate::ui::{bold, dim};

/// What there is to say.
pub struct Facts {
    /// The URL for MCP clients.
    pub mcp_url: String,
    /// The dev login's password, or where it comes from; none if the settings name an identity of their own.
    pub password: Option<String>,
    /// The settings file.
    pub config: String,
    /// The state folder.
    pub state: String,
    /// The demo server's URL, if it runs.
    pub demo: Option<String>,
}

/// The whole text, with a line break at the end.
pub fn text(facts: &Facts) -> String {
    let url = &facts.mcp_url;
    let mut lines = vec![String::new(), format!("{}  {}", bold("MCP URL"), bold(url)), String::new()];
    lines.push(bold("Add it to a client"));
    for (client, how) in clients(url) {
        lines.push(format!("  {client:<14} {how}"));
    }
    lines.push(String::new());
    match &facts.password {
        Some(password) => {
            lines.push(format!("{}  user {}, password {}", bold("Log in as"), bold("dev"), bold(password)));
            lines.push(dim("  The client opens a browser for it. This login exists on this machine only (--dev)."));
        }
        None => lines.push(format!("{}  with the identity of the settings", bold("Log in"))),
    }
    lines.push(String::new());
    lines.push(format!("{}  {}", bold("Settings"), facts.config));
    lines.push(format!("{}     {} (tokens, sessions, keys; logs in log/)", bold("State"), facts.state));
    if let Some(demo) = &facts.demo {
        lines.push(format!("{}  {demo}", bold("Upstream")));
    }
    lines.push(format!("{}      Ctrl-C", bold("Stop")));
    lines.push(String::new());
    lines.push(dim("Requests:"));
    lines.push(String::new());
    lines.join("\n")
}

/// Name of a client, and the command or the piece of configuration that adds the gateway to it.
fn clients(url: &str) -> [(&'static str, String); 4] {
    [
        ("Claude Code", format!("claude mcp add --transport http mcp-edge {url}")),
        ("Cursor", format!(r#"~/.cursor/mcp.json: {{ "mcpServers": {{ "mcp-edge": {{ "url": "{url}" }} }} }}"#)),
        ("VS Code", format!(r#"code --add-mcp '{{"name":"mcp-edge","type":"http","url":"{url}"}}'"#)),
        ("MCP Inspector", format!("npx @modelcontextprotocol/inspector --transport http --server-url {url}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(password: Option<&str>) -> Facts {
        Facts {
            mcp_url: "http://127.0.0.1:8787/mcp".to_owned(),
            password: password.map(str::to_owned),
            config: ".mcp-edge/mcp-edge.json".to_owned(),
            state: ".mcp-edge".to_owned(),
            demo: Some("http://127.0.0.1:8788/mcp".to_owned()),
        }
    }

    #[test]
    fn the_url_the_login_and_every_client_are_named() {
        let text = text(&facts(Some("secret")));
        for part in ["http://127.0.0.1:8787/mcp", "dev", "secret", "claude mcp add", "code --add-mcp", "Cursor", "npx"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn without_a_dev_login_no_password_is_shown() {
        assert!(!text(&facts(None)).contains("password"));
    }
}
