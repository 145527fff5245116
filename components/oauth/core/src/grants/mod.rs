//! Grants and the tokens that come out of them.
//!
//! Nothing here changes a shared record in place, and the only atomic operation is the counter of a code's uses.
//! Rotation needs no atomic operation at all: the successors of a refresh token are a function of it, so racing callers
//! compute the same tokens and write the same records.

mod ending;
mod issue;
mod listed;
mod rotate;
mod sweep;

pub use ending::{end, end_all};
pub use issue::{Issued, issue, redeem, store_code, store_exchanged, use_code};
pub use listed::{Grant, GrantError, list_grants, list_of, revoke_grant, revoke_of};
pub use rotate::{check, rotate, usable};
pub use sweep::sweep_user;

/// How long after its first use a refresh token is still answered, in seconds, with the same tokens as then. Covers two
/// tabs that refresh at once, and an answer that got lost on the way.
pub const GRACE: u64 = 30;
