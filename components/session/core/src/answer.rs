//! What goes out.

use crate::errors::Refusal;
use crate::stream::Streaming;
use shared_mcp::error_response;

/// An HTTP response with its facts.
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: AnswerBody,
    /// For the log line.
    pub facts: Facts,
}

/// The body of an answer.
pub enum AnswerBody {
    /// None.
    Empty,
    /// One JSON text.
    Whole(String),
    /// Server-sent events, to be driven by [`Streaming::run`].
    Stream(Box<Streaming>),
}

/// What is worth a column in the log line of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The revision the request was served in.
    pub revision: Option<&'static str>,
    /// JSON-RPC method, as sent; at most 128 bytes.
    pub method: Option<String>,
    /// Name of the tool or prompt, or URI of the resource, as sent; at most 128 bytes.
    pub name: Option<String>,
    /// The upstream that was asked, where it was one.
    pub upstream: Option<String>,
    /// JSON-RPC error code, where the answer is an error made by the gateway.
    pub error: Option<i64>,
    /// The precise reason of that error, or why a list is not whole. Never shown to the client.
    pub reason: Option<String>,
}

/// Most bytes of what the client sent that go into one column of a log line.
const MAX_COLUMN: usize = 128;

/// The beginning of a text, as much as a log line takes.
pub(crate) fn column(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_COLUMN)).unwrap_or_default().into()
}

/// An answer without its facts.
pub(crate) struct Out {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: AnswerBody,
}

impl Out {
    /// A status alone.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: AnswerBody::Empty }
    }

    /// One JSON-RPC response.
    pub fn json(status: u16, text: String) -> Self {
        Self { status, headers: vec![header("content-type", "application/json")], body: AnswerBody::Whole(text) }
    }

    /// Server-sent events. Proxies on the way must neither keep them nor collect them before they pass them on.
    pub fn stream(streaming: Streaming) -> Self {
        let headers = vec![
            header("content-type", "text/event-stream"),
            header("cache-control", "no-store, no-transform"),
            header("x-accel-buffering", "no"),
        ];
        Self { status: 200, headers, body: AnswerBody::Stream(Box::new(streaming)) }
    }

    pub fn with_facts(self, facts: Facts) -> Answer {
        Answer { status: self.status, headers: self.headers, body: self.body, facts }
    }
}

impl Answer {
    /// The response to a request that is refused; `id` is the request's, where it is known.
    pub(crate) fn refuse(refusal: Refusal, id: Option<&str>, mut facts: Facts) -> Self {
        facts.error = Some(refusal.error.code);
        facts.reason = Some(refusal.reason);
        let mut out = Out::json(refusal.status, error_response(id, &refusal.error));
        out.headers.extend(refusal.headers);
        out.with_facts(facts)
    }
}

pub(crate) fn header(name: &str, value: &str) -> (String, Vec<u8>) {
    (name.into(), value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_cut_between_characters() {
        assert_eq!(column("tools/call"), "tools/call");
        assert_eq!(column(&"é".repeat(100)), "é".repeat(64));
        assert_eq!(column(&format!("a{}", "é".repeat(100))), format!("a{}", "é".repeat(63)));
    }
}
