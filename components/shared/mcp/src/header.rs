//! Header names and the coding of their values (Streamable HTTP 2026-07-28, "Value Encoding").

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The session, in the legacy era.
pub const SESSION_ID: &str = "mcp-session-id";
/// The revision.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The method of the body, in the modern era.
pub const METHOD: &str = "mcp-method";
/// The name, URI or task id of the body, in the modern era.
pub const NAME: &str = "mcp-name";
/// In front of mirrored arguments, in the modern era.
pub const PARAM_PREFIX: &str = "mcp-param-";
/// Where to go on in a broken stream, in the legacy era.
pub const LAST_EVENT_ID: &str = "last-event-id";

const BASE64_PREFIX: &str = "=?base64?";
const BASE64_SUFFIX: &str = "?=";

/// The member of `params` that `Mcp-Name` repeats, for methods that have one.
pub fn name_member(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// A text as a header value: as it is, or in Base64 where it could not travel so.
pub fn encode(text: &str) -> String {
    let sentinel = text.starts_with(BASE64_PREFIX) && text.ends_with(BASE64_SUFFIX);
    let plain = !sentinel
        && !text.is_empty()
        && !text.starts_with([' ', '\t'])
        && !text.ends_with([' ', '\t'])
        && text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
    if plain { text.into() } else { format!("{BASE64_PREFIX}{}{BASE64_SUFFIX}", BASE64_STANDARD.encode(text)) }
}

/// The text of a header value; `None` where its Base64 is broken.
pub fn decode(value: &str) -> Option<String> {
    match value.strip_prefix(BASE64_PREFIX).and_then(|rest| rest.strip_suffix(BASE64_SUFFIX)) {
        Some(coded) => String::from_utf8(BASE64_STANDARD.decode(coded).ok()?).ok(),
        None => Some(value.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_that_cannot_travel_are_coded() {
        for (text, value) in [
            ("echo", "echo"),
            ("a b", "a b"),
            ("", "=?base64??="),
            (" a", "=?base64?IGE=?="),
            ("é", "=?base64?w6k=?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            assert_eq!(encode(text), value);
            assert_eq!(decode(value).as_deref(), Some(text));
        }
        for broken in ["=?base64?YQ?=", "=?base64?!!!!?=", "=?base64?/w==?="] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }
    }
}
