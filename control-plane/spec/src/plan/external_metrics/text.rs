//! Placeholders in queries, addresses, headers and bodies: `{{version}}`.

use crate::time::{Span, Time};

/// What a text may ask for. `clusters` is a regular expression of all of Envoy's clusters whose statistics are the version's: where Shunt
/// routes, requests for a version that the default route does not name go through an aggregate cluster, which counts them.
/// `version`, `cluster`, `clusters` and `shadowCluster` are the candidate's when the value is measured, and stable's when
/// the baseline is.
pub const PROVIDED: [&str; 8] = ["candidate", "stable", "version", "cluster", "clusters", "shadowCluster", "namespace", "name"];

/// Whether it is a time: `now` or `now-5m`, in seconds since the Unix epoch, `nowMs` or `nowMs-5m` in milliseconds. For APIs that ask from
/// when to when.
pub fn is_time(name: &str) -> bool {
    let rest = name.strip_prefix("nowMs").or_else(|| name.strip_prefix("now"));
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(|span| span.parse::<Span>().is_ok()))
}

/// What such a placeholder stands for.
pub fn time(name: &str, now: Time) -> Option<String> {
    let (rest, unit) = match name.strip_prefix("nowMs") {
        Some(rest) => (rest, 1),
        None => (name.strip_prefix("now")?, 1_000),
    };
    let ago = rest.strip_prefix('-').map_or(Ok(Span::millis(0)), str::parse).ok()?;
    now.0.saturating_sub(ago.0).checked_div(unit).map(|time| time.to_string())
}

/// What goals of an A/B test may ask for too: when it began, in seconds since the Unix epoch, and how long ago that is, as PromQL
/// writes durations (`5400s`).
pub const OF_TEST: [&str; 2] = ["began", "elapsed"];

/// Of [`PROVIDED`], those that differ between value and baseline.
pub const OF_ARM: [&str; 4] = ["version", "cluster", "clusters", "shadowCluster"];

/// The names between `{{` and `}}`, in order, without white space at their ends.
pub fn placeholders(text: &str) -> Vec<&str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name.trim()).collect()
}

/// The text with each placeholder replaced that `value` knows; others stay as they are.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known = part.split_once("}}").and_then(|(name, rest)| Some((value(name.trim())?, rest)));
        match known {
            Some((value, rest)) => filled.extend([value.as_str(), rest]),
            None => filled.extend(["{{", part]),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("up", "up"; "none")]
    #[test_case("a{{x}}b", "a1b"; "one")]
    #[test_case("{{ x }}{{x}}", "11"; "two, one with white space")]
    #[test_case("{{y}}", "{{y}}"; "unknown")]
    #[test_case("{{x", "{{x"; "unfinished")]
    #[test_case("{a=\"{{x}}\"}", "{a=\"1\"}"; "within a selector")]
    fn filling(text: &str, filled: &str) {
        assert_eq!(fill(text, |name| (name == "x").then(|| "1".to_owned())), filled);
    }

    #[test_case("now", Some("1700000000"))]
    #[test_case("now-5m", Some("1699999700"))]
    #[test_case("nowMs", Some("1700000000250"))]
    #[test_case("nowMs-1h", Some("1699996400250"))]
    #[test_case("nowhere", None; "another word")]
    #[test_case("now-5", None; "no unit")]
    fn times(name: &str, expected: Option<&str>) {
        let found = is_time(name).then(|| time(name, Time(1_700_000_000_250)).unwrap());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn names() {
        assert_eq!(placeholders("a{{x}} {{ args.y }}{{z"), ["x", "args.y"]);
    }
}
