//! Names of tools and prompts, as the client sees them and as the upstreams know them.

use sha2::{Digest, Sha256};
use shared_settings::Names;
use std::borrow::Cow;

/// Longest name that clients hand to their models; longer ones they refuse or cut.
const MAX_LENGTH: usize = 64;

/// What stands at the end of a name that was too long: `_` and so many hex digits of the SHA-256 of the whole name.
const DIGEST_DIGITS: usize = 8;

/// How the catalogues of the upstreams are told apart in the one that the client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Naming {
    /// In ascending order.
    pub upstreams: Vec<String>,
    prefix: bool,
}

/// Where a name leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// To this name at this upstream.
    Name(&'a str, &'a str),
    /// To this upstream; the name there was too long and has to be looked up in its list. The second is the name that
    /// it is if the list has no such one.
    Shortened(&'a str, &'a str),
}

impl Naming {
    /// Bare names are for a single upstream: with several, two of them could mean different things by one name.
    pub fn new(upstreams: Vec<String>, names: Names) -> Self {
        let prefix = names == Names::Prefix || upstreams.len() > 1;
        Self { upstreams, prefix }
    }

    /// The one upstream, where there is exactly one.
    pub fn only(&self) -> Option<&str> {
        match self.upstreams.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether names of tools and prompts differ from the upstream's.
    pub fn prefixes(&self) -> bool {
        self.prefix
    }

    /// The name that the client sees: `{upstream}_{name}`, or its beginning and a digest where that is too long.
    pub fn outward<'a>(&self, upstream: &str, name: &'a str) -> Cow<'a, str> {
        if !self.prefix {
            return name.into();
        }
        let full = format!("{upstream}_{name}");
        if full.len() <= MAX_LENGTH {
            return full.into();
        }
        let digest: String = Sha256::digest(&full).iter().map(|byte| format!("{byte:02x}")).collect();
        let room = MAX_LENGTH.saturating_sub(DIGEST_DIGITS + 1);
        let head = full.get(..full.floor_char_boundary(room)).unwrap_or_default();
        let digest = digest.get(..DIGEST_DIGITS).unwrap_or_default();
        format!("{head}_{digest}").into()
    }

    /// What the client means by a name: the upstream with the longest name that it begins with.
    pub fn inward<'a>(&'a self, name: &'a str) -> Option<Target<'a>> {
        if !self.prefix {
            return Some(Target::Name(self.only()?, name));
        }
        let split = |upstream: &'a String| Some((upstream, name.strip_prefix(upstream.as_str())?.strip_prefix('_')?));
        let (upstream, rest) = self.upstreams.iter().filter_map(split).max_by_key(|(upstream, _)| upstream.len())?;
        Some(if may_be_shortened(name) { Target::Shortened(upstream, rest) } else { Target::Name(upstream, rest) })
    }
}

/// Whether a name has the length and the end of one that was made shorter. Cutting between characters takes up to three
/// bytes more than needed.
fn may_be_shortened(name: &str) -> bool {
    let digest = name.rsplit_once('_').map_or("", |(_, end)| end);
    (MAX_LENGTH - 3..=MAX_LENGTH).contains(&name.len())
        && digest.len() == DIGEST_DIGITS
        && digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naming(upstreams: &[&str], names: Names) -> Naming {
        Naming::new(upstreams.iter().map(|name| (*name).to_owned()).collect(), names)
    }

    #[test]
    fn names_lead_back_to_where_they_come_from() {
        let prefixed = naming(&["a", "a-b", "demo"], Names::Prefix);
        for (upstream, name, outward) in
            [("demo", "echo", "demo_echo"), ("a", "b_c", "a_b_c"), ("a-b", "c", "a-b_c"), ("demo", "", "demo_")]
        {
            assert_eq!(prefixed.outward(upstream, name), outward);
            assert_eq!(prefixed.inward(outward), Some(Target::Name(upstream, name)), "{outward}");
        }
        for unknown in ["", "echo", "dem_echo", "demoecho", "Demo_echo"] {
            assert_eq!(prefixed.inward(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn bare_names_are_for_one_upstream() {
        let bare = naming(&["demo"], Names::Bare);
        assert_eq!(bare.outward("demo", "echo"), "echo");
        assert_eq!(bare.inward("echo"), Some(Target::Name("demo", "echo")));
        assert_eq!(naming(&["a", "b"], Names::Bare).outward("a", "echo"), "a_echo");
        assert_eq!(naming(&[], Names::Bare).inward("echo"), None);
    }

    #[test]
    fn long_names_are_cut_and_marked_with_a_digest() {
        let naming = naming(&["demo"], Names::Prefix);
        let long = "x".repeat(80);
        let short = naming.outward("demo", &long).into_owned();
        assert_eq!(short, format!("demo_{}_52363db9", "x".repeat(50)));
        assert!(matches!(naming.inward(&short), Some(Target::Shortened("demo", _))));
        assert_ne!(naming.outward("demo", &"x".repeat(81)), short);
        assert_eq!(naming.outward("demo", &"x".repeat(59)).len(), 64);
        assert!(matches!(naming.inward(&naming.outward("demo", &"x".repeat(59))), Some(Target::Name(..))));
    }

    proptest! {
        #[test]
        fn every_name_fits_and_finds_its_upstream(upstream in "[a-z]{1,5}", other in "[a-z]{6,9}", name in "\\PC{0,90}") {
            let naming = naming(&[&upstream, &other], Names::Prefix);
            let outward = naming.outward(&upstream, &name).into_owned();
            prop_assert!(outward.len() <= MAX_LENGTH);
            match naming.inward(&outward) {
                Some(Target::Name(u, n)) => prop_assert_eq!((u, n), (upstream.as_str(), name.as_str())),
                Some(Target::Shortened(u, _)) => prop_assert_eq!(u, upstream.as_str()),
                None => prop_assert!(false, "{} leads nowhere", outward),
            }
        }
    }
}
