//! What the proxy calls. It calls only what is here, so nothing is here without need: no callbacks for bodies and trailers, none for
//! the beginning and the deletion of a context.

use crate::{http, root};

/// Says which ABI this is.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for what a hostcall returns; [`super::returned`] takes it over.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; size].into_boxed_slice()).cast()
}

/// A push: the new root context takes its configuration. 0: refused, the old one stays.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context: u32, _size: usize) -> u32 {
    root::configure(context).into()
}

/// The time that was asked for has passed.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context: u32) {
    root::tick(context);
}

/// An answer to a post, or its failure.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(context: u32, _token: u32, _headers: u32, _body: usize, _trailers: u32) {
    root::answered(context);
}

/// A context ends, a root's or a request's. 1: it may.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(context: u32) -> u32 {
    root::done(context);
    1
}

/// A request's headers are there. 0: go on.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: u32, end_of_stream: u32) -> u32 {
    http::request(context, end_of_stream != 0);
    0
}

/// A response's headers are there. 0: go on.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _count: u32, end_of_stream: u32) -> u32 {
    http::response(context, end_of_stream != 0);
    0
}

/// A request has ended.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    http::log(context);
}
