//! Tests that go through the whole of it: requests in, responses out.

mod abuse;
mod apps;
mod authorize;
mod bench;
mod clients;
mod discovery;
mod keys;
mod machine;
mod outbound;
mod pages;
mod providers;
mod races;
mod refresh;
mod registration;
pub mod signing;
mod storage;
mod token;

pub use bench::{Bench, TOKEN_KEY, document, password_hash, secrets};
