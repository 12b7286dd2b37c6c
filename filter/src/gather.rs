//! Reads of a request what its service needs, with as few calls as possible.

use shunt_filter_core::names::SHADOW_HEADER;
use shunt_filter_core::{Needs, Request};

use crate::host::{self, Map};

/// From so many values on, reading all headers at once is cheaper.
const ALL_AT_ONCE: usize = 2;

/// The request as its service needs it.
pub(crate) fn gather(needs: &Needs, end_of_stream: bool, entropy: [u64; 2]) -> Request {
    let request = Request { end_of_stream, entropy, ..Request::default() };
    // The shadow mark is nearly always absent, and asking for what is absent costs little.
    let expected = needs.headers.iter().filter(|name| *name != SHADOW_HEADER).count();
    let values = [needs.method, needs.path, needs.request_id].into_iter().fold(expected, |sum, need| sum.saturating_add(need.into()));
    if values < ALL_AT_ONCE
        && let Some(headers) = each(&needs.headers)
    {
        let ask = |need: bool, name| if need { text(host::header(Map::Request, name)) } else { String::new() };
        return Request {
            method: ask(needs.method, ":method"),
            path: ask(needs.path, ":path"),
            request_id: ask(needs.request_id, "x-request-id"),
            headers,
            ..request
        };
    }
    let headers = host::headers(Map::Request).unwrap_or_default();
    let find = |name| text(headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()));
    Request { method: find(":method"), path: find(":path"), request_id: find("x-request-id"), headers, ..request }
}

/// Headers one by one; none when one of them may stand on several lines. The property joins them by a comma, and single lines rarely
/// have one.
fn each(names: &[String]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut headers = Vec::with_capacity(names.len());
    for name in names {
        if name == SHADOW_HEADER {
            // A mark: its first line says all, and asking for a header that is absent is the cheapest call.
            headers.extend(host::header(Map::Request, name).map(|value| (name.clone(), value)));
            continue;
        }
        let Some(value) = host::property(&format!("request\0headers\0{name}")) else { continue };
        if value.contains(&b',') {
            return None;
        }
        headers.push((name.clone(), value));
    }
    Some(headers)
}

fn text(bytes: Option<Vec<u8>>) -> String {
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
