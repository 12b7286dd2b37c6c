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
    /// Fresh randomness for a generated id or a missing request id; the caller's PRNG, tests pass what they like.
    pub entropy: [u64; 2],
}

/// What must be read of a request before a service can decide it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Header names, lower case, `cookie` included when a cookie is read.
    pub headers: Vec<String>,
    /// `:method`.
    pub method: bool,
    /// `:path`.
    pub path: bool,
    /// `x-request-id`.
    pub request_id: bool,
}
