//! One JSON-RPC message.

use crate::object::{Object, quote};

/// A JSON-RPC 2.0 message. Ids, params, results and errors are the JSON texts they came in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Message<'a> {
    /// Wants a response with its id.
    Request {
        /// A string or an integer, as JSON text; never null.
        id: String,
        /// The method.
        method: String,
        /// An object.
        params: Option<String>,
        /// The whole message.
        object: Object<'a>,
    },
    /// Wants none.
    Notification {
        /// The method.
        method: String,
        /// An object.
        params: Option<String>,
        /// The whole message.
        object: Object<'a>,
    },
    /// Answers a request.
    Response {
        /// A string or an integer as JSON text; `None` where it is null or missing, which only an error may have.
        id: Option<String>,
        /// `Ok` holds the result, `Err` the error object.
        outcome: Result<String, String>,
        /// The whole message.
        object: Object<'a>,
    },
}

/// Why a text is not a JSON-RPC message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// A JSON array: a batch, which only revision 2025-03-26 knows.
    #[error("a batch")]
    Batch,
    /// JSON, but not a message; the id is the one it has, if that is legal, for the error response.
    #[error("not a JSON-RPC message: {why}")]
    Invalid {
        /// What is wrong.
        why: &'static str,
        /// As JSON text.
        id: Option<String>,
    },
}

impl<'a> Message<'a> {
    /// Parse the text of one message.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        if text.trim_ascii_start().starts_with('[') {
            return match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => Err(ParseError::Batch),
                Err(error) => Err(ParseError::Json(error.to_string())),
            };
        }
        let object = Object::parse(text).map_err(|error| {
            if error.is_data() {
                ParseError::Invalid { why: "not an object with distinct members", id: None }
            } else {
                ParseError::Json(error.to_string())
            }
        })?;
        let id_text = object.get("id").map(str::to_owned);
        let id = id_text.clone().filter(|text| is_id(text));
        let invalid = |why| ParseError::Invalid { why, id: id.clone() };
        if object.string("jsonrpc").as_deref() != Some("2.0") {
            return Err(invalid("`jsonrpc` is not \"2.0\""));
        }
        let params = object.get("params").map(str::to_owned);
        if params.as_deref().is_some_and(|text| !text.starts_with('{')) {
            return Err(invalid("`params` is not an object"));
        }
        let has_outcome = object.get("result").is_some() || object.get("error").is_some();
        match (object.get("method").is_some(), has_outcome) {
            (true, true) => Err(invalid("both a request and a response")),
            (true, false) => {
                let method = object.string("method").ok_or_else(|| invalid("`method` is not a string"))?;
                match (id_text, &id) {
                    (None, _) => Ok(Self::Notification { method, params, object }),
                    (Some(_), Some(id)) => Ok(Self::Request { id: id.clone(), method, params, object }),
                    (Some(_), None) => Err(invalid("`id` is neither a string nor an integer")),
                }
            }
            (false, true) => {
                let outcome = match (object.get("result"), object.get("error")) {
                    (Some(result), None) => Ok(result.to_owned()),
                    (None, Some(error)) if error.starts_with('{') => Err(error.to_owned()),
                    (None, _) => return Err(invalid("`error` is not an object")),
                    (Some(_), Some(_)) => return Err(invalid("both a result and an error")),
                };
                if id.is_none() && outcome.is_ok() {
                    return Err(invalid("a result without a legal `id`"));
                }
                Ok(Self::Response { id, outcome, object })
            }
            (false, false) => Err(invalid("neither `method` nor `result` nor `error`")),
        }
    }

    /// The whole message.
    pub fn object(&self) -> &Object<'a> {
        match self {
            Self::Request { object, .. } | Self::Notification { object, .. } | Self::Response { object, .. } => object,
        }
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        match self {
            Self::Request { method, .. } | Self::Notification { method, .. } => Some(method),
            Self::Response { .. } => None,
        }
    }

    /// The id of a request, or of a response that has one, as JSON text.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Request { id, .. } => Some(id),
            Self::Response { id, .. } => id.as_deref(),
            Self::Notification { .. } => None,
        }
    }

    /// The params of a request or notification, opened; an empty object where there are none.
    pub fn params(&self) -> Object<'_> {
        match self {
            Self::Request { params, .. } | Self::Notification { params, .. } => {
                params.as_deref().and_then(|text| Object::parse(text).ok()).unwrap_or_default()
            }
            Self::Response { .. } => Object::new(),
        }
    }
}

/// Whether a JSON text is a legal id: a string or an integer of any size.
fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.starts_with('"') || (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The error object of a response.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorObject {
    /// See [`crate::code`].
    pub code: i64,
    /// One sentence for the client: what is wrong and what to do.
    pub message: String,
    /// More for programs.
    pub data: Option<serde_json::Value>,
}

impl ErrorObject {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same with data.
    #[must_use]
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }

    /// As JSON text.
    pub fn to_json(&self) -> String {
        let mut object = Object::new();
        object.set("code", self.code.to_string());
        object.set_string("message", &self.message);
        if let Some(data) = &self.data {
            object.set("data", data.to_string());
        }
        object.to_string()
    }
}

/// The text of an error response. `id` is the request's as JSON text; `None` becomes null (JSON-RPC 2.0 section 5).
pub fn error_response(id: Option<&str>, error: &ErrorObject) -> String {
    format!(r#"{{"jsonrpc":{},"id":{},"error":{}}}"#, quote("2.0"), id.unwrap_or("null"), error.to_json())
}

/// The text of a response with a result; both are JSON texts.
pub fn result_response(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":{},"id":{id},"result":{result}}}"#, quote("2.0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(text: &str) -> String {
        match Message::parse(text) {
            Ok(Message::Request { id, method, .. }) => format!("request {id} {method}"),
            Ok(Message::Notification { method, .. }) => format!("notification {method}"),
            Ok(Message::Response { id, outcome, .. }) => format!("response {id:?} {}", outcome.is_ok()),
            Err(ParseError::Json(_)) => "json".into(),
            Err(ParseError::Batch) => "batch".into(),
            Err(ParseError::Invalid { id, .. }) => format!("invalid {id:?}"),
        }
    }

    #[test]
    fn messages_are_told_apart() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "request 1 ping"),
            (r#"{"jsonrpc":"2.0","id":"a\"b","method":"ping","params":{}}"#, r#"request "a\"b" ping"#),
            (
                r#"{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"p"}"#,
                "request 123456789012345678901234567890 p",
            ),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "notification notifications/initialized"),
            (r#"{"jsonrpc":"2.0","id":-7,"result":{}}"#, r#"response Some("-7") true"#),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#, "response None false"),
            ("{", "json"),
            ("", "json"),
            ("[", "json"),
            (" [{}]", "batch"),
            ("1", "invalid None"),
            (r#"{"id":1,"method":"ping"}"#, r#"invalid Some("1")"#),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "invalid None"),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, "invalid None"),
            (r#"{"jsonrpc":"2.0","id":1,"method":3}"#, r#"invalid Some("1")"#),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#, r#"invalid Some("1")"#),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, "invalid None"),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, r#"invalid Some("1")"#),
            (r#"{"jsonrpc":"2.0","id":1}"#, r#"invalid Some("1")"#),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn responses_repeat_the_id_letter_by_letter() {
        assert_eq!(
            error_response(Some("98765432109876543210"), &ErrorObject::new(code(), "no")),
            r#"{"jsonrpc":"2.0","id":98765432109876543210,"error":{"code":-32601,"message":"no"}}"#
        );
        assert_eq!(result_response("\"x\"", "{}"), r#"{"jsonrpc":"2.0","id":"x","result":{}}"#);
    }

    fn code() -> i64 {
        crate::code::METHOD_NOT_FOUND
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            let _ = Message::parse(&text);
        }
    }
}
