//! Names of the counters that the filter keeps in Envoy's own stats, with their print-parse round trip.
//!
//! Labels stand in the name as `<label>=.=<value>;.;`, the form that Istio's own tag extraction takes apart; elsewhere one
//! `stats_tags` regex per label does the same ([`Label::regex`]). So `shunt_service=.=shop/checkout;.;shunt_misrouted_total` becomes
//! `shunt_misrouted_total{shunt_service="shop/checkout"}`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A label of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// `<namespace>/<rollout>`, of a service or a flag.
    Service,
    /// A version's name, of a flag the name of a value.
    Version,
    /// `succeeded`, `failed`, `abandoned` or `cancelled`.
    Class,
    /// A rule's name.
    Rule,
}

impl Label {
    /// All of them.
    pub const ALL: [Label; 4] = [Label::Service, Label::Version, Label::Class, Label::Rule];

    /// Its name in Prometheus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "shunt_service",
            Self::Version => "shunt_version",
            Self::Class => "shunt_class",
            Self::Rule => "shunt_rule",
        }
    }

    /// The regex for Envoy's `stats_config.stats_tags`: first group removed from the name, second the value.
    pub fn regex(self) -> String {
        format!("({}=\\.=(.*?);\\.;)", self.name())
    }
}

/// What a counter counts; each with the labels it carries besides the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Requests decided; by version.
    Started,
    /// Requests ended; by version and class.
    Ended,
    /// Copies asked for; by version.
    Mirrored,
    /// Requests that a rule assigned; by rule.
    Rule,
    /// Requests without a key though a chain is configured.
    Keyless,
    /// Another version answered than was decided.
    Misrouted,
    /// No cluster was chosen.
    Unrouted,
    /// Decisions for a version that was not serving.
    NotServing,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] =
        [Kind::Started, Kind::Ended, Kind::Mirrored, Kind::Rule, Kind::Keyless, Kind::Misrouted, Kind::Unrouted, Kind::NotServing];

    /// Its name in Prometheus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "shunt_requests_started_total",
            Self::Ended => "shunt_requests_total",
            Self::Mirrored => "shunt_mirrored_total",
            Self::Rule => "shunt_rule_total",
            Self::Keyless => "shunt_keyless_total",
            Self::Misrouted => "shunt_misrouted_total",
            Self::Unrouted => "shunt_unrouted_total",
            Self::NotServing => "shunt_not_serving_total",
        }
    }
}

/// One counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Metric {
    /// What it counts.
    pub kind: Kind,
    /// Its labels, in order.
    pub labels: Vec<(Label, String)>,
}

/// Why a text is not the name of a counter of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a counter of the filter: expected <label>=.=<value>;.; before one of its names")]
pub struct MetricError(String);

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, value) in &self.labels {
            write!(f, "{}=.={value};.;", label.name())?;
        }
        f.write_str(self.kind.name())
    }
}

impl FromStr for Metric {
    type Err = MetricError;
    fn from_str(text: &str) -> Result<Self, MetricError> {
        let wrong = || MetricError(text.to_owned());
        let mut labels = Vec::new();
        let mut rest = text;
        while let Some((label, after)) = rest.split_once("=.=") {
            let label = Label::ALL.into_iter().find(|known| known.name() == label).ok_or_else(wrong)?;
            let (value, after) = after.split_once(";.;").ok_or_else(wrong)?;
            labels.push((label, value.to_owned()));
            rest = after;
        }
        let kind = Kind::ALL.into_iter().find(|known| known.name() == rest).ok_or_else(wrong)?;
        Ok(Self { kind, labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("shunt_service=.=shop/checkout;.;shunt_version=.=v2;.;shunt_class=.=failed;.;shunt_requests_total"; "three labels")]
    #[test_case("shunt_service=.=shop/checkout;.;shunt_misrouted_total"; "one label")]
    fn round_trip(text: &str) {
        assert_eq!(text.parse::<Metric>().unwrap().to_string(), text);
    }

    #[test_case("shunt_requests"; "unknown name")]
    #[test_case("colour=.=red;.;shunt_requests_total"; "unknown label")]
    #[test_case("shunt_service=.=shop/checkout"; "label without its end")]
    fn not_a_metric(text: &str) {
        assert!(text.parse::<Metric>().is_err());
    }

    #[test]
    fn regexes_are_unanchored_so_no_name_is_within_another() {
        for one in Label::ALL {
            for other in Label::ALL {
                assert!(one == other || !one.name().contains(other.name()), "{one:?} {other:?}");
            }
        }
    }
}
