//! What is left to chance: a request without a key gets a new id, one without `x-request-id` a new one of those.

use std::collections::BTreeMap;

use shunt_filter_core::weight::POINTS;
use shunt_filter_core::{Request, Service, ServicePolicy, VersionName};

use super::Chance;

/// How many random ids are tried; enough for one decimal of a percent.
const TRIES: u64 = 10_000;

/// Who answers and who gets copies, as far as that is left to chance; empty where it is not.
#[derive(Debug, Default)]
pub(super) struct Chances {
    pub(super) answering: Vec<Chance>,
    pub(super) copied: Vec<Chance>,
}

/// Tries the request with many ids. Where the split alone decides (no rules), its shares are exact.
pub(super) fn of(service: &Service, raw: Option<&ServicePolicy>, request: &Request) -> Chances {
    let makes_one = service.decide(request).generated.is_some_and(|generated| generated.is_new())
        || (request.request_id.is_empty() && service.needs().request_id);
    if !makes_one {
        return Chances::default();
    }
    let mut answering = BTreeMap::<VersionName, u64>::new();
    let mut copied = BTreeMap::<VersionName, u64>::new();
    for number in 0..TRIES {
        let tried = Request { entropy: [mix(2 * number + 1), mix(2 * number + 2)], ..request.clone() };
        let decision = service.decide(&tried);
        *answering.entry(decision.version.clone()).or_default() += 1;
        if let Some(copy) = decision.mirror {
            *copied.entry(copy.clone()).or_default() += 1;
        }
    }
    let by_chance = answering.len() > 1;
    let exact = raw.filter(|raw| by_chance && raw.rules.is_empty()).and_then(shares);
    Chances {
        answering: exact.unwrap_or_else(|| if by_chance { percentages(answering) } else { Vec::new() }),
        copied: percentages(copied.into_iter().filter(|(_, times)| *times < TRIES).collect()),
    }
}

fn percentages(times: BTreeMap<VersionName, u64>) -> Vec<Chance> {
    let tenths = |times: u64| (times as f64 * 1_000.0 / TRIES as f64).round() / 10.0;
    sorted(times.into_iter().map(|(version, times)| Chance { version, percent: tenths(times) }).collect())
}

/// The split's own shares; none when a version of it does not serve, because stable answers for it.
fn shares(raw: &ServicePolicy) -> Option<Vec<Chance>> {
    let mut points = BTreeMap::<VersionName, u32>::new();
    for range in &raw.split.ranges {
        *points.entry(range.version.clone()).or_default() += range.to.saturating_sub(range.from);
    }
    for (version, weight) in &raw.split.weights {
        *points.entry(version.clone()).or_default() += weight.points();
    }
    let claimed: u32 = points.values().sum();
    *points.entry(raw.stable.clone()).or_default() += POINTS.saturating_sub(claimed);
    let serving = |name: &VersionName| raw.versions.iter().any(|version| version.name == *name && version.serving);
    if !points.keys().all(|name| *name == raw.stable || serving(name)) {
        return None;
    }
    let chances = points.into_iter().filter(|(_, points)| *points > 0);
    Some(sorted(chances.map(|(version, points)| Chance { version, percent: f64::from(points) / 10_000.0 }).collect()))
}

fn sorted(mut chances: Vec<Chance>) -> Vec<Chance> {
    chances.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    chances
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same ids each time, so that the same question has the same answer.
fn mix(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
