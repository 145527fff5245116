//! Ids of the upstreams' own requests to the client, on their way through it.
//!
//! The client's answer arrives in another HTTP request, perhaps at another instance. So the id that the client sees
//! says which upstream it belongs to: the string `{upstream}:{id as JSON text}`. A client that makes one up reaches
//! nothing but its own conversation with that upstream, which is kept under the user and the session.

use serde_json::Value;

/// An upstream's id (JSON text) as the client sees it (JSON text). Also for progress tokens.
pub(crate) fn tag(upstream: &str, id: &str) -> String {
    Value::from(format!("{upstream}:{id}")).to_string()
}

/// The upstream, and its own id as JSON text, of an id (JSON text) that the client sends back; `None` if it was not
/// made by [`tag`] for one of these upstreams.
pub(crate) fn untag(id: &str, upstreams: &[String]) -> Option<(String, String)> {
    let text: String = serde_json::from_str(id).ok()?;
    let (upstream, inner) = text.split_once(':')?;
    // The inner text becomes part of a message, so it must be one whole JSON value of a legal kind.
    match serde_json::from_str::<&serde_json::value::RawValue>(inner).ok()?.get().as_bytes().first()? {
        b'"' | b'-' | b'0'..=b'9' => {}
        _ => return None,
    }
    upstreams.iter().any(|name| name == upstream).then(|| (upstream.into(), inner.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn upstreams() -> Vec<String> {
        vec!["demo".into(), "other-1".into()]
    }

    #[test]
    fn ids_of_every_legal_kind_come_back_letter_by_letter() {
        for id in ["0", "-7", "98765432109876543210", r#""a""#, r#""a:b\"\u00e9""#, r#""""#] {
            let tagged = tag("demo", id);
            assert_eq!(untag(&tagged, &upstreams()), Some(("demo".into(), id.into())), "{tagged}");
        }
        assert_eq!(tag("demo", "7"), r#""demo:7""#);
    }

    #[test]
    fn other_ids_are_not_taken() {
        for id in [
            "7",
            r#""7""#,
            r#""demo""#,
            r#""demo:""#,
            r#""gone:7""#,
            r#""demo:{}""#,
            r#""demo:null""#,
            r#""demo:1,\"x\":2""#,
            r#""demo:1 2""#,
            "{",
            "",
        ] {
            assert_eq!(untag(id, &upstreams()), None, "{id}");
        }
    }

    proptest! {
        #[test]
        fn untagging_undoes_tagging(text in any::<String>(), number in any::<i128>()) {
            for id in [Value::from(text).to_string(), number.to_string()] {
                prop_assert_eq!(untag(&tag("other-1", &id), &upstreams()), Some(("other-1".to_owned(), id)));
            }
        }

        #[test]
        fn untagging_never_panics(text in any::<String>()) {
            let _ = untag(&text, &upstreams());
        }
    }
}
