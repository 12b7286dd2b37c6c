//! The smallest regression that an analysis sees: simulated releases, judged by the code that judges real ones.
//!
//! In each of [`RUNS`] releases the users are dealt to slots anew. Of a slot only the first failure counts, so it is one draw:
//! exponential, with the rate at which the requests of its users fail.

use std::collections::BTreeMap;

use shunt_filter_core::policy::Range;
use shunt_filter_core::report::{EpochReport, POINTS_PER_SLOT, SLOTS, Slots};
use shunt_filter_core::{VersionName, Weight};

use super::Sight;
use super::people::{Dice, Person, Traffic, people};
use super::world::counters;
use crate::analysis::{Analyst, Arms, Outcome};
use crate::plan::Plan;
use crate::time::Span;

/// Simulated releases for each size of regression.
const RUNS: u32 = 100;
/// Of these, so many must be caught.
const CAUGHT: usize = 90;
/// Looks in one release at most; a real one looks every second.
const LOOKS: f64 = 100.0;
/// Percentage points that are tried.
const POINTS: [f64; 11] = [0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// What is compared, for how long.
pub(super) struct Trial<'a> {
    pub(super) plan: &'a Plan,
    pub(super) traffic: Traffic,
    pub(super) weight: Weight,
    pub(super) lasts: Span,
}

impl Trial<'_> {
    /// The smallest of [`POINTS`] that is seen in time.
    pub(super) fn sight(&self) -> Sight {
        let people = people(&self.traffic);
        let (mut low, mut high) = (0, POINTS.len());
        let mut seen = Sight::Nothing;
        while low < high {
            let middle = low.midpoint(high);
            let more = POINTS.get(middle).copied().unwrap_or(100.0);
            match self.caught(&people, more / 100.0) {
                Some(within) => (high, seen) = (middle, Sight::Points { more, within }),
                None => low = middle.saturating_add(1),
            }
        }
        seen
    }

    /// The median time to the verdict, if most releases are caught that fail so much more often.
    fn caught(&self, people: &[Person], more: f64) -> Option<Span> {
        let mut times: Vec<f64> = (0..RUNS).filter_map(|run| self.release(people, more, u64::from(run))).collect();
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2)?;
        (times.len() >= CAUGHT).then(|| Span::seconds(median.ceil() as u64))
    }

    /// The second in which one release is caught.
    fn release(&self, people: &[Person], more: f64, run: u64) -> Option<f64> {
        let (candidate, stable) = versions()?;
        let border = self.weight.points();
        let ranges = [Range { from: 0, to: border, version: candidate.clone() }];
        let arms = Arms { candidate: &candidate, stable: &stable, ranges: &ranges };
        let seconds = self.lasts.0 as f64 / 1_000.0;
        let mut dice = Dice::new(run.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
        let failures = self.failures(people, more, seconds, &mut dice);
        let mut failures = failures.iter().peekable();
        let mut analyst = Analyst::default();
        let mut failed = Slots::default();
        let pause = (seconds / LOOKS).max(1.0);
        let (mut last, mut now) = (0.0, pause.min(seconds));
        let (mut bad, mut bad_stable) = (0_u64, 0_u64);
        loop {
            while let Some((_, slot)) = failures.next_if(|(at, _)| *at <= now) {
                failed.insert(*slot);
            }
            let share = f64::from(border) / f64::from(Weight::ALL.points());
            let requests = |share: f64, seconds: f64| self.traffic.rate * share * seconds;
            bad = bad.saturating_add(dice.count(requests(share, now - last) * (self.traffic.errors + more).min(1.0)));
            bad_stable = bad_stable.saturating_add(dice.count(requests(1.0 - share, now - last) * self.traffic.errors));
            let (all, all_stable) = (requests(share, now) as u64, requests(1.0 - share, now) as u64);
            let versions = BTreeMap::from([
                (candidate.clone(), counters(all.max(bad), bad)),
                (stable.clone(), counters(all_stable.max(bad_stable), bad_stable)),
            ]);
            let evidence = EpochReport { epoch: 1, versions, seen: failed.clone(), failed: failed.clone(), ..EpochReport::default() };
            let verdicts = analyst.look(&self.plan.analysis.metrics, self.plan.compared_steps(), arms, &evidence);
            if verdicts.iter().any(|verdict| verdict.outcome == Outcome::Fail) {
                return Some(now);
            }
            if now >= seconds {
                return None;
            }
            (last, now) = (now, (now + pause).min(seconds));
        }
    }

    /// First failures by time: seconds, and slot.
    fn failures(&self, people: &[Person], more: f64, seconds: f64, dice: &mut Dice) -> Vec<(f64, u16)> {
        let mut rates = vec![0.0_f64; usize::from(SLOTS)];
        for person in people {
            if let Some(rate) = rates.get_mut(usize::from(dice.below(SLOTS))) {
                *rate += person.rate;
            }
        }
        let border = self.weight.points();
        let mut failures = Vec::new();
        for (slot, rate) in (0..SLOTS).zip(rates) {
            let of_candidate = u32::from(slot).saturating_mul(POINTS_PER_SLOT) < border;
            let errors = if of_candidate { (self.traffic.errors + more).min(1.0) } else { self.traffic.errors };
            let first = dice.first(rate * errors);
            if first <= seconds {
                failures.push((first, slot));
            }
        }
        failures.sort_by(|a, b| a.0.total_cmp(&b.0));
        failures
    }
}

fn versions() -> Option<(VersionName, VersionName)> {
    Some(("candidate".parse().ok()?, "stable".parse().ok()?))
}
