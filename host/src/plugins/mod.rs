//! The interfaces this host implements itself, one folder or file each; a backend is a file beside its interface.

pub mod config;
pub mod keyvalue;
pub mod outbound;
