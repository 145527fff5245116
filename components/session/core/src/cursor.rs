//! Cursors of lists that come from several upstreams: which upstreams have more, and from where on.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest cursor that is opened: far more than the cursors of a hundred upstreams need.
const MAX_CURSOR: usize = 64 * 1024;

/// Where the next page goes on: for each upstream that has more, its own cursor. Travels through the client as
/// base64url of JSON. A client that makes one up reaches nothing but its own upstreams with a cursor they may refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Positions {
    /// The method that the cursor belongs to.
    #[serde(rename = "m")]
    method: String,
    /// By upstream.
    #[serde(rename = "c")]
    cursors: BTreeMap<String, String>,
}

impl Positions {
    /// `None` if no upstream has more.
    pub fn new(method: &str, cursors: BTreeMap<String, String>) -> Option<Self> {
        (!cursors.is_empty()).then(|| Self { method: method.into(), cursors })
    }

    /// As the client sees it.
    pub fn encode(&self) -> String {
        // A map of strings always has a JSON text.
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The position that a client names; `None` if it is no cursor of this list over these upstreams.
    pub fn decode(text: &str, method: &str, upstreams: &[String]) -> Option<BTreeMap<String, String>> {
        if text.len() > MAX_CURSOR {
            return None;
        }
        let positions: Self = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let known = positions.cursors.keys().all(|name| upstreams.contains(name));
        (known && positions.method == method && !positions.cursors.is_empty()).then_some(positions.cursors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn upstreams() -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    #[test]
    fn a_cursor_is_good_for_the_list_it_comes_from_only() {
        assert_eq!(Positions::new("tools/list", BTreeMap::new()), None);
        let cursors: BTreeMap<_, _> = [("a".to_owned(), "page 2".to_owned())].into();
        let text = Positions::new("tools/list", cursors.clone()).unwrap().encode();
        assert_eq!(Positions::decode(&text, "tools/list", &upstreams()), Some(cursors));
        assert_eq!(Positions::decode(&text, "prompts/list", &upstreams()), None);
        assert_eq!(Positions::decode(&text, "tools/list", &["b".into(), "c".into()]), None);
        for bad in ["", "page2", "e30", "!", &"A".repeat(MAX_CURSOR + 1)] {
            assert_eq!(Positions::decode(bad, "tools/list", &upstreams()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(a in any::<String>(), b in any::<String>()) {
            let cursors: BTreeMap<_, _> = [("a".to_owned(), a), ("b".to_owned(), b)].into();
            let text = Positions::new("m", cursors.clone()).unwrap().encode();
            prop_assert_eq!(Positions::decode(&text, "m", &upstreams()), Some(cursors));
        }

        #[test]
        fn decoding_never_panics(text in any::<String>()) {
            let _ = Positions::decode(&text, "m", &upstreams());
        }
    }
}
