//! Scopes (RFC 6749 section 3.3): what a person allows an app to do. The table is in the settings.

use shared_settings::Scopes;

/// The scopes of a list separated by spaces that this server knows, in ascending order. Others are left out, as RFC
/// 6749 section 3.3 allows: clients ask for `openid` or `offline_access` by habit, and the answer says what was given.
/// `None` stands for all. An empty result means that none of them is known.
pub fn parse(scopes: &Scopes, list: Option<&str>) -> Vec<String> {
    let wanted = |scope: &&str| list.is_none_or(|list| list.split(' ').any(|name| name == *scope));
    scopes.names().filter(wanted).map(String::from).collect()
}

/// Those of the scopes asked for that are within the granted ones, also by being included in one of them.
pub fn within(scopes: &Scopes, asked: &[String], granted: &[String]) -> bool {
    asked.iter().all(|name| scopes.cover(granted, &[name]))
}

/// As a list separated by spaces.
pub fn join(scopes: &[String]) -> String {
    scopes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn known_scopes_are_kept() {
        let scopes = Scopes::new(&BTreeMap::new());
        for (list, expected) in [
            (None, &["mcp"][..]),
            (Some("mcp"), &["mcp"]),
            (Some("openid mcp offline_access mcp"), &["mcp"]),
            (Some("openid"), &[]),
            (Some("MCP"), &[]),
        ] {
            assert_eq!(parse(&scopes, list), expected, "{list:?}");
        }
    }
}
