//! Names of tools and prompts, as the client sees them and as the upstreams know them.
//!
//! | the settings say | upstream `demo` says | the client sees |
//! |---|---|---|
//! | nothing | `echo` | `demo_echo` |
//! | `"prefix": "d"` | `echo` | `d_echo` |
//! | `"prefix": ""`, or `"names": "bare"` | `echo` | `echo` |
//! | the same, and there is an upstream `wiki` | `wiki_find` | `demo_wiki_find` |
//! | anything | a tool with a `.` in its name | the name with `_` instead, and a digest |
//! | anything | a name of more than 64 characters | its beginning, and a digest |

use crate::keys::hex;
use crate::view::{Kind, Naming, Part};
use sha2::{Digest, Sha256};
use shared_settings::{MAX_TOOL_NAME, is_name_byte};
use std::borrow::Cow;

/// What stands at the end of a name that had to be changed: `_` and so many hex digits of the SHA-256 of the whole name.
const DIGEST_DIGITS: usize = 8;

/// Where a name leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// To this name at this upstream.
    Name(&'a str, &'a str),
    /// To this upstream; the name there may have been changed and has to be looked up in its list. The second is the
    /// name that it is if the list has no such one.
    Changed(&'a str, &'a str),
}

impl Naming {
    /// The name that the client sees; `None` for one that gives way to a new name of another.
    pub fn outward(&self, kind: Kind, upstream: &str, name: &str) -> Option<String> {
        let part = self.part(upstream)?;
        let renamed = part.renamed(kind, name);
        if part.original(kind, renamed) != Some(name) {
            return None;
        }
        let whole: Cow<'_, str> = match part.front.as_str() {
            "" if self.collides(part, renamed) => format!("{}_{renamed}", part.name).into(),
            "" => renamed.into(),
            front => format!("{front}_{renamed}").into(),
        };
        Some(fit(kind, &whole).into_owned())
    }

    /// What the client means by a name.
    pub fn inward<'a>(&'a self, kind: Kind, name: &'a str) -> Option<Target<'a>> {
        let (part, rest) = self.split(name)?;
        let original = part.original(kind, rest);
        match may_be_changed(name) {
            true => Some(Target::Changed(&part.name, original.unwrap_or(rest))),
            false => Some(Target::Name(&part.name, original?)),
        }
    }

    /// The upstream that a name belongs to, and the name without what was put in front of it.
    fn split<'a>(&'a self, name: &'a str) -> Option<(&'a Part, &'a str)> {
        if let Some((upstream, rest)) = self.fronted(name) {
            return Some((self.part(upstream)?, rest));
        }
        let bare = self.parts.iter().find(|part| part.front.is_empty())?;
        match after(&bare.name, name).filter(|rest| self.collides(bare, rest)) {
            Some(rest) => Some((bare, rest)),
            None => Some((bare, name)),
        }
    }

    /// The upstream whose names begin like this one, and the rest of it.
    fn fronted<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let fronted = self.fronts.iter().filter(|(_, front)| !front.is_empty());
        let split =
            |(upstream, front): &'a (String, String)| Some((front.len(), (upstream.as_str(), after(front, name)?)));
        fronted.filter_map(split).max_by_key(|(length, _)| *length).map(|(_, found)| found)
    }

    /// Whether a bare name looks like one of another upstream, or like one that was made to look otherwise.
    fn collides(&self, bare: &Part, name: &str) -> bool {
        let name = plain(name);
        let mut name = name.as_ref();
        loop {
            if self.fronted(name).is_some() {
                return true;
            }
            match after(&bare.name, name) {
                Some(rest) => name = rest,
                None => return false,
            }
        }
    }
}

/// What comes after `{front}_`.
fn after<'a>(front: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(front)?.strip_prefix('_')
}

/// A name with `_` for everything that clients do not take in the name of a tool.
fn plain(name: &str) -> Cow<'_, str> {
    if name.bytes().all(is_name_byte) {
        return name.into();
    }
    let legal = |c: char| c.is_ascii() && u8::try_from(c).is_ok_and(is_name_byte);
    name.chars().map(|c| if legal(c) { c } else { '_' }).collect::<String>().into()
}

/// A name within the limits of clients: APIs of models take 64 letters, digits, `_` and `-` as the name of a tool.
/// Prompts are called by people, in whose language they may be named.
fn fit(kind: Kind, name: &str) -> Cow<'_, str> {
    let legal = if kind == Kind::Tool { plain(name) } else { name.into() };
    if legal == name && (1..=MAX_TOOL_NAME).contains(&name.len()) {
        return legal;
    }
    let digest = hex(&Sha256::digest(name));
    let room = MAX_TOOL_NAME.saturating_sub(DIGEST_DIGITS + 1);
    let head = legal.get(..legal.floor_char_boundary(room)).unwrap_or_default();
    let digest = digest.get(..DIGEST_DIGITS).unwrap_or_default();
    format!("{head}_{digest}").into()
}

/// Whether a name has the end of one that was changed.
fn may_be_changed(name: &str) -> bool {
    let digest = name.rsplit_once('_').map_or("", |(_, end)| end);
    digest.len() == DIGEST_DIGITS && digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Context, Settings};
    use Kind::{Prompt, Tool};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn naming(upstreams: Value) -> Naming {
        let settings = Settings::parse(json!({ "mcpServers": upstreams })).unwrap();
        let names = settings.upstreams.keys().cloned().collect();
        Naming::new(names, &settings, &Context::default()).unwrap()
    }

    fn server(prefix: Option<&str>) -> Value {
        json!({ "url": "https://a", "prefix": prefix })
    }

    fn check(naming: &Naming, upstream: &str, name: &str, outward: &str) {
        assert_eq!(naming.outward(Tool, upstream, name).as_deref(), Some(outward), "{upstream} {name}");
        assert_eq!(naming.inward(Tool, outward), Some(Target::Name(upstream, name)), "{outward}");
    }

    #[test]
    fn names_lead_back_to_where_they_come_from() {
        let several = naming(json!({ "a": server(None), "a-b": server(None), "demo": server(Some("d")) }));
        check(&several, "demo", "echo", "d_echo");
        check(&several, "a", "b_c", "a_b_c");
        check(&several, "a-b", "c", "a-b_c");
        check(&several, "demo", "", "d_");
        for unknown in ["", "echo", "demo_echo", "decho", "D_echo"] {
            assert_eq!(several.inward(Tool, unknown), None, "{unknown}");
        }
    }

    #[test]
    fn bare_names_of_one_upstream_give_way_to_the_names_of_others() {
        let alone = naming(json!({ "demo": server(Some("")) }));
        for name in ["echo", "demo_echo", "wiki_echo"] {
            check(&alone, "demo", name, name);
        }
        let several = naming(json!({ "demo": server(Some("")), "wiki": server(None) }));
        check(&several, "wiki", "echo", "wiki_echo");
        check(&several, "demo", "echo", "echo");
        check(&several, "demo", "demo_echo", "demo_echo");
        check(&several, "demo", "wiki_echo", "demo_wiki_echo");
        check(&several, "demo", "demo_wiki_echo", "demo_demo_wiki_echo");
        let mangled = several.outward(Tool, "demo", "wiki.echo").unwrap();
        assert!(mangled.starts_with("demo_wiki_echo_"), "{mangled}");
        assert!(matches!(several.inward(Tool, &mangled), Some(Target::Changed("demo", _))));
    }

    #[test]
    fn names_outside_of_the_limits_of_clients_are_changed_and_marked_with_a_digest() {
        let naming = naming(json!({ "demo": server(None) }));
        let outward = |name: &str| naming.outward(Tool, "demo", name).unwrap();
        let long = "x".repeat(80);
        assert_eq!(outward(&long), format!("demo_{}_52363db9", "x".repeat(50)));
        assert!(matches!(naming.inward(Tool, &outward(&long)), Some(Target::Changed("demo", _))));
        assert_ne!(outward(&"x".repeat(81)), outward(&long));
        assert_eq!(outward(&"x".repeat(59)).len(), 64);
        assert!(matches!(naming.inward(Tool, &outward(&"x".repeat(59))), Some(Target::Name(..))));
        assert_eq!(outward("a.b/c").get(..11), Some("demo_a_b_c_"));
        assert_ne!(outward("a.b"), outward("a/b"));
        assert_eq!(naming.outward(Prompt, "demo", "Größe der Welt").as_deref(), Some("demo_Größe der Welt"));
    }

    #[test]
    fn a_new_name_takes_the_place_of_the_old_one() {
        let tools =
            json!({ "overrides": { "get_me": { "name": "whoami" }, "b": { "name": "a" }, "a": { "name": "b" } } });
        let naming = naming(json!({ "demo": { "url": "https://a", "tools": tools } }));
        check(&naming, "demo", "get_me", "demo_whoami");
        check(&naming, "demo", "a", "demo_b");
        check(&naming, "demo", "b", "demo_a");
        assert_eq!(naming.inward(Tool, "demo_get_me"), None);
        assert_eq!(naming.outward(Tool, "demo", "whoami"), None, "there is another of this name");
        assert_eq!(naming.inward(Prompt, "demo_get_me"), Some(Target::Name("demo", "get_me")));
    }

    proptest! {
        #[test]
        fn every_name_fits_and_finds_its_way_back(
            bare in any::<bool>(),
            at in 0_usize..2,
            name in prop_oneof!["\\PC{0,90}", "(one|two|x)(_(one|two|x)){0,4}", "[a-z.]{1,70}"],
        ) {
            let naming = naming(json!({ "one": server(bare.then_some("")), "two": server(None) }));
            let upstream = ["one", "two"][at];
            let outward = naming.outward(Tool, upstream, &name).unwrap();
            prop_assert!(outward.len() <= MAX_TOOL_NAME && outward.bytes().all(is_name_byte) && !outward.is_empty());
            match naming.inward(Tool, &outward) {
                Some(Target::Name(u, n)) => prop_assert_eq!((u, n), (upstream, name.as_str())),
                Some(Target::Changed(u, _)) => prop_assert_eq!(u, upstream),
                None => prop_assert!(false, "{} leads nowhere", outward),
            }
        }

        #[test]
        fn two_tools_never_have_one_name(bare in any::<bool>(), a in (0_usize..2, "(one|two|x)(_(one|two|x|[0-9a-f]{8})){0,4}"), b in (0_usize..2, "(one|two|x)([_.](one|two|x)){0,4}")) {
            let naming = naming(json!({ "one": server(bare.then_some("")), "two": server(None) }));
            let outward = |(at, name): &(usize, String)| naming.outward(Tool, ["one", "two"][*at], name);
            prop_assert_eq!(outward(&a) == outward(&b), a == b);
        }
    }
}
