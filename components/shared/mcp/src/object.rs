//! A JSON object whose members stay text.

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A JSON object, shallowly parsed: the members are in their order, their values are the text they came in. Setting or
/// removing members leaves all others as they are, byte by byte.
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Most members an object may have. Looking for a member walks through them, so this bounds the time; real objects that
/// the gateway opens (envelopes, params, results, definitions) have fewer than twenty.
const MAX_MEMBERS: usize = 1024;

impl<'a> Object<'a> {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parse the text of an object. An object with two members of one name is refused: two readers could disagree on
    /// which of them counts, and a filter would see another name than the upstream.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The text of a member's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_ref())
    }

    /// The value of a member that is a string.
    pub fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// The value of a member that is an object.
    pub fn object(&self, name: &str) -> Option<Object<'_>> {
        Object::parse(self.get(name)?).ok()
    }

    /// Set a member to a JSON text; in its place, or at the end if it is new.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let name = name.into();
        let value = value.into();
        match self.members.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.members.push((name, value)),
        }
    }

    /// Set a member to a string.
    pub fn set_string(&mut self, name: impl Into<Cow<'a, str>>, value: &str) {
        self.set(name, quote(value));
    }

    /// Take a member out.
    pub fn remove(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.members.iter().position(|(n, _)| n == name)?;
        Some(self.members.remove(at).1)
    }

    /// The members in their order: names, and the texts of their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.members.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{}:{value}", quote(name))?;
        }
        f.write_str("}")
    }
}

/// A string as JSON text.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de: 'a, 'a> de::Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    if members.len() >= MAX_MEMBERS {
                        return Err(de::Error::custom("too many members"));
                    }
                    if members.iter().any(|(n, _)| *n == name) {
                        return Err(de::Error::custom("two members of one name"));
                    }
                    let value: &'de RawValue = map.next_value()?;
                    members.push((name, Cow::Borrowed(value.get())));
                }
                Ok(Object { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A member's name; borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn untouched_members_keep_their_text() {
        let mut object =
            Object::parse(r#" { "a" : 1.0e3 , "b\n":{"x" : 18446744073709551616}, "c":"\u00e9" } "#).unwrap();
        assert_eq!(object.get("b\n"), Some(r#"{"x" : 18446744073709551616}"#));
        object.set_string("c", "q\"");
        object.set("d", "[1, 2]");
        assert_eq!(object.remove("a").as_deref(), Some("1.0e3"));
        assert_eq!(object.to_string(), r#"{"b\n":{"x" : 18446744073709551616},"c":"q\"","d":[1, 2]}"#);
        assert_eq!(object.string("c").as_deref(), Some("q\""));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, "[]", "1", "", "{", r#"{"a":}"#, "{} {}"] {
            assert!(Object::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            let _ = Object::parse(&text);
        }

        #[test]
        fn printing_and_parsing_are_inverse(members in proptest::collection::btree_map(any::<String>(), any::<i64>(), 0..8)) {
            let mut object = Object::new();
            for (name, value) in &members {
                object.set(name.clone(), value.to_string());
            }
            let text = object.to_string();
            let again = Object::parse(&text).unwrap();
            let read: std::collections::BTreeMap<_, i64> =
                again.iter().map(|(n, v)| (n.to_owned(), v.parse().unwrap())).collect();
            prop_assert_eq!(read, members);
        }
    }
}
