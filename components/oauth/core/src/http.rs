//! Requests and responses, without a word about where they come from.

/// Largest request body. A consent form carries the sealed request of at most [`MAX_QUERY`] bytes, which sealing and
/// form encoding make less than twice as long; registrations of known clients are below 2 KiB.
pub const MAX_BODY: usize = 32 * 1024;

/// Longest query string of an authorization request. Known clients stay below 1 KiB; hosts take request lines of 8 KiB.
pub const MAX_QUERY: usize = 8 * 1024;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method in capital letters.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Query string as it came, without the `?`; empty if there is none.
    pub query: String,
    /// Header names in lower case, values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Body,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// It has more than [`MAX_BODY`] bytes; what was read of it is gone.
    TooLarge,
}

impl Request {
    /// A request from what HTTP calls the target in origin form (RFC 9112 section 3.2.1): `/path?query`.
    pub fn new(method: String, target: &str, headers: Vec<(String, Vec<u8>)>, body: Body) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, path: path.into(), query: query.into(), headers, body }
    }

    /// All values of a header (name in lower case) that are text.
    pub(crate) fn header_values<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).filter_map(|(_, v)| std::str::from_utf8(v).ok())
    }

    /// The media type of the body, in lower case and without parameters.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header_values("content-type").next().unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without a body that no cache keeps.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: vec![("cache-control", "no-store".into())], body: Vec::new() }
    }

    /// A JSON document that no cache keeps (RFC 6749 section 5.1).
    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        let mut response = Self::empty(status);
        response.headers.push(("content-type", "application/json".into()));
        response.body = value.to_string().into_bytes();
        response
    }

    /// A redirect of a browser. `303` after a form, so that the form is not sent on (RFC 9700 section 4.12).
    pub(crate) fn redirect(status: u16, location: String) -> Self {
        Self::empty(status).with("location", location).with("referrer-policy", "no-referrer".into())
    }

    /// One more header.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The first value of a header (name in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }
}
