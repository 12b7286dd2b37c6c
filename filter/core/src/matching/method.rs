//! Methods.

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::limits;
use crate::matching::header::is_token;

/// Checks the names of methods: tokens in upper case (methods are case-sensitive, RFC 9110 §9.1).
pub(crate) fn compile(methods: &[String], at: &At<'_>) -> Result<Vec<String>, PolicyError> {
    for (index, method) in methods.iter().enumerate() {
        let at = at.index(index);
        at.length(method, limits::NAME)?;
        if !is_token(method) || method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(at.wrong(Problem::Method(method.clone())));
        }
    }
    Ok(methods.to_vec())
}

/// Methods that change nothing (RFC 9110 §9.2.1, without TRACE, which proxies refuse): these may be sent twice.
pub(crate) fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}
