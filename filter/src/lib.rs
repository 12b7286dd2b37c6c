//! The proxy-wasm filter: hostcalls around [`shunt_filter_core`], which decides.
//!
//! One VM per Envoy worker (and one on the main thread) runs it. What belongs to the VM is in [`vm`]; what comes with a push in [`root`];
//! what happens to a request in [`http`].
#![allow(missing_docs, reason = "the one public item is the start function that the SDK's macro makes")]

mod counters;
mod ending;
#[cfg(feature = "panic-on-request-header")]
mod fault;
mod gather;
mod host;
mod http;
mod lane;
mod random;
mod root;
mod stats;
mod tally;
mod vm;

use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    // Only so that a panic leaves its message in the proxy's log.
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
