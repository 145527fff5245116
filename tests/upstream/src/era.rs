//! The protocol revisions a server speaks.

use clap::ValueEnum;
use rmcp::model::ProtocolVersion;
use std::borrow::Cow;

/// Which revisions are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Era {
    /// All.
    Both,
    /// 2024-11-05 to 2025-11-25: `initialize`, sessions.
    #[value(name = "2025")]
    Sessions,
    /// 2026-07-28: stateless.
    #[value(name = "2026")]
    Stateless,
}

impl Era {
    /// The revisions, as rmcp wants them.
    pub fn versions(self) -> Cow<'static, [ProtocolVersion]> {
        let modern = |version: &ProtocolVersion| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str();
        match self {
            Self::Both => Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS),
            Self::Sessions => ProtocolVersion::KNOWN_VERSIONS.iter().filter(|v| !modern(v)).cloned().collect(),
            Self::Stateless => ProtocolVersion::KNOWN_VERSIONS.iter().filter(|v| modern(v)).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_era_has_its_revisions_only() {
        assert!(Era::Sessions.versions().iter().all(|v| v.as_str() < "2026"));
        assert_eq!(Era::Stateless.versions().as_ref(), [ProtocolVersion::V_2026_07_28]);
        assert_eq!(Era::Both.versions().len(), Era::Sessions.versions().len() + 1);
    }
}
