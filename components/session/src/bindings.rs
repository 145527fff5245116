//! Generated bindings of the world `session`.

#![allow(missing_docs, unsafe_code, clippy::all, unused_qualifications, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "mcp-edge:gateway/session",
    with: {
        "wasi:http/types@0.3.0": wasip3::http::types,
        "wasi:clocks/types@0.3.0": wasip3::clocks::types,
        "wasi:clocks/monotonic-clock@0.3.0": wasip3::clocks::monotonic_clock,
        "wasi:clocks/system-clock@0.3.0": wasip3::clocks::system_clock,
        "wasi:random/random@0.3.0": wasip3::random::random,
        "wasi:keyvalue/store@0.2.0-draft2": shared_guest::bindings::wasi::keyvalue::store,
        "wasi:config/store@0.2.0-draft-2024-09-27": shared_guest::bindings::wasi::config::store,
    },
    generate_all,
});

use super::Component;
export!(Component);
