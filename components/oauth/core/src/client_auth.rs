//! Client authentication at the token, revocation and introspection endpoints (RFC 6749 section 2.3, RFC 7523 section 2.2).

use crate::Server;
use crate::errors::Error;
use crate::form::{self, Form};
use crate::http::Request;
use crate::jwt::Jwt;
use crate::records::{AuthMethod, Client};
use crate::{assertion, clients};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Longest `Authorization` header that is looked at. The longest id is an address of 1024 characters.
const MAX_HEADER: usize = 2048;

/// What a client proves itself with.
enum Proof<'a> {
    Nothing,
    Secret(&'a str),
    Assertion(Box<Jwt>),
}

/// Find the client of a request and check that it is the one.
///
/// A client with a secret may send it either way, whichever it registered: both prove the same, and clients that register
/// without a method and then send the form are common.
pub async fn authenticate(server: &Server<'_>, request: &Request, form: &Form) -> Result<Client, Error> {
    let basic = basic(request)?;
    let (form_id, form_secret) = (form.one("client_id")?, form.one("client_secret")?);
    let assertion = match (form.one("client_assertion_type")?, form.one("client_assertion")?) {
        (None, None) => None,
        (Some(assertion::TYPE), Some(text)) => Some(Jwt::parse(text)?),
        _ => return Err(Error::ClientAuth("unknown type of assertion")),
    };
    let (id, proof) = match (&basic, form_secret, assertion) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => return Err(Error::ClientAuthTwice),
        (Some((id, secret)), None, None) if secret.is_empty() => (id.clone(), Proof::Nothing),
        (Some((id, secret)), None, None) => (id.clone(), Proof::Secret(secret)),
        (None, None, Some(jwt)) => {
            let id = jwt.unchecked("sub").ok_or(Error::ClientAuth("no client id"))?;
            (id.to_owned(), Proof::Assertion(Box::new(jwt)))
        }
        (None, secret, None) => {
            let id = form_id.ok_or(Error::ClientAuth("no client id"))?;
            (id.to_owned(), secret.map_or(Proof::Nothing, Proof::Secret))
        }
    };
    if form_id.is_some_and(|form_id| form_id != id) {
        return Err(Error::ClientAuth("two client ids"));
    }
    let client = match clients::find(server, &id).await {
        Ok(client) => client.ok_or(Error::ClientAuth("unknown client"))?,
        Err(Error::ClientDocument(_)) => return Err(Error::ClientAuth("document of the client")),
        Err(error) => return Err(error),
    };
    match (client.auth, &client.secret_hash, proof) {
        (AuthMethod::None, _, Proof::Nothing) => {}
        (AuthMethod::Basic | AuthMethod::Post, Some(hash), Proof::Secret(secret)) => {
            if !hash.fits(secret) {
                return Err(Error::ClientAuth("wrong secret"));
            }
        }
        (AuthMethod::Key, _, Proof::Assertion(jwt)) => assertion::check(server, &client, &jwt).await?,
        (AuthMethod::None, _, _) => return Err(Error::ClientAuth("public client with a secret")),
        (_, _, Proof::Nothing) => return Err(Error::ClientAuth("proof is missing")),
        _ => return Err(Error::ClientAuth("another way than registered")),
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

/// Id and secret of a header's value.
pub fn parse_basic(value: &[u8]) -> Option<(String, String)> {
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
