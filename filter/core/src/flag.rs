//! Feature flags: decided like versions, handed on in one header, a structured-field dictionary (RFC 9651).

use std::fmt::Write as _;

use crate::assignment::Assignment;
use crate::decision::{FlagDecision, FlagsHeader};
use crate::fields::Values;
use crate::goal::CompiledGoal;
use crate::names::{FLAGS_HEADER, RolloutId, VersionName};
use crate::policy::FlagValue;
use crate::request::Request;
use crate::watch::Watch;

/// A compiled [`crate::policy::Flag`].
#[derive(Debug, Clone)]
pub struct CompiledFlag {
    pub(crate) name: String,
    pub(crate) rollout: RolloutId,
    pub(crate) watch: Watch,
    pub(crate) choices: Vec<Choice>,
    pub(crate) stable: Choice,
    pub(crate) assignment: Assignment,
}

/// A version of a flag with its value; none when it is the default's.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) version: VersionName,
    pub(crate) value: Option<FlagValue>,
}

impl CompiledFlag {
    /// Its key in `x-shunt-flags`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Rollout it belongs to.
    pub fn rollout(&self) -> &RolloutId {
        &self.rollout
    }

    /// What is looked at while an analysis runs.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// What users may reach.
    pub fn goals(&self) -> &[CompiledGoal] {
        &self.assignment.goals
    }

    /// Its versions, each with a value.
    pub fn versions(&self) -> impl Iterator<Item = &VersionName> {
        self.choices.iter().map(|choice| &choice.version)
    }

    #[inline(never)]
    pub(crate) fn decide(&self, values: Values<'_, '_>) -> FlagDecision<'_> {
        let assigned = self.assignment.assign(values);
        let choice = self.choices.get(assigned.owner).unwrap_or(&self.stable);
        FlagDecision {
            name: &self.name,
            version: &choice.version,
            value: choice.value.as_ref(),
            reason: assigned.reason,
            counted: assigned.counted,
            generated: assigned.generated,
            keyless: assigned.keyless,
        }
    }
}

/// Integers of a structured field have at most 15 digits (RFC 9651 §3.3.1).
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// A `key` of RFC 9651 §3.1.2.
pub(crate) fn is_key(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'*';
    let later = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte);
    text.bytes().next().is_some_and(first) && text.bytes().all(later)
}

/// Whether a value can stand in the header.
pub(crate) fn is_item(value: &FlagValue) -> bool {
    match value {
        FlagValue::Boolean(_) => true,
        FlagValue::Integer(number) => number.unsigned_abs() <= INTEGER_MAX,
        FlagValue::String(text) => text.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
    }
}

/// What becomes of `x-shunt-flags`: members that are decided here go, those of others stay in front, as they came.
#[inline(never)]
pub(crate) fn header(decided: &[FlagDecision<'_>], request: &Request) -> FlagsHeader {
    if decided.is_empty() {
        return FlagsHeader::Keep;
    }
    let mut text = String::new();
    let lines = request.headers.iter().filter(|(name, _)| name == FLAGS_HEADER).filter_map(|(_, value)| std::str::from_utf8(value).ok());
    for member in lines.flat_map(Members) {
        let name = member.split(['=', ';']).next().unwrap_or_default().trim();
        if is_key(name) && !decided.iter().any(|flag| flag.name == name) {
            separate(&mut text);
            text.push_str(member);
        }
    }
    for FlagDecision { name, value, .. } in decided {
        if let Some(value) = value {
            separate(&mut text);
            text.push_str(name);
            item(&mut text, value);
        }
    }
    // A write costs: it makes the proxy choose the route again.
    let mut lines = request.headers.iter().filter(|(name, _)| name == FLAGS_HEADER).map(|(_, value)| value.as_slice());
    match (lines.next(), lines.next()) {
        (None, _) if text.is_empty() => FlagsHeader::Keep,
        (Some(only), None) if only == text.as_bytes() && !text.is_empty() => FlagsHeader::Keep,
        _ if text.is_empty() => FlagsHeader::Remove,
        _ => FlagsHeader::Set(text),
    }
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push_str(", ");
    }
}

/// `=` and the value; `?1` is left out (RFC 9651 §4.1.2).
fn item(text: &mut String, value: &FlagValue) {
    match value {
        FlagValue::Boolean(true) => {}
        FlagValue::Boolean(false) => text.push_str("=?0"),
        // Writing to a `String` cannot fail.
        FlagValue::Integer(number) => write!(text, "={number}").unwrap_or_default(),
        FlagValue::String(value) => {
            text.push_str("=\"");
            for character in value.chars() {
                if matches!(character, '"' | '\\') {
                    text.push('\\');
                }
                text.push(character);
            }
            text.push('"');
        }
    }
}

/// Members of a dictionary, trimmed: what stands between commas outside of strings.
struct Members<'a>(&'a str);

impl<'a> Iterator for Members<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.0.is_empty() {
            let (mut quoted, mut escaped) = (false, false);
            let end = self.0.bytes().position(|byte| {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b',' => return !quoted,
                    _ => {}
                }
                false
            });
            let (member, rest) = end.and_then(|end| Some((self.0.get(..end)?, self.0.get(end.checked_add(1)?..)?))).unwrap_or((self.0, ""));
            self.0 = rest;
            let member = member.trim();
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("a, b=2,c=\"x,y\"", &["a", "b=2", "c=\"x,y\""]; "comma in a string")]
    #[test_case("a=\"\\\",\", b", &["a=\"\\\",\"", "b"]; "escaped quote")]
    #[test_case(" , ,a", &["a"]; "empty members")]
    #[test_case("a=\"x, b", &["a=\"x, b"]; "string without end")]
    #[test_case("", &[]; "nothing")]
    fn members(text: &str, expected: &[&str]) {
        assert_eq!(Members(text).collect::<Vec<_>>(), expected);
    }

    #[test_case(FlagValue::Boolean(true), ""; "true")]
    #[test_case(FlagValue::Boolean(false), "=?0"; "false")]
    #[test_case(FlagValue::Integer(-42), "=-42"; "integer")]
    #[test_case(FlagValue::String("say \"hi\" \\o/".into()), r#"="say \"hi\" \\o/""#; "string")]
    #[test_case(FlagValue::String(String::new()), "=\"\""; "empty string")]
    fn items(value: FlagValue, expected: &str) {
        let mut text = String::new();
        item(&mut text, &value);
        assert_eq!(text, expected);
    }

    #[test_case("new-cart", true)]
    #[test_case("*a.b_c-1", true)]
    #[test_case("1a", false)]
    #[test_case("New", false)]
    #[test_case("", false)]
    fn keys(text: &str, expected: bool) {
        assert_eq!(is_key(text), expected);
    }

    #[test_case(999_999_999_999_999, true)]
    #[test_case(-999_999_999_999_999, true)]
    #[test_case(1_000_000_000_000_000, false)]
    #[test_case(i64::MIN, false)]
    fn integers(number: i64, expected: bool) {
        assert_eq!(is_item(&FlagValue::Integer(number)), expected);
    }
}
