//! `mcpServers`: the servers behind the gateway, in the shape MCP clients use.

use crate::document::Problem;
use crate::public_url::is_loopback;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The upstreams by name.
pub type Upstreams = BTreeMap<String, Upstream>;

/// Longest name of an upstream. It goes in front of tool names, and clients allow 64 characters for both together.
pub const MAX_NAME: usize = 32;

/// Default and largest time to wait for an upstream's answer, in seconds.
const DEFAULT_TIMEOUT: u32 = 30;
const MAX_TIMEOUT: u32 = 3600;

/// One server behind the gateway.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// Address of its MCP endpoint.
    #[serde(default)]
    pub url: String,
    /// How it is spoken to.
    #[serde(default, rename = "type")]
    pub transport: Transport,
    /// Headers for every request to it. A secret goes in by reference: `"Authorization": "Bearer ${TOKEN}"`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Seconds to wait for the first byte of an answer, and between two messages of a stream.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// Known from other clients' settings; the gateway starts no processes, so an entry with it is refused.
    #[serde(default)]
    pub command: Option<serde_json::Value>,
    /// See `command`.
    #[serde(default)]
    pub args: Option<serde_json::Value>,
    /// See `command`.
    #[serde(default)]
    pub env: Option<serde_json::Value>,
}

fn default_timeout() -> u32 {
    DEFAULT_TIMEOUT
}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Streamable HTTP, in whichever revision the server speaks.
    #[default]
    #[serde(alias = "streamable-http", alias = "streamableHttp")]
    Http,
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Transport {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Transport".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Written out because the derived one does not know the spellings of other clients.
        schemars::json_schema!({
            "enum": ["http", "streamable-http", "streamableHttp"],
            "description": "Streamable HTTP, in whichever revision the server speaks. All spellings mean the same."
        })
    }
}

/// Headers whose values are secrets, so that they must be references.
const SECRET_HEADERS: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"];

/// Headers that the connector sets itself.
const RESERVED_HEADERS: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// Everything wrong with the upstreams.
pub(crate) fn check(upstreams: &Upstreams, problems: &mut Vec<Problem>) {
    for (name, upstream) in upstreams {
        problems.extend(upstream.problems(name));
    }
    for name in upstreams.keys() {
        for other in upstreams.keys() {
            if other.len() > name.len() && other.starts_with(&format!("{name}_")) {
                let text = format!("a tool of `{name}` could be mistaken for one of `{other}`: rename one of them");
                problems.push(Problem::new(format!("mcpServers.{other}"), text));
            }
        }
    }
}

impl Upstream {
    /// Everything wrong with this one, as far as it can be seen before references are expanded. The host refuses to
    /// start over it; the connector asks again, because other hosts check no settings.
    pub fn problems(&self, name: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem =
            |field: &str, text: String| problems.push(Problem::new(format!("mcpServers.{name}{field}"), text));
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(legal) {
            problem("", format!("a name has 1 to {MAX_NAME} letters, digits, `_` or `-`"));
        }
        if self.command.is_some() || self.args.is_some() || self.env.is_some() {
            problem(".command", "the gateway starts no processes: put a bridge such as `supergateway` or `mcp-proxy` in front of this server and give its `url`".into());
            return problems;
        }
        if !self.url.contains("${")
            && let Err(why) = check_url(&self.url)
        {
            problem(".url", why);
        }
        if !(1..=MAX_TIMEOUT).contains(&self.timeout) {
            problem(".timeout", format!("must be 1 to {MAX_TIMEOUT} seconds"));
        }
        for (header, value) in &self.headers {
            let lower = header.to_ascii_lowercase();
            if lower.is_empty() || !lower.bytes().all(is_token_byte) {
                problem(&format!(".headers.{header}"), "is not a header name".into());
            } else if RESERVED_HEADERS.contains(&lower.as_str()) || lower.starts_with("mcp-") {
                problem(&format!(".headers.{header}"), "is set by the gateway itself".into());
            } else if SECRET_HEADERS.contains(&lower.as_str()) && !value.contains("${") {
                problem(
                    &format!(".headers.{header}"),
                    "is a secret: put it into the environment and refer to it as `${NAME}`".into(),
                );
            }
        }
        problems
    }
}

/// RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Check the address of an upstream, with all references expanded. The error is the end of a sentence that begins with
/// the name of the field; it repeats the address.
pub fn check_url(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Err("is missing".into());
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("`{url}` is not an http or https address"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') || rest.contains('#') || url.contains(char::is_whitespace) {
        return Err(format!("`{url}` is not an address of a server: no user, no fragment, no spaces"));
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(crate::public_url::host(authority)) => Ok(()),
        "http" => Err("plain http is allowed for loopback addresses only: use https".into()),
        _ => Err(format!("`{url}` is not an http or https address")),
    }
}
