//! How often somebody may ask.

use serde::{Deserialize, Deserializer};

/// Rate limits by group of routes. What is not named is at its default.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// `/mcp`.
    pub mcp: RouteLimits,
    /// `/oauth/*`.
    pub oauth: RouteLimits,
}

impl Default for Limits {
    fn default() -> Self {
        let both = RouteLimits {
            per_user: Some(Rate { count: 60, seconds: 60 }),
            per_ip: Some(Rate { count: 300, seconds: 60 }),
        };
        Self { mcp: both.clone(), oauth: both }
    }
}

/// Limits of one group of routes. A limit that is left out does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteLimits {
    /// For each user, counted by the bearer token's user.
    pub per_user: Option<Rate>,
    /// For each client address.
    pub per_ip: Option<Rate>,
}

/// So many requests in so many seconds, written `60/60s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub count: u32,
    /// Length of the window.
    pub seconds: u32,
}

impl Rate {
    fn parse(text: &str) -> Option<Self> {
        let (count, window) = text.split_once('/')?;
        let rate = Self { count: count.parse().ok()?, seconds: window.strip_suffix('s')?.parse().ok()? };
        (rate.count > 0 && rate.seconds > 0).then_some(rate)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not a rate: write requests per seconds, as in `60/60s`"))
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^[1-9][0-9]*/[1-9][0-9]*s$",
            "description": "So many requests in so many seconds, for example `60/60s`."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_requests_per_seconds() {
        assert_eq!(Rate::parse("60/60s"), Some(Rate { count: 60, seconds: 60 }));
        for bad in ["", "60", "60/60", "0/60s", "60/0s", "-1/60s", "60/1m", "60/60s "] {
            assert_eq!(Rate::parse(bad), None, "{bad}");
        }
    }
}
