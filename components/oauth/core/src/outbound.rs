//! What this server asks of others: client metadata documents, keys, identity providers. Every answer is read whole, up
//! to a cap and within a time.

use futures::future::{Either, LocalBoxFuture, select};
use shared_ports::{Body, Clock, Http, HttpError, Request};
use std::pin::pin;
use std::time::Duration;

/// Where a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Somebody else chose the address: public addresses only.
    Public,
    /// The same, and this machine: for development, where the operator says so.
    PublicOrLoopback,
    /// The operator chose the address.
    Anywhere,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Absolute URL.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// Most bytes of the answer.
    pub limit: usize,
    /// From the first word to the last byte.
    pub timeout: Duration,
    /// Where it may go.
    pub reach: Reach,
}

/// The answer to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Status code. Redirects are not followed.
    pub status: u16,
    /// Headers as they came, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Fetched {
    /// All values of a header that are text, with commas between them (RFC 9110 section 5.3).
    pub fn header(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(n, _)| n == name).filter_map(|(_, v)| std::str::from_utf8(v).ok());
        values.collect::<Vec<_>>().join(",")
    }
}

/// Why there is no answer. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The connection.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// More than the cap.
    #[error("answer is larger than {0} bytes")]
    TooLarge(usize),
    /// Not all of it came in time.
    #[error("answer took longer than {0} seconds")]
    TooSlow(u64),
}

/// The world outside, as far as the rules need it.
pub trait Outside {
    /// Ask somebody.
    fn fetch(&self, fetch: Fetch) -> LocalBoxFuture<'_, Result<Fetched, FetchError>>;
    /// Wait.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()>;
}

/// [`Outside`] over the ports.
#[derive(Debug)]
pub struct Outbound<H, C> {
    /// Connections.
    pub http: H,
    /// Time.
    pub clock: C,
    /// Name of the request header by which the host is told to connect to public addresses only: it checks what a name
    /// resolves to and takes the header off. Its value is `public`, or `public, loopback`. `None`: the host has no such
    /// guard (`wasi:config` has no value `public_only_header`); then names and literals are all that is checked.
    pub public_only_header: Option<String>,
}

impl<H: Http, C: Clock> Outside for Outbound<H, C> {
    fn fetch(&self, fetch: Fetch) -> LocalBoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async move {
            let (limit, timeout) = (fetch.limit, fetch.timeout);
            let request = self.request(fetch);
            let work = pin!(self.read(request, limit));
            let timer = pin!(self.clock.sleep(timeout));
            match select(work, timer).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Err(FetchError::TooSlow(timeout.as_secs())),
            }
        })
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        Box::pin(self.clock.sleep(duration))
    }
}

impl<H: Http, C: Clock> Outbound<H, C> {
    fn request(&self, fetch: Fetch) -> Request {
        let mut headers: Vec<(String, Vec<u8>)> =
            fetch.headers.into_iter().map(|(name, value)| (name.into(), value.into_bytes())).collect();
        let reach = match fetch.reach {
            Reach::Public => Some("public"),
            Reach::PublicOrLoopback => Some("public, loopback"),
            Reach::Anywhere => None,
        };
        if let (Some(name), Some(reach)) = (&self.public_only_header, reach) {
            headers.push((name.clone(), reach.into()));
        }
        Request {
            method: fetch.method,
            url: fetch.url,
            headers,
            body: fetch.body,
            connect_timeout: fetch.timeout,
            first_byte_timeout: fetch.timeout,
        }
    }

    async fn read(&self, request: Request, limit: usize) -> Result<Fetched, FetchError> {
        let mut response = self.http.send(request).await?;
        let mut body = Vec::new();
        while let Some(bytes) = response.body.next().await? {
            if body.len() + bytes.len() > limit {
                return Err(FetchError::TooLarge(limit));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Fetched { status: response.status, headers: response.headers, body })
    }
}
