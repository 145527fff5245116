//! Headers of the request.

use crate::errors::Refusal;
use crate::request::HttpRequest;
use shared_mcp::code;

impl HttpRequest {
    /// The value of a header (name in lower case) with the space around it taken off (RFC 9110 section 5.5).
    /// `Err` where it is there twice with different values or is not ASCII text: two readers could disagree on it.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let unclear = || {
            let message = format!("The header `{name}` must be there once, as ASCII text.");
            Refusal::new(400, code::INVALID_REQUEST, message)
        };
        let mut found = None;
        for (_, value) in self.headers.iter().filter(|(n, _)| n == name) {
            let value = std::str::from_utf8(value).ok().filter(|v| v.is_ascii()).ok_or_else(unclear)?.trim_ascii();
            if found.is_some_and(|other| other != value) {
                return Err(unclear());
            }
            found = Some(value);
        }
        Ok(found)
    }

    /// All values of a header as one list (RFC 9110 section 5.3).
    fn list(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| String::from_utf8_lossy(v)).collect();
        (!values.is_empty()).then(|| values.join(","))
    }
}

/// The body must be JSON.
pub(crate) fn check_content_type(request: &HttpRequest) -> Result<(), Refusal> {
    let value = request.list("content-type").unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(415, code::INVALID_REQUEST, "The body must be sent with `Content-Type: application/json`."))
}

/// The client must take both forms of an answer (Streamable HTTP, "Sending Messages"). No `Accept` at all, and
/// wildcards, mean that it takes anything (RFC 9110 section 12.5.1).
pub(crate) fn check_accept(request: &HttpRequest) -> Result<(), Refusal> {
    let Some(value) = request.list("accept") else {
        return Ok(());
    };
    let takes =
        |media: &str, wildcard: &str| {
            value.split(',').filter_map(|range| range.split(';').next()).map(str::trim).any(|range| {
                range.eq_ignore_ascii_case(media) || range.eq_ignore_ascii_case(wildcard) || range == "*/*"
            })
        };
    if takes("application/json", "application/*") && takes("text/event-stream", "text/*") {
        return Ok(());
    }
    let message = "Send `Accept: application/json, text/event-stream`: an answer may come in either form.";
    Err(Refusal::new(406, code::INVALID_REQUEST, message))
}

/// The same for an answer that comes as events only.
pub(crate) fn check_accept_events(request: &HttpRequest) -> Result<(), Refusal> {
    let value = request.list("accept").unwrap_or_else(|| "*/*".into());
    let mut ranges = value.split(',').filter_map(|range| range.split(';').next()).map(str::trim);
    if ranges.any(|range| ["text/event-stream", "text/*", "*/*"].iter().any(|known| range.eq_ignore_ascii_case(known)))
    {
        return Ok(());
    }
    Err(Refusal::new(406, code::INVALID_REQUEST, "Send `Accept: text/event-stream`: the answer is a stream of events."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, values: &[&str]) -> HttpRequest {
        let headers = values.iter().map(|value| (name.to_owned(), value.as_bytes().to_vec())).collect();
        HttpRequest { headers, ..HttpRequest::default() }
    }

    #[test]
    fn both_forms_of_an_answer_must_be_acceptable() {
        for (values, expected) in [
            (&[][..], true),
            (&["application/json, text/event-stream"], true),
            (&["text/event-stream", "application/json"], true),
            (&["APPLICATION/JSON;q=0.9 , Text/Event-Stream"], true),
            (&["*/*"], true),
            (&["application/*, text/*"], true),
            (&["application/json"], false),
            (&["text/event-stream"], false),
            (&["text/html"], false),
            (&["application/jsonx, text/event-stream"], false),
        ] {
            assert_eq!(check_accept(&with("accept", values)).is_ok(), expected, "{values:?}");
        }
    }

    #[test]
    fn only_json_is_read() {
        for (values, expected) in [
            (&["application/json"][..], true),
            (&["application/json; charset=utf-8"], true),
            (&["Application/JSON"], true),
            (&[], false),
            (&["text/plain"], false),
            (&["application/jsonp"], false),
        ] {
            assert_eq!(check_content_type(&with("content-type", values)).is_ok(), expected, "{values:?}");
        }
    }

    #[test]
    fn a_header_that_two_readers_could_read_differently_is_refused() {
        assert_eq!(with("mcp-method", &[]).header("mcp-method"), Ok(None));
        assert_eq!(with("mcp-method", &[" a\t"]).header("mcp-method"), Ok(Some("a")));
        assert_eq!(with("mcp-method", &["a", "a"]).header("mcp-method"), Ok(Some("a")));
        assert!(with("mcp-method", &["a", "b"]).header("mcp-method").is_err());
        assert!(with("mcp-method", &["é"]).header("mcp-method").is_err());
    }
}
