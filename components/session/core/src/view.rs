//! What one request may see: which upstreams, what of each, under which names, with which arguments filled in.
//!
//! Three things narrow it, and each of them alone is enough to hide something: the upstream's own settings, what the
//! client's address asks for (`features`, `region`, project), and the scopes of the token. Where only a scope is
//! missing, the client is told which one; whatever else is hidden does not exist for it.

use crate::answer::header;
use crate::errors::{self, Refusal};
pub(crate) use crate::part::{Kind, Part};
use crate::part::{part, shown};
use crate::request::{Context, Ports, Settings};
use crate::upstreams::Upstreams;
use serde_json::json;
use shared_mcp::ErrorObject;
use shared_settings::{Lists, Scopes, Upstream};
use std::collections::BTreeMap;
use std::rc::Rc;

/// JSON-RPC code of a refusal that is not about the message: the one that the router uses, too.
const REFUSED: i64 = -32000;

/// The catalogues of the upstreams as one request sees them.
#[derive(Debug, Clone)]
pub(crate) struct Naming {
    /// Those of which something may be seen, in ascending order.
    pub upstreams: Vec<String>,
    /// Those, and the ones for which only a scope is missing.
    pub(crate) parts: Vec<Part>,
    /// All upstreams of the settings, with what their names begin with: what a name means does not depend on who says it.
    pub(crate) fronts: Vec<(String, String)>,
    /// Hashes of the definitions that are accepted, by upstream and tool.
    pub pins: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether tools are searched for instead of listed.
    pub tool_search: bool,
    /// Keyed hash of the user.
    pub user_hash: String,
    steps: Option<Steps>,
}

/// What is needed to tell a client which scope is missing.
#[derive(Debug, Clone)]
struct Steps {
    scopes: Rc<Scopes>,
    granted: Vec<String>,
    resource_metadata: String,
}

impl Naming {
    /// What this request may see.
    pub fn of(ports: &impl Ports, settings: &Settings, context: &Context) -> Result<Self, Refusal> {
        let upstreams = ports.upstreams().list().map_err(|error| errors::misconfigured(&error.to_string()))?;
        let mut naming = Self::new(upstreams, settings, context)?;
        naming.load_pins(ports)?;
        Ok(naming)
    }

    /// What a request may see of these upstreams.
    pub fn new(upstreams: Vec<String>, settings: &Settings, context: &Context) -> Result<Self, Refusal> {
        let several = upstreams.len() > 1;
        let front = |name: &String| match settings.upstreams.get(name) {
            Some(Ok(upstream)) => upstream.prefix(name, settings.names).to_owned(),
            // Nobody has checked whether their bare names would be the only ones.
            Some(Err(_)) | None if several => name.clone(),
            Some(Err(_)) | None => Upstream::default().prefix(name, settings.names).to_owned(),
        };
        let fronts: Vec<(String, String)> = upstreams.into_iter().map(|name| (name.clone(), front(&name))).collect();
        let parts: Vec<Part> =
            fronts.iter().filter_map(|(name, front)| part(name.clone(), front, settings, context)).collect();
        let steps = settings.scopes.clone().map(|scopes| Steps {
            scopes,
            granted: context.scopes.clone(),
            resource_metadata: settings.resource_metadata.clone(),
        });
        let seen = |part: &&Part| !part.scopes.is_empty();
        let upstreams = parts.iter().filter(seen).map(|part| part.name.clone()).collect();
        let tool_search = settings.tool_search || context.tool_search;
        let user_hash = context.user_hash.clone();
        let naming = Self { upstreams, parts, fronts, pins: BTreeMap::new(), tool_search, user_hash, steps };
        naming.check_choice(settings, context)?;
        Ok(naming)
    }

    /// What the address asks for must be there, or else the client would take what is missing for all there is.
    fn check_choice(&self, settings: &Settings, context: &Context) -> Result<(), Refusal> {
        let settings_of = |part: &Part| settings.upstreams.get(&part.name).and_then(|entry| entry.as_ref().ok());
        let region =
            |region: &String| self.parts.iter().filter_map(settings_of).any(|u| u.region.as_ref() == Some(region));
        let feature = |name: &String| self.parts.iter().filter_map(settings_of).any(|u| u.features.contains_key(name));
        let missing = context.region.iter().find(|name| !region(name)).map(|name| ("region", name));
        let missing = missing.or(context.features.iter().find(|name| !feature(name)).map(|name| ("feature", name)));
        let missing =
            missing.or(context.project.as_ref().filter(|_| self.parts.is_empty()).map(|name| ("project", name)));
        if let Some((what, name)) = missing {
            let message =
                format!("The {what} `{name}` in the address is not there for this user. Use the address without it.");
            return Err(Refusal::new(403, REFUSED, message));
        }
        let chosen = context.region.is_some() || context.project.is_some() || !context.features.is_empty();
        match self.parts.first().filter(|_| chosen && self.upstreams.is_empty()) {
            Some(part) => self.missing_scope(part, |_| true).map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    /// The one upstream, where the settings have exactly one and it may be used.
    pub fn only(&self) -> Option<&str> {
        match self.upstreams.as_slice() {
            [only] if self.is_single() => Some(only),
            _ => None,
        }
    }

    /// Whether the settings have exactly one upstream.
    pub fn is_single(&self) -> bool {
        self.fronts.len() == 1
    }

    /// Whether anything of the upstream is hidden, so that methods that the gateway does not know could reach it.
    pub fn restricts(&self, upstream: &str) -> bool {
        let whole =
            |lists: &Lists| lists.tools.is_empty() && lists.prompts.is_empty() && lists.resources == Default::default();
        self.part(upstream).is_none_or(|part| {
            !(part.layers().all(whole) && part.bound.is_empty() && !part.pinned) || part.scopes.is_empty()
        })
    }

    /// What may be seen of an upstream.
    pub fn part(&self, upstream: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == upstream)
    }

    /// Whether the tool or prompt may be used; `unknown` is the refusal of what is not there.
    pub fn check(
        &self,
        kind: Kind,
        upstream: &str,
        name: &str,
        unknown: impl FnOnce() -> Refusal,
    ) -> Result<(), Refusal> {
        self.access(upstream, |lists| shown(lists, kind).allows(name), unknown)
    }

    /// Whether the resource may be used, or the template of this text; the error is the answer.
    pub fn resource(&self, upstream: &str, uri: &str) -> Result<(), Refusal> {
        self.access(upstream, |lists| lists.resources.allows(uri), || errors::unknown_resource(uri))
    }

    /// Whether the resource may be seen, or the template of this text.
    pub fn shows_resource(&self, upstream: &str, uri: &str) -> bool {
        self.part(upstream).is_some_and(|part| part.shows(|lists| lists.resources.allows(uri)))
    }

    fn access(
        &self,
        upstream: &str,
        allows: impl Fn(&Lists) -> bool,
        unknown: impl FnOnce() -> Refusal,
    ) -> Result<(), Refusal> {
        match self.part(upstream) {
            Some(part) if part.shows(&allows) => Ok(()),
            Some(part) if part.would_show(&allows) => Err(self.missing_scope(part, allows).unwrap_or_else(unknown)),
            _ => Err(unknown().because(format!("{upstream}: hidden by the settings"))),
        }
    }

    /// The refusal that names the scope which gives access (MCP 2025-11-25, "Scope Challenge Handling"). It says nothing
    /// that the settings do not say to everybody who logs in: whether the upstream has such a thing was not asked.
    fn missing_scope(&self, part: &Part, allows: impl Fn(&Lists) -> bool) -> Option<Refusal> {
        let Steps { scopes, granted, resource_metadata } = self.steps.as_ref()?;
        let gives = |name: &&str| scopes.lists(name, &part.name).is_some_and(|lists| lists.is_none_or(&allows));
        let scope = scopes.names().find(gives)?;
        let message =
            format!("The token lacks the scope `{scope}`, which this needs. Ask for it in a new authorization.");
        let error = ErrorObject::new(REFUSED, message).with_data(json!({ "scope": scope, "upstream": part.name }));
        let challenge = scopes.insufficient(granted, &[scope], resource_metadata);
        Some(Refusal { headers: vec![header("www-authenticate", &challenge)], ..Refusal::of(403, error) })
    }
}
