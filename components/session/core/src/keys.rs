//! Keys in the store. This is the only place that makes any, but those of lists (`shared_ports::kept`): everything kept for a user lies under the user's hash, so
//! nobody can name what belongs to another user.
//!
//! | key | value |
//! |---|---|
//! | `user:{hash}:session:{id}` | [`crate::session::Record`] as JSON |
//! | `user:{hash}:session:{id}:answer:{name}` | `?`, then the client's answer: see `ask` |
//! | `user:{hash}:session:{id}:running:{digest}` | `1` while a long request runs, `0` when it was cancelled: see `cancel` |
//! | `user:{hash}:session:{id}:subscriptions` | counter: see `subscriptions` |
//! | `user:{hash}:session:{id}:subscription:{n}` | one step of it, as JSON |
//! | `user:{hash}:session:call:{name}:…` | a parked call: see `park` |
//! | `user:{hash}:session:mirrored:{upstream}` | arguments that headers repeat, as JSON: see `mirrored` |
//! | `user:{hash}:session:kept:…`, `session:users:…` | what is kept for whom: see `sweep` |

use shared_ports::Random;

/// The keys of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserKeys(String);

impl UserKeys {
    /// The keys of the user with this hash; `None` if it is not 32 lower-case hex digits. Other texts could contain the
    /// separator and reach into another user's keys.
    pub fn new(user_hash: &str) -> Option<Self> {
        is_hex(user_hash).then(|| Self(user_hash.into()))
    }

    /// Where something of a parked call is kept.
    pub fn call(&self, name: &str, what: &str) -> String {
        format!("user:{}:session:call:{name}:{what}", self.0)
    }

    /// Where is kept which arguments of an upstream's tools are repeated in headers.
    pub fn mirrored(&self, upstream: &str) -> String {
        format!("user:{}:session:mirrored:{upstream}", self.0)
    }

    /// Where the answer to a question of the gateway is awaited.
    pub fn answer(&self, session: &str, name: &str) -> String {
        self.of(session, &format!("answer:{name}"))
    }

    /// Where something of a session is kept.
    pub fn of(&self, session: &str, what: &str) -> String {
        format!("user:{}:session:{session}:{what}", self.0)
    }

    /// Where a session is kept.
    pub fn session(&self, id: &SessionId) -> String {
        format!("user:{}:session:{}", self.0, id.0)
    }
}

/// The name of a session: 128 random bits as 32 lower-case hex digits, so visible ASCII (2025-11-25, "Session
/// Management"). It proves nothing: who may use it is decided by the user and client of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionId(String);

impl SessionId {
    /// A new one.
    pub fn random(random: &impl Random) -> Self {
        Self(hex(&random.bytes::<16>()))
    }

    /// The one a client names; `None` if it cannot be ours.
    pub fn parse(text: &str) -> Option<Self> {
        is_hex(text).then(|| Self(text.into()))
    }

    /// As the client sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text is 32 lower-case hex digits.
pub(crate) fn is_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared_ports::memory::MemoryRandom;

    #[test]
    fn session_ids_are_long_visible_and_all_different() {
        let random = MemoryRandom::default();
        let first = SessionId::random(&random);
        assert_eq!(first.as_str().len(), 32);
        assert_ne!(first, SessionId::random(&random));
        assert_eq!(SessionId::parse(first.as_str()), Some(first));
    }

    #[test]
    fn what_is_not_an_id_never_gets_into_a_key() {
        for bad in [
            "",
            "..",
            "a:session:b",
            &"A".repeat(32),
            &"g".repeat(32),
            &"a".repeat(33),
            "0123456789abcdef0123456789abcde:",
        ] {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
            assert_eq!(UserKeys::new(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn two_users_never_share_a_key(a in "[0-9a-f]{32}", b in "[0-9a-f]{32}", x in "[0-9a-f]{32}", y in "[0-9a-f]{32}") {
            let key = |user: &str, id: &str| UserKeys::new(user).unwrap().session(&SessionId::parse(id).unwrap());
            prop_assert_eq!(key(&a, &x) == key(&b, &y), a == b && x == y);
            let prefix = format!("user:{a}:");
            prop_assert!(key(&a, &x).starts_with(&prefix));
            prop_assert_eq!(key(&b, &x).starts_with(&prefix), a == b);
        }

        #[test]
        fn no_text_of_a_client_reaches_outside(user in "[0-9a-f]{32}", id in any::<String>()) {
            if let Some(id) = SessionId::parse(&id) {
                let key = UserKeys::new(&user).unwrap().session(&id);
                prop_assert_eq!(key.matches(':').count(), 3);
            }
        }
    }
}
