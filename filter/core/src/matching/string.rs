//! Conditions on one value.

use regex_lite::{Regex, RegexBuilder};

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::limits;
use crate::matching::StringMatch;

/// A compiled [`StringMatch`].
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Regex(Pattern),
    Present,
    Absent,
}

/// What a service may still have.
#[derive(Debug)]
pub(crate) struct Budget {
    regexes: usize,
    conditions: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { regexes: limits::REGEXES, conditions: limits::CONDITIONS_OF_SERVICE }
    }
}

impl Budget {
    pub(crate) fn regex(&mut self, at: &At<'_>) -> Result<(), PolicyError> {
        self.regexes = self.regexes.checked_sub(1).ok_or_else(|| at.wrong(Problem::TooManyRegexes))?;
        Ok(())
    }

    pub(crate) fn conditions(&mut self, count: usize, at: &At<'_>) -> Result<(), PolicyError> {
        self.conditions = self.conditions.checked_sub(count).ok_or_else(|| at.wrong(Problem::TooManyConditions))?;
        Ok(())
    }
}

impl Text {
    pub(crate) fn compile(raw: &StringMatch, budget: &mut Budget, at: &At<'_>) -> Result<Self, PolicyError> {
        let StringMatch { exact, prefix, suffix, contains, regex, present, absent } = raw;
        let texts = [("exact", exact), ("prefix", prefix), ("suffix", suffix), ("contains", contains), ("regex", regex)];
        let switches = [("present", present), ("absent", absent)];
        let mut written = texts.iter().filter_map(|(name, text)| text.as_ref().map(|text| (*name, text)));
        let mut switched = switches.iter().filter_map(|(name, switch)| switch.map(|on| (*name, on)));
        match (written.next(), written.next(), switched.next(), switched.next()) {
            (Some((name, text)), None, None, None) => Self::written(name, text, budget, &at.field(name)),
            (None, None, Some((name, on)), None) => match (name, on) {
                ("present", true) => Ok(Self::Present),
                ("absent", true) => Ok(Self::Absent),
                _ => Err(at.field(name).wrong(Problem::Switch)),
            },
            _ => Err(at.wrong(Problem::OneOf("exact, prefix, suffix, contains, regex, present, absent"))),
        }
    }

    fn written(name: &str, text: &str, budget: &mut Budget, at: &At<'_>) -> Result<Self, PolicyError> {
        if name != "exact" && text.is_empty() {
            return Err(at.wrong(Problem::EmptyText));
        }
        at.length(text, limits::TEXT)?;
        let owned = text.to_owned();
        Ok(match name {
            "exact" => Self::Exact(owned),
            "prefix" => Self::Prefix(owned),
            "suffix" => Self::Suffix(owned),
            "contains" => Self::Contains(owned),
            _ => Self::Regex(Pattern::compile(text, budget, at)?),
        })
    }

    /// Whether a value, or its absence, fulfils the condition.
    pub(crate) fn holds(&self, value: Option<&[u8]>) -> bool {
        let Some(value) = value else { return matches!(self, Self::Absent) };
        if value.len() > limits::VALUE {
            return matches!(self, Self::Present);
        }
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Suffix(text) => value.ends_with(text.as_bytes()),
            Self::Contains(text) => contains(value, text.as_bytes()),
            Self::Regex(pattern) => pattern.matches(value),
            Self::Present => true,
            Self::Absent => false,
        }
    }
}

/// Both are bounded, and almost all windows differ in their first byte.
fn contains(value: &[u8], text: &[u8]) -> bool {
    value.windows(text.len()).any(|window| window == text)
}

/// A regular expression over a whole value (regex-lite: its code is a third of regex-automata's, and there are no Unicode tables). Time grows with its size times the value's length, never faster: there is no
/// backtracking.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub(crate) fn compile(text: &str, budget: &mut Budget, at: &At<'_>) -> Result<Self, PolicyError> {
        at.length(text, limits::REGEX)?;
        budget.regex(at)?;
        let build = |text: &str| {
            let built = RegexBuilder::new(text).size_limit(limits::REGEX_COMPILED).build();
            built.map_err(|error| at.wrong(Problem::Regex(error.to_string())))
        };
        // Alone first: `a)|(b` would become valid between the parentheses.
        build(text)?;
        build(&format!("^(?:{text})$")).map(Self)
    }

    /// A value that is not UTF-8, or very long, matches no expression.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        value.len() <= limits::REGEX_VALUE && std::str::from_utf8(value).is_ok_and(|value| self.0.is_match(value))
    }
}
