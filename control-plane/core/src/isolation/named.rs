//! Rollouts that a proxy's refusal names, by their clusters.

use std::collections::BTreeSet;

use shunt_filter_core::RolloutId;

use super::Refusal;

/// Every cluster of ours is called `shunt/<namespace>/<rollout>/...`.
const PREFIX: &str = "shunt/";

/// All Rollouts whose clusters are named, in the names of resources or in the proxy's words.
pub(super) fn rollouts(refusal: &Refusal) -> BTreeSet<RolloutId> {
    refusal.resources.iter().map(String::as_str).chain([refusal.error.as_str()]).flat_map(in_text).collect()
}

fn in_text(text: &str) -> impl Iterator<Item = RolloutId> {
    text.split(PREFIX).skip(1).filter_map(|rest| {
        let mut parts = rest.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        // `shunt/shop/checkout` alone is no cluster.
        let (namespace, name) = (parts.next()?, parts.next()?);
        let cluster = rest.get(namespace.len().saturating_add(1).saturating_add(name.len())..)?.starts_with('/');
        RolloutId::new(namespace, name).ok().filter(|_| cluster)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("Error adding/updating cluster(s) shunt/shop/bad/v1: Proto constraint validation failed", &["shop/bad"])]
    #[test_case("cluster(s) shunt/shop/bad/v1: x, shunt/shop/bad/v2/fallback: x, shunt/pay/worse/v1: y", &["pay/worse", "shop/bad"]; "several")]
    #[test_case("Only unique values for domains are permitted. Duplicate entry of domain x.test in route shunt", &[]; "none")]
    #[test_case("shunt/shop/bad is no cluster, nor is shunt/Shop/Bad/v1", &[]; "no clusters")]
    fn words(error: &str, expected: &[&str]) {
        let refusal = Refusal { kind: String::new(), resources: Vec::new(), error: error.to_owned(), sequence: 1 };
        let found: Vec<String> = rollouts(&refusal).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn resources() {
        let refusal = Refusal {
            kind: String::new(),
            resources: vec!["shunt/shop/bad/v2".to_owned()],
            error: "duration out of range".to_owned(),
            sequence: 1,
        };
        assert_eq!(rollouts(&refusal).first().map(ToString::to_string), Some("shop/bad".to_owned()));
    }
}
