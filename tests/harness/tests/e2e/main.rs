//! Programs that are not part of this repository, against the running gateway. One test binary: linking takes longer than most
//! of the tests.

mod authorization;
mod clients;
mod conformance;
mod provider;
