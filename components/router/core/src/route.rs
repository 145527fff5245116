//! The routes, as data.

use shared_settings::is_word;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Alive or not; answered by the router.
    Health,
    /// What this is, for people who open the address in a browser; answered by the router.
    Front,
    /// Metadata that anybody may read, from any web page: to `oauth`.
    Metadata,
    /// Pages and forms of the authorization server, for browsers: to `oauth`.
    Pages,
    /// Endpoints of the authorization server that programs call: to `oauth`.
    Endpoints,
    /// The registrations of single clients, which these manage themselves (RFC 7592): to `oauth`.
    Clients,
    /// The MCP endpoint, and the same for one tenant or project: to `session`, with a bearer token only.
    Mcp,
    /// What admins do: to `session`, with a bearer token only.
    Admin,
}

/// How a row matches.
enum Match {
    /// This path, with or without a slash at the end.
    Exact(&'static str),
    /// This path and all below it, on the borders of segments: `/mcp` is not `/mcpx`.
    Below(&'static str),
    /// This path, and one or two words below it: `/mcp/{tenant}/{project}`.
    Words(&'static str),
}

/// First match counts, so the longer ones come first.
const ROUTES: &[(Match, Route)] = &[
    (Match::Exact("/"), Route::Front),
    (Match::Exact("/health"), Route::Health),
    (Match::Below("/.well-known"), Route::Metadata),
    // Clients that append the well-known path to the resource instead of inserting it.
    (Match::Below("/mcp/.well-known"), Route::Metadata),
    (Match::Words("/mcp"), Route::Mcp),
    (Match::Below("/admin/pins"), Route::Admin),
    (Match::Exact("/oauth/token"), Route::Endpoints),
    (Match::Exact("/oauth/register"), Route::Endpoints),
    (Match::Below("/oauth/register"), Route::Clients),
    (Match::Exact("/oauth/revoke"), Route::Endpoints),
    (Match::Exact("/oauth/introspect"), Route::Endpoints),
    (Match::Below("/oauth"), Route::Pages),
    // Where clients of revision 2025-03-26 look without any metadata.
    (Match::Exact("/authorize"), Route::Pages),
    (Match::Exact("/token"), Route::Endpoints),
    (Match::Exact("/register"), Route::Endpoints),
];

impl Route {
    /// The route of a path that is below no alias of the settings.
    pub fn find(path: &str) -> Option<Self> {
        ROUTES.iter().find(|(pattern, _)| pattern.matches(path)).map(|(_, route)| *route)
    }

    /// Its name in the log line and in the keys of limits.
    pub fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Front => "front",
            Self::Metadata => "metadata",
            Self::Pages => "oauth_pages",
            Self::Endpoints => "oauth",
            Self::Clients => "oauth_clients",
            Self::Mcp => "mcp",
            Self::Admin => "admin",
        }
    }

    /// The methods it takes; OPTIONS is added where a web page may call it.
    pub fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Health | Self::Front | Self::Metadata => &["GET", "HEAD"],
            // Which of them a single path takes is known behind the door.
            Self::Pages => &["GET", "HEAD", "POST"],
            Self::Endpoints => &["POST"],
            Self::Clients => &["GET", "HEAD", "PUT", "DELETE"],
            Self::Mcp => &["GET", "POST", "DELETE"],
            Self::Admin => &["GET", "PUT"],
        }
    }
}

impl Match {
    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == *exact || path.strip_suffix('/') == Some(exact),
            Self::Words(above) => words(path, above).is_some(),
            Self::Below(above) => path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

/// The words of a path below this one, at most two.
pub(crate) fn words<'a>(path: &'a str, above: &str) -> Option<Vec<&'a str>> {
    let rest = path.strip_prefix(above)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let words: Vec<&str> = rest.strip_prefix('/')?.split('/').collect();
    (words.len() <= 2 && words.iter().all(|word| is_word(word))).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_on_the_borders_of_segments() {
        for (path, expected) in [
            ("/", Some(Route::Front)),
            ("/health", Some(Route::Health)),
            ("/mcp", Some(Route::Mcp)),
            ("/mcp/", Some(Route::Mcp)),
            ("/mcp-tools", None),
            ("/mcpx", None),
            ("/mcp/acme", Some(Route::Mcp)),
            ("/mcp/acme/web-1/", Some(Route::Mcp)),
            ("/mcp/acme/web/x", None),
            ("/mcp//web", None),
            ("/mcp/%61", None),
            ("/mcp/.x", None),
            ("/mcp/..", None),
            ("/admin/pins", Some(Route::Admin)),
            ("/admin/pins/demo", Some(Route::Admin)),
            ("/admin", None),
            ("/admin/pinsx", None),
            ("//mcp", None),
            ("/MCP", None),
            ("/%6dcp", None),
            ("/mcp/.well-known/openid-configuration", Some(Route::Metadata)),
            ("/.well-known/oauth-protected-resource/mcp", Some(Route::Metadata)),
            ("/.well-knownx", None),
            ("/oauth/authorize", Some(Route::Pages)),
            ("/oauth/token", Some(Route::Endpoints)),
            ("/oauth", Some(Route::Pages)),
            ("/oauth/register/", Some(Route::Endpoints)),
            ("/oauth/register/0123", Some(Route::Clients)),
            ("/oauth/introspect", Some(Route::Endpoints)),
            ("/oauth/apps", Some(Route::Pages)),
            ("/oauth/callback/corp", Some(Route::Pages)),
            ("/oauthx", None),
            ("/token", Some(Route::Endpoints)),
            ("/authorize", Some(Route::Pages)),
            ("", None),
            ("/favicon.ico", None),
        ] {
            assert_eq!(Route::find(path), expected, "{path}");
        }
    }
}
