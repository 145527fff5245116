//! What one request may see of one upstream.

use crate::request::{Context, Settings};
use shared_settings::{Lists, Override, Place, Shown, Upstream};

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
    pub scopes: Vec<Lists>,
    /// Arguments that the gateway fills in.
    pub bound: Vec<(String, String)>,
    /// Whether its tools are held back until their definitions are accepted.
    pub pinned: bool,
}

impl Part {
    /// What is said about its names, the most particular first.
    pub fn layers(&self) -> impl Iterator<Item = &Lists> {
        self.scopes.iter().chain(&self.features).chain(std::iter::once(&self.own))
    }

    /// Whether it may be seen.
    pub fn shows(&self, allows: impl Fn(&Lists) -> bool) -> bool {
        self.would_show(&allows) && self.scopes.iter().any(allows)
    }

    /// Whether it might be seen with other scopes.
    pub fn would_show(&self, allows: impl Fn(&Lists) -> bool) -> bool {
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

pub(crate) fn shown(lists: &Lists, kind: Kind) -> &Shown {
    match kind {
        Kind::Tool => &lists.tools,
        Kind::Prompt => &lists.prompts,
    }
}

/// What a request may see of one upstream; `None` if nothing, whatever its scopes.
pub(crate) fn part(name: String, front: &str, settings: &Settings, context: &Context) -> Option<Part> {
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
        front: front.to_owned(),
        own: upstream.lists(),
        features,
        scopes,
        bound,
        pinned: upstream.pinned,
        name,
    })
}
