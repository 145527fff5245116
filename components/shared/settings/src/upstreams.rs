//! `mcpServers`: the servers behind the gateway, in the shape MCP clients use.

use crate::bind::Value;
use crate::document::{Names, Problem};
use crate::lists::{Lists, Pattern, Reachable, Shown, is_name_byte};
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
#[derive(Debug, Clone, Default, Deserialize)]
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
    /// What its names begin with, before a `_`; empty: they are its own. Left out: its name, or as `names` says.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Which of its tools are shown, and as what.
    #[serde(default)]
    pub tools: Shown,
    /// Which of its prompts are shown, and as what.
    #[serde(default)]
    pub prompts: Shown,
    /// Which of its resources and resource templates are there.
    #[serde(default)]
    pub resources: Reachable,
    /// Its features: which part of it is there for clients whose address asks for them, as in `/mcp?features=a,b`. Such
    /// clients see nothing but the features they ask for.
    #[serde(default)]
    pub features: BTreeMap<String, Lists>,
    /// The region it is in: clients whose address says `/mcp?region=…` see no upstreams of other regions.
    #[serde(default)]
    pub region: Option<String>,
    /// The tenants whose users may use it. Left out: everybody.
    #[serde(default)]
    pub tenants: Option<Vec<String>>,
    /// Patterns of the projects for which it is there, where the client's address names one: `/mcp/{tenant}/{project}`.
    /// Left out: all.
    #[serde(default)]
    pub projects: Option<Vec<Pattern>>,
    /// Arguments of its tools and prompts that the gateway fills in and clients do not see, by their names. In the values
    /// `{tenant}` is the user's tenant; `{project}` and `{region}` are what the client's address says, and where it says
    /// nothing the argument stays the client's.
    #[serde(default)]
    pub bind: BTreeMap<String, Value>,
    /// Whether tools whose definition differs from the one that an admin has accepted are held back.
    #[serde(default)]
    pub pinned: bool,
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
pub(crate) fn check(upstreams: &Upstreams, names: Names, problems: &mut Vec<Problem>) {
    for (name, upstream) in upstreams {
        problems.extend(upstream.problems(name));
        for (path, lists) in upstream.all_lists(name) {
            lists.check(&path, upstream.prefix(name, names), problems);
        }
    }
    ambiguous(upstreams, names, problems);
}

/// Names that could belong to two upstreams.
pub fn ambiguous(upstreams: &Upstreams, names: Names, problems: &mut Vec<Problem>) {
    let prefixes: Vec<_> = upstreams.iter().map(|(name, upstream)| (name, upstream.prefix(name, names))).collect();
    let bare: Vec<_> = prefixes.iter().filter(|(_, prefix)| prefix.is_empty()).map(|(name, _)| name.as_str()).collect();
    if let [first, _, ..] = bare.as_slice() {
        let path = if names == Names::Bare { "names".to_owned() } else { format!("mcpServers.{first}.prefix") };
        let text = format!(
            "the names of {} would all be bare, which is for a single upstream, as with several they could collide: give each but one a `prefix`",
            bare.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        );
        problems.push(Problem::new(path, text));
    }
    // A bare upstream takes its own name in front of names that begin like those of another.
    let fronts: Vec<_> =
        prefixes.iter().map(|(name, front)| (name, if front.is_empty() { name.as_str() } else { front })).collect();
    for (at, (name, front)) in fronts.iter().enumerate() {
        for (other, longer) in fronts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, front)| front) {
            let same = longer == front && other > name;
            if same || longer.strip_prefix(front).is_some_and(|rest| rest.starts_with('_')) {
                let text = format!(
                    "a tool of `{name}` could be mistaken for one of `{other}`: rename one of them, or give it another `prefix`"
                );
                problems.push(Problem::new(format!("mcpServers.{other}"), text));
            }
        }
    }
}

impl Upstream {
    /// What its names begin with; empty where they are its own.
    pub fn prefix<'a>(&'a self, name: &'a str, names: Names) -> &'a str {
        match (&self.prefix, names) {
            (Some(prefix), _) => prefix,
            (None, Names::Prefix) => name,
            (None, Names::Bare) => "",
        }
    }

    /// What of it is shown at all.
    pub fn lists(&self) -> Lists {
        Lists { tools: self.tools.clone(), prompts: self.prompts.clone(), resources: self.resources.clone() }
    }

    fn all_lists(&self, name: &str) -> Vec<(String, Lists)> {
        let own = (format!("mcpServers.{name}"), self.lists());
        let features = self.features.iter();
        let features =
            features.map(|(feature, lists)| (format!("mcpServers.{name}.features.{feature}"), lists.clone()));
        std::iter::once(own).chain(features).collect()
    }

    /// Everything wrong with this one, as far as it can be seen before references are expanded. The host refuses to
    /// start over it; the connector asks again, because other hosts check no settings.
    pub fn problems(&self, name: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem =
            |field: &str, text: String| problems.push(Problem::new(format!("mcpServers.{name}{field}"), text));
        let legal = |name: &str| name.len() <= MAX_NAME && name.bytes().all(is_name_byte);
        if name.is_empty() || !legal(name) {
            problem("", format!("a name has 1 to {MAX_NAME} letters, digits, `_` or `-`"));
        }
        if self.prefix.as_ref().is_some_and(|prefix| !legal(prefix)) {
            problem(".prefix", format!("a prefix has up to {MAX_NAME} letters, digits, `_` or `-`"));
        }
        let words = self.features.keys().map(|word| ("features", word));
        let words = words.chain(self.region.iter().map(|word| ("region", word)));
        for (field, word) in words.chain(self.tenants.iter().flatten().map(|word| ("tenants", word))) {
            if !is_word(word) {
                let text = format!(
                    "`{word}` could not be part of an address: use 1 to {MAX_WORD} letters, digits, `-`, `_`, `.` or `~`, and no `.` at the start"
                );
                problem(&format!(".{field}"), text);
            }
        }
        if self.tenants.iter().flatten().any(|tenant| tenant == RESERVED_TENANT) {
            problem(".tenants", reserved_tenant());
        }
        for (argument, value) in &self.bind {
            if let Some(unknown) = value.unknown() {
                let text = format!("there is no `{unknown}`: use {{tenant}}, {{project}}, {{region}} or plain text");
                problem(&format!(".bind.{argument}"), text);
            }
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

/// The tenant that there cannot be: what is below `/mcp/oauth` belongs to the authorization server, so its address would
/// never lead to MCP.
pub(crate) const RESERVED_TENANT: &str = "oauth";

/// What is wrong with it.
pub(crate) fn reserved_tenant() -> String {
    format!("no tenant can be called `{RESERVED_TENANT}`: `/mcp/oauth` is the authorization server's. Use another name")
}

/// Longest tenant, project, region or feature in an address.
pub const MAX_WORD: usize = 64;

/// Whether a text can be a segment of a path, or one of the words of a query, as it is (RFC 3986 section 2.3).
pub fn is_word(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    (1..=MAX_WORD).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(legal)
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
