//! The path, without its query, as it came: not decoded, case-sensitive.

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::limits;
use crate::matching::PathMatch;
use crate::matching::regex::Pattern;
use crate::matching::string::Budget;

/// A compiled [`PathMatch`].
#[derive(Debug, Clone)]
pub(crate) enum PathTest {
    Exact(String),
    /// Without a trailing slash; empty: every path.
    Prefix(String),
    Regex(Pattern),
}

impl PathTest {
    pub(crate) fn compile(raw: &PathMatch, budget: &mut Budget, at: &At<'_>) -> Result<Self, PolicyError> {
        match (&raw.exact, &raw.prefix, &raw.regex) {
            (Some(exact), None, None) => {
                check(exact, exact == "*", &at.field("exact"))?;
                Ok(Self::Exact(exact.clone()))
            }
            (None, Some(prefix), None) => {
                check(prefix, false, &at.field("prefix"))?;
                Ok(Self::Prefix(prefix.trim_end_matches('/').to_owned()))
            }
            (None, None, Some(regex)) => Ok(Self::Regex(Pattern::compile(regex, budget, &at.field("regex"))?)),
            _ => Err(at.wrong(Problem::OneOf("exact, prefix, regex"))),
        }
    }

    /// Whether the path of a `:path` fulfils it.
    pub(crate) fn holds(&self, target: &str) -> bool {
        let path = path(target);
        if path.len() > limits::VALUE {
            return false;
        }
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => {
                path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && !prefix.is_empty()))
            }
            Self::Regex(pattern) => pattern.matches(path.as_bytes()),
        }
    }
}

fn check(text: &str, special: bool, at: &At<'_>) -> Result<(), PolicyError> {
    at.length(text, limits::TEXT)?;
    if (text.starts_with('/') || special) && !text.contains(['?', '#']) { Ok(()) } else { Err(at.wrong(Problem::Path(text.to_owned()))) }
}

/// What stands before the query.
pub(crate) fn path(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

/// What stands between `?` and a fragment (which a client should not send).
pub(crate) fn query(target: &str) -> &str {
    let target = target.split('#').next().unwrap_or_default();
    target.split_once('?').map(|(_, query)| query).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn prefix(text: &str) -> PathTest {
        let raw = PathMatch { prefix: Some(text.to_owned()), ..PathMatch::default() };
        PathTest::compile(&raw, &mut Budget::default(), &At::root("path")).unwrap()
    }

    #[test_case("/shop", "/shop", true; "equal")]
    #[test_case("/shop", "/shop/", true; "trailing slash")]
    #[test_case("/shop", "/shop/cart", true; "below")]
    #[test_case("/shop", "/shop?x=1", true; "query")]
    #[test_case("/shop", "/shopping", false; "only on a border")]
    #[test_case("/shop/", "/shop", true; "trailing slash in the policy")]
    #[test_case("/shop", "/Shop", false; "case")]
    #[test_case("/shop", "/", false; "above")]
    #[test_case("/", "/", true; "root")]
    #[test_case("/", "/x", true; "root and anything")]
    #[test_case("/", "*", false; "OPTIONS star is no path")]
    #[test_case("/", "", false; "CONNECT has no path")]
    #[test_case("/shop.Cart", "/shop.Cart/Add", true; "gRPC service")]
    fn prefixes(text: &str, target: &str, expected: bool) {
        assert_eq!(prefix(text).holds(target), expected);
    }
}
