//! The proxy through the SDK's hostcalls (proxy-wasm ABI 0.2.1).
//!
//! The SDK panics on a status that it does not expect of a call, and a panic costs everything in flight in the worker. The build puts a
//! guard before every hostcall of the module (`xtask/src/module/guard.rs`) which turns those into one that the call expects, and each
//! function here says what that is. The calls by bytes are used throughout, because the others panic on texts that are not UTF-8.

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType};
use shunt_filter_core::Headers;

use crate::host::{Host, Map};

/// No policy is larger; a limit only so that a broken size cannot ask for all memory.
const CONFIGURATION_MAX: usize = 64 << 20;

/// No header has this name. The build's guard makes all headers of it, in the proxy's form; without the guard it is not found. The SDK's
/// own call for all headers allocates twice for each of them, which doubles what a request costs in the VM.
const ALL: &str = "";

/// Envoy, as the VM of this thread sees it.
#[derive(Debug)]
pub(crate) struct Proxy;

impl Host for Proxy {
    fn now(&self) -> u64 {
        // Refused: the time stays at 1970.
        let since = hostcalls::get_current_time().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_default()
    }

    fn random(&self) -> [u8; 16] {
        shunt_filter_random::sixteen_bytes()
    }

    fn configuration(&self) -> Vec<u8> {
        // Refused: not found.
        hostcalls::get_buffer(BufferType::PluginConfiguration, 0, CONFIGURATION_MAX).ok().flatten().unwrap_or_default()
    }

    fn set_tick_period(&self, milliseconds: u32) {
        // Refused: as if it were not.
        hostcalls::set_tick_period(Duration::from_millis(milliseconds.into())).unwrap_or_default();
    }

    fn header(&self, map: Map, name: &str) -> Option<Vec<u8>> {
        // Refused: not found.
        hostcalls::get_map_value_bytes(map.into(), name).ok().flatten()
    }

    fn headers(&self, map: Map) -> Headers {
        // Refused: not found, and then no headers.
        match hostcalls::get_map_value_bytes(map.into(), ALL) {
            Ok(Some(bytes)) => Headers::new(bytes),
            Ok(None) | Err(_) => Headers::of(&hostcalls::get_map_bytes(map.into()).unwrap_or_default()),
        }
    }

    fn set_header(&self, map: Map, name: &str, value: &[u8]) {
        // Refused: as if it were not.
        hostcalls::set_map_value_bytes(map.into(), name, Some(value)).unwrap_or_default();
    }

    fn add_header(&self, map: Map, name: &str, value: &[u8]) {
        // Refused: as if it were not.
        hostcalls::add_map_value_bytes(map.into(), name, value).unwrap_or_default();
    }

    fn remove_header(&self, map: Map, name: &str) {
        // Refused: as if it were not.
        hostcalls::remove_map_value(map.into(), name).unwrap_or_default();
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        // Refused: not found. The SDK joins parts with NUL, as `path` is already.
        hostcalls::get_property(vec![path]).ok().flatten()
    }

    fn define_counter(&self, name: &str) -> Option<u32> {
        // Refused: the number stays 0, which no counter of Envoy's has.
        hostcalls::define_metric(MetricType::Counter, name).ok().filter(|id| *id != 0)
    }

    fn increment(&self, counter: u32, by: u64) -> bool {
        // Refused: an error.
        i64::try_from(by).is_ok_and(|by| hostcalls::increment_metric(counter, by).is_ok())
    }

    fn post(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout_ms: u32) -> bool {
        let timeout = Duration::from_millis(timeout_ms.into());
        // Refused: an error.
        hostcalls::dispatch_http_call(cluster, headers.to_vec(), Some(body), Vec::new(), timeout).is_ok()
    }
}

impl From<Map> for MapType {
    fn from(map: Map) -> Self {
        match map {
            Map::Request => Self::HttpRequestHeaders,
            Map::Response => Self::HttpResponseHeaders,
            Map::CallResponse => Self::HttpCallResponseHeaders,
        }
    }
}
