//! URIs of resources, as the client sees them and as the upstreams know them.
//!
//! With a single upstream they are the upstream's own. With several, they name their upstream:
//!
//! | upstream `demo` says | the client sees | why |
//! |---|---|---|
//! | `test://a/b` | `mcp-edge://demo/test://a/b` | the rest stays as it is, so templates stay templates |
//! | `ui://a/b` | `ui://demo/a/b` | hosts of MCP Apps look at the scheme |
//! | `https://a/b` | `https://a/b` | a client may fetch these itself (resources, "Common URI Schemes") |
//!
//! What the last kind belongs to is not written in it: every upstream is asked in turn.

use crate::view::Naming;
use std::borrow::Cow;

const WRAPPED: &str = "mcp-edge://";
const UI: &str = "ui://";
const WEB: [&str; 2] = ["http://", "https://"];

/// Where a URI leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UriTarget<'a> {
    /// To this upstream, and the URI it knows.
    Upstream(&'a str, Cow<'a, str>),
    /// It does not say.
    Anywhere,
    /// Nowhere.
    Nowhere,
}

impl Naming {
    /// Whether URIs differ from the upstream's.
    pub fn wraps_uris(&self) -> bool {
        !self.is_single()
    }

    /// The URI, or URI template, that the client sees.
    pub fn uri_outward<'a>(&self, upstream: &str, uri: &'a str) -> Cow<'a, str> {
        if !self.wraps_uris() || WEB.iter().any(|scheme| has_scheme(uri, scheme)) {
            return uri.into();
        }
        match uri.strip_prefix(UI) {
            Some(rest) => format!("{UI}{upstream}/{rest}").into(),
            None => format!("{WRAPPED}{upstream}/{uri}").into(),
        }
    }

    /// What the client means by a URI.
    pub fn uri_inward<'a>(&'a self, uri: &'a str) -> UriTarget<'a> {
        if self.is_single() {
            return self.parts.first().map_or(UriTarget::Nowhere, |part| UriTarget::Upstream(&part.name, uri.into()));
        }
        if WEB.iter().any(|scheme| has_scheme(uri, scheme)) {
            return UriTarget::Anywhere;
        }
        let (ui, rest) = match (uri.strip_prefix(UI), uri.strip_prefix(WRAPPED)) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return UriTarget::Nowhere,
        };
        let Some((upstream, rest)) = rest.split_once('/') else {
            return UriTarget::Nowhere;
        };
        if self.part(upstream).is_none() {
            return UriTarget::Nowhere;
        }
        UriTarget::Upstream(upstream, if ui { format!("{UI}{rest}").into() } else { rest.into() })
    }
}

/// Schemes are the same in capital letters (RFC 3986 section 3.1).
fn has_scheme(uri: &str, scheme: &str) -> bool {
    uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Context, Settings};
    use proptest::prelude::*;

    fn naming(upstreams: &[&str]) -> Naming {
        let upstreams = upstreams.iter().map(|name| (*name).to_owned()).collect();
        Naming::new(upstreams, &Settings::default(), &Context::default()).unwrap()
    }

    #[test]
    fn uris_lead_back_to_where_they_come_from() {
        let several = naming(&["demo", "other"]);
        for (uri, outward) in [
            ("test://a/b?c=d#e", "mcp-edge://demo/test://a/b?c=d#e"),
            ("test://template/{id}/data", "mcp-edge://demo/test://template/{id}/data"),
            ("urn:isbn:1", "mcp-edge://demo/urn:isbn:1"),
            ("mcp-edge://other/x", "mcp-edge://demo/mcp-edge://other/x"),
            ("ui://chart/app.html", "ui://demo/chart/app.html"),
        ] {
            assert_eq!(several.uri_outward("demo", uri), outward);
            assert_eq!(several.uri_inward(outward), UriTarget::Upstream("demo", uri.into()), "{outward}");
            assert_eq!(naming(&["demo"]).uri_outward("demo", uri), uri);
            assert_eq!(naming(&["demo"]).uri_inward(uri), UriTarget::Upstream("demo", uri.into()));
        }
        assert_eq!(several.uri_outward("demo", "HTTPS://a/b"), "HTTPS://a/b");
        assert_eq!(several.uri_inward("https://a/b"), UriTarget::Anywhere);
        for nowhere in ["", "test://a", "mcp-edge://demo", "mcp-edge://gone/test://a", "ui://app.html", "ui://gone/a"] {
            assert_eq!(several.uri_inward(nowhere), UriTarget::Nowhere, "{nowhere}");
        }
    }

    proptest! {
        #[test]
        fn every_uri_finds_its_way_back(uri in "[a-z]{1,8}:(//)?\\PC{0,40}") {
            let several = naming(&["demo", "other"]);
            let outward = several.uri_outward("demo", &uri).into_owned();
            match several.uri_inward(&outward) {
                UriTarget::Upstream(upstream, inner) => prop_assert_eq!((upstream, inner.as_ref()), ("demo", uri.as_str())),
                UriTarget::Anywhere => prop_assert_eq!(outward, uri),
                UriTarget::Nowhere => prop_assert!(false, "{} leads nowhere", outward),
            }
        }
    }
}
