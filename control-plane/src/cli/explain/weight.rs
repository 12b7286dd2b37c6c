//! The policy as it would be at another weight: the planner's own step from the ranges there are.

use std::str::FromStr;

use shunt_core::ranges::reshape;
use shunt_filter_core::policy::Split;
use shunt_filter_core::{RoutingPolicy, ServicePolicy, VersionName, Weight};

/// `25`, or `v2=25`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AtWeight {
    version: Option<VersionName>,
    weight: Weight,
}

impl FromStr for AtWeight {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (version, percent) = match text.split_once('=') {
            Some((version, percent)) => (Some(version.parse().map_err(|error| format!("{version:?}: {error}"))?), percent),
            None => (None, text),
        };
        let wrong = || format!("{text:?} is not a weight: write percent, for example 25, or v2=25 where several versions share the keys");
        let number: f64 = percent.trim_end_matches('%').trim().parse().map_err(|_| wrong())?;
        Ok(Self { version, weight: Weight::percent(number).map_err(|error| error.to_string())? })
    }
}

impl std::fmt::Display for AtWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{version} at {}", self.weight),
            None => write!(f, "the candidate at {}", self.weight),
        }
    }
}

impl AtWeight {
    /// This policy with the service of `host` at the weight.
    pub(crate) fn applied(&self, mut policy: RoutingPolicy, host: &str) -> anyhow::Result<RoutingPolicy> {
        let router = shunt_filter_core::compile(policy.clone(), None)?;
        let Some(name) = router.lookup(host).map(|service| service.name().clone()) else {
            anyhow::bail!(
                "no policy decides for {host} now, so who would come first is not settled: that hangs on the attempt of the release\n\
                 Start the release (a first step of `setWeight: 0` exposes no user), then ask again."
            );
        };
        for service in policy.services.iter_mut().filter(|service| service.name == name) {
            let version = self.version_of(service)?;
            service.split = reweighed(&service.split, &version, self.weight);
        }
        Ok(policy)
    }

    /// Whose weight it is: the one named, or the only one that is not stable.
    fn version_of(&self, service: &ServicePolicy) -> anyhow::Result<VersionName> {
        let known: Vec<&VersionName> =
            service.versions.iter().map(|version| &version.name).filter(|name| **name != service.stable).collect();
        let names = || known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if let Some(version) = &self.version {
            anyhow::ensure!(known.contains(&version), "{} has no version {version} beside stable: it has {}", service.name, names());
            return Ok(version.clone());
        }
        let mut shared: Vec<&VersionName> = service.split.ranges.iter().map(|range| &range.version).collect();
        shared.extend(service.split.weights.keys());
        shared.sort();
        shared.dedup();
        shared.retain(|name| **name != service.stable);
        match (shared.as_slice(), known.as_slice()) {
            ([one], _) | ([], [one]) => Ok((*one).clone()),
            _ => anyhow::bail!(
                "whose weight? {} has {}: write for example --at-weight {}=25",
                service.name,
                names(),
                known.first().map_or("v2", |name| name.as_str())
            ),
        }
    }
}

fn reweighed(split: &Split, version: &VersionName, weight: Weight) -> Split {
    if !split.weights.is_empty() {
        let mut weights = split.weights.clone();
        weights.insert(version.clone(), weight);
        return Split { weights, ..split.clone() };
    }
    let mut weights: Vec<(VersionName, Weight)> = vec![(version.clone(), weight)];
    for range in split.ranges.iter().filter(|range| range.version != *version) {
        let points = range.to.saturating_sub(range.from);
        match weights.iter_mut().find(|(name, _)| *name == range.version) {
            Some((_, known)) => *known = Weight::ppm(known.points().saturating_add(points)),
            None => weights.push((range.version.clone(), Weight::ppm(points))),
        }
    }
    Split { ranges: reshape(&split.ranges, &weights), ..split.clone() }
}
