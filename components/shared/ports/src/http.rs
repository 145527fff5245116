//! Outbound HTTP.

use std::future::Future;
use std::time::Duration;

/// A client for outbound requests. Follows no redirect, keeps no cookie, adds no credential.
pub trait Http {
    /// The body of a response.
    type Body: Body;
    /// Send one request; resolves when the head of the response is there.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response<Self::Body>, HttpError>>;
}

/// A body that arrives in pieces. Dropping it closes the connection.
pub trait Body {
    /// The next piece (never empty), or `None` at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, HttpError>>;
}

/// One outbound request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper-case method.
    pub method: &'static str,
    /// Absolute `http` or `https` URL.
    pub url: String,
    /// Header names in lower case, values as they go on the wire.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body; empty means none.
    pub body: Vec<u8>,
    /// Time for the connection to stand.
    pub connect_timeout: Duration,
    /// Time for the first byte of the response.
    pub first_byte_timeout: Duration,
}

/// The head of a response, and its body to be read.
#[derive(Debug)]
pub struct Response<B> {
    /// Status code.
    pub status: u16,
    /// Header names in lower case, values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: B,
}

impl<B> Response<B> {
    /// The first value of a header (name in lower case), if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).and_then(|(_, v)| std::str::from_utf8(v).ok())
    }
}

/// Why there is no response, or no more of it. Texts are for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection, so nothing was sent.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The host does not connect to this address, so nothing was sent: the request was to go to public addresses only
    /// (see `public_only_header` in the settings of the host), and the name leads elsewhere.
    #[error("address is not allowed: {0}")]
    Prohibited(String),
    /// No answer in time; the request may have been acted on.
    #[error("no answer in time: {0}")]
    TimedOut(String),
    /// The connection broke; the request may have been acted on.
    #[error("connection broke: {0}")]
    Broken(String),
}
