//! Client authentication at the token and revocation endpoints (RFC 6749 section 2.3).

use crate::Server;
use crate::clients;
use crate::crypto;
use crate::errors::Error;
use crate::form::{self, Form};
use crate::http::Request;
use crate::records::Client;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Longest `Authorization` header that is looked at. An id and a secret of ours take less than 150 characters.
const MAX_HEADER: usize = 1024;

/// Find the client of a request and check that it is the one.
///
/// A confidential client may send its secret either way, whichever it registered: both prove the same, and clients that
/// register without a method and then send the form are common.
pub fn authenticate(server: &Server, request: &Request, form: &Form) -> Result<Client, Error> {
    let basic = basic(request)?;
    let (form_id, form_secret) = (form.one("client_id")?, form.one("client_secret")?);
    let (id, secret) = match (&basic, form_id, form_secret) {
        (Some(_), _, Some(_)) => return Err(Error::ClientAuthTwice),
        (Some((id, secret)), form_id, None) => {
            if form_id.is_some_and(|form_id| form_id != id) {
                return Err(Error::ClientAuth("two client ids"));
            }
            (id.as_str(), Some(secret.as_str()).filter(|secret| !secret.is_empty()))
        }
        (None, Some(id), secret) => (id, secret),
        (None, None, _) => return Err(Error::ClientAuth("no client id")),
    };
    let client = clients::find(server, id)?.ok_or(Error::ClientAuth("unknown client"))?;
    match (&client.secret_hash, secret) {
        (None, None) => {}
        (Some(hash), Some(secret)) => {
            if !crypto::same(crypto::hex(&crypto::sha256(secret.as_bytes())).as_bytes(), hash.as_bytes()) {
                return Err(Error::ClientAuth("wrong secret"));
            }
        }
        (Some(_), None) => return Err(Error::ClientAuth("secret is missing")),
        (None, Some(_)) => return Err(Error::ClientAuth("public client with a secret")),
    }
    clients::note_use(server, &client)?;
    Ok(client)
}

/// Id and secret of `Authorization: Basic`, both form-encoded inside (RFC 6749 section 2.3.1).
fn basic(request: &Request) -> Result<Option<(String, String)>, Error> {
    let malformed = || Error::ClientAuth("malformed Authorization header");
    let mut headers = request.headers.iter().filter(|(name, _)| name == "authorization");
    let Some((_, value)) = headers.next() else { return Ok(None) };
    if headers.next().is_some() || value.len() > MAX_HEADER {
        return Err(malformed());
    }
    parse_basic(value).map(Some).ok_or_else(malformed)
}

fn parse_basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let at = decoded.iter().position(|byte| *byte == b':')?;
    let (id, rest) = decoded.split_at_checked(at)?;
    Some((form::decode(id).ok()?, form::decode(rest.strip_prefix(b":")?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn basic_headers_are_read() {
        let encode = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        for (value, expected) in [
            (encode("id:secret"), Some(("id", "secret"))),
            (encode("id:a:b"), Some(("id", "a:b"))),
            (encode("i%3Ad:%C3%A9"), Some(("i:d", "é"))),
            (encode("id:").replace("Basic", "bAsIc"), Some(("id", ""))),
            (encode("id"), None),
            (encode("id:%"), None),
            ("Basic !".into(), None),
            ("Basic".into(), None),
            ("Bearer x".into(), None),
        ] {
            let read = parse_basic(value.as_bytes());
            assert_eq!(read, expected.map(|(id, secret)| (id.into(), secret.into())), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(bytes: Vec<u8>) {
            let _ = parse_basic(&bytes);
            let _ = parse_basic(&[b"Basic ", &bytes[..]].concat());
            let _ = parse_basic(format!("Basic {}", BASE64_STANDARD.encode(&bytes)).as_bytes());
        }
    }
}
