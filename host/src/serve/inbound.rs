//! A request from the network made fit for the guests.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TE, TRAILER};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Method, Request};
use std::net::IpAddr;

/// Header in which the guests find the client's address. One that the client sent is thrown away.
pub const CLIENT_ADDRESS: &str = "mcp-edge-client-address";

/// The client's mistake, answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// RFC 9112 section 3.2: none, several, or not an authority.
    #[error("the Host header is missing or malformed")]
    Host,
    /// RFC 9110 section 9.3.6: this is no proxy.
    #[error("CONNECT is not supported")]
    Connect,
    /// The target has no path.
    #[error("the request target is malformed")]
    Target,
}

/// Give the request the authority it is for (from the request target, else from `Host`) and the scheme it came by, so that
/// `request.get-authority` answers; take out what is between the client and this hop (RFC 9110 section 7.6.1); note
/// the client's address.
pub fn prepare<B>(request: &mut Request<B>, client: IpAddr) -> Result<(), InvalidRequest> {
    if request.method() == Method::CONNECT {
        return Err(InvalidRequest::Connect);
    }
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => host(request)?,
    };
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| InvalidRequest::Target)?;

    let headers = request.headers_mut();
    for name in nominated(headers) {
        headers.remove(name);
    }
    // `wasmtime-wasi-http` removes Connection, Keep-Alive, Proxy-*, Transfer-Encoding, Upgrade and Host. hyper has
    // answered Expect and will have read the trailers.
    for name in [TE, TRAILER, EXPECT] {
        headers.remove(name);
    }
    let address = HeaderValue::from_str(&client.to_canonical().to_string());
    headers.remove(CLIENT_ADDRESS);
    if let Ok(address) = address {
        headers.insert(HeaderName::from_static(CLIENT_ADDRESS), address);
    }
    Ok(())
}

fn host<B>(request: &Request<B>) -> Result<Authority, InvalidRequest> {
    let mut values = request.headers().get_all(HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(InvalidRequest::Host) };
    let authority = Authority::try_from(value.as_bytes()).map_err(|_| InvalidRequest::Host)?;
    // User information has no place here (RFC 9110 section 4.2.4).
    if authority.as_str().contains('@') { Err(InvalidRequest::Host) } else { Ok(authority) }
}

/// Headers that `Connection` names. Content-Length frames the message and is not for the client to take away.
fn nominated(headers: &http::HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != CONTENT_LENGTH)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn request(target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().uri(target);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn the_authority_is_that_of_the_target_or_else_of_the_host_header() {
        for (target, host, expected) in [
            ("/mcp?a=b", "127.0.0.1:8787", "http://127.0.0.1:8787/mcp?a=b"),
            ("/", "evil.example", "http://evil.example/"),
            ("http://[::1]:80/x", "other", "http://[::1]:80/x"),
            ("*", "a", "http://a*"),
        ] {
            let mut request = request(target, &[("host", host)]);
            prepare(&mut request, CLIENT).unwrap();
            let uri = request.uri();
            let got = format!("http://{}{}", uri.authority().unwrap(), uri.path_and_query().unwrap());
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_missing_double_or_malformed_host_is_refused() {
        for headers in
            [&[][..], &[("host", "a"), ("host", "b")], &[("host", "a b")], &[("host", "u@a")], &[("host", "")]]
        {
            assert_eq!(prepare(&mut request("/", headers), CLIENT), Err(InvalidRequest::Host), "{headers:?}");
        }
        let mut connect = request("/", &[("host", "a")]);
        *connect.method_mut() = Method::CONNECT;
        assert_eq!(prepare(&mut connect, CLIENT), Err(InvalidRequest::Connect));
    }

    #[test]
    fn what_is_between_the_client_and_this_hop_goes_and_a_forged_address_too() {
        let mut request = request(
            "/",
            &[
                ("host", "a"),
                ("connection", "close, X-Secret-Hop,content-length"),
                ("x-secret-hop", "1"),
                ("te", "trailers"),
                ("content-length", "0"),
                ("authorization", "Bearer t"),
                ("Mcp-Edge-Client-Address", "10.0.0.1"),
                ("mcp-edge-client-address", "10.0.0.2"),
            ],
        );
        prepare(&mut request, "::ffff:192.0.2.7".parse().unwrap()).unwrap();
        let headers = request.headers();
        assert_eq!(headers.get_all(CLIENT_ADDRESS).iter().collect::<Vec<_>>(), ["192.0.2.7"]);
        assert!(headers.contains_key("authorization") && headers.contains_key("content-length"));
        assert!(!headers.contains_key("x-secret-hop") && !headers.contains_key("te"));
    }
}
