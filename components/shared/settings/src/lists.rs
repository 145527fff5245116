//! What of an upstream is shown, and as what: allow and deny lists, new names and texts, bound arguments.

use crate::document::Problem;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Longest name of a tool or prompt that clients hand to their models.
pub const MAX_TOOL_NAME: usize = 64;

/// Longest name or URI that is compared with patterns. What is longer matches none, and so is not shown.
const MAX_COMPARED: usize = 8 * 1024;

/// A name or URI in which `*` stands for any text: `get_*`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Whether it stands for this text.
    pub fn matches(&self, text: &str) -> bool {
        text.len() <= MAX_COMPARED && glob(self.0.as_bytes(), text.as_bytes())
    }
}

/// `*` takes as little as it can; only the last one has ever to take more, so this ends after |pattern| × |text| steps.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(expected) if expected == byte => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                p = after;
                t = taken + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// Which parts of an upstream are there. Names and URIs are the upstream's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lists {
    /// Its tools.
    pub tools: Shown,
    /// Its prompts.
    pub prompts: Shown,
    /// Its resources and resource templates.
    pub resources: Reachable,
}

/// Which tools or prompts are shown, and as what. What is not shown cannot be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Shown {
    /// Patterns of names that are shown. Left out: all.
    pub allow: Option<Vec<Pattern>>,
    /// Patterns of names that are not shown, whatever `allow` says.
    pub deny: Vec<Pattern>,
    /// Other names and texts, by the upstream's own name.
    pub overrides: BTreeMap<String, Override>,
}

/// Which resources can be read, and which templates are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Reachable {
    /// Patterns of URIs, and of the texts of URI templates, that are there. Left out: all.
    pub allow: Option<Vec<Pattern>>,
    /// Patterns of those that are not, whatever `allow` says.
    pub deny: Vec<Pattern>,
}

/// What a tool or prompt is shown as; what is left out stays the upstream's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Override {
    /// Its name, to which the upstream's prefix is added.
    pub name: Option<String>,
    /// Its title for people.
    pub title: Option<String>,
    /// Its description for the model.
    pub description: Option<String>,
}

impl Shown {
    /// Which tools, as a person reads it; `None`: all.
    pub(crate) fn in_words(&self) -> Option<String> {
        let join = |patterns: &[Pattern]| patterns.iter().map(|p| p.0.as_str()).collect::<Vec<_>>().join(", ");
        match (self.allow.as_deref(), self.deny.as_slice()) {
            (None, []) => None,
            (None, deny) => Some(format!("all tools but {}", join(deny))),
            (Some([]), _) => Some("no tools".into()),
            (Some(allow), []) => Some(format!("tools {}", join(allow))),
            (Some(allow), deny) => Some(format!("tools {} but not {}", join(allow), join(deny))),
        }
    }

    /// Whether the tool or prompt of this name is shown.
    pub fn allows(&self, name: &str) -> bool {
        allows(self.allow.as_deref(), &self.deny, name)
    }

    /// Whether it changes or hides nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Reachable {
    /// Whether the resource of this URI, or the template of this text, is there. A URI that is written in another way
    /// than usual (RFC 3986 section 6.2.2) must be there in both spellings, because an upstream may see them as one.
    pub fn allows(&self, uri: &str) -> bool {
        if self.allow.is_none() && self.deny.is_empty() {
            return true;
        }
        let allows = |uri: &str| allows(self.allow.as_deref(), &self.deny, uri);
        uri.len() <= MAX_COMPARED && allows(uri) && crate::uri::normalized(uri).is_some_and(|uri| allows(&uri))
    }
}

fn allows(allow: Option<&[Pattern]>, deny: &[Pattern], text: &str) -> bool {
    let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(text));
    text.len() <= MAX_COMPARED && allow.is_none_or(any) && !any(deny)
}

impl Lists {
    /// Everything wrong in it. `path` is where it stands, `prefix` what is put in front of its names.
    pub(crate) fn check(&self, path: &str, prefix: &str, problems: &mut Vec<Problem>) {
        for (kind, shown) in [("tools", &self.tools), ("prompts", &self.prompts)] {
            let mut taken = BTreeSet::new();
            for (own, change) in &shown.overrides {
                let path = format!("{path}.{kind}.overrides.{own}");
                let Some(name) = &change.name else { continue };
                let room = MAX_TOOL_NAME.saturating_sub(if prefix.is_empty() { 0 } else { prefix.len() + 1 });
                if name.is_empty() || name.len() > room || !name.bytes().all(is_name_byte) {
                    let text = format!("a name here has 1 to {room} letters, digits, `_` or `-`");
                    problems.push(Problem::new(format!("{path}.name"), text));
                }
                if !taken.insert(name) {
                    let text = format!("there are two of the name `{name}`: one of them could never be called");
                    problems.push(Problem::new(format!("{path}.name"), text));
                }
            }
        }
    }
}

/// What all clients take in the name of a tool.
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern(text.into())
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (text, matching, other) in [
            ("get_*", &["get_", "get_x", "get_*"][..], &["get", "xget_", ""][..]),
            ("*", &["", "x"], &[]),
            ("", &[""], &["x"]),
            ("*_secret*_x", &["_secret_x", "a_secret_x_x", "_secret_secret_x"], &["_secret", "secret_x"]),
            ("a*b*c", &["abc", "axbxc", "abbcc"], &["acb", "ab", "abcd"]),
            ("a?c", &["a?c"], &["abc"]),
            ("é*", &["é", "éa"], &["e"]),
        ] {
            assert!(matching.iter().all(|name| pattern(text).matches(name)), "{text}");
            assert!(!other.iter().any(|name| pattern(text).matches(name)), "{text}");
        }
        assert!(!pattern("*").matches(&"x".repeat(MAX_COMPARED + 1)));
    }

    #[test]
    fn deny_counts_more_than_allow() {
        let shown: Shown = serde_json::from_str(r#"{"allow":["get_*","list"],"deny":["*_secret"]}"#).unwrap();
        for (name, expected) in [("get_a", true), ("list", true), ("get_secret", false), ("lists", false), ("", false)]
        {
            assert_eq!(shown.allows(name), expected, "{name}");
        }
        assert!(Shown::default().allows("x"));
        assert!(!serde_json::from_str::<Shown>(r#"{"allow":[]}"#).unwrap().allows("x"));
    }

    #[test]
    fn a_resource_is_denied_in_all_its_spellings() {
        let deny: Reachable = serde_json::from_str(r#"{"deny":["test://secret/*"]}"#).unwrap();
        let allow: Reachable = serde_json::from_str(r#"{"allow":["test://open/*"]}"#).unwrap();
        for uri in [
            "test://secret/a",
            "TEST://secret/a",
            "test://Secret/a",
            "test://secre%74/a",
            "test://secre%2574/a",
            "test://secret/../secret/a",
            "test://%",
        ] {
            assert!(!deny.allows(uri) && !allow.allows(uri), "{uri}");
        }
        for uri in [
            "test://open/../secret/a",
            "test://open/%2e%2e/secret/a",
            "test://open/..%2fsecret",
            r"test://open/..\secret",
        ] {
            assert!(!allow.allows(uri), "{uri}");
        }
        for uri in ["test://open/a", "test://open/a%20b?c=d#e", "test://open/{id}", "test://open/{+path}"] {
            assert!(deny.allows(uri) && allow.allows(uri), "{uri}");
        }
        assert!(Reachable::default().allows("test://%"));
    }

    /// What a pattern means, as plainly as it can be said.
    fn means(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| means(rest, &text[taken..])),
            ([p, pattern @ ..], [t, text @ ..]) => p == t && means(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_mean_what_they_say(pattern in "[ab*]{0,8}", text in "[ab*]{0,10}") {
            prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), means(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn any_uri_is_survived(uri in any::<String>()) {
            let lists: Reachable = serde_json::from_str(r#"{"deny":["a*"]}"#).unwrap();
            let _ = lists.allows(&uri);
        }
    }
}
