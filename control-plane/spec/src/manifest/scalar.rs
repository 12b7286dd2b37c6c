//! What a plain scalar means: the core schema of YAML 1.2, and where YAML 1.1 (Kubernetes' tools) would read something else.

/// A plain scalar's meaning.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text,
}

/// By the core schema (YAML 1.2.2, 10.3.2).
pub(super) fn meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Boolean(true),
        "false" | "False" | "FALSE" => Meaning::Boolean(false),
        _ => number(text),
    }
}

fn number(text: &str) -> Meaning {
    if let Some(digits) = text.strip_prefix("0x") {
        return i128::from_str_radix(digits, 16).map_or(Meaning::Text, Meaning::Integer);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i128::from_str_radix(digits, 8).map_or(Meaning::Text, Meaning::Integer);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !unsigned.contains(|c: char| c.is_ascii_digit()) {
        return Meaning::Text;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map_or(Meaning::Text, Meaning::Integer);
    }
    text.parse().map_or(Meaning::Text, Meaning::Float)
}

/// What some YAML reader makes of a plain scalar that another one reads as text; none when all read text. Such text must be quoted,
/// so that a manifest means the same to every tool.
pub(super) fn ambiguous(text: &str) -> Option<&'static str> {
    match meaning(text) {
        Meaning::Null => return Some("nothing"),
        Meaning::Boolean(_) => return Some("a boolean"),
        Meaning::Integer(_) | Meaning::Float(_) => return Some("a number"),
        Meaning::Text => {}
    }
    match text.to_ascii_lowercase().as_str() {
        "y" | "n" | "yes" | "no" | "on" | "off" => Some("a boolean (YAML 1.1, as in kubectl)"),
        ".inf" | "-.inf" | "+.inf" | ".nan" => Some("a number"),
        _ => underscored(text).then_some("a number (YAML 1.1, as in kubectl)"),
    }
}

/// `1_000` and `1:30` are numbers in YAML 1.1.
fn underscored(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let numeric = unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b':' | b'.'));
    let sixties = unsigned.split(':').count() > 1 && unsigned.split(':').skip(1).all(|part| !part.is_empty() && part.len() <= 2);
    numeric && unsigned.starts_with(|c: char| c.is_ascii_digit()) && (unsigned.contains('_') || sixties)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("", Meaning::Null; "empty")]
    #[test_case("~", Meaning::Null; "tilde")]
    #[test_case("true", Meaning::Boolean(true))]
    #[test_case("FALSE", Meaning::Boolean(false))]
    #[test_case("yes", Meaning::Text; "yes is text in YAML 1.2")]
    #[test_case("12", Meaning::Integer(12))]
    #[test_case("-12", Meaning::Integer(-12); "negative")]
    #[test_case("0x1f", Meaning::Integer(31); "hexadecimal")]
    #[test_case("0o17", Meaning::Integer(15); "octal")]
    #[test_case("0.05", Meaning::Float(0.05); "fraction")]
    #[test_case("1e3", Meaning::Float(1000.0); "exponent")]
    #[test_case("1.2.3", Meaning::Text; "two points")]
    #[test_case("10m", Meaning::Text; "duration")]
    #[test_case("99%", Meaning::Text; "percent")]
    #[test_case("v1", Meaning::Text; "name")]
    #[test_case("-", Meaning::Text; "dash")]
    #[test_case("inf", Meaning::Text; "a word that Rust reads as a number")]
    fn core_schema(text: &str, expected: Meaning) {
        assert_eq!(meaning(text), expected);
    }

    #[test_case("off", true)]
    #[test_case("N", true)]
    #[test_case("1_000", true; "underscore")]
    #[test_case("1:30", true; "base sixty")]
    #[test_case("1.10", true; "a version that would lose its zero")]
    #[test_case("v1.10", false; "version with letter")]
    #[test_case("127.0.0.1:9001", false; "endpoint")]
    #[test_case("[::1]:9001", false; "IPv6 endpoint")]
    #[test_case("offer", false; "starts like a boolean")]
    fn quotes_needed(text: &str, expected: bool) {
        assert_eq!(ambiguous(text).is_some(), expected);
    }
}
