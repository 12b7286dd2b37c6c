//! The comparison of errors with stable by numbers of slots alone: for simulations, which know no requests.

use shunt_filter_core::Weight;
use shunt_filter_core::report::POINTS_PER_SLOT;
use shunt_spec::plan::metric::Metric;

use super::sequential::{FAILURES, LogRank};
use super::{ratio, threshold};

/// The test of one step.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedTest {
    test: LogRank,
    threshold: f64,
}

impl SimulatedTest {
    /// With this share of the keys on the candidate and the rest on stable; none when no metric compares errors. `steps` as in
    /// [`super::Analyst::evaluate`].
    pub(crate) fn new(metrics: &[Metric], steps: u32, weight: Weight) -> Option<Self> {
        metrics.iter().find(|metric| metric.guard.compares_errors())?;
        let slots = |weight: Weight| u64::from(weight.points().div_euclid(POINTS_PER_SLOT));
        let rest = Weight::ppm(Weight::ALL.points().saturating_sub(weight.points()));
        let test = LogRank::new(FAILURES, slots(weight), slots(rest)).tolerating(ratio(metrics));
        Some(Self { test, threshold: threshold(metrics, steps) })
    }

    /// One evaluation: slots that failed since the last, by arm. True when it fails.
    pub(crate) fn take(&mut self, candidate: u64, stable: u64) -> bool {
        self.test.take(candidate, stable);
        self.test.fails(self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shunt_filter_core::policy::Range;
    use shunt_filter_core::report::EpochReport;

    use super::super::{Analyst, Arms, Judging, Outcome, Warmth};
    use super::*;
    use shunt_spec::plan::metric::Guard;
    use shunt_spec::time::Span;

    /// A simulated test over numbers of slots ends where the analyst, who sees the slots themselves, says that it fails.
    #[test]
    fn ends_where_the_analyst_fails() {
        let metrics =
            [Metric { name: "errors".to_owned(), guard: Guard::ErrorsNoWorseThanStable, min_samples: 100, warm_up: Span::default() }];
        let (candidate, stable) = ("v2".parse().unwrap(), "v1".parse().unwrap());
        let weight = Weight::ppm(50_050);
        let ranges = [Range { from: 0, to: weight.points(), version: "v2".parse().unwrap() }];
        let arms = Arms { candidate: &candidate, stable: &stable, ranges: &ranges };
        for steps in [1, 4, 40] {
            let (mut analyst, mut simulated) = (Analyst::default(), SimulatedTest::new(&metrics, steps, weight).unwrap());
            let mut evidence = EpochReport { epoch: 1, versions: BTreeMap::new(), ..EpochReport::default() };
            let mut ended = false;
            // Slots 0 to 499 are the candidate's; 500 is cut. Of each evaluation's failures one or two are the candidate's.
            for evaluation in 0..40_u16 {
                let own = [evaluation * 2, evaluation * 2 + 1].into_iter().take(usize::from(1 + evaluation % 2));
                let others = (0..evaluation % 4).map(|other| 501 + evaluation * 10 + other);
                let (mut of_candidate, mut of_stable) = (0, 0);
                own.for_each(|slot| of_candidate += u64::from(evidence.failed.insert(slot)));
                others.for_each(|slot| of_stable += u64::from(evidence.failed.insert(slot)));
                let fails = simulated.take(of_candidate, of_stable);
                let verdict = analyst.evaluate(Judging { metrics: &metrics, steps, warmth: Warmth::Cold }, arms, &evidence).remove(0);
                assert_eq!(fails, verdict.outcome == Outcome::Fail, "evaluation {evaluation} of {steps} steps: {}", verdict.message);
                if fails {
                    ended = evaluation > 0;
                    break;
                }
            }
            assert!(ended, "{steps} steps: never, or at once");
        }
    }
}
