//! What a subscription is about: the `notifications` object of `subscriptions/listen` (2026-07-28).

use serde_json::Value;
use shared_mcp::Object;
use std::fmt;

/// The kinds of notifications about lists: the member, the method, and the capability that promises it.
const LISTS: [(&str, &str, &str); 3] = [
    ("toolsListChanged", "notifications/tools/list_changed", "tools"),
    ("promptsListChanged", "notifications/prompts/list_changed", "prompts"),
    ("resourcesListChanged", "notifications/resources/list_changed", "resources"),
];

const RESOURCES: &str = "resourceSubscriptions";

/// What is wanted, or was agreed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// In the order of [`LISTS`].
    pub lists: [bool; LISTS.len()],
    /// URIs.
    pub resources: Vec<String>,
    /// Members that nobody here knows, with their values: JSON texts.
    pub other: Vec<(String, String)>,
}

impl Filter {
    /// `None` if a member is not what it should be.
    pub fn parse(object: &Object<'_>) -> Option<Self> {
        let mut filter = Self::default();
        for (name, value) in object.iter() {
            if name == RESOURCES {
                filter.resources = serde_json::from_str(value).ok()?;
            } else if let Some(wanted) =
                LISTS.iter().position(|(member, ..)| *member == name).and_then(|index| filter.lists.get_mut(index))
            {
                *wanted = serde_json::from_str(value).ok()?;
            } else {
                filter.other.push((name.into(), value.into()));
            }
        }
        Some(filter)
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        !self.lists.contains(&true) && self.resources.is_empty() && self.other.is_empty()
    }

    /// As much of it as an upstream with these capabilities (JSON text) promises. What nobody knows is for it to say.
    pub fn promised(mut self, capabilities: &str) -> Self {
        let capabilities = Object::parse(capabilities).unwrap_or_default();
        let promises = |capability: &str, member: &str| {
            capabilities.object(capability).is_some_and(|capability| capability.get(member) == Some("true"))
        };
        for (wanted, (_, _, capability)) in self.lists.iter_mut().zip(LISTS) {
            *wanted &= promises(capability, "listChanged");
        }
        if !promises("resources", "subscribe") {
            self.resources.clear();
        }
        self
    }

    /// As much of it as was asked for.
    pub fn within(mut self, asked: &Self) -> Self {
        for (agreed, asked) in self.lists.iter_mut().zip(asked.lists) {
            *agreed &= asked;
        }
        self.resources.retain(|uri| asked.resources.contains(uri));
        self.other.retain(|(name, _)| asked.other.iter().any(|(asked, _)| asked == name));
        self
    }

    /// Add what another one has; `outward` makes its URIs the client's.
    pub fn join(&mut self, other: &Self, outward: impl Fn(&str) -> String) {
        for (mine, theirs) in self.lists.iter_mut().zip(other.lists) {
            *mine |= theirs;
        }
        self.resources.extend(other.resources.iter().map(|uri| outward(uri)));
        self.other.extend(other.other.iter().cloned());
    }

    /// Whether a message (its text, URIs still the upstream's) is one that was asked for.
    pub fn passes(&self, text: &str) -> bool {
        let Ok(message) = Object::parse(text) else {
            return false;
        };
        let method = message.string("method").unwrap_or_default();
        if message.get("id").is_some() {
            return false;
        }
        if let Some((wanted, _)) = self.lists.iter().zip(LISTS).find(|(_, (_, known, _))| *known == method) {
            return *wanted;
        }
        if method == "notifications/resources/updated" {
            let uri = message.object("params").and_then(|params| params.string("uri"));
            // A server may name a part of what was subscribed to (server/resources, "Subscriptions").
            return uri.is_some_and(|uri| {
                self.resources.iter().any(|known| {
                    uri.strip_prefix(known.as_str()).is_some_and(|rest| {
                        rest.is_empty() || known.ends_with('/') || rest.starts_with(['/', '#', '?'])
                    })
                })
            });
        }
        // Log messages and progress belong to requests; what else there may be is of a kind that only `other` can name.
        !self.other.is_empty()
            && !matches!(
                method.as_str(),
                "notifications/message"
                    | "notifications/progress"
                    | "notifications/cancelled"
                    | "notifications/subscriptions/acknowledged"
            )
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut object = Object::new();
        for (wanted, (member, ..)) in self.lists.iter().zip(LISTS) {
            if *wanted {
                object.set(member, "true");
            }
        }
        if !self.resources.is_empty() {
            object.set(RESOURCES, Value::from(self.resources.clone()).to_string());
        }
        for (name, value) in &self.other {
            object.set(name.as_str(), value.as_str());
        }
        object.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Option<Filter> {
        Filter::parse(&Object::parse(text).unwrap())
    }

    #[test]
    fn only_what_was_asked_for_passes() {
        let some =
            filter(r#"{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["test://a"]}"#);
        let some = some.unwrap();
        for (message, expected) in [
            (r#"{"method":"notifications/tools/list_changed"}"#, true),
            (r#"{"method":"notifications/prompts/list_changed"}"#, false),
            (r#"{"method":"notifications/resources/list_changed"}"#, false),
            (r#"{"method":"notifications/resources/updated","params":{"uri":"test://a"}}"#, true),
            (r#"{"method":"notifications/resources/updated","params":{"uri":"test://a/b"}}"#, true),
            (r#"{"method":"notifications/resources/updated","params":{"uri":"test://ab"}}"#, false),
            (r#"{"method":"notifications/resources/updated"}"#, false),
            (r#"{"method":"notifications/message","params":{}}"#, false),
            (r#"{"method":"notifications/new/thing"}"#, false),
            (r#"{"id":1,"method":"notifications/tools/list_changed"}"#, false),
            ("{", false),
        ] {
            assert_eq!(some.passes(message), expected, "{message}");
        }
        assert!(filter(r#"{"x":[1.0]}"#).unwrap().passes(r#"{"method":"notifications/new/thing"}"#));
    }

    #[test]
    fn a_filter_is_read_as_it_is_written() {
        for text in [
            "{}",
            r#"{"toolsListChanged":true,"resourceSubscriptions":["a","b"]}"#,
            r#"{"promptsListChanged":true,"resourcesListChanged":true,"x-new":{"n":1.0}}"#,
        ] {
            assert_eq!(filter(text).unwrap().to_string(), text);
        }
        for bad in [r#"{"toolsListChanged":1}"#, r#"{"resourceSubscriptions":"a"}"#, r#"{"resourceSubscriptions":[1]}"#]
        {
            assert_eq!(filter(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_upstream_agrees_to_what_it_promises() {
        let all =
            filter(r#"{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a"]}"#).unwrap();
        for (capabilities, expected) in [
            ("{}", "{}"),
            (r#"{"tools":{},"resources":{"subscribe":false}}"#, "{}"),
            (r#"{"tools":{"listChanged":true}}"#, r#"{"toolsListChanged":true}"#),
            (r#"{"resources":{"subscribe":true}}"#, r#"{"resourceSubscriptions":["a"]}"#),
        ] {
            assert_eq!(all.clone().promised(capabilities).to_string(), expected);
        }
    }
}
