//! `goals`: what users may reach, seen in responses.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use shunt_filter_core::matching::Match;
use shunt_filter_core::policy::Goal;

use super::external;
use crate::plan::TestGoal;
use crate::problems::Problems;
use crate::rollout::analysis::{Around, PrometheusSpec, WebSpec};
use crate::schema::{ExactlyOne, filter};
use crate::time::Span;

/// A request that matches and is answered well enough; or, with `prometheus` or `web`, figures of an external source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["match", "prometheus", "web"]))]
pub struct GoalSpec {
    /// Its name in results. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Any of these requests. Required without a source.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<filter::Match>>")]
    pub matches: Option<Vec<Match>>,
    /// Statuses that count: `2xx`, `"200-299"` or one status. Default: 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusRange>,
    /// A header that the response must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_header: Option<HeaderSpec>,
    /// A Prometheus that knows the figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusSpec>,
    /// Anything that answers them in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<WebSpec>,
    /// Users that met the version since the test began: PromQL, or a place in the answer (RFC 9535). Required with a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// Those of them who reached the goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successes: Option<String>,
    /// What each of them brought on average, in place of `successes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<String>,
    /// Variance of what they brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<String>,
    /// Time between two questions. Default: 1m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Errors in a row that are allowed; one more holds the test. Default: 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_error_limit: Option<u32>,
}

/// A header of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderSpec {
    /// Its name. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Its whole value. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Statuses from the first to the last, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// First.
    pub from: u16,
    /// Last.
    pub to: u16,
}

/// Most goals of one test.
const GOALS_MAX: usize = 8;
/// As the filter writes "any value".
const ANY: &str = "*";
/// Without a status.
const SUCCESS: StatusRange = StatusRange { from: 200, to: 299 };

/// All goals, every problem noted. `path` is where the test stands in the manifest.
pub(super) fn goals(written: Option<&[GoalSpec]>, path: &str, around: &Around<'_>, problems: &mut Problems) -> Vec<TestGoal> {
    let path = format!("{path}.goals");
    let written = written.unwrap_or_default();
    match written.len() {
        0 => problems.add(
            &path,
            "is missing: write what counts as success, for example [{name: bought, match: [{methods: [POST], path: {exact: /buy}}]}]",
        ),
        n if n > GOALS_MAX => problems.add(&path, format!("has {n} goals: at most {GOALS_MAX} are allowed")),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    let mut goals = Vec::new();
    for (index, spec) in written.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(goal) = spec.check(&path, around, problems) else { continue };
        if !seen.insert(goal.name().to_owned()) {
            problems.add(format!("{path}.name"), format!("{:?} names two goals: names must differ", goal.name()));
        }
        goals.push(goal);
    }
    goals
}

impl GoalSpec {
    fn check(&self, path: &str, around: &Around<'_>, problems: &mut Problems) -> Option<TestGoal> {
        self.check_name(path, problems);
        if self.prometheus.is_some() || self.web.is_some() {
            return external::goal(self, path, around, problems).map(|goal| TestGoal::External(Box::new(goal)));
        }
        external::without_source(self, path, problems);
        self.counted(path, problems).map(TestGoal::Counted)
    }

    fn check_name(&self, path: &str, problems: &mut Problems) {
        match &self.name {
            None => problems.add(format!("{path}.name"), "is missing: write a name for results, for example bought"),
            Some(name) if name.is_empty() || name.len() > shunt_filter_core::limits::NAME => {
                problems
                    .add(format!("{path}.name"), format!("is {} bytes long: write 1 to {}", name.len(), shunt_filter_core::limits::NAME));
            }
            Some(_) => {}
        }
    }

    fn counted(&self, path: &str, problems: &mut Problems) -> Option<Goal> {
        if self.matches.as_ref().is_none_or(Vec::is_empty) {
            problems.add(
                format!("{path}.match"),
                "is missing: write at least one match (a goal that every request reaches tells nothing), or a source: prometheus or web",
            );
        }
        let response_header = self.response_header.as_ref().and_then(|header| header.check(&format!("{path}.responseHeader"), problems));
        let status = self.status.unwrap_or(SUCCESS);
        Some(Goal { name: self.name.clone()?, matches: self.matches.clone()?, status: (status.from, status.to), response_header })
    }
}

impl HeaderSpec {
    fn check(&self, path: &str, problems: &mut Problems) -> Option<(String, String)> {
        let Some(name) = &self.name else {
            problems.add(format!("{path}.name"), "is missing: write the name of the header");
            return None;
        };
        Some((name.to_ascii_lowercase(), self.value.clone().unwrap_or_else(|| ANY.to_owned())))
    }
}

impl StatusRange {
    /// `2xx`, `200-299`, `200`.
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let range = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) => {
                let from = number(class)?.checked_mul(100)?;
                Self { from, to: from.checked_add(99)? }
            }
            (None, Some((from, to))) => Self { from: number(from.trim())?, to: number(to.trim())? },
            (None, None) => Self::one(number(text)?),
        };
        (range.from >= 100 && range.from <= range.to && range.to <= 599).then_some(range)
    }

    fn one(status: u16) -> Self {
        Self { from: status, to: status }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.from == self.to {
            serializer.serialize_u16(self.from)
        } else {
            serializer.collect_str(&format_args!("{}-{}", self.from, self.to))
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = StatusRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("2xx, \"200-299\" or one status")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<StatusRange, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StatusRange, E> {
        StatusRange::parse(text)
            .ok_or_else(|| E::custom(format_args!("{text:?} is not a status: write 2xx, \"200-299\" or one status from 100 to 599")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("2xx", Some((200, 299)))]
    #[test_case("200-204", Some((200, 204)); "range")]
    #[test_case("404", Some((404, 404)); "one")]
    #[test_case("9xx", None; "no such class")]
    #[test_case("300-200", None; "wrong way round")]
    #[test_case("2XX", None; "upper case")]
    #[test_case("+200", None; "signed")]
    #[test_case("", None; "empty")]
    fn statuses(text: &str, expected: Option<(u16, u16)>) {
        assert_eq!(StatusRange::parse(text).map(|range| (range.from, range.to)), expected);
    }
}
