//! Levels of log messages, in both eras.

use shared_mcp::{Object, meta};

/// From the least to the most severe (RFC 5424 section 6.2.1).
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The level from which on a request of the modern era wants log messages.
pub(crate) fn level_of_request(message: &str) -> Option<String> {
    Object::parse(message).ok()?.object("params")?.object("_meta")?.string(meta::LOG_LEVEL)
}

/// Whether it is the name of a level.
pub(crate) fn is_level(text: &str) -> bool {
    LEVELS.contains(&text)
}

/// A request with the level in it, from which on its upstream is to send log messages.
pub(crate) fn with_level(message: &str, level: &str) -> Option<String> {
    let mut object = Object::parse(message).ok()?;
    let mut params = object.object("params").unwrap_or_default();
    let mut meta = params.object("_meta").unwrap_or_default();
    meta.set_string(meta::LOG_LEVEL, level);
    let meta = meta.to_string();
    params.set("_meta", meta);
    let params = params.to_string();
    object.set("params", params);
    Some(object.to_string())
}

/// Whether a message of the level `sent` is one that was asked for.
pub(crate) fn reaches(sent: Option<&str>, wanted: Option<&str>) -> bool {
    let severity = |level: Option<&str>| level.and_then(|level| LEVELS.iter().position(|known| *known == level));
    match (severity(sent), severity(wanted)) {
        (Some(sent), Some(wanted)) => sent >= wanted,
        // A level that nobody knows is not the gateway's to drop, if messages are wanted at all.
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_that_were_asked_for_come_through() {
        for (sent, wanted, expected) in [
            (Some("info"), Some("info"), true),
            (Some("debug"), Some("info"), false),
            (Some("emergency"), Some("debug"), true),
            (Some("info"), None, false),
            (Some("trace"), Some("info"), true),
            (None, Some("error"), true),
            (Some("info"), Some("chatty"), false),
        ] {
            assert_eq!(reaches(sent, wanted), expected, "{sent:?} {wanted:?}");
        }
        let request = r#"{"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/logLevel":"notice"}}}"#;
        assert_eq!(level_of_request(request).as_deref(), Some("notice"));
        assert_eq!(level_of_request("{}"), None);
    }
}
