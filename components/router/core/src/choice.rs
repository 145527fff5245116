//! What the address of a request chooses: `/mcp/{tenant}/{project}?features=a,b&region=eu&agent=1`.

use crate::answer::Answer;
use crate::bearer::Principal;
use crate::door::Authorized;
use crate::head::Head;
use crate::route;
use shared_settings::is_word;
use std::collections::BTreeSet;

/// Longest query that is read: some dozen features.
const MAX_QUERY: usize = 4096;

/// What the session shows of the catalogue, as far as the address says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// In the path.
    pub project: Option<String>,
    /// In the query.
    pub region: Option<String>,
    /// In the query; in ascending order.
    pub features: Vec<String>,
    /// `agent=1` in the query.
    pub tool_search: bool,
}

impl Choice {
    /// Read it, for a route that leads to the session. Whoever names a tenant must belong to it; what else may be chosen, the session knows.
    pub fn read(head: &Head, authorized: &Authorized) -> Result<Self, Answer> {
        Self::of(head, authorized.principal())
    }

    fn of(head: &Head, principal: &Principal) -> Result<Self, Answer> {
        let words = route::words(&head.path, "/mcp").unwrap_or_default();
        let mut words = words.into_iter();
        if let Some(tenant) = words.next()
            && principal.tenant.as_deref() != Some(tenant)
        {
            let text = format!("The tenant `{tenant}` in the address is not this user's. Use the address without it.");
            return Err(Answer::rpc_problem(403, &text, "tenant of another"));
        }
        let mut choice = Self { project: words.next().map(str::to_owned), ..Self::default() };
        choice.query(&head.query).map_err(|text| Answer::rpc_problem(400, &text, "query"))?;
        Ok(choice)
    }

    /// Parameters that mean nothing here are left alone, as is the custom with queries.
    fn query(&mut self, query: &str) -> Result<(), String> {
        if query.len() > MAX_QUERY {
            return Err(format!("The query of the address is too long: at most {MAX_QUERY} bytes."));
        }
        let mut features = BTreeSet::new();
        for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
            // A comma may be encoded; nothing else of a word needs to be.
            let value = value.replace("%2C", ",").replace("%2c", ",");
            let wrong = || format!("`{name}` in the address must be made of letters, digits, `-`, `_`, `.` and `~`.");
            match name {
                "features" => {
                    for feature in value.split(',').filter(|feature| !feature.is_empty()) {
                        if !is_word(feature) {
                            return Err(wrong());
                        }
                        features.insert(feature.to_owned());
                    }
                }
                "region" if value.is_empty() => {}
                "region" if !is_word(&value) => return Err(wrong()),
                "region" => match &self.region {
                    Some(region) if *region != value => return Err("The address names two regions: keep one.".into()),
                    _ => self.region = Some(value),
                },
                "agent" => self.tool_search = value == "1",
                _ => {}
            }
        }
        self.features = features.into_iter().collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(address: &str) -> Result<Choice, u16> {
        let head = Head::new("POST".into(), address, None, Vec::new());
        let principal = Principal { tenant: Some("acme".into()), ..Principal::default() };
        Choice::of(&head, &principal).map_err(|answer| answer.status)
    }

    fn choice(project: Option<&str>, region: Option<&str>, features: &[&str], tool_search: bool) -> Choice {
        let features = features.iter().map(|feature| (*feature).into()).collect();
        Choice { project: project.map(str::to_owned), region: region.map(str::to_owned), features, tool_search }
    }

    #[test]
    fn an_address_says_what_is_wanted() {
        for (address, expected) in [
            ("/mcp", Ok(choice(None, None, &[], false))),
            ("/mcp/", Ok(choice(None, None, &[], false))),
            ("/mcp?", Ok(choice(None, None, &[], false))),
            ("/mcp/acme/web?features=b,a&region=eu&agent=1", Ok(choice(Some("web"), Some("eu"), &["a", "b"], true))),
            ("/mcp?features=a&features=a%2Cb,&features=", Ok(choice(None, None, &["a", "b"], false))),
            ("/mcp?agent=0&x=%ff&region=", Ok(choice(None, None, &[], false))),
            ("/mcp?region=eu&region=eu", Ok(choice(None, Some("eu"), &[], false))),
            ("/mcp/acme", Ok(choice(None, None, &[], false))),
            ("/mcp/other", Err(403)),
            ("/mcp/other/web", Err(403)),
            ("/mcp?region=eu&region=us", Err(400)),
            ("/mcp?region=e%75", Err(400)),
            ("/mcp?features=a%20b", Err(400)),
            ("/mcp?features=..", Err(400)),
        ] {
            assert_eq!(read(address), expected, "{address}");
        }
        assert_eq!(read(&format!("/mcp?x={}", "a".repeat(5000))), Err(400));
        let head = Head::new("POST".into(), "/mcp/acme", None, Vec::new());
        let nobody = Choice::of(&head, &Principal::default()).map_err(|answer| answer.status);
        assert_eq!(nobody, Err(403), "who has no tenant cannot speak for one");
    }

    proptest! {
        #[test]
        fn any_query_is_survived(query in any::<String>()) {
            let _ = read(&format!("/mcp?{query}"));
        }
    }
}
