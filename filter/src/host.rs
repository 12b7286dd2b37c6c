//! What the filter asks of the proxy. In Envoy that is `proxy`, in native tests `fake`.
//!
//! Nothing here can fail loudly: what the proxy refuses is `None`, `false` or nothing at all, and costs at most the one request's value.

use std::fmt::Debug;

use shunt_filter_core::Headers;

#[cfg(test)]
pub(crate) mod fake;

/// Header maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Map {
    /// Of the request; readable while it is handled, and in the log phase.
    Request,
    /// Of the response; readable from its headers on.
    Response,
    /// Of the answer to a post.
    CallResponse,
}

/// The proxy, as one VM sees it.
pub(crate) trait Host: Debug {
    /// Wall clock, nanoseconds since 1970; 0 when the proxy refuses. 0.1 us.
    fn now(&self) -> u64;

    /// Sixteen random bytes; zeros when the proxy refuses. 0.6 us.
    fn random(&self) -> [u8; 16];

    /// The plugin's configuration, empty without one; only while it is being configured.
    fn configuration(&self) -> Vec<u8>;

    /// Asks for a tick every so many milliseconds from now on. Without ticks there are no reports; requests go on.
    fn set_tick_period(&self, milliseconds: u32);

    /// The first value of a header; none when it is absent. 0.65 us, 0.1 us when absent.
    fn header(&self, map: Map, name: &str) -> Option<Vec<u8>>;

    /// All headers. 1.0 us for 7 of them, 1.7 us for 13: less than three of them asked for by name.
    fn headers(&self, map: Map) -> Headers;

    /// Sets a header to one value, in the place of its first one. Clears the route cache of a request.
    fn set_header(&self, map: Map, name: &str, value: &[u8]);

    /// Adds a header beside those of the same name.
    fn add_header(&self, map: Map, name: &str, value: &[u8]);

    /// Removes all values of a header. Clears the route cache of a request, also when there was none: look first.
    fn remove_header(&self, map: Map, name: &str);

    /// A property by its path, parts separated by NUL; none when it is absent or empty. 0.75 to 1.6 us, 0.2 us when absent.
    fn property(&self, path: &str) -> Option<Vec<u8>>;

    /// Defines a counter, or finds the one with this name.
    fn define_counter(&self, name: &str) -> Option<u32>;

    /// Adds to a counter.
    fn increment(&self, counter: u32, by: u64) -> bool;

    /// Posts to a cluster; false when the proxy refuses. The answer comes to the root context that runs now.
    fn post(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout_ms: u32) -> bool;
}
