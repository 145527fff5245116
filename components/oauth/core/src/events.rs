//! What the operator should hear of.

/// Takes note of events.
pub trait Audit {
    /// One event. Called before the answer goes out.
    fn record(&self, event: &Event<'_>);
}

/// Something that happened to a client, a login or a grant. Has no secret and no name of a person in it: users appear
/// by their keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A client registered itself.
    ClientRegistered {
        /// Its new id.
        client_id: &'a str,
    },
    /// A registered client was deleted.
    ClientDeleted {
        /// Which.
        client_id: &'a str,
        /// `client`: by itself.
        why: &'static str,
    },
    /// Everything about a user was deleted.
    UserDeleted {
        /// Who.
        user_hash: &'a str,
    },
    /// The tokens of an identity provider were refreshed.
    ProviderRefreshed {
        /// Whose.
        user_hash: &'a str,
        /// Whether it worked.
        ok: bool,
    },
    /// Somebody logged in.
    LoggedIn {
        /// Who.
        user_hash: &'a str,
    },
    /// A password was wrong, or there is no such user.
    LoginFailed {
        /// Who it was meant to be.
        user_hash: &'a str,
    },
    /// A login was not tried because of too many failures.
    LoginThrottled {
        /// Who it was meant to be.
        user_hash: &'a str,
    },
    /// The settings have something that is not a usable password hash for this user.
    PasswordHashUnusable {
        /// Whose.
        user_hash: &'a str,
    },
    /// A person approved a client: a code was issued.
    Approved {
        /// The grant that the code stands for.
        grant_id: &'a str,
        /// The client.
        client_id: &'a str,
        /// The person.
        user_hash: &'a str,
    },
    /// Tokens were issued.
    TokensIssued {
        /// The grant behind them.
        grant_id: &'a str,
        /// `code`, `refresh`, `client_credentials`, `assertion` or `exchange`.
        by: &'static str,
    },
    /// A grant ended.
    GrantRevoked {
        /// Which.
        grant_id: &'a str,
        /// `code-replay` and `refresh-replay` are signs of theft; `client`: RFC 7009; `user`: the person or an admin;
        /// `user-removed`: not in the settings any more; `provider`: the identity provider lets the user in no longer; `user-deleted`; `expired`: swept after its end.
        why: &'static str,
    },
    /// A request was refused or failed.
    Refused {
        /// The precise reason, for the log only.
        why: &'a str,
        /// Whether it is our own fault (the store, the settings) and not the caller's.
        ours: bool,
    },
}

impl Event<'_> {
    /// As one line of JSON for the log.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Event::ClientRegistered { client_id } => json!({ "event": "client-registered", "client_id": client_id }),
            Event::ClientDeleted { client_id, why } => {
                json!({ "event": "client-deleted", "client_id": client_id, "why": why })
            }
            Event::UserDeleted { user_hash } => json!({ "event": "user-deleted", "user_hash": user_hash }),
            Event::ProviderRefreshed { user_hash, ok } => {
                json!({ "event": "provider-refreshed", "user_hash": user_hash, "ok": ok })
            }
            Event::LoggedIn { user_hash } => json!({ "event": "logged-in", "user_hash": user_hash }),
            Event::LoginFailed { user_hash } => json!({ "event": "login-failed", "user_hash": user_hash }),
            Event::LoginThrottled { user_hash } => json!({ "event": "login-throttled", "user_hash": user_hash }),
            Event::PasswordHashUnusable { user_hash } => {
                json!({ "event": "password-hash-unusable", "user_hash": user_hash })
            }
            Event::Approved { grant_id, client_id, user_hash } => {
                json!({ "event": "approved", "grant_id": grant_id, "client_id": client_id, "user_hash": user_hash })
            }
            Event::TokensIssued { grant_id, by } => {
                json!({ "event": "tokens-issued", "grant_id": grant_id, "by": by })
            }
            Event::GrantRevoked { grant_id, why } => {
                json!({ "event": "grant-revoked", "grant_id": grant_id, "why": why })
            }
            Event::Refused { why, ours } => json!({ "event": "refused", "why": why, "ours": ours }),
        }
    }
}
