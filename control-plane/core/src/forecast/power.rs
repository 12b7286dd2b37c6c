//! The smallest regression that an analysis sees: simulated releases, judged by the tests that judge real ones.
//!
//! In each of [`RUNS`] releases the users are dealt to slots anew. Of a slot only the first failure counts, so it is one draw:
//! exponential, with the rate at which the requests of its users fail. The same draws serve every size of regression and every step:
//! a slot that fails at one size fails sooner at a larger one, so the sizes are ordered and few of them need to be tried.
//!
//! How exact: a size is seen when 9 of 10 of these releases are caught. One that is truly caught in 87 to 93 of a hundred may, by
//! chance, be on either side (95 % of the binomial with 400).

use std::iter::Peekable;

use shunt_filter_core::Weight;
use shunt_filter_core::report::{POINTS_PER_SLOT, SLOTS};
use shunt_spec::plan::Plan;
use shunt_spec::plan::metric::Guard;
use shunt_spec::time::Span;

use super::Sight;
use super::population::{Dice, Traffic, User, population};
use crate::analysis::{SimulatedTest, is_broken};

/// Simulated releases for each size of regression.
const RUNS: u64 = 400;
/// Of these, so many may go on without being caught.
const MISSED: usize = 40;
/// Looks at fixed limits in one release; a real one looks every second. Comparisons are looked at every second in which something failed.
const LOOKS: f64 = 100.0;
/// Percentage points that are tried.
const POINTS: [f64; 11] = [0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// Releases of one service.
pub(super) struct Releases<'a> {
    plan: &'a Plan,
    traffic: Traffic,
    runs: Vec<Vec<Slot>>,
}

/// A slot with users.
#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u16,
    /// When it has its first failure if every request fails, seconds; with a share of them failing, that many times as late.
    first: f64,
}

impl<'a> Releases<'a> {
    /// Of this plan, with this traffic, for steps of at most this long.
    pub(super) fn new(plan: &'a Plan, traffic: Traffic, longest: Span) -> Self {
        let (population, seconds) = (population(&traffic), longest.0 as f64 / 1_000.0);
        Self { plan, traffic, runs: (0..RUNS).map(|run| slots(&population, seconds, &mut dice(run))).collect() }
    }

    /// The smallest of [`POINTS`] that is seen in time, at this weight.
    pub(super) fn sight(&self, weight: Weight, lasts: Span) -> Sight {
        let step = Step::new(self, weight, lasts);
        let (mut low, mut high) = (0, POINTS.len());
        let mut seen = Sight::Nothing;
        while low < high {
            let middle = low.midpoint(high);
            let more = POINTS.get(middle).copied().unwrap_or(100.0);
            match step.caught(more / 100.0) {
                Some(within) => (high, seen) = (middle, Sight::Points { more, within }),
                None => low = middle.saturating_add(1),
            }
        }
        seen
    }
}

fn dice(run: u64) -> Dice {
    Dice::new(run.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
}

/// The slots with a failure in time, if every request fails, by the first one.
fn slots(population: &[User], seconds: f64, dice: &mut Dice) -> Vec<Slot> {
    let mut rates = vec![0.0_f64; usize::from(SLOTS)];
    for user in population {
        if let Some(rate) = rates.get_mut(usize::from(dice.below(SLOTS))) {
            *rate += user.rate;
        }
    }
    let taken = (0..SLOTS).zip(rates).filter(|(_, rate)| *rate > 0.0);
    let dealt = taken.map(|(number, rate)| Slot { number, first: dice.first(rate) });
    let mut slots: Vec<Slot> = dealt.filter(|slot| slot.first <= seconds).collect();
    slots.sort_by(|a, b| a.first.total_cmp(&b.first));
    slots
}

/// One split of the keys, with the slots of each release by arm.
struct Step<'a> {
    plan: &'a Plan,
    traffic: Traffic,
    weight: Weight,
    seconds: f64,
    runs: Vec<Arms>,
}

/// First failures if every request fails, ascending, seconds.
#[derive(Debug, Default)]
struct Arms {
    candidate: Vec<f64>,
    stable: Vec<f64>,
}

impl<'a> Step<'a> {
    fn new(releases: &Releases<'a>, weight: Weight, lasts: Span) -> Self {
        let seconds = lasts.0 as f64 / 1_000.0;
        let border = weight.points();
        let arms = |slots: &Vec<Slot>| {
            let mut arms = Arms::default();
            for slot in slots.iter().take_while(|slot| slot.first <= seconds) {
                let from = u32::from(slot.number).saturating_mul(POINTS_PER_SLOT);
                // A slot that the border cuts is in neither arm.
                if from.saturating_add(POINTS_PER_SLOT) <= border {
                    arms.candidate.push(slot.first);
                } else if from >= border {
                    arms.stable.push(slot.first);
                }
            }
            arms
        };
        let runs = releases.runs.iter().map(arms).collect();
        Self { plan: releases.plan, traffic: releases.traffic, weight, seconds, runs }
    }

    /// The median time to the verdict, if most releases are caught that fail so much more often.
    fn caught(&self, more: f64) -> Option<Span> {
        let mut times = Vec::new();
        let mut missed = 0_usize;
        for (run, arms) in (0..RUNS).zip(&self.runs) {
            match self.release(arms, more, run) {
                Some(time) => times.push(time),
                None => missed = missed.saturating_add(1),
            }
            if missed > MISSED {
                return None;
            }
        }
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).map(|median| Span::seconds(median.ceil() as u64))
    }

    /// The second in which one release is caught.
    fn release(&self, arms: &Arms, more: f64, run: u64) -> Option<f64> {
        let worse = (self.traffic.errors + more).min(1.0);
        [self.compared(arms, worse), self.limited(worse, run)].into_iter().flatten().min_by(f64::total_cmp)
    }

    /// When the comparison of errors with stable fails.
    fn compared(&self, arms: &Arms, worse: f64) -> Option<f64> {
        let mut simulated = SimulatedTest::new(&self.plan.analysis.metrics, self.plan.compared_steps(), self.weight)?;
        let mut candidate = arms.candidate.iter().map(|first| first / worse).peekable();
        // What is tolerated counts as failures of stable.
        let tolerated = self.plan.analysis.tolerance().map_or(0.0, |tolerance| tolerance.share().as_percent() / 100.0);
        let errors = self.traffic.errors + (1.0 - self.traffic.errors) * tolerated;
        let mut stable = arms.stable.iter().map(|first| first / errors).peekable();
        loop {
            let next = [candidate.peek(), stable.peek()].into_iter().flatten().copied().min_by(f64::total_cmp)?;
            if next > self.seconds {
                return None;
            }
            let second = next.ceil().min(self.seconds);
            if simulated.take(until(&mut candidate, second), until(&mut stable, second)) {
                return Some(second);
            }
        }
    }

    /// When a fixed limit is broken.
    fn limited(&self, worse: f64, run: u64) -> Option<f64> {
        let limits = || {
            self.plan.analysis.metrics.iter().filter_map(|metric| match metric.guard {
                Guard::SuccessRateMin(min) => Some((min, metric.min_samples)),
                _ => None,
            })
        };
        limits().next()?;
        let mut dice = dice(run);
        let pause = (self.seconds / LOOKS).max(1.0);
        let (mut last, mut now, mut bad) = (0.0, pause.min(self.seconds), 0_u64);
        let rate = self.traffic.rate * self.weight.as_percent() / 100.0;
        loop {
            bad = bad.saturating_add(dice.count(rate * (now - last) * worse));
            let samples = ((rate * now) as u64).max(bad);
            if limits().any(|(min, min_samples)| is_broken(min, samples.saturating_sub(bad), bad, min_samples)) {
                return Some(now);
            }
            if now >= self.seconds {
                return None;
            }
            (last, now) = (now, (now + pause).min(self.seconds));
        }
    }
}

/// Takes what comes until then, and counts it.
fn until(failures: &mut Peekable<impl Iterator<Item = f64>>, second: f64) -> u64 {
    std::iter::from_fn(|| failures.next_if(|at| *at <= second)).count() as u64
}
