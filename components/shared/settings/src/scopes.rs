//! Scopes as named skills, and what is said to a client that lacks one.

use crate::document::{Names, Problem};
use crate::lists::Lists;
use crate::upstreams::Upstreams;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What one scope allows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeSettings {
    /// What it allows, as the consent page says it to a person: `Read your calendar`.
    pub meaning: String,
    /// Scopes that are part of it: who has this one has those too.
    #[serde(default)]
    pub includes: Vec<String>,
    /// The upstreams that it gives access to, by name, and what of each of them. Left out: all of all.
    #[serde(default)]
    pub mcp_servers: Option<BTreeMap<String, Lists>>,
}

/// The scopes of this gateway, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(BTreeMap<String, ScopeSettings>);

impl Scopes {
    /// Those of the settings; where there are none, one scope for everything.
    pub fn new(settings: &BTreeMap<String, ScopeSettings>) -> Self {
        if !settings.is_empty() {
            return Self(settings.clone());
        }
        let meaning = "Use the tools, prompts and resources of this gateway".into();
        Self(BTreeMap::from([("mcp".into(), ScopeSettings { meaning, includes: Vec::new(), mcp_servers: None })]))
    }

    /// Names, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What a scope gives access to: `Some(None)` is everything of the upstream, `None` nothing.
    pub fn lists(&self, name: &str, upstream: &str) -> Option<Option<&Lists>> {
        match &self.0.get(name)?.mcp_servers {
            None => Some(None),
            Some(servers) => servers.get(upstream).map(Some),
        }
    }

    /// The upstreams that a scope gives access to, with what it includes, as a person reads them: their names, and which
    /// tools, where the settings do not say all. `None`: everything of all upstreams.
    pub fn servers(&self, name: &str) -> Option<Vec<(&str, Option<String>)>> {
        let mut all: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
        for scope in self.closure([name]).into_iter().filter_map(|name| self.0.get(name)) {
            for (server, lists) in scope.mcp_servers.as_ref()? {
                all.entry(server).or_default().push(lists.tools.in_words());
            }
        }
        // What one of them allows is allowed.
        let together = |parts: Vec<Option<String>>| {
            let parts: Option<BTreeSet<String>> = parts.into_iter().collect();
            parts.map(|parts| parts.into_iter().collect::<Vec<_>>().join("; also "))
        };
        Some(all.into_iter().map(|(server, parts)| (server, together(parts))).collect())
    }

    /// What a scope allows, as a person reads it.
    pub fn meaning(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|scope| scope.meaning.as_str())
    }

    /// All that somebody has who was granted these, with what they include.
    pub fn closure<'a>(&'a self, granted: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut all = BTreeSet::new();
        let mut open: Vec<&str> = granted.into_iter().collect();
        // Ends, because each name is followed once.
        while let Some(name) = open.pop() {
            if all.insert(name)
                && let Some(scope) = self.0.get(name)
            {
                open.extend(scope.includes.iter().map(String::as_str));
            }
        }
        all
    }

    /// Whether what was granted is enough for an operation.
    pub fn cover<'a>(&'a self, granted: &'a [String], needed: &[&str]) -> bool {
        let all = self.closure(granted.iter().map(String::as_str));
        needed.iter().all(|name| all.contains(name))
    }

    /// Value of `WWW-Authenticate` of a 403 (RFC 6750 section 3.1; MCP, Scope Challenge Handling): the scope a client
    /// should ask for is the union of what it has and what it lacks, or else it would lose the former by stepping up.
    pub fn insufficient(&self, granted: &[String], needed: &[&str], resource_metadata: &str) -> String {
        let mut union: BTreeSet<&str> = granted.iter().map(String::as_str).collect();
        union.extend(needed);
        let scope = union.into_iter().collect::<Vec<_>>().join(" ");
        format!(
            "Bearer error=\"insufficient_scope\", error_description=\"The token lacks a scope that this needs.\", scope=\"{scope}\", resource_metadata=\"{resource_metadata}\""
        )
    }
}

/// RFC 6749 section 3.3, without what would have to be escaped anywhere.
fn is_token(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~:/".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(legal)
}

/// Most scopes: each is a box on the consent page.
const MAX_SCOPES: usize = 40;

pub(crate) fn check(scopes: &BTreeMap<String, ScopeSettings>, problems: &mut Vec<Problem>) {
    if scopes.len() > MAX_SCOPES {
        problems.push(Problem::new("oauth.scopes", format!("there are more than {MAX_SCOPES}")));
    }
    for (name, scope) in scopes {
        let path = format!("oauth.scopes.{name}");
        if !is_token(name) {
            problems.push(Problem::new(&path, "a scope has 1 to 64 letters, digits or `-._~:/`"));
        }
        if scope.meaning.trim().is_empty() {
            problems.push(Problem::new(format!("{path}.meaning"), "is empty: say to people what they allow"));
        }
        if let Some(unknown) = scope.includes.iter().find(|name| !scopes.contains_key(*name)) {
            problems.push(Problem::new(format!("{path}.includes"), format!("there is no scope `{unknown}`")));
        }
    }
}

/// Everything wrong with what the scopes give access to.
pub(crate) fn check_access(
    scopes: &BTreeMap<String, ScopeSettings>,
    upstreams: &Upstreams,
    names: Names,
    problems: &mut Vec<Problem>,
) {
    for (scope, settings) in scopes {
        for (name, lists) in settings.mcp_servers.iter().flatten() {
            let path = format!("oauth.scopes.{scope}.mcpServers.{name}");
            match upstreams.get(name) {
                Some(upstream) => lists.check(&path, upstream.prefix(name, names), problems),
                None => problems.push(Problem::new(path, format!("there is no `mcpServers.{name}`"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes() -> Scopes {
        let scope = |includes: &[&str]| ScopeSettings {
            meaning: "x".into(),
            includes: includes.iter().map(|name| (*name).into()).collect(),
            mcp_servers: None,
        };
        Scopes::new(&BTreeMap::from([
            ("all".into(), scope(&["write"])),
            ("write".into(), scope(&["read", "all"])),
            ("read".into(), scope(&[])),
            ("other".into(), scope(&[])),
        ]))
    }

    #[test]
    fn a_scope_covers_what_it_includes() {
        for (granted, needed, expected) in [
            (&["all"][..], &["read"][..], true),
            (&["write"], &["all", "read"], true),
            (&["read"], &["write"], false),
            (&["read", "other"], &["read", "other"], true),
            (&[], &[], true),
            (&[], &["read"], false),
            (&["unknown"], &["read"], false),
        ] {
            let granted: Vec<String> = granted.iter().map(|name| (*name).into()).collect();
            assert_eq!(scopes().cover(&granted, needed), expected, "{granted:?} {needed:?}");
        }
    }

    #[test]
    fn people_read_which_servers_are_behind_a_scope() {
        let settings = serde_json::json!({
            "all": { "meaning": "x" },
            "none": { "meaning": "x", "mcpServers": {} },
            "read": { "meaning": "x", "mcpServers": { "a": { "tools": { "allow": ["get_*", "list_*"] } }, "b": {} } },
            "more": { "meaning": "x", "includes": ["read"], "mcpServers": { "a": { "tools": { "deny": ["drop_*"] } } } },
            "rest": { "meaning": "x", "includes": ["all"], "mcpServers": { "a": {} } },
            "text": { "meaning": "x", "mcpServers": { "a": { "tools": { "allow": [] } }, "b": { "prompts": { "allow": [] } } } },
            "both": { "meaning": "x", "mcpServers": { "a": { "tools": { "allow": ["*"], "deny": ["x", "y"] } } } },
        });
        let scopes = Scopes::new(&serde_json::from_value(settings).unwrap());
        for (name, expected) in [
            ("all", None),
            ("rest", None),
            ("none", Some(&[][..])),
            ("read", Some(&[("a", Some("tools get_*, list_*")), ("b", None)])),
            ("more", Some(&[("a", Some("all tools but drop_*; also tools get_*, list_*")), ("b", None)])),
            ("text", Some(&[("a", Some("no tools")), ("b", None)])),
            ("both", Some(&[("a", Some("tools * but not x, y"))])),
        ] {
            let servers = scopes.servers(name);
            let servers = servers.as_ref().map(|all| all.iter().map(|(n, t)| (*n, t.as_deref())).collect::<Vec<_>>());
            assert_eq!(servers.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_challenge_names_the_union() {
        let challenge = scopes().insufficient(&["read".into()], &["other"], "https://a.example/x");
        assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
        assert!(
            challenge.contains("scope=\"other read\"")
                && challenge.ends_with("resource_metadata=\"https://a.example/x\"")
        );
    }
}
