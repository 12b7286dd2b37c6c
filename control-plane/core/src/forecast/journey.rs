//! The way from a changed manifest to the end of the run, second by second.

mod evaluation;
mod leg;
mod warnings;

use std::collections::BTreeMap;

use shunt_filter_core::{VersionName, Weight};
use shunt_spec::plan::{Plan, Step};
use shunt_spec::time::{Span, Time};

use super::measuring::Measuring;
use super::world::World;
use super::{Downtime, End, Evaluation, Forecast, Leg, PATIENCE, TestEvaluation, Traffic, Unseen};
use crate::advance::{Next, advance};
use crate::command::{Command, Verb};
use crate::desired::desired;
use crate::journal::Entry;
use crate::state::{Stage, State};
use leg::place;

/// No release is followed for longer.
const MOST: Span = Span::seconds(60 * 24 * 3_600);
/// Transitions in one moment; more would be a machine that does not come to rest.
const TRANSITIONS_MAX: usize = 64;

/// Longest stride in seconds, and where a window may open and close meanwhile.
const LONGEST: u64 = 24 * 3_600;
const WINDOW: u64 = 60;

/// See [`super::forecast`].
pub(super) fn travel(plan: &Plan, from: &VersionName, to: &VersionName, traffic: Traffic, start: Time) -> Forecast {
    let before = Plan { release: from.clone(), gone: false, ..plan.clone() };
    let mut journey = Journey::new(Plan { release: to.clone(), ..before.clone() }, traffic, State::initial(&before), start);
    journey.install(&before);
    journey.began = journey.now;
    journey.entered = journey.now;
    journey.run();
    let lasts = journey.now.since(journey.began);
    let end = journey.end();
    if let End::Refused(_) = end {
        // What would be seen in steps that are cut short says nothing.
        journey.evaluations.clear();
    }
    journey.sights();
    let warnings = journey.warnings(&end);
    let tolerance = plan.analysis.tolerance();
    let downtime = journey.downtime(from);
    Forecast {
        rollout: plan.id.clone(),
        from: from.clone(),
        to: to.clone(),
        traffic,
        legs: journey.legs,
        evaluations: journey.evaluations,
        tests: journey.tests,
        external_metrics: journey.external_metrics,
        tolerance,
        downtime,
        max_exposed: plan.max_exposed,
        latency: Unseen::of(plan),
        lasts,
        end,
        warnings,
    }
}

struct Journey {
    plan: Plan,
    traffic: Traffic,
    world: World,
    state: State,
    now: Time,
    began: Time,
    legs: Vec<Leg>,
    evaluations: Vec<Evaluation>,
    tests: Vec<TestEvaluation>,
    external_metrics: Vec<Measuring>,
    /// How often each metric was measured before the present leg.
    measurements: BTreeMap<String, u32>,
    /// When the present leg was entered.
    entered: Time,
    /// When the present epoch began.
    epoch: Time,
    proof: Span,
    waits: Option<String>,
    held: Vec<String>,
    stuck: Option<String>,
    refused: Option<String>,
}

impl Journey {
    fn new(plan: Plan, traffic: Traffic, state: State, start: Time) -> Self {
        let external_metrics = plan.analysis.external_metrics.iter().map(Measuring::of).collect();
        Self {
            plan,
            traffic,
            world: World::new(traffic),
            state,
            now: start,
            began: start,
            legs: Vec::new(),
            evaluations: Vec::new(),
            tests: Vec::new(),
            external_metrics,
            measurements: BTreeMap::new(),
            entered: start,
            epoch: start,
            proof: Span::default(),
            waits: None,
            held: Vec::new(),
            stuck: None,
            refused: None,
        }
    }

    /// All versions are installed; the old one is stable.
    fn install(&mut self, before: &Plan) {
        for _ in 0..TRANSITIONS_MAX {
            self.now = self.now.after(Span::seconds(1));
            if self.transition(before, &[]).is_none() {
                return;
            }
        }
    }

    fn run(&mut self) {
        let plan = self.plan.clone();
        while self.now.since(self.began) < MOST && self.stuck.is_none() {
            self.settle(&plan);
            if self.state.run.is_none() {
                return;
            }
            if self.promote(&plan) {
                // The operator who promotes sees what comes of it at once.
                self.settle(&plan);
            }
            self.wait(&plan);
        }
    }

    /// To the second in which something happens next: strides double until one goes too far, and are halved from there on. What has
    /// begun to be so stays so until the machine acts on it, but for the hours of windows.
    fn wait(&mut self, plan: &Plan) {
        let longest = if plan.windows.is_empty() { LONGEST } else { WINDOW };
        let (mut seconds, mut growing) = (1_u64, true);
        while self.now.since(self.began) < MOST {
            let before = (self.now, self.world.clone());
            self.now = self.now.after(Span::seconds(seconds));
            let moves = self.happens(plan);
            if moves && seconds == 1 {
                return;
            }
            if moves {
                (self.now, self.world) = before;
                growing = false;
            }
            seconds = if growing { seconds.saturating_mul(2).min(longest) } else { seconds.div_euclid(2).max(1) };
        }
    }

    /// Whether the machine, or an operator, does something now.
    fn happens(&mut self, plan: &Plan) -> bool {
        self.next(plan, &[]).entry.is_some() || self.waits_for(plan).is_some()
    }

    /// Transitions while there are any.
    fn settle(&mut self, plan: &Plan) {
        for _ in 0..TRANSITIONS_MAX {
            let before = self.state.clone();
            match self.transition(plan, &[]) {
                Some(_) => self.moved(&before),
                None => return,
            }
        }
        self.stuck = Some("the machine does not come to rest".to_owned());
    }

    fn next(&mut self, plan: &Plan, commands: &[Command]) -> Next {
        let wanted = desired(plan, &self.state);
        self.world.take(&wanted, &self.state, self.now);
        let seen = self.world.observe(plan, &self.state, self.now);
        advance(plan, &self.state, &seen, commands)
    }

    fn transition(&mut self, plan: &Plan, commands: &[Command]) -> Option<Entry> {
        let next = self.next(plan, commands);
        if let Some(Err(refusal)) = next.answered.into_iter().next().map(|answer| answer.result) {
            self.stuck = Some(refusal.to_string());
        }
        self.state = next.state;
        next.entry
    }

    /// What an operator would end now: a missed deadline at once, a pause without end after a while.
    fn waits_for(&self, plan: &Plan) -> Option<String> {
        let run = self.state.run.as_ref()?;
        match &run.paused {
            Some(paused) => Some(paused.reason.clone()),
            None if self.state.phase(plan) == crate::Phase::Paused && self.now.since(run.since) >= PATIENCE => {
                Some("until an operator promotes".to_owned())
            }
            None => None,
        }
    }

    /// An operator promotes what waits for one. True: something came of it.
    fn promote(&mut self, plan: &Plan) -> bool {
        let Some(why) = self.waits_for(plan) else { return false };
        // A test that ends without a winner is held as it should be.
        let held = self
            .state
            .run
            .as_ref()
            .filter(|run| run.stage.step().and_then(|step| plan.test(step)).is_none())
            .and_then(|run| run.paused.as_ref());
        self.held.extend(held.map(|paused| paused.reason.clone()));
        self.waits = Some(why);
        let command = Command {
            id: 1,
            verb: Verb::Promote,
            revision: self.state.revision,
            by: "an operator".to_owned(),
            reason: String::new(),
            confirm: true,
        };
        let before = self.state.clone();
        let made = self.transition(plan, &[command]).is_some();
        if made {
            self.moved(&before);
        }
        made
    }

    /// What a transition ends: a proof, a leg, an epoch.
    fn moved(&mut self, before: &State) {
        let after = self.state.run.clone();
        let (old, new) = (before.run.as_ref(), after.as_ref());
        if let (Some(Stage::Applying { .. }), Some(run)) = (old.map(|run| &run.stage), old) {
            self.proof = self.now.since(run.since);
        }
        if let Some(refused) = self.state.refused.as_ref().filter(|_| before.refused.is_none()) {
            self.refused = Some(refused.reason.clone());
        }
        if let Some(run) = old {
            if self.state.epoch != before.epoch {
                self.evaluate(run);
            }
            if self.state.epoch != before.epoch {
                self.test(run);
            }
            let (was, is) = (place(old), place(new));
            if was != is {
                self.leg(run, was);
            }
        }
        if self.state.epoch != before.epoch {
            self.epoch = self.now;
        }
        if old.is_none() {
            self.entered = self.now;
        }
    }

    /// Held requests are answered with 503: for how long, and for how long at most.
    fn downtime(&self, stable: &VersionName) -> Option<Downtime> {
        let at_most = self.plan.held_deadline?;
        let from_step = self.plan.steps.iter().position(|step| *step == Step::Hold)?.saturating_add(1);
        let held = self.legs.iter().skip_while(|leg| leg.step != Some(from_step));
        let lasts = Span(held.map(|leg| leg.lasts.0).fold(0, u64::saturating_add));
        Some(Downtime { from_step, lasts, at_most, then: stable.clone() })
    }

    fn users(&self, weight: Weight) -> u64 {
        (f64::from(self.traffic.users) * weight.as_percent() / 100.0).round() as u64
    }

    fn end(&self) -> End {
        match (&self.stuck, &self.refused) {
            (Some(why), _) => End::Stuck(why.clone()),
            (None, Some(why)) => End::Refused(why.clone()),
            (None, None) if self.state.run.is_some() => End::Stuck(format!("not over after {MOST}")),
            (None, None) => match &self.state.concluded {
                Some(concluded) => End::Concluded(concluded.result.clone()),
                None => End::Promoted,
            },
        }
    }
}
