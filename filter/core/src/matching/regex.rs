//! Regular expressions, and what they cost.

use regex_lite::{Regex, RegexBuilder};

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::limits;
use crate::matching::string::Budget;

/// A regular expression over a whole value (regex-lite: its code is a third of regex-automata's, and there are no Unicode tables).
/// Time grows with its size times the value's length, never faster: there is no backtracking.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    #[inline(never)]
    pub(crate) fn compile(text: &str, budget: &mut Budget, at: &At<'_>) -> Result<Self, PolicyError> {
        at.length(text, limits::REGEX)?;
        // Alone first: `a)|(b` would become valid between the parentheses.
        let built = build(text, limits::REGEX_COMPILED).and_then(|_| build(&anchored(text), limits::REGEX_COMPILED));
        let regex = built.map_err(|error| at.wrong(Problem::Regex(error.to_string())))?;
        budget.regex(work(text), at)?;
        Ok(Self(regex))
    }

    /// A value that is not UTF-8, or long, matches no expression.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        value.len() <= limits::REGEX_VALUE && std::str::from_utf8(value).is_ok_and(|value| self.0.is_match(value))
    }
}

fn anchored(text: &str) -> String {
    format!("^(?:{text})$")
}

fn build(text: &str, most: usize) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).size_limit(most).build()
}

/// The most that trying the expression on one value costs, as in [`limits::REGEX_WORK`]: every state may be alive at every byte that
/// is read. Without repetition that has no end, each state is passed once, and the longest match is no longer than there are states.
pub(crate) fn work(text: &str) -> usize {
    let size = size(&anchored(text));
    let read = if is_bounded(text) { size.div_euclid(STATE) } else { limits::REGEX_VALUE };
    size.saturating_mul(read.min(limits::REGEX_VALUE))
}

/// Bytes of a state of a compiled expression, where pointers have 64 bits; some have more.
const STATE: usize = 32;

/// Compiled bytes, at most a quarter too many: the expression does not say its size, only whether it fits into one.
fn size(text: &str) -> usize {
    let fits = |most: usize| build(text, most).is_ok();
    let mut most = SMALLEST;
    while most < limits::REGEX_COMPILED && !fits(most) {
        most = most.saturating_mul(2);
    }
    let step = most.div_euclid(8);
    for shorter in [5, 6, 7] {
        let size = step.saturating_mul(shorter);
        if most > SMALLEST && fits(size) {
            return size;
        }
    }
    most
}

/// The size that is tried first, in bytes.
const SMALLEST: usize = 512;

/// True when nothing in it can repeat without end: no `*`, `+` or `{n,}` outside of an escape. One in a class counts, too.
fn is_bounded(text: &str) -> bool {
    let mut escaped = false;
    let mut before = ' ';
    for letter in text.chars() {
        if !escaped && (matches!(letter, '*' | '+') || (before == ',' && letter == '}')) {
            return false;
        }
        escaped = letter == '\\' && !escaped;
        before = letter;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("(qa|shop)", true; "alternatives")]
    #[test_case(r"\d{3}-[0-9a-f]{1,8}", true; "counted")]
    #[test_case(r"a\+b\*", true; "escaped")]
    #[test_case(r"a\\+", false; "an escaped backslash, repeated")]
    #[test_case("a{2,}", false; "counted without end")]
    #[test_case("a+", false; "one or more")]
    #[test_case(".*", false; "anything")]
    fn repetition_without_end(text: &str, bounded: bool) {
        assert_eq!(is_bounded(text), bounded);
    }

    /// Sizes as they are found by trying every one.
    #[test_case("/a1")]
    #[test_case("(qa|shop)")]
    #[test_case("/api/v[0-9]+/(cart|checkout|orders)/[0-9a-f-]{36}(/.*)?")]
    #[test_case("(?:a*){60}")]
    fn sizes_are_at_most_a_quarter_too_large(text: &str) {
        let text = anchored(text);
        let exact = (0..=limits::REGEX_COMPILED).step_by(16).find(|most| build(&text, *most).is_ok()).unwrap_or_default();
        let found = size(&text);
        assert!(
            exact <= found && (found <= SMALLEST || found.saturating_mul(4) <= exact.saturating_mul(5).saturating_add(4)),
            "{found} for {exact}"
        );
    }

    #[test]
    fn what_is_read_is_bounded_by_what_can_match() {
        // 16 states on 16 bytes are nothing; the same number of states on any value are.
        assert!(work("(qa|shop)") * 200 < limits::REGEX_WORK);
        assert!(work(".*(qa|shop).*") * 7 < limits::REGEX_WORK);
        assert!(work("(?:a*){200}") > limits::REGEX_WORK);
    }
}
