//! Between the bindings' types and those of the rules.

use crate::bindings::exports::mcp_edge::oauth::tokens;
use shared_guest::http::{self, BodyError};
use wasip3::http::types::{ErrorCode, Request, Response};

/// The whole request, read up to the cap of the rules.
pub async fn request(request: Request) -> Result<oauth_core::Request, ErrorCode> {
    let method = http::method_name(&request.get_method());
    let target = request.get_path_with_query().unwrap_or_else(|| "/".into());
    let headers = http::headers(&request.get_headers());
    let body = match http::read_body(request, oauth_core::MAX_BODY).await {
        Ok(bytes) => oauth_core::Body::Whole(bytes),
        Err(BodyError::TooLarge) => oauth_core::Body::TooLarge,
        Err(BodyError::Broken(code)) => return Err(code),
    };
    Ok(oauth_core::Request::new(method, &target, headers, body))
}

pub fn response(response: oauth_core::Response) -> Response {
    let headers: Vec<_> =
        response.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
    http::respond(response.status, &headers, response.body)
}

pub fn principal(principal: oauth_core::Principal) -> tokens::Principal {
    tokens::Principal {
        subject: principal.subject,
        user_hash: principal.user_hash,
        client_id: principal.client_id,
        grant_id: principal.grant_id,
        scopes: principal.scopes,
        roles: principal.roles,
        tenant: principal.tenant,
        expires_at: principal.expires_at,
    }
}

pub fn token_error(error: oauth_core::TokenError) -> tokens::TokenError {
    use oauth_core::TokenError;
    match error {
        TokenError::Unknown => tokens::TokenError::Unknown,
        TokenError::Expired => tokens::TokenError::Expired,
        TokenError::Revoked => tokens::TokenError::Revoked,
        TokenError::WrongAudience => tokens::TokenError::WrongAudience,
        TokenError::Unavailable(error) => tokens::TokenError::Unavailable(error.to_string()),
    }
}

pub fn grant(grant: oauth_core::Grant) -> tokens::Grant {
    tokens::Grant {
        id: grant.id,
        client_id: grant.client_id,
        client_name: grant.client_name,
        scopes: grant.scopes,
        created_at: grant.created_at,
        expires_at: grant.expires_at,
    }
}

pub fn grant_error(error: oauth_core::GrantError) -> tokens::GrantError {
    use oauth_core::GrantError;
    match error {
        GrantError::NotFound => tokens::GrantError::NotFound,
        GrantError::Store(error) => tokens::GrantError::Unavailable(error.to_string()),
    }
}

pub fn provider_token(token: oauth_core::ProviderToken) -> tokens::ProviderToken {
    tokens::ProviderToken {
        provider: token.provider,
        access_token: token.access_token,
        expires_at: token.expires_at,
        scopes: token.scopes,
    }
}

pub fn refresh_error(error: oauth_core::RefreshError) -> tokens::RefreshError {
    use oauth_core::RefreshError;
    match error {
        RefreshError::NotFound => tokens::RefreshError::NotFound,
        RefreshError::LoginRequired => tokens::RefreshError::LoginRequired,
        RefreshError::Unavailable(why) => tokens::RefreshError::Unavailable(why),
    }
}
