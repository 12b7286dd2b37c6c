//! The border to the proxy (proxy-wasm ABI 0.2.1), both ways: here the functions it offers, in [`exports`] those it calls.
//!
//! Fallible: a status other than 0 is `None` or `false`, never a panic. This module is the one place with `unsafe`.
//!
//! Written here and not taken from the SDK for two reasons. The SDK panics on statuses and ids that it does not expect, and a panic
//! costs everything in flight in the worker. And it exports every callback there is, so the proxy enters the VM for each piece of
//! a body and four more times per request.
#![allow(unsafe_code)]

mod exports;
mod pairs;

use std::ptr::null_mut;

pub(crate) use pairs::Headers;
use pairs::serialise;

/// Header maps by the numbers of the proxy-wasm ABI 0.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Map {
    /// Of the request; readable while it is handled, and in the log phase.
    Request = 0,
    /// Of the response; readable from its headers on.
    Response = 2,
    /// Of the answer to a call of ours.
    CallResponse = 6,
}

/// Plugin configuration among the buffers of ABI 0.2.1.
const PLUGIN_CONFIGURATION: u32 = 7;
/// Counter among the metric types of ABI 0.2.1.
const COUNTER: u32 = 0;

/// Levels of the proxy's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Level {
    /// Something was refused.
    Warning = 3,
    /// The VM is about to die.
    Critical = 5,
}

/// No policy is larger; a limit only so that a broken size cannot ask for all memory.
const CONFIGURATION_MAX: usize = 64 << 20;

mod abi {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_get_header_map_value(map: u32, key: *const u8, key_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_add_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, size: usize) -> u32;
        pub(super) fn proxy_replace_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, size: usize) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
        pub(super) fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, offset: i64) -> u32;
        pub(super) fn proxy_http_call(
            cluster: *const u8,
            cluster_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout: u32,
            token: *mut u32,
        ) -> u32;
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn random_get(buffer: *mut u8, size: usize) -> u32;
    }
}

/// Runs a call that hands back memory which the proxy allocated through the module's own allocator.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let mut data: *mut u8 = null_mut();
    let mut size: usize = 0;
    if call(&raw mut data, &raw mut size) != 0 {
        return None;
    }
    if data.is_null() || size == 0 {
        return Some(Vec::new());
    }
    // SAFETY: on success the proxy called the module's `malloc` (a boxed slice of exactly `size` bytes), filled it
    // and gave it away.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// The first value of a header; none when it is absent. 0.65 us, 0.1 us when absent.
pub(crate) fn header(map: Map, name: &str) -> Option<Vec<u8>> {
    // SAFETY: pointer and size belong to `name`, the others are valid for the call.
    returned(|data, size| unsafe { abi::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size) })
}

/// All headers. 1.0 us for 7 of them, 1.6 us for 11: less than two of them asked for by name.
pub(crate) fn headers(map: Map) -> Headers {
    // SAFETY: the pointers are valid for the call.
    let bytes = returned(|data, size| unsafe { abi::proxy_get_header_map_pairs(map as u32, data, size) });
    Headers::new(bytes.unwrap_or_default())
}

/// Sets a header to one value, in the place of its first one. Clears the route cache (request headers, ABI 0.2.1).
pub(crate) fn set_header(map: Map, name: &str, value: &[u8]) -> bool {
    // SAFETY: pointers and sizes belong to `name` and `value`.
    unsafe { abi::proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) == 0 }
}

/// Adds a header beside those of the same name.
pub(crate) fn add_header(map: Map, name: &str, value: &[u8]) -> bool {
    // SAFETY: pointers and sizes belong to `name` and `value`.
    unsafe { abi::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) == 0 }
}

/// Removes all values of a header. Clears the route cache, also when there was none: look first.
pub(crate) fn remove_header(map: Map, name: &str) -> bool {
    // SAFETY: pointer and size belong to `name`.
    unsafe { abi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) == 0 }
}

/// A property by its path, parts separated by NUL. 0.75 to 1.6 us, 0.2 us when absent.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: pointer and size belong to `path`.
    returned(|data, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// The plugin's configuration; only while it is being configured.
pub(crate) fn configuration() -> Option<Vec<u8>> {
    // SAFETY: the pointers are valid for the call.
    returned(|data, size| unsafe { abi::proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, CONFIGURATION_MAX, data, size) })
}

/// Wall clock, nanoseconds since 1970; 0 when the proxy refuses.
pub(crate) fn now() -> u64 {
    let mut time = 0;
    // SAFETY: the pointer is valid for the call.
    if unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut time) } == 0 { time } else { 0 }
}

/// Asks for a tick every so many milliseconds from now on.
pub(crate) fn set_tick_period(milliseconds: u32) {
    // SAFETY: no pointers. Nothing to do about a refusal: without ticks there are no reports, requests go on.
    unsafe { abi::proxy_set_tick_period_milliseconds(milliseconds) };
}

/// One line in the proxy's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: pointer and size belong to `text`. A log line that does not arrive changes nothing.
    unsafe { abi::proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// Sixteen random bytes from the host; zeros when it refuses. 0.6 us.
pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: pointer and size belong to `bytes`; a refusal leaves the zeros.
    unsafe { abi::random_get(bytes.as_mut_ptr(), bytes.len()) };
    bytes
}

/// Defines a counter, or finds the one with this name.
pub(crate) fn define_counter(name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: pointers and sizes are valid for the call.
    (unsafe { abi::proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &raw mut id) } == 0).then_some(id)
}

/// Adds to a counter.
pub(crate) fn increment(counter: u32, by: u64) -> bool {
    let Ok(by) = i64::try_from(by) else { return false };
    // SAFETY: no pointers.
    unsafe { abi::proxy_increment_metric(counter, by) == 0 }
}

/// Posts to a cluster; false when the proxy refuses. The answer comes to the root context that runs now.
pub(crate) fn post(cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout_ms: u32) -> bool {
    let (headers, trailers) = (serialise(headers), serialise(&[]));
    let mut token = 0;
    // SAFETY: pointers and sizes belong to the texts above and are valid for the call.
    let status = unsafe {
        abi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &raw mut token,
        )
    };
    status == 0
}
