//! How streams are kept alive.

use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Seconds of silence on a stream after which a comment is sent: 25, unless the settings say other. At most 60, since proxies
/// and clients give up on connections that are silent for longer; at least 5, since each comment wakes an instance for each
/// open stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transparent))]
pub struct KeepAlive(#[cfg_attr(feature = "schema", schemars(range(min = 5, max = 60)))] u32);

impl KeepAlive {
    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self(25)
    }
}

impl<'de> Deserialize<'de> for KeepAlive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u32::deserialize(deserializer)?;
        if (5..=60).contains(&seconds) {
            return Ok(Self(seconds));
        }
        Err(serde::de::Error::custom(format!("`{seconds}` is not from 5 to 60 seconds")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_useful_times_are_taken() {
        for (text, expected) in [
            ("25", Some(25)),
            ("5", Some(5)),
            ("60", Some(60)),
            ("4", None),
            ("61", None),
            ("-1", None),
            ("\"25\"", None),
        ] {
            let found = serde_json::from_str::<KeepAlive>(text).ok().map(|keep_alive| keep_alive.duration().as_secs());
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(KeepAlive::default().duration().as_secs(), 25);
    }
}
