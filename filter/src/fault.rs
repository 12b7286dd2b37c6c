//! Only with the feature `panic-on-request-header`, for tests of what a panic costs; never in a module that is released.
#![allow(clippy::panic)]

use crate::host::{Host, Map};

/// Requests with this header make the module panic.
const HEADER: &str = "x-test-panic";

/// Panics when the request asks for it.
pub(crate) fn panic_if_asked(host: &dyn Host) {
    if host.header(Map::Request, HEADER).is_some() {
        panic!("asked for by {HEADER}");
    }
}
