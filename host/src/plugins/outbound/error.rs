//! Errors of the HTTP client as those of `wasi:http`: the guest must be able to tell "nothing was sent" from "it broke later".

use super::resolver::ResolveError;
use hyper_util::client::legacy;
use std::error::Error as StdError;
use std::io::ErrorKind;
use wasmtime_wasi_http::Error;

/// Why there is no response.
pub(super) fn of_request(error: &legacy::Error) -> Error {
    tracing::debug!(error = error as &dyn StdError, "outbound request");
    if error.is_connect() {
        return of_connect(error);
    }
    match find::<hyper::Error>(error) {
        Some(error) => of_exchange(error),
        None => Error::ConnectionTerminated,
    }
}

/// Why a response's body ends early.
pub(super) fn of_exchange(error: &hyper::Error) -> Error {
    // The guest's own body broke its content-length.
    if let Some(Error::HttpRequestBodySize(size)) = find::<Error>(error) {
        return Error::HttpRequestBodySize(*size);
    }
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_parse() || error.is_parse_status() {
        Error::HttpProtocolError
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else if error.is_timeout() {
        Error::HttpResponseTimeout
    } else {
        Error::ConnectionTerminated
    }
}

/// Why there is no connection. Nothing was sent.
fn of_connect(error: &legacy::Error) -> Error {
    if let Some(error) = find::<rustls::Error>(error) {
        return of_tls(error);
    }
    match find::<ResolveError>(error) {
        Some(error @ ResolveError::Lookup(_)) => {
            return Error::DnsError { rcode: Some(error.to_string()), info_code: None };
        }
        Some(ResolveError::Prohibited) => return Error::DestinationIpProhibited,
        None => {}
    }
    chain(error)
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .find_map(of_io)
        .unwrap_or(Error::DestinationUnavailable)
}

/// `None`: says nothing, look deeper.
fn of_io(error: &std::io::Error) -> Option<Error> {
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(Error::ConnectionRefused),
        ErrorKind::TimedOut => Some(Error::ConnectionTimeout),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
            Some(Error::DestinationIpUnroutable)
        }
        // Closed while TLS was being set up.
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Some(Error::TlsProtocolError),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Error::TlsCertificateError,
        rustls::Error::AlertReceived(alert) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        _ => Error::TlsProtocolError,
    }
}

/// The first error of a type in a chain.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes. `io::Error` hides what it wraps from `source()`, so this looks inside.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = match error.downcast_ref().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
        Some(error)
    })
}
