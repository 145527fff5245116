//! Generated from the world `connector`.

#![allow(missing_docs, clippy::all, unsafe_code, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "mcp-edge:gateway/connector",
    with: {
        "wasi:keyvalue/store@0.2.0-draft2": shared_guest::bindings::wasi::keyvalue::store,
        "wasi:config/store@0.2.0-draft-2024-09-27": shared_guest::bindings::wasi::config::store,
        "wasi:clocks/monotonic-clock@0.3.0": wasip3::clocks::monotonic_clock,
        "wasi:clocks/system-clock@0.3.0": wasip3::clocks::system_clock,
        "wasi:clocks/types@0.3.0": wasip3::clocks::types,
        "wasi:http/types@0.3.0": wasip3::http::types,
        "wasi:http/client@0.3.0": wasip3::http::client,
    },
    generate_all,
});

use super::Component;
export!(Component);
