//! What the outside sees: the one mapping of inner errors to those of the protocol.

use super::Error;
use crate::form::{FormError, Repeated};

/// What the outside sees of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// Status of an answer that is not a redirect.
    pub status: u16,
    /// Error code of RFC 6749 (4.1.2.1, 5.2), 6750 (3.1), 7591 (3.2.2), 8707 (2) or OpenID Connect Core (3.1.2.6).
    pub code: &'static str,
    /// For the developer of the client, and for people: what is wrong and what to do. In the characters that RFC 6749
    /// allows, so without quotes.
    pub text: String,
}

/// The one mapping of inner errors to those of the protocol. Many reasons in the log, few codes outside.
pub fn wire(error: &Error) -> Wire {
    let (status, code, text): (u16, &'static str, &str) = match error {
        Error::NotFound => (404, "invalid_request", "There is no such page. Start again from your app."),
        Error::MethodNotAllowed { .. } => {
            (405, "invalid_request", "This address does not take this method. Start again from your app.")
        }
        Error::BodyTooLarge => (413, "invalid_request", "The request is too large."),
        Error::QueryTooLong => (414, "invalid_request", "The address is too long."),
        Error::ContentType { expected } => {
            return Wire {
                status: 415,
                code: "invalid_request",
                text: format!("The content type has to be {expected}."),
            };
        }
        Error::Form(FormError::TooManyFields) => (400, "invalid_request", "There are too many parameters."),
        Error::Form(FormError::Unencoded | FormError::Percent | FormError::Utf8) => {
            (400, "invalid_request", "The parameters are not properly encoded.")
        }
        Error::Repeated(Repeated(name)) => return invalid(format!("The parameter {name} is there more than once.")),
        Error::Missing(name) => return invalid(format!("The parameter {name} is missing.")),

        Error::UnknownClient => (
            400,
            "invalid_client",
            "This app is not registered here, or its registration has expired. Remove the connection in the app and add it again.",
        ),
        Error::RedirectMismatch => (
            400,
            "invalid_request",
            "The app wants its answer sent to an address that it has not registered. Do not go on if you did not start this yourself.",
        ),
        Error::ResponseType => (400, "unsupported_response_type", "Only the response type code is supported."),
        Error::ResponseMode => (400, "invalid_request", "Only the response mode query is supported."),
        Error::RequestObject("request_uri") => (400, "request_uri_not_supported", "request_uri is not supported."),
        Error::RequestObject(_) => (400, "request_not_supported", "Request objects are not supported."),
        Error::ChallengeMissing => (400, "invalid_request", "PKCE is required: code_challenge is missing."),
        Error::ChallengeMethod => (400, "invalid_request", "PKCE is required with code_challenge_method S256."),
        Error::Challenge => (400, "invalid_request", "code_challenge is not a SHA-256 hash in base64url."),
        Error::Resource => (
            400,
            "invalid_target",
            "This server does not know the resource. Use the one in the protected resource metadata.",
        ),
        Error::Scope => (
            400,
            "invalid_scope",
            "None of the scopes is known here. Leave scope out, or use scopes_supported of the metadata.",
        ),
        Error::Denied => (403, "access_denied", "The user did not agree."),
        Error::UserDeleted => (
            403,
            "access_denied",
            "This account was deleted or forgotten a moment ago. Sign in again if you want to go on.",
        ),

        Error::ForgedForm => (400, "invalid_request", "This form cannot be read any more. Start again from your app."),
        Error::ForeignForm => (
            403,
            "invalid_request",
            "This form was made for another browser or another login. Allow cookies for this site and start again from your app.",
        ),
        Error::Credentials => (403, "access_denied", "Name and password do not fit."),
        Error::Throttled { .. } => (429, "access_denied", "Too many failed logins. Wait a few minutes and try again."),

        Error::ClientDocument(why) => {
            return Wire {
                status: 400,
                code: "invalid_client",
                text: printable(&format!("The app cannot be recognised by the document at its address: {why}.")),
            };
        }
        Error::RegistrationOff => (
            403,
            "invalid_request",
            "Apps cannot register themselves here. Ask the operator of this gateway for a client id.",
        ),
        Error::RegistrationThrottled { .. } => {
            (429, "temporarily_unavailable", "There are too many registrations. Try again later.")
        }
        Error::ManagementToken => {
            (401, "invalid_token", "The registration access token is missing, wrong, or of a client that has ended.")
        }
        Error::Role => (403, "access_denied", "This page is for administrators. Sign in as one."),
        Error::State | Error::StateReplayed => (
            400,
            "invalid_request",
            "This login was begun too long ago, in another browser, or was finished before. Start again from your app.",
        ),
        Error::ProviderRefused(_) => {
            (403, "access_denied", "The provider did not sign you in. Try again or choose another way.")
        }
        Error::ProviderMixUp => {
            (400, "invalid_request", "This answer comes from another provider. Start again from your app.")
        }
        Error::NotAllowed => {
            (403, "access_denied", "You have signed in, but this account may not use this gateway. Ask its operator.")
        }
        Error::Provider { .. } => (
            503,
            "temporarily_unavailable",
            "The provider cannot be reached or gave an improper answer. Try again soon, or tell the operator.",
        ),

        Error::RedirectUri(why) => {
            return Wire { status: 400, code: "invalid_redirect_uri", text: format!("A redirect URI {why}.") };
        }
        Error::Metadata { field, why } => {
            return Wire { status: 400, code: "invalid_client_metadata", text: format!("{field} {why}.") };
        }

        Error::ClientAuth(_) | Error::Assertion(_) => (
            401,
            "invalid_client",
            "The client is unknown or its authentication failed. Register again if the registration has expired.",
        ),
        Error::ClientAuthTwice => (400, "invalid_request", "The client authenticates in more than one way."),
        Error::GrantType => (400, "unsupported_grant_type", "See grant_types_supported in the metadata."),
        Error::TokenType => (400, "invalid_request", "Only access tokens can be exchanged, for access tokens."),
        Error::Actor => (400, "invalid_request", "actor_token is not supported."),
        Error::GrantTypeOfClient => (400, "unauthorized_client", "The client is not registered for this grant type."),
        Error::Unknown
        | Error::Expired
        | Error::OtherClient
        | Error::CodeReplayed
        | Error::CodeRedirect
        | Error::Verifier
        | Error::RefreshReplayed
        | Error::Grant(_)
        | Error::GrantEnded => (
            400,
            "invalid_grant",
            "The code or token is not valid, has expired, was revoked, or was issued to another client or request.",
        ),
        Error::ScopeExceeded => (400, "invalid_scope", "More scopes than the user has granted."),

        Error::Store(_) | Error::NoMemory(_) => {
            (503, "temporarily_unavailable", "The server cannot do this at the moment. Try again soon.")
        }
        Error::Damaged(_) => {
            (500, "server_error", "The server cannot read what it has stored. Start again from your app.")
        }
    };
    Wire { status, code, text: text.into() }
}

/// A text of which not every part is our own, in the characters that RFC 6749 allows.
fn printable(text: &str) -> String {
    text.chars().map(|c| if (' '..='~').contains(&c) && c != '"' && c != '\\' { c } else { '_' }).take(300).collect()
}

fn invalid(text: String) -> Wire {
    Wire { status: 400, code: "invalid_request", text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redirect::RedirectError;
    use shared_ports::StoreError;

    #[test]
    fn descriptions_have_the_characters_that_the_rfc_allows() {
        for error in [
            Error::NotFound,
            Error::ContentType { expected: "application/json" },
            Error::Missing("code"),
            Error::Repeated(Repeated("code")),
            Error::UnknownClient,
            Error::ForeignForm,
            Error::RedirectUri(RedirectError::UserInfo),
            Error::RedirectUri(RedirectError::Scheme),
            Error::Metadata { field: "client_name", why: "is too long" },
            Error::ClientAuth("x"),
            Error::Verifier,
            Error::Store(StoreError("x".into())),
        ] {
            let text = wire(&error).text;
            let legal = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
            assert!(text.chars().all(legal), "{text}");
        }
    }

    #[test]
    fn nothing_of_the_store_reaches_the_outside() {
        let shown = format!("{:?}", wire(&Error::Store(StoreError("/var/lib/secret".into()))));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
