//! What a service needs of a request, taken from all its headers.

use shunt_filter_core::{Needs, Request};

use crate::host::Headers;

/// The request as its service needs it.
pub(crate) fn gather(headers: &Headers, needs: &Needs, end_of_stream: bool, entropy: [u64; 2]) -> Request {
    let mut request = Request { end_of_stream, entropy, ..Request::default() };
    for (name, value) in headers.iter() {
        match name {
            b":method" if needs.method => request.method = text(value),
            b":path" if needs.path => request.path = text(value),
            b"x-request-id" if needs.request_id => request.request_id = text(value),
            _ => {}
        }
        if let Some(needed) = needs.headers.iter().find(|needed| needed.as_bytes() == name) {
            request.headers.push((needed.clone(), value.to_vec()));
        }
    }
    request
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
