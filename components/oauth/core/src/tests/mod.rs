//! Tests that go through the whole of it: requests in, responses out.

mod abuse;
mod apps;
mod assertions;
mod authorize;
mod bench;
mod clients;
mod consent;
mod deletion;
mod discovery;
mod documents;
mod keys;
mod login;
mod machine;
mod outbound;
mod pages;
mod provider_tokens;
mod providers;
mod races;
mod refresh;
mod registration;
pub mod signing;
mod standing;
mod storage;
mod swept;
mod timing;
mod token;
mod told;

pub use bench::{Bench, TOKEN_KEY, document, password_hash, secrets};
