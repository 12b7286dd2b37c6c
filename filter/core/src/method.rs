//! Request methods, as far as counting tells them apart.

use serde::{Deserialize, Serialize};

/// A method of RFC 9110 or RFC 5789; any other text is [`Method::Other`], so that what clients invent takes no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Trace,
    Connect,
    #[default]
    Other,
}

impl Method {
    /// From the text of `:method`; methods are case-sensitive.
    pub fn parse(text: &[u8]) -> Self {
        match text {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"PATCH" => Self::Patch,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Connect => "CONNECT",
            Self::Other => "OTHER",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("GET", Method::Get)]
    #[test_case("CONNECT", Method::Connect)]
    #[test_case("get", Method::Other; "another case is another method")]
    #[test_case("PROPFIND", Method::Other)]
    fn methods(text: &str, method: Method) {
        assert_eq!(Method::parse(text.as_bytes()), method);
    }

    #[test]
    fn the_wire_has_the_text_for_people() {
        for method in [Method::Get, Method::Patch, Method::Connect, Method::Other] {
            assert_eq!(serde_json::to_string(&method).unwrap(), format!("{:?}", method.as_str()));
        }
    }
}
