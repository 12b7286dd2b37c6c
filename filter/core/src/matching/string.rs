//! Conditions on one value.

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::limits;
use crate::matching::StringMatch;
use crate::matching::regex::Pattern;

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
    /// Regular expressions so far, each with its work.
    regexes: Vec<(String, usize)>,
    conditions: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { regexes: Vec::new(), conditions: limits::CONDITIONS_OF_SERVICE }
    }
}

impl Budget {
    pub(crate) fn regex(&mut self, work: usize, at: &At<'_>) -> Result<(), PolicyError> {
        if self.regexes.len() >= limits::REGEXES {
            return Err(at.wrong(Problem::TooManyRegexes));
        }
        self.regexes.push((at.to_string(), work));
        let work = self.work();
        if work > limits::REGEX_WORK {
            let (mut left, mut fields) = (std::mem::take(&mut self.regexes), Vec::new());
            // One by one, of a handful: the sort of the standard library is some kilobytes of code in the module.
            while let Some((costliest, _)) = left.iter().enumerate().min_by_key(|(_, (_, work))| std::cmp::Reverse(*work)) {
                fields.push(left.remove(costliest));
            }
            return Err(at.wrong(Problem::RegexWork { work, fields }));
        }
        Ok(())
    }

    /// Of all regular expressions, as in [`limits::REGEX_WORK`].
    pub(crate) fn work(&self) -> usize {
        self.regexes.iter().fold(0, |sum, (_, work)| sum.saturating_add(*work))
    }

    pub(crate) fn conditions(&mut self, count: usize, at: &At<'_>) -> Result<(), PolicyError> {
        self.conditions = self.conditions.checked_sub(count).ok_or_else(|| at.wrong(Problem::TooManyConditions))?;
        Ok(())
    }
}

impl Text {
    #[inline(never)]
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
