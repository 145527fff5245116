//! The bearer check (RFC 6750) and its challenge (RFC 9728 section 5.1).

use crate::head::Head;
use shared_settings::PublicUrl;

/// Longest token looked at. Ours have fewer than 100 characters.
const MAX_TOKEN: usize = 512;

/// Who is asking, as far as the router and the session need to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// Keyed hash of the subject.
    pub user_hash: String,
    /// The OAuth client.
    pub client_id: String,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Roles of the user.
    pub roles: Vec<String>,
    /// Tenant of the user.
    pub tenant: Option<String>,
}

/// Why a request has no principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No credentials at all: the client has yet to log in.
    Missing,
    /// Not one well-formed bearer token.
    Malformed,
    /// A token that is not good here; the text is for the log.
    Invalid(&'static str),
    /// It could not be found out; the text is for the log.
    Unavailable(String),
}

/// The bearer token of a request.
pub(crate) fn token(head: &Head) -> Result<&str, Refusal> {
    let value = head.single("authorization").map_err(|_| Refusal::Malformed)?.ok_or(Refusal::Missing)?;
    let (scheme, token) = value.split_once(' ').ok_or(Refusal::Malformed)?;
    // RFC 6750 section 2.1, `b64token`.
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    let token = token.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer")
        || token.is_empty()
        || token.len() > MAX_TOKEN
        || !token.bytes().all(legal)
    {
        return Err(Refusal::Malformed);
    }
    Ok(token)
}

/// The `WWW-Authenticate` value that tells a client where to log in, and which scopes to ask for: all, of which the user
/// may leave some out (MCP 2025-11-25, "Scope Selection Strategy"). A client that is told others gets none.
pub(crate) fn challenge(public_url: &PublicUrl, scopes: &str, error: Option<(&str, &str)>) -> String {
    let metadata = format!(
        r#"Bearer resource_metadata="{public_url}/.well-known/oauth-protected-resource/mcp", scope="{scopes}""#
    );
    match error {
        None => metadata,
        Some((code, text)) => format!(r#"{metadata}, error="{code}", error_description="{text}""#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[&str], expected: Result<&str, Refusal>) {
        let headers = values.iter().map(|v| ("authorization".to_owned(), v.as_bytes().to_vec())).collect();
        assert_eq!(token(&Head { headers, ..Head::default() }), expected, "{values:?}");
    }

    #[test]
    fn one_well_formed_token_is_taken() {
        check(&["Bearer abc.~+/="], Ok("abc.~+/="));
        check(&["bEARER abc"], Ok("abc"));
        check(&[], Err(Refusal::Missing));
        for bad in ["", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer ä", "Bearerabc"] {
            check(&[bad], Err(Refusal::Malformed));
        }
        check(&["Bearer a", "Bearer b"], Err(Refusal::Malformed));
        check(&[&format!("Bearer {}", "a".repeat(513))], Err(Refusal::Malformed));
    }

    proptest! {
        #[test]
        fn any_header_is_survived(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            let head = Head { headers: vec![("authorization".into(), value)], ..Head::default() };
            let _ = token(&head);
        }
    }
}
