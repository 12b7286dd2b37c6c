//! Who gets a copy of a request.

use crate::fields::Values;
use crate::key::request_key;
use crate::matching::{self, Condition, header, method};
use crate::request::Request;
use crate::service::Version;
use crate::split::Ranges;

/// A compiled [`crate::policy::Mirror`].
#[derive(Debug, Clone)]
pub(crate) struct CompiledMirror {
    pub(crate) split: Ranges<usize>,
    /// Any of these; empty: every request.
    pub(crate) matches: Vec<Condition>,
    pub(crate) unsafe_methods: bool,
    /// Bytes.
    pub(crate) max_body: u64,
}

impl CompiledMirror {
    /// The version that gets a copy of a request which `answering` answers, and the route header that asks for both.
    pub(crate) fn copy<'r>(
        &self,
        values: &Values<'_, '_>,
        answering: &'r Version,
        versions: &'r [Version],
    ) -> Option<(&'r Version, &'r str)> {
        let request = values.request;
        if self.split.is_empty() || !(self.unsafe_methods || method::is_safe(&request.method)) {
            return None;
        }
        if !matching::any(&self.matches, values) || body(request).is_none_or(|length| length > self.max_body) {
            return None;
        }
        let (_, version) = match self.split.everybody() {
            Some(owner) => owner,
            None => self.split.owner(self.split.point(request_key(request).bytes()))?,
        };
        let version = versions.get(*version)?;
        // Neither a copy to the one that answers anyway nor one to a version without a route has an entry.
        let (_, route) = answering.copies.iter().find(|(name, _)| *name == version.name)?;
        Some((version, route))
    }
}

/// Bytes of the body; none when unknown: no `content-length`, or one that cannot be believed.
fn body(request: &Request) -> Option<u64> {
    if request.end_of_stream {
        return Some(0);
    }
    if header::has(&request.headers, "transfer-encoding") {
        return None;
    }
    let digits = std::str::from_utf8(header::single(&request.headers, "content-length")?).ok()?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}
