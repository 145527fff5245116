//! The text of codes and tokens: a prefix, then base64url of the grant's id (16 bytes), a secret (32 bytes) and a mark
//! (16 bytes), which is an HMAC over the rest under a key of this server.
//!
//! The mark keeps guessed tokens away from the store. And it makes an old code or refresh token recognisable as once
//! issued after its record was deleted, so that its replay still ends the grant, however long ago that was.

use crate::crypto::{self, Key, Keys, TokenKeys};

/// Identifier of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantId(pub [u8; 16]);

impl GrantId {
    /// From its 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut id = [0; 16];
        let mut bytes = text.bytes();
        for slot in &mut id {
            *slot = digit(bytes.next()?)? << 4 | digit(bytes.next()?)?;
        }
        bytes.next().is_none().then_some(Self(id))
    }
}

impl std::fmt::Display for GrantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crypto::hex(&self.0))
    }
}

/// What a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Authorization code.
    Code,
    /// Access token.
    Access,
    /// Refresh token.
    Refresh,
}

impl Kind {
    /// What the text begins with, so that people and secret scanners see what they have found.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "mcpedge_code_",
            Self::Access => "mcpedge_at_",
            Self::Refresh => "mcpedge_rt_",
        }
    }
}

/// A code or token. Its `Debug` does not show the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    kind: Kind,
    grant: GrantId,
    text: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {}", self.kind, self.grant)
    }
}

impl Credential {
    /// Make one out of a secret that is random or derived.
    pub fn mint(keys: &Keys, kind: Kind, grant: GrantId, secret: &[u8; 32]) -> Self {
        Self::mint_with(&keys.token, kind, grant, secret)
    }

    fn mint_with(keys: &TokenKeys, kind: Kind, grant: GrantId, secret: &[u8; 32]) -> Self {
        let mut bytes = Vec::with_capacity(16 + 32 + 16);
        bytes.extend_from_slice(&grant.0);
        bytes.extend_from_slice(secret);
        bytes.extend_from_slice(&Mark::of(keys, kind, grant, secret).0);
        Self { kind, grant, text: format!("{}{}", kind.prefix(), crypto::base64(&bytes)) }
    }

    /// Read one of this kind. `None` for every text that this server did not make.
    pub fn parse(keys: &Keys, kind: Kind, text: &str) -> Option<Self> {
        let bytes = crypto::unbase64(text.strip_prefix(kind.prefix())?)?;
        let (grant, rest) = bytes.split_first_chunk::<16>()?;
        let (secret, rest) = rest.split_first_chunk::<32>()?;
        let grant = GrantId(*grant);
        let ours = keys.token_keys().any(|keys| Mark::of(keys, kind, grant, secret).fits(rest));
        ours.then(|| Self { kind, grant, text: text.into() })
    }

    /// The grant it belongs to.
    pub fn grant(&self) -> GrantId {
        self.grant
    }

    /// The text itself. For the answer to the client, and nothing else.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The name of its record: SHA-256 in hex.
    pub fn hash(&self) -> String {
        crypto::hex(&crypto::sha256(self.text.as_bytes()))
    }

    /// The successor of a refresh token: the same for whoever asks, so that racing callers get the same answer
    /// without talking to each other. `about` is what else decides the successor.
    pub fn successor(&self, keys: &TokenKeys, kind: Kind, about: &str) -> Self {
        let parts = [kind.prefix().as_bytes(), self.text.as_bytes(), about.as_bytes()];
        Self::mint_with(keys, kind, self.grant, &crypto::hmac(&keys.rotation, &parts))
    }

    /// Wrap the grant's key, so that only this credential opens it.
    pub fn wrap(&self, grant_key: &Key) -> String {
        // The wrapping key belongs to this one credential and seals this one text, so the nonce need not vary. And it
        // must not: racing callers write the same record.
        crypto::base64(&crypto::seal(&self.wrapping_key(), [0; 12], &self.grant.0, &grant_key.0))
    }

    /// The grant's key out of its wrapping.
    pub fn unwrap_key(&self, wrapped: &str) -> Option<Key> {
        let key = crypto::open(&self.wrapping_key(), &self.grant.0, &crypto::unbase64(wrapped)?)?;
        key.try_into().ok().map(Key)
    }

    fn wrapping_key(&self) -> Key {
        // HKDF-Extract (RFC 5869) of the token. No key of the server is in it: the token alone opens, so a change of
        // the server's keys loses no grant.
        Key(crypto::hmac(&WRAPPING_SALT, &[self.text.as_bytes()]))
    }
}

/// Not secret: it only keeps this use of a token apart from every other.
const WRAPPING_SALT: Key = Key(*b"mcp-edge: token wraps grant key.");

/// What says that a text is ours. Without `==`: how much of a guess is right must not show in the time.
pub(crate) struct Mark([u8; 16]);

impl Mark {
    fn of(keys: &TokenKeys, kind: Kind, grant: GrantId, secret: &[u8; 32]) -> Self {
        let full = crypto::hmac(&keys.mark, &[kind.prefix().as_bytes(), &grant.0, secret]);
        Self(full.first_chunk::<16>().copied().unwrap_or_default())
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        crypto::same(&self.0, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::secrets;
    use proptest::prelude::*;

    const KINDS: [Kind; 3] = [Kind::Code, Kind::Access, Kind::Refresh];

    fn keys() -> Keys {
        Keys::derive(&secrets("0123456789abcdef0123456789abcdef"))
    }

    fn other_keys() -> Keys {
        Keys::derive(&secrets("another"))
    }

    #[test]
    fn a_credential_is_read_as_its_own_kind_by_its_own_server_only() {
        for kind in KINDS {
            let made = Credential::mint(&keys(), kind, GrantId([1; 16]), &[2; 32]);
            for other in KINDS {
                let read = Credential::parse(&keys(), other, made.reveal());
                assert_eq!(read.is_some(), kind == other, "{kind:?} read as {other:?}");
                let swapped = made.reveal().replace(kind.prefix(), other.prefix());
                assert_eq!(Credential::parse(&keys(), other, &swapped).is_some(), kind == other);
            }
            assert_eq!(Credential::parse(&other_keys(), kind, made.reveal()), None);
            assert_eq!(Credential::parse(&keys(), kind, &format!("{}A", made.reveal())), None);
        }
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let made = Credential::mint(&keys(), Kind::Access, GrantId([1; 16]), &[2; 32]);
        assert_eq!(format!("{made:?}"), format!("Access of {}", "01".repeat(16)));
    }

    #[test]
    fn successors_are_a_function_of_the_token_and_what_is_asked() {
        let old = Credential::mint(&keys(), Kind::Refresh, GrantId([1; 16]), &[2; 32]);
        let of = |about| old.successor(&keys().token, Kind::Access, about);
        assert_eq!(of("mcp"), of("mcp"));
        assert_ne!(of("mcp"), of("other"));
        assert_ne!(of("mcp"), old.successor(&other_keys().token, Kind::Access, "mcp"));
        assert_eq!(of("mcp").grant(), old.grant());
    }

    #[test]
    fn a_wrapped_key_opens_with_its_own_credential_only() {
        let of = |secret| Credential::mint(&keys(), Kind::Access, GrantId([1; 16]), &[secret; 32]);
        let wrapped = of(2).wrap(&Key([9; 32]));
        assert_eq!(of(2).unwrap_key(&wrapped), Some(Key([9; 32])));
        assert_eq!(of(3).unwrap_key(&wrapped), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", kind in 0usize..3) {
            prop_assert_eq!(Credential::parse(&keys(), KINDS[kind], &text), None);
            let _ = GrantId::parse(&text);
        }

        #[test]
        fn a_changed_letter_is_refused(at in 0usize..86, letter in "[A-Za-z0-9_-]") {
            let made = Credential::mint(&keys(), Kind::Access, GrantId([1; 16]), &[2; 32]);
            let at = at + Kind::Access.prefix().len();
            let mut text = made.reveal().to_owned();
            text.replace_range(at..=at, &letter);
            prop_assert_eq!(Credential::parse(&keys(), Kind::Access, &text).is_some(), text == made.reveal());
        }

        #[test]
        fn a_grant_id_survives_being_written(id: [u8; 16]) {
            prop_assert_eq!(GrantId::parse(&GrantId(id).to_string()), Some(GrantId(id)));
        }
    }
}
