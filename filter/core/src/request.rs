//! The request as the decision sees it, and what of it a service needs to be read.

/// One request, owned. Only what [`Needs`] asks for has to be filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `:method`.
    pub method: String,
    /// `:path` with the query.
    pub path: String,
    /// Header names in lower case with values as they came, duplicates and pseudo-headers included.
    pub headers: Vec<(String, Vec<u8>)>,
    /// `x-request-id`, empty when absent.
    pub request_id: String,
    /// True when the headers are all there is. Otherwise a body follows, and only `content-length` tells how long it is.
    pub end_of_stream: bool,
    /// Fresh randomness for a generated id or a missing request id; the caller's PRNG, tests pass what they like.
    pub entropy: [u64; 2],
}

/// What must be read of a request before it can be decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Header names, lower case, each once: `cookie` included when a cookie is read, `x-shunt-shadow` always, `content-length` and
    /// `transfer-encoding` when bodies may be mirrored. All lines of each name are needed.
    pub headers: Vec<String>,
    /// `:method`.
    pub method: bool,
    /// `:path`.
    pub path: bool,
    /// `x-request-id`.
    pub request_id: bool,
}

impl Needs {
    /// Adds what another part of the policy needs.
    pub(crate) fn join(&mut self, other: &Self) {
        for name in &other.headers {
            if !self.headers.contains(name) {
                self.headers.push(name.clone());
            }
        }
        self.method |= other.method;
        self.path |= other.path;
        self.request_id |= other.request_id;
    }
}
