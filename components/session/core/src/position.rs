//! Event ids of the legacy era: where a client can take a stream up again (2025-11-25, "Resumability and Redelivery").
//!
//! An id says which stream it is of and which event of the upstream's came last, so any instance can go on from it. The
//! client could read it and write another, and so say that the response still to come is none of a list, whose hidden parts
//! are taken out; so ids are marked with a key of the session.

use crate::mark::{is_mark, mark};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest id that is given: it comes back in a header, and servers take 8 KiB of all headers together. Streams of
/// upstreams with longer ids cannot be taken up.
const MAX_LENGTH: usize = 4096;

/// A place in a stream. Travels through the client as base64url of JSON, a dot, and the mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Position {
    /// In the answer to a request.
    #[serde(rename = "c")]
    Call {
        /// The upstream.
        #[serde(rename = "u")]
        upstream: String,
        /// Method of the request: what the response is translated by.
        #[serde(rename = "m")]
        method: String,
        /// Id of the request: JSON text.
        #[serde(rename = "i")]
        id: String,
        /// The upstream's own event id.
        #[serde(rename = "e")]
        event: String,
    },
    /// In the stream of what comes outside of requests: the upstreams' own event ids, by their names.
    #[serde(rename = "l")]
    Listen(BTreeMap<String, String>),
}

impl Position {
    /// As the client sees it; `None` if it is too long. `key` is the session's.
    pub fn encode(&self, key: &str) -> Option<String> {
        let text = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).ok()?);
        let mark = mark(key, &[&text])?;
        let text = format!("{text}.{mark}");
        (text.len() <= MAX_LENGTH).then_some(text)
    }

    /// The place that a client names; `None` if it was not given one such with this key, over these upstreams.
    pub fn decode(key: &str, text: &str, upstreams: &[String]) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (text, mark) = text.split_once('.')?;
        if !is_mark(key, &[text], mark) {
            return None;
        }
        let position: Self = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let known = |name: &String| upstreams.contains(name);
        // They go into headers and messages.
        let clean = |event: &String| !event.is_empty() && !event.chars().any(char::is_control);
        let good = match &position {
            Self::Call { upstream, id, event, .. } => known(upstream) && clean(event) && is_id(id),
            Self::Listen(events) => events.iter().all(|(upstream, event)| known(upstream) && clean(event)),
        };
        good.then_some(position)
    }
}

fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    serde_json::from_str::<String>(text).is_ok()
        || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn upstreams() -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    fn call(upstream: &str, id: &str, event: &str) -> Position {
        Position::Call { upstream: upstream.into(), method: "tools/call".into(), id: id.into(), event: event.into() }
    }

    #[test]
    fn only_places_over_these_upstreams_are_taken() {
        for (position, good) in [
            (call("a", "1", "7"), true),
            (call("a", "98765432109876543210", "7/é"), true),
            (call("a", "\"x\"", "7"), true),
            (call("gone", "1", "7"), false),
            (call("a", "1,\"x\":2", "7"), false),
            (call("a", "null", "7"), false),
            (call("a", "1", ""), false),
            (call("a", "1", "7\r\nx: y"), false),
            (Position::Listen([("a".to_owned(), "1".to_owned()), ("b".into(), "2".into())].into()), true),
            (Position::Listen([("gone".to_owned(), "1".to_owned())].into()), false),
            (Position::Listen(BTreeMap::new()), true),
        ] {
            let text = position.encode("key").unwrap();
            assert!(text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{text}");
            assert_eq!(Position::decode("key", &text, &upstreams()), good.then_some(position));
            assert_eq!(Position::decode("another", &text, &upstreams()), None, "{text}");
        }
        assert_eq!(call("a", "1", &"x".repeat(5000)).encode("key"), None);
        for bad in ["", "7", "e30", "!", &"A".repeat(9000)] {
            assert_eq!(Position::decode("key", bad, &upstreams()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(event in "[^\\p{C}]{1,40}", id in any::<i64>()) {
            let position = call("b", &id.to_string(), &event);
            prop_assert_eq!(Position::decode("key", &position.encode("key").unwrap(), &upstreams()), Some(position));
        }

        #[test]
        fn decoding_never_panics(text in any::<String>()) {
            let _ = Position::decode("key", &text, &upstreams());
        }
    }
}
