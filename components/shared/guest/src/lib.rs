//! What every adapter needs: the bindings of the store and the configuration, and the ports over WASI.
//!
//! Adapters map the packages named here onto these bindings in their own `wit_bindgen::generate!`:
//!
//! ```text
//! with: {
//!     "wasi:keyvalue/store@0.2.0-draft2": shared_guest::bindings::wasi::keyvalue::store,
//!     "wasi:keyvalue/atomics@0.2.0-draft2": shared_guest::bindings::wasi::keyvalue::atomics,
//!     "wasi:config/store@0.2.0-draft-2024-09-27": shared_guest::bindings::wasi::config::store,
//!     "wasi:http/types@0.3.0": wasip3::http::types,
//!     …
//! }
//! ```

pub mod client;
pub mod http;
mod world;

pub use world::{GuestConfig, GuestRandom, GuestStore, GuestTime};

/// Generated bindings; everything else wraps them.
#[allow(missing_docs, clippy::all, unsafe_code, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package mcp-edge:guest;
            world guest {
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:config/store@0.2.0-draft-2024-09-27;
            }
        ",
        world: "mcp-edge:guest/guest",
        generate_all,
    });
}
