//! What one request may see: which upstreams, what of each, under which names, with which arguments filled in.
//!
//! Three things narrow it, and each of them alone is enough to hide something: the upstream's own settings, what the
//! client's address asks for (`features`, `region`, project), and the scopes of the token. Where only a scope is
//! missing, the client is told which one; whatever else is hidden does not exist for it.

use crate::answer::header;
use crate::errors::{self, Refusal};
use crate::request::{Context, Ports, Settings};
use crate::upstreams::Upstreams;
use serde_json::json;
use shared_mcp::ErrorObject;
use shared_settings::{Lists, Override, Place, Scopes, Shown, Upstream};
use std::collections::BTreeMap;
use std::rc::Rc;

/// JSON-RPC code of a refusal that is not about the message: the one that the router uses, too.
const REFUSED: i64 = -32000;

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tool,
    Prompt,
}

impl Kind {
    /// The method that lists them.
    pub fn list(self) -> &'static str {
        match self {
            Self::Tool => "tools/list",
            Self::Prompt => "prompts/list",
        }
    }
}

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
    steps: Option<Steps>,
}

/// What may be seen of one upstream.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub name: String,
    /// What its names begin with; empty where they are its own.
    pub front: String,
    own: Lists,
    /// One for each feature that was asked for; all of it where none was.
    features: Vec<Lists>,
    /// One for each granted scope that gives access to it; all of it where the settings have no scopes.
    scopes: Vec<Lists>,
    /// Arguments that the gateway fills in.
    pub bound: Vec<(String, String)>,
    /// Whether its tools are held back until their definitions are accepted.
    pub pinned: bool,
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
        let front = |name: &String| match settings.upstreams.get(name) {
            Some(Ok(upstream)) => upstream.prefix(name, settings.names).to_owned(),
            Some(Err(_)) | None => Upstream::default().prefix(name, settings.names).to_owned(),
        };
        let fronts = upstreams.iter().map(|name| (name.clone(), front(name))).collect();
        let parts: Vec<Part> = upstreams.into_iter().filter_map(|name| part(name, settings, context)).collect();
        let steps = settings.scopes.clone().map(|scopes| Steps {
            scopes,
            granted: context.scopes.clone(),
            resource_metadata: settings.resource_metadata.clone(),
        });
        let seen = |part: &&Part| !part.scopes.is_empty();
        let upstreams = parts.iter().filter(seen).map(|part| part.name.clone()).collect();
        let tool_search = settings.tool_search || context.tool_search;
        let naming = Self { upstreams, parts, fronts, pins: BTreeMap::new(), tool_search, steps };
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
            _ => Err(unknown()),
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

impl Part {
    /// What is said about its names, the most particular first.
    fn layers(&self) -> impl Iterator<Item = &Lists> {
        self.scopes.iter().chain(&self.features).chain(std::iter::once(&self.own))
    }

    /// Whether it may be seen.
    pub fn shows(&self, allows: impl Fn(&Lists) -> bool) -> bool {
        self.would_show(&allows) && self.scopes.iter().any(allows)
    }

    /// Whether it might be seen with other scopes.
    fn would_show(&self, allows: impl Fn(&Lists) -> bool) -> bool {
        allows(&self.own) && self.features.iter().any(allows)
    }

    /// Whether the tool or prompt may be seen.
    pub fn shows_name(&self, kind: Kind, name: &str) -> bool {
        self.shows(|lists| shown(lists, kind).allows(name))
    }

    /// Something that the settings say instead of the upstream.
    pub fn change<'a>(
        &'a self,
        kind: Kind,
        name: &str,
        field: impl Fn(&'a Override) -> Option<&'a String>,
    ) -> Option<&'a str> {
        self.layers().find_map(|lists| field(shown(lists, kind).overrides.get(name)?)).map(String::as_str)
    }

    /// The name that is shown, without what it begins with.
    pub fn renamed<'a>(&'a self, kind: Kind, name: &'a str) -> &'a str {
        self.change(kind, name, |change| change.name.as_ref()).unwrap_or(name)
    }

    /// The upstream's own name for one that is shown. A new name takes the place of one that the upstream has itself.
    pub fn original<'a>(&'a self, kind: Kind, renamed: &'a str) -> Option<&'a str> {
        let mut changed = self.layers().flat_map(|lists| shown(lists, kind).overrides.keys());
        match changed.find(|name| self.renamed(kind, name) == renamed) {
            Some(name) => Some(name),
            None if self.renamed(kind, renamed) == renamed => Some(renamed),
            None => None,
        }
    }
}

fn shown(lists: &Lists, kind: Kind) -> &Shown {
    match kind {
        Kind::Tool => &lists.tools,
        Kind::Prompt => &lists.prompts,
    }
}

/// What a request may see of one upstream; `None` if nothing, whatever its scopes.
fn part(name: String, settings: &Settings, context: &Context) -> Option<Part> {
    // Upstreams that the settings do not name come from components in between, which have rules of their own.
    let unnamed = Upstream::default();
    let upstream = match settings.upstreams.get(&name) {
        Some(Ok(upstream)) => upstream,
        Some(Err(_)) => return None,
        None => &unnamed,
    };
    let place = Place {
        tenant: context.tenant.as_deref(),
        project: context.project.as_deref(),
        region: context.region.as_deref(),
    };
    let tenant = |tenants: &Vec<String>| place.tenant.is_some_and(|tenant| tenants.iter().any(|name| name == tenant));
    let here = upstream.tenants.as_ref().is_none_or(tenant)
        && (place.tenant.is_some() || !upstream.bind.values().any(|value| value.needs_tenant()))
        && upstream.region.as_deref().is_none_or(|own| place.region.is_none_or(|region| region == own))
        && upstream
            .projects
            .as_ref()
            .is_none_or(|own| place.project.is_none_or(|project| own.iter().any(|pattern| pattern.matches(project))));
    let features: Vec<Lists> = match context.features.as_slice() {
        [] => vec![Lists::default()],
        chosen => chosen.iter().filter_map(|feature| upstream.features.get(feature)).cloned().collect(),
    };
    if !here || features.is_empty() {
        return None;
    }
    let scopes = match &settings.scopes {
        None => vec![Lists::default()],
        Some(scopes) => {
            let granted = scopes.closure(context.scopes.iter().map(String::as_str));
            granted
                .iter()
                .filter_map(|scope| scopes.lists(scope, &name))
                .map(|lists| lists.cloned().unwrap_or_default())
                .collect()
        }
    };
    let bound =
        upstream.bind.iter().filter_map(|(argument, value)| Some((argument.clone(), value.at(&place)?))).collect();
    Some(Part {
        front: upstream.prefix(&name, settings.names).to_owned(),
        own: upstream.lists(),
        features,
        scopes,
        bound,
        pinned: upstream.pinned,
        name,
    })
}
