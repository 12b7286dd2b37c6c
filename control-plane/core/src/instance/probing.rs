//! Answers to probes -> ready or not; and when to ask next.

use shunt_spec::plan::Probe;
use shunt_spec::time::Span;

/// Answers in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streak {
    well: u32,
    ill: u32,
}

/// What a streak came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// So many good answers in a row as asked for.
    Healthy,
    /// So many bad ones.
    Unhealthy,
}

impl Streak {
    /// Takes one answer. Some exactly when a threshold is reached, not again while the streak lasts.
    pub fn take(&mut self, well: bool, probe: &Probe) -> Option<Change> {
        if well {
            (self.well, self.ill) = (self.well.saturating_add(1), 0);
            (self.well == probe.healthy_threshold.max(1)).then_some(Change::Healthy)
        } else {
            (self.ill, self.well) = (self.ill.saturating_add(1), 0);
            (self.ill == probe.unhealthy_threshold.max(1)).then_some(Change::Unhealthy)
        }
    }
}

impl Streak {
    /// Whether the last answer was a good one.
    pub fn was_well(&self) -> bool {
        self.well > 0
    }
}

/// First pause of an instance that has just been started.
const EAGER: Span = Span::millis(20);

/// When to ask again: often while it starts (a release waits for it), at the interval once it has answered well.
pub fn next_probe(asked: u32, answered_well: bool, interval: Span) -> Span {
    if answered_well {
        return interval;
    }
    let growing = EAGER.0.saturating_mul(u64::from(asked).saturating_add(2)).checked_div(2).unwrap_or(u64::MAX);
    Span(growing.min(interval.0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use test_case::test_case;

    fn probe(healthy: u32, unhealthy: u32) -> Probe {
        Probe {
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            interval: Span::seconds(1),
            timeout: Span::seconds(1),
            healthy_threshold: healthy,
            unhealthy_threshold: unhealthy,
        }
    }

    #[test_case("+", 1, 2, "H"; "one is enough")]
    #[test_case("+++", 1, 2, "H.."; "said once")]
    #[test_case("++-++", 3, 2, "....."; "not in a row")]
    #[test_case("+-+--+", 1, 2, "H.H.UH"; "one bad answer is not enough")]
    #[test_case("--", 1, 2, ".U")]
    #[test_case("+", 0, 0, "H"; "zero reads as one")]
    fn thresholds(answers: &str, healthy: u32, unhealthy: u32, expected: &str) {
        let (probe, mut streak) = (probe(healthy, unhealthy), Streak::default());
        let told: String = answers
            .chars()
            .map(|answer| match streak.take(answer == '+', &probe) {
                Some(Change::Healthy) => 'H',
                Some(Change::Unhealthy) => 'U',
                None => '.',
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test_case(0, false, 20; "eager at first")]
    #[test_case(8, false, 100)]
    #[test_case(10_000, false, 2_000; "never rarer than asked for")]
    #[test_case(0, true, 2_000; "calm when it is well")]
    fn pauses(asked: u32, well: bool, millis: u64) {
        assert_eq!(next_probe(asked, well, Span::seconds(2)), Span::millis(millis));
    }
}
