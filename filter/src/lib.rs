//! The proxy-wasm filter: hostcalls around [`shunt_filter_core`], which decides.
//!
//! One VM per Envoy worker (and one on the main thread) runs it. What belongs to the VM is in `vm`; what comes with a push or with
//! time in `root`; what happens to a request in `http`. All of it reaches the proxy through `host::Host`, so that it runs in native
//! tests too; `plugin` and `proxy`, which are the only modules that know the SDK, are built for wasm alone.
#![forbid(unsafe_code)]
// Without a proxy only tests call what is here.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]

mod arm;
mod counters;
mod ending;
#[cfg(feature = "panic-on-request-header")]
mod fault;
mod host;
mod http;
mod lane;
#[cfg(target_arch = "wasm32")]
mod plugin;
#[cfg(target_arch = "wasm32")]
mod proxy;
mod random;
mod reporter;
mod root;
mod stats;
mod tally;
mod trail;
mod vm;
