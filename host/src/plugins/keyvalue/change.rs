//! What a write does to a value.

use super::StoreError;

/// One write, of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write a value.
    Set {
        /// Of this key.
        key: String,
        /// The new value.
        value: Vec<u8>,
    },
    /// Remove a key, if it is there.
    Delete {
        /// This one.
        key: String,
    },
    /// Add to a counter: a whole number in decimal, as Redis keeps it. A missing key counts from 0.
    Increment {
        /// Of this key.
        key: String,
        /// By so much.
        delta: i64,
    },
    /// Write a value if the present one is still the one seen before (compare-and-swap).
    Swap {
        /// Of this key.
        key: String,
        /// What was seen; `None`: there was no value.
        seen: Option<Vec<u8>>,
        /// The new value.
        value: Vec<u8>,
    },
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Done,
    /// The counter's new value.
    Counted(i64),
    /// The swap was not made; this is the present value.
    Stale(Option<Vec<u8>>),
}

/// What is to happen to the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Keep,
    Put(Vec<u8>),
    Remove,
}

impl Change {
    /// The key that is written.
    pub fn key(&self) -> &str {
        match self {
            Self::Set { key, .. } | Self::Delete { key } | Self::Increment { key, .. } | Self::Swap { key, .. } => key,
        }
    }

    /// The value that is written, where it is known beforehand.
    pub fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Set { value, .. } | Self::Swap { value, .. } => Some(value),
            Self::Delete { .. } | Self::Increment { .. } => None,
        }
    }

    /// What this change makes of the present value.
    pub(super) fn decide(self, present: Option<&[u8]>) -> Result<(Effect, Outcome), StoreError> {
        match self {
            Self::Set { value, .. } => Ok((Effect::Put(value), Outcome::Done)),
            Self::Delete { .. } => Ok((Effect::Remove, Outcome::Done)),
            Self::Increment { delta, .. } => {
                let old = present.map_or(Ok(0), parse_counter)?;
                let new = old.checked_add(delta).ok_or(StoreError::Overflow)?;
                Ok((Effect::Put(new.to_string().into_bytes()), Outcome::Counted(new)))
            }
            Self::Swap { seen, value, .. } if seen.as_deref() == present => Ok((Effect::Put(value), Outcome::Done)),
            Self::Swap { .. } => Ok((Effect::Keep, Outcome::Stale(present.map(<[u8]>::to_vec)))),
        }
    }
}

fn parse_counter(value: &[u8]) -> Result<i64, StoreError> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(StoreError::NotACounter)
}
