//! The proxy-wasm filter: hostcalls around [`shunt_filter_core`], which decides.
//!
//! One VM per Envoy worker (and one on the main thread) runs it. What belongs to the VM is in `vm`; what comes with a push or with
//! time in `root`; what happens to a request in `http`.

mod arm;
mod counters;
mod ending;
#[cfg(feature = "panic-on-request-header")]
mod fault;
mod gather;
mod host;
mod http;
mod lane;
mod random;
mod reporter;
mod root;
mod stats;
mod tally;
mod trail;
mod vm;
