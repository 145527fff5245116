//! Tests that go through the whole of it: requests in, responses out.

mod abuse;
mod authorize;
mod bench;
mod clients;
mod discovery;
mod keys;
mod pages;
mod races;
mod refresh;
mod registration;
mod signing;
mod storage;
mod token;

pub use bench::{Bench, TOKEN_KEY, document, password_hash, secrets};
