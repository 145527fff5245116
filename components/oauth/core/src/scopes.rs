//! Scopes (RFC 6749 section 3.3): what a person allows an app to do.

/// One scope.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it allows, as the consent page says it.
    pub meaning: &'static str,
}

/// All scopes, in ascending order of their names.
pub const SCOPES: &[Scope] = &[Scope { name: "mcp", meaning: "Use the tools, prompts and resources of this gateway" }];

/// The names of all scopes.
pub fn names() -> Vec<&'static str> {
    SCOPES.iter().map(|scope| scope.name).collect()
}

/// The scopes of a list separated by spaces that this server knows, in ascending order. Others are left out, as RFC
/// 6749 section 3.3 allows: clients ask for `openid` or `offline_access` by habit, and the answer says what was given.
/// `None` stands for all. An empty result means that none of them is known.
pub fn parse(list: Option<&str>) -> Vec<String> {
    let wanted = |scope: &&Scope| list.is_none_or(|list| list.split(' ').any(|name| name == scope.name));
    SCOPES.iter().filter(wanted).map(|scope| scope.name.into()).collect()
}

/// As a list separated by spaces.
pub fn join(scopes: &[String]) -> String {
    scopes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_names_are_scope_tokens() {
        assert!(SCOPES.is_sorted_by(|a, b| a.name < b.name));
        let legal = |b: u8| b == 0x21 || (0x23..=0x5b).contains(&b) || (0x5d..=0x7e).contains(&b);
        assert!(SCOPES.iter().all(|scope| !scope.name.is_empty() && scope.name.bytes().all(legal)));
    }

    #[test]
    fn known_scopes_are_kept() {
        for (list, expected) in [
            (None, &["mcp"][..]),
            (Some("mcp"), &["mcp"]),
            (Some("openid mcp offline_access mcp"), &["mcp"]),
            (Some("openid"), &[]),
            (Some("MCP"), &[]),
        ] {
            assert_eq!(parse(list), expected, "{list:?}");
        }
    }
}
