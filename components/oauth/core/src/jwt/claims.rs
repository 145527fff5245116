//! Claims of signed tokens (RFC 7519 section 4), after their signature was checked.

use super::JwtError;
use serde_json::{Map, Value};

/// How far clocks may differ, in seconds.
const SKEW: u64 = 60;

/// Claims whose signature is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(pub Map<String, Value>);

impl Claims {
    /// A claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is a time, without its fraction.
    pub fn time(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        // Some write times as floating point numbers; none is negative or beyond what a u64 holds exactly.
        value.as_u64().or_else(|| value.as_f64().filter(|time| (0.0..1e15).contains(time)).map(|time| time as u64))
    }

    /// A claim that has to be this text.
    pub fn require(&self, name: &'static str, expected: &str) -> Result<(), JwtError> {
        if self.text(name) == Some(expected) { Ok(()) } else { Err(JwtError::Claim(name)) }
    }

    /// Whether this is one of the audiences.
    pub fn has_audience(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(only)) => only == audience,
            Some(Value::Array(all)) => all.iter().any(|value| value.as_str() == Some(audience)),
            _ => false,
        }
    }

    /// Whether the audience is one of these, alone. A token with more audiences than us could be passed on by another
    /// one of them.
    pub fn require_audience(&self, ours: &[&str]) -> Result<(), JwtError> {
        let right = match self.0.get("aud") {
            Some(Value::String(audience)) => ours.contains(&audience.as_str()),
            Some(Value::Array(audiences)) => match audiences.as_slice() {
                [Value::String(audience)] => ours.contains(&audience.as_str()),
                _ => false,
            },
            _ => false,
        };
        if right { Ok(()) } else { Err(JwtError::Claim("aud")) }
    }

    /// Check `exp` (which has to be there and within `longest` seconds from now), `nbf` and `iat`. When it ends.
    pub fn require_times(&self, now: u64, longest: u64) -> Result<u64, JwtError> {
        let expires_at = self.time("exp").ok_or(JwtError::Claim("exp"))?;
        if expires_at.saturating_add(SKEW) <= now {
            return Err(JwtError::Expired);
        }
        if expires_at > now.saturating_add(longest).saturating_add(SKEW) {
            return Err(JwtError::Claim("exp"));
        }
        for name in ["nbf", "iat"] {
            if self.0.contains_key(name) && self.time(name).is_none_or(|time| time > now.saturating_add(SKEW)) {
                return Err(JwtError::Claim(name));
            }
        }
        Ok(expires_at)
    }
}
