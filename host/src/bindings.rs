//! The host side of the interfaces that this crate implements itself. Everything else comes from `wasmtime-wasi` and
//! `wasmtime-wasi-http`.
//!
//! Reads answer inline. Writes are asynchronous, because they return only when they are on disk.

wasmtime::component::bindgen!({
    path: ["../wit/deps/wasi-keyvalue-0.2.0-draft2", "../wit/deps/wasi-config-0.2.0-draft-2024-09-27"],
    inline: "
        package mcp-edge:host@0.1.0;
        world plugins {
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
            import wasi:config/store@0.2.0-draft-2024-09-27;
        }
    ",
    world: "mcp-edge:host/plugins",
    imports: {
        "wasi:keyvalue/store.[method]bucket.set": async | trappable,
        "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
        "wasi:keyvalue/atomics.increment": async | trappable,
        "wasi:keyvalue/atomics.swap": async | trappable,
        "wasi:keyvalue/batch.set-many": async | trappable,
        "wasi:keyvalue/batch.delete-many": async | trappable,
        default: trappable,
    },
    with: {
        "wasi:keyvalue/store.bucket": crate::plugins::keyvalue::Bucket,
        "wasi:keyvalue/atomics.cas": crate::plugins::keyvalue::Cas,
    },
});
