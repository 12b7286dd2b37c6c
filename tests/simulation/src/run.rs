//! One simulated rollout.

use fastrand::Rng;
use shunt_core::analysis::thresholds;
use shunt_filter_core::VersionName;
use shunt_filter_core::policy::{LatencyPolicy, LatencyThresholds, Tolerance};
use shunt_filter_core::report::{Counters, EpochReport, LatencySlots, SLOTS};
use shunt_spec::plan::metric::LatencyTolerance;
use std::time::Duration;

use crate::deciders::{Fixed, Independent, Recipe};
use crate::population::{Crowd, User, normal, poisson, users};
use crate::scenario::{BURST, BURST_ERRORS, Metric, Scenario, Worse};
use crate::tally::{Decided, Outcome};

/// One step, seconds.
const STEP: u32 = 600;
/// From a decision to the last request that the candidate answers, seconds: report, decide, push, apply.
const DELAY: f64 = 1.8;
/// Five-minute windows need more than a step: the candidate is watched for so long.
const HOUR: u32 = 3_600;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Candidate,
    Stable,
}

/// What stays the same during a run.
struct World<'a> {
    scenario: &'a Scenario,
    bursts: Vec<f64>,
    slow: Option<LatencyPolicy>,
    /// What the filters count as failures of stable besides.
    tolerance: Option<Tolerance>,
}

/// Run `number` of a scenario.
pub(crate) fn run(scenario: &Scenario, seed: u64, number: u64) -> Outcome {
    let named = scenario.name.bytes().fold(seed, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    let mut rng = Rng::with_seed(named.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let users = users(scenario, &mut rng);
    let seconds = STEP * scenario.weights.len() as u32;
    let bursts = scenario.world.bursts * seconds / STEP;
    let bursts = (0..bursts).map(|_| rng.f64() * f64::from(seconds)).collect();
    let tolerance = scenario.tolerance.map(|tolerance| Tolerance { version: name("v1"), share: tolerance.share() });
    let mut world = World { scenario, bursts, slow: None, tolerance };
    if scenario.world.metric == Metric::Latency {
        let usual = world.latency_baseline(&users, &mut rng);
        world.slow = usual.map(|usual| LatencyPolicy { version: name("v1"), thresholds: usual, others: scenario.slower.moved(usual) });
    }
    Rollout::new(&world).play(&users, &mut rng)
}

fn name(text: &str) -> VersionName {
    text.parse().unwrap_or_else(|error| unreachable!("{text}: {error}"))
}

impl World<'_> {
    /// What stable's requests took before the step.
    fn latency_baseline(&self, users: &[User], rng: &mut Rng) -> Option<LatencyThresholds> {
        let crowd = Crowd::of(users.to_vec());
        let mut before = Counters::default();
        for _ in 0..10_000 {
            before.observe(self.time(&crowd.pick(rng), Arm::Stable, rng));
        }
        thresholds(&before.latency)
    }

    /// Whether a request fails.
    fn fails(&self, user: &User, arm: Arm, at: f64, rng: &mut Rng) -> bool {
        let mut errors = user.errors;
        if self.bursts.iter().any(|from| *from <= at && at < from + BURST) {
            errors += BURST_ERRORS;
        }
        if arm == Arm::Candidate && user.hit {
            errors += match self.scenario.worse {
                Worse::Failing(more) | Worse::FailingFor(_, more) => more,
                Worse::Times(times) => errors * (times - 1.0),
                Worse::Equal | Worse::Slower(_) | Worse::Later(_) | Worse::Stalling(_) | Worse::Allowed(_) => 0.0,
            };
        }
        rng.f64() < errors
    }

    /// How long a request takes: log-normal.
    fn time(&self, user: &User, arm: Arm, rng: &mut Rng) -> Duration {
        let usual = self.scenario.world.usual * user.slow * (0.6 * normal(rng)).exp();
        let millis = match (arm, self.scenario.worse) {
            (Arm::Candidate, Worse::Slower(times)) => usual * times,
            (Arm::Candidate, Worse::Later(more)) => usual + more,
            (Arm::Candidate, Worse::Allowed(times)) => {
                let LatencyTolerance { by, at_least } = self.scenario.slower;
                (usual * (1.0 + times * by / 100.0)).max(usual + times * at_least.0 as f64)
            }
            (Arm::Candidate, Worse::Stalling(share)) if rng.f64() < share => usual + 1_000.0,
            _ => usual,
        };
        Duration::from_secs_f64(millis / 1_000.0)
    }
}

/// A rollout on its way.
struct Rollout<'a> {
    world: &'a World<'a>,
    names: [VersionName; 2],
    evidence: EpochReport,
    /// Whether a bitmap has changed since the last evaluation: one without news changes nothing.
    news: bool,
    /// When the candidate failed, seconds.
    failures: Vec<f64>,
    decided: [Option<u32>; 4],
}

/// Requests of one arm in one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    good: u32,
    bad: u32,
}

impl<'a> Rollout<'a> {
    fn new(world: &'a World<'a>) -> Self {
        Self {
            world,
            names: [name("v2"), name("v1")],
            evidence: EpochReport::default(),
            news: false,
            failures: Vec::new(),
            decided: [None; 4],
        }
    }

    fn play(mut self, users: &[User], rng: &mut Rng) -> Outcome {
        let scenario = self.world.scenario;
        let steps = scenario.weights.len() as u32;
        let [candidate, stable] = self.names.clone();
        let mut recipe = Recipe::new(scenario, candidate, stable);
        let (mut independent, mut minute, mut five_minutes) = (Independent::new(steps), Fixed::minute(), Fixed::five_minutes());
        let mut now = 0;
        for (step, weight) in scenario.weights.iter().enumerate() {
            let slots = SLOTS / 100 * *weight as u16;
            let (ours, theirs): (Vec<User>, Vec<User>) = users.iter().partition(|user| user.slot < slots);
            let (ours, theirs) = (Crowd::of(ours), Crowd::of(theirs));
            let last = step + 1 == scenario.weights.len();
            self.begin(step as u64 + 1);
            recipe.weigh(slots);
            independent.begin();
            let end = now + STEP;
            let hour = if last && scenario.world.metric == Metric::Errors { HOUR } else { end };
            while now < end.max(hour) && !self.settled(now, end) {
                let candidate = self.second(&ours, Arm::Candidate, now, rng);
                // After the step only the five-minute windows go on, and they do not look at stable.
                if now < end && self.decided[..2].contains(&None) {
                    let stable = self.second(&theirs, Arm::Stable, now, rng);
                    let share = ours.rate / (ours.rate + theirs.rate);
                    self.note(1, now, |_| independent.evaluate(candidate.bad, stable.bad, share));
                    self.note(0, now, |rollout| rollout.news && recipe.evaluate(&rollout.evidence));
                    self.news = false;
                }
                if now < end {
                    self.note(2, now, |_| minute.evaluate(candidate.good, candidate.bad, now + 1));
                }
                self.note(3, now, |_| five_minutes.evaluate(candidate.good, candidate.bad, now + 1));
                now += 1;
            }
            if self.settled(now, end) && !last && self.decided[..3].iter().all(Option::is_some) {
                break;
            }
        }
        self.outcome(STEP * steps)
    }

    fn begin(&mut self, epoch: u64) {
        let latency = self.world.slow.as_ref().map(|_| LatencySlots::default());
        self.evidence = EpochReport { epoch, latency, ..EpochReport::default() };
    }

    /// No judge is left to decide, and what they decided has taken effect.
    fn settled(&self, now: u32, end: u32) -> bool {
        let waiting = |index: &usize| self.decided[*index].is_none_or(|at| now < at + 3);
        let watched: &[usize] = match (self.world.scenario.world.metric, now < end) {
            (Metric::Errors, true) => &[0, 1, 2, 3],
            (Metric::Errors, false) => &[3],
            (Metric::Latency, _) => &[0],
        };
        !watched.iter().any(waiting)
    }

    /// Asks one who has not decided yet.
    fn note(&mut self, who: usize, now: u32, asked: impl FnOnce(&Self) -> bool) {
        if self.decided[who].is_none() && asked(self) {
            self.decided[who] = Some(now + 1);
        }
    }

    /// One second of one arm's requests.
    fn second(&mut self, crowd: &Crowd, arm: Arm, now: u32, rng: &mut Rng) -> Second {
        let mut second = Second::default();
        if crowd.rate == 0.0 {
            return second;
        }
        for _ in 0..poisson(rng, crowd.rate) {
            let user = crowd.pick(rng);
            let at = f64::from(now) + rng.f64();
            if let Some(slow) = &self.world.slow {
                let time = self.world.time(&user, arm, rng);
                let name = &self.names[usize::from(arm == Arm::Stable)];
                self.time(user.slot, time, slow.of(name));
            } else if self.world.fails(&user, arm, at, rng) {
                second.bad += 1;
                self.news |= self.evidence.failed.insert(user.slot);
                if arm == Arm::Candidate {
                    self.failures.push(at);
                }
                continue;
            }
            second.good += 1;
            if arm == Arm::Stable && self.world.tolerance.as_ref().is_some_and(|tolerance| tolerance.fails(rng.u64(..))) {
                self.news |= self.evidence.failed.insert(user.slot);
            }
        }
        let name = &self.names[usize::from(arm == Arm::Stable)];
        if !self.evidence.versions.contains_key(name) {
            self.evidence.versions.insert(name.clone(), Counters::default());
        }
        if let Some(counters) = self.evidence.versions.get_mut(name) {
            counters.started += u64::from(second.good + second.bad);
            counters.succeeded += u64::from(second.good);
            counters.failed += u64::from(second.bad);
        }
        second
    }

    /// What the filter does with a request's time.
    fn time(&mut self, slot: u16, time: Duration, slow: LatencyThresholds) {
        let Some(slots) = &mut self.evidence.latency else { return };
        let above = |limit: u32| time > Duration::from_micros(u64::from(limit));
        if slots.seen.insert(slot) {
            self.news = true;
            if above(slow.p50_us) {
                slots.first_slow.insert(slot);
            }
        }
        if above(slow.p90_us) {
            self.news |= slots.above_p90.insert(slot);
        }
        if above(slow.p99_us) {
            self.news |= slots.above_p99.insert(slot);
        }
    }

    fn outcome(&self, end: u32) -> Outcome {
        let decided = |who: usize, horizon: u32| {
            let at = self.decided[who];
            let until = at.map_or(f64::from(horizon), |at| f64::from(at) + DELAY);
            Decided { at, bad: self.failures.iter().filter(|failure| **failure < until).count() as u32 }
        };
        Outcome { recipe: decided(0, end), independent: decided(1, end), minute: decided(2, end), five_minutes: decided(3, HOUR) }
    }
}
