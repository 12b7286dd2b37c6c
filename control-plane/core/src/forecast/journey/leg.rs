//! Where a run is as people see it, and what a leg was when it is over.

use std::collections::BTreeMap;

use shunt_filter_core::Weight;
use shunt_spec::plan::Step;
use shunt_spec::plan::call::Action;
use shunt_spec::time::{Span, Time};

use super::Journey;
use crate::advance::{closed, needs_pass};
use crate::forecast::Leg;
use crate::forecast::measuring::StepMeasurements;
use crate::state::{Run, Stage};

/// Where a run is, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Before,
    Step(usize),
    Promotion,
    WayBack,
    Over,
}

pub(super) fn place(run: Option<&Run>) -> Place {
    match run.map(|run| &run.stage) {
        None => Place::Over,
        Some(Stage::Preparing) => Place::Before,
        Some(Stage::AwaitingPrerequisites { step } | Stage::Applying { step } | Stage::Holding { step }) => Place::Step(*step),
        Some(Stage::Shifting | Stage::Switching) => Place::Promotion,
        Some(Stage::Clearing(_) | Stage::Restoring(_) | Stage::Reverting(_) | Stage::Draining(_)) => Place::WayBack,
    }
}

impl Journey {
    /// A leg is over: what it was, and what it waited for.
    pub(super) fn leg(&mut self, run: &Run, was: Place) {
        let planned = match was {
            Place::Step(step) => self.plan.steps.get(step),
            Place::Before | Place::Promotion | Place::WayBack | Place::Over => None,
        };
        let kind = planned.map(Step::kind);
        let (step, text) = match was {
            Place::Step(step) => (Some(step.saturating_add(1)), planned.map(ToString::to_string).unwrap_or_default()),
            Place::Before => (None, format!("{} is installed", run.candidate)),
            Place::Promotion => (None, "promotion".to_owned()),
            Place::WayBack => (None, "all keys back".to_owned()),
            Place::Over => return,
        };
        self.measure(step, self.now.since(self.entered));
        let gate = step.and_then(|step| self.plan.steps.get(step.saturating_sub(1)));
        let waits = match gate {
            Some(Step::Call(call)) if call.action == Action::Manual => Some("until an operator approves".to_owned()),
            _ => self.waits.take().or_else(|| self.opened()).or_else(|| self.passed(run, was)),
        };
        let promoting = was == Place::Promotion;
        let weight = if promoting { Weight::ALL } else { run.weight };
        let lasts = self.now.since(self.entered);
        self.legs.push(Leg {
            step,
            kind,
            text,
            at: self.entered.since(self.began),
            lasts,
            proof: if promoting { lasts } else { self.proof },
            weight,
            users: self.users(weight),
            waits,
        });
        self.entered = self.now;
        self.proof = Span::default();
    }

    /// What it waited for, when a window has opened this second.
    fn opened(&self) -> Option<String> {
        let before = Time(self.now.0.saturating_sub(1_000));
        (self.entered < self.now && closed(&self.plan, before).is_some() && closed(&self.plan, self.now).is_none())
            .then(|| "until a window opens".to_owned())
    }

    /// What a step waited for beyond its time.
    fn passed(&self, run: &Run, was: Place) -> Option<String> {
        let Place::Step(step) = was else { return None };
        let due = self.entered.after(self.proof).after(self.plan.steps.get(step)?.lasts().unwrap_or_default());
        (self.now > due && needs_pass(&self.plan, run, step)).then(|| "until the analysis passes".to_owned())
    }

    /// What was measured in a leg; legs that are over at once, or are not the metric's, are left out.
    fn measure(&mut self, step: Option<usize>, lasts: Span) {
        for (measuring, metric) in self.external_metrics.iter_mut().zip(&self.plan.analysis.external_metrics) {
            let made = |all: &BTreeMap<String, u32>| all.get(&measuring.metric).copied().unwrap_or_default();
            let made = made(&self.world.measurements).saturating_sub(made(&self.measurements));
            if let Some(step) = step.filter(|_| made > 0 || (metric.steps.is_none() && lasts >= Span::seconds(10))) {
                measuring.steps.push(StepMeasurements { step, made });
            }
        }
        self.measurements = self.world.measurements.clone();
    }
}
