//! What was decided, and why.

use std::fmt;

use crate::goal::GoalSet;
use crate::names::VersionName;
use crate::policy::{FlagValue, Range};
use crate::split::{cell, slot};

/// Everything decided for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Decisions<'r> {
    /// Of the service; none: no service has this host.
    pub service: Option<Decision<'r>>,
    /// Decided flags, in order of the policy.
    pub flags: Vec<FlagDecision<'r>>,
    /// What becomes of `x-shunt-flags`.
    pub flags_header: FlagsHeader,
}

impl<'r> Decisions<'r> {
    /// Cookies to set, each once: two chains that generate the same cookie generate the same id.
    pub fn generated(&self) -> Vec<&Generated<'r>> {
        let service = self.service.iter().filter_map(|service| service.generated.as_ref());
        let flags = self.flags.iter().filter_map(|flag| flag.generated.as_ref());
        let mut each: Vec<&Generated<'r>> = Vec::new();
        for one in service.chain(flags) {
            if !each.iter().any(|other| other.cookie == one.cookie) {
                each.push(one);
            }
        }
        each
    }
}

/// Where a request counts in the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Where the key fell.
    pub point: u32,
    /// True when the key is one of the chain, so that the same user has it next time.
    pub sticky: bool,
    /// Goals whose request this is.
    pub goals: GoalSet,
}

impl Generated<'_> {
    /// Whether the id was made now.
    pub fn is_new(&self) -> bool {
        self.kind == GeneratedKind::New
    }
}

impl Counted {
    /// Slot of the hash space.
    pub fn slot(&self) -> u16 {
        slot(self.point)
    }

    /// Cell of the hash space; none when the key is not sticky.
    pub fn cell(&self) -> Option<u32> {
        self.sticky.then(|| cell(self.point))
    }
}

/// The outcome of a service for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<'r> {
    /// Who answers.
    pub version: &'r VersionName,
    /// Why.
    pub reason: Reason<'r>,
    /// The value of `x-shunt-route`; none when the default route gives the same.
    pub route: Option<&'r str>,
    /// Who gets a copy.
    pub mirror: Option<&'r VersionName>,
    /// Set when the service's split was asked (also when no range claims the point), or, when the policy has one, the counted rule;
    /// none when the decided version was then not serving: that says nothing about either.
    pub counted: Option<Counted>,
    /// A generated id: set this cookie on the response and add it to the request.
    pub generated: Option<Generated<'r>>,
    /// True when a key chain without `generate` is configured and nothing of it was present.
    pub keyless: bool,
}

/// What becomes of the request's `x-shunt-flags`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FlagsHeader {
    /// It stays as it came, or absent: there is no flag, or what came says the same already.
    #[default]
    Keep,
    /// It goes: every decided flag has its default, and no other flags came in beside them.
    Remove,
    /// It becomes this: flags of others that came in, then those decided here.
    Set(String),
}

/// A generated key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated<'r> {
    /// Whether the request had it already.
    pub kind: GeneratedKind,
    /// The cookie's name.
    pub cookie: &'r str,
    /// Its value: 32 lower-case hex digits, and a tag when it is signed.
    pub value: String,
    /// The whole `set-cookie` value.
    pub set_cookie: String,
}

/// Where the id of a [`Generated`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneratedKind {
    /// It was made now: the service behind should see it in this request already.
    New,
    /// The request brought it, signed with the previous key: only the cookie is set again.
    SignedAnew,
}

/// One decided flag.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagDecision<'r> {
    /// The flag's name.
    pub name: &'r str,
    /// The version whose value it gets.
    pub version: &'r VersionName,
    /// The value; none when it is the default's.
    pub value: Option<&'r FlagValue>,
    /// Why.
    pub reason: Reason<'r>,
    /// As [`Decision::counted`].
    pub counted: Option<Counted>,
    /// As [`Decision::generated`].
    pub generated: Option<Generated<'r>>,
    /// As [`Decision::keyless`].
    pub keyless: bool,
}

/// Why a request goes where it goes. Its `Display` is the sentence `shunt explain` prints.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason<'r> {
    /// A rule matched and its split assigned the request; `point` and `key` are set when its split is not everybody.
    Rule {
        /// The rule's name.
        name: &'r str,
        /// Where the key fell.
        point: Option<u32>,
        /// What the key was, for example `cookie shunt-id`.
        key: Option<&'r str>,
        /// The range that claims it.
        range: &'r Range,
    },
    /// The service's split.
    Split {
        /// Where the key fell.
        point: u32,
        /// What the key was, for example `cookie shunt-id`.
        key: &'r str,
        /// The range that claims the point.
        range: &'r Range,
    },
    /// No range claims the point, or there is no split.
    Stable {
        /// Where the key fell, if it was hashed.
        point: Option<u32>,
        /// What the key was, if it was hashed.
        key: Option<&'r str>,
    },
    /// A key chain is configured, nothing of it was present.
    Keyless,
    /// The decided version is not serving; stable answers.
    NotServing {
        /// The version that was decided first.
        wanted: &'r VersionName,
        /// Why it was.
        because: Box<Reason<'r>>,
    },
    /// A mirrored copy: goes on as it came, decides nothing.
    Shadow,
}

impl<'r> Reason<'r> {
    /// Where the key fell when the split was asked.
    pub(crate) fn split_point(&self) -> Option<u32> {
        match self {
            Self::Split { point, .. } => Some(*point),
            Self::Stable { point, .. } => *point,
            Self::Rule { .. } | Self::Keyless | Self::NotServing { .. } | Self::Shadow => None,
        }
    }

    /// The rule that assigned the request, also when its version was then not serving.
    pub fn rule(&self) -> Option<&'r str> {
        match self {
            Self::Rule { name, .. } => Some(name),
            Self::NotServing { because, .. } => because.rule(),
            Self::Split { .. } | Self::Stable { .. } | Self::Keyless | Self::Shadow => None,
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence(f, &"stable")
    }
}

impl fmt::Display for FlagDecision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.sentence(f, &format_args!("the stable value {}", self.version))
    }
}

impl Reason<'_> {
    /// `fallback` names the version that gets what no rule or range claims.
    fn sentence(&self, f: &mut fmt::Formatter<'_>, fallback: &dyn fmt::Display) -> fmt::Result {
        match self {
            Self::Rule { name, point: Some(point), key, range } => {
                write!(f, "rule {name:?} matched; {}, which is {}'s ({})", fall(*point, *key), range.version, borders(range))
            }
            Self::Rule { name, point: None, range, .. } => write!(f, "rule {name:?} matched; 100 % to {}", range.version),
            Self::Split { point, key, range } => {
                write!(f, "{} of the split, which is {}'s ({})", fall(*point, Some(key)), range.version, borders(range))
            }
            Self::Stable { point: Some(point), key } => {
                write!(f, "{} of the split, which no range claims; {fallback} answers", fall(*point, *key))
            }
            Self::Stable { point: None, .. } => write!(f, "no rule matched and there is no split; {fallback} answers"),
            Self::Keyless => write!(f, "the request has none of the configured keys; {fallback} answers"),
            Self::NotServing { wanted, because } => {
                because.sentence(f, fallback)?;
                write!(f, "; but {wanted} is not serving, so {fallback} answers")
            }
            Self::Shadow => f.write_str("a mirrored copy goes on as it came"),
        }
    }
}

fn fall(point: u32, key: Option<&str>) -> String {
    format!("{} falls on point {} (slot {})", key.unwrap_or("the key"), thousands(point), slot(point))
}

fn borders(range: &Range) -> String {
    format!("{}–{}", thousands(range.from), thousands(range.to))
}

/// Points reach a million, so one comma at most twice.
fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(9);
    for (position, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(position);
        if position > 0 && left.checked_rem(3) == Some(0) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(0, "0")]
    #[test_case(999, "999")]
    #[test_case(1_000, "1,000")]
    #[test_case(41_233, "41,233")]
    #[test_case(1_000_000, "1,000,000")]
    fn numbers_for_people(number: u32, text: &str) {
        assert_eq!(thousands(number), text);
    }

    fn range(to: u32) -> Range {
        Range { from: 0, to, version: "v2".parse().unwrap() }
    }

    #[test]
    fn sentences() {
        let (all, part) = (range(1_000_000), range(50_000));
        let split = Reason::Split { point: 41_233, key: "cookie shunt-id", range: &part };
        assert_eq!(split.to_string(), "cookie shunt-id falls on point 41,233 (slot 412) of the split, which is v2's (0–50,000)");
        let rule = Reason::Rule { name: "testers", point: None, key: None, range: &all };
        assert_eq!(rule.to_string(), "rule \"testers\" matched; 100 % to v2");
        let some = Reason::Rule { name: "eu", point: Some(7), key: Some("header user"), range: &part };
        assert_eq!(some.to_string(), "rule \"eu\" matched; header user falls on point 7 (slot 0), which is v2's (0–50,000)");
        let not = Reason::NotServing { wanted: &part.version, because: Box::new(rule) };
        assert_eq!(not.to_string(), "rule \"testers\" matched; 100 % to v2; but v2 is not serving, so stable answers");
        assert_eq!(not.rule(), Some("testers"));
    }
}
