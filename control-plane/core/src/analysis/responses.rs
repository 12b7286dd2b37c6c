//! Answers that are no failures, and yet bad where stable does not give them: candidate against stable, each class a test of its own.

use std::collections::BTreeMap;

use shunt_filter_core::outcome::ResponseClass;
use shunt_filter_core::report::EpochReport;

use super::arms::ArmSlots;
use super::errors::{in_slots, outcome};
use super::evaluation::Evaluation;
use super::first_bad::{FirstBad, Standing};
use super::number;
use super::{Outcome, Verdict, reported};

/// The tests of one epoch.
#[derive(Debug, Clone)]
pub(super) struct ResponseComparison {
    tests: BTreeMap<ResponseClass, FirstBad>,
}

impl ResponseComparison {
    /// With the slots of these arms. Slots in `before` are in neither.
    pub(super) fn new(slots: &ArmSlots, before: &EpochReport) -> Self {
        let test = |class: ResponseClass| (class, FirstBad::new(1.0, slots, &reported::slots(before, class)));
        Self { tests: ResponseClass::ALL.into_iter().map(test).collect() }
    }

    /// One evaluation.
    pub(super) fn take(&mut self, slots: &ArmSlots, evidence: &EpochReport) {
        for (class, test) in &mut self.tests {
            test.take(slots, &reported::slots(evidence, *class));
        }
    }

    /// One evaluation that is not judged.
    pub(super) fn skip(&mut self, slots: &ArmSlots, evidence: &EpochReport) {
        for (class, test) in &mut self.tests {
            test.skip(slots, &reported::slots(evidence, *class));
        }
    }

    /// The verdict: that of the class that fails, or comes next to it. `threshold` is 1/α of all classes together, each of which gets
    /// an equal part of the error.
    pub(super) fn judge(&mut self, evaluation: &Evaluation<'_>, judged: &[ResponseClass], threshold: f64) -> Verdict {
        let threshold = threshold * judged.len().max(1) as f64;
        let mut tests = self.tests.iter_mut().filter(|(class, _)| judged.contains(*class));
        let Some(first) = tests.next() else {
            return evaluation.not_applicable("every class of answers is ignored");
        };
        let rank = |test: &mut FirstBad| (test.stand(threshold) == Standing::Failed, test.ln_e());
        let (class, test) = tests.fold(first, |most, next| {
            let ((failed, ln_e), (next_failed, next_ln_e)) = (rank(most.1), rank(next.1));
            if (next_failed && !failed) || (next_failed == failed && next_ln_e > ln_e) { next } else { most }
        });
        verdict(evaluation, *class, test, threshold)
    }
}

fn verdict(evaluation: &Evaluation<'_>, class: ResponseClass, test: &mut FirstBad, threshold: f64) -> Verdict {
    let samples = evaluation.samples();
    let stable = evaluation.stable.succeeded.saturating_add(evaluation.stable.failed);
    let answers = |version| reported::answers(evaluation.evidence, class, version);
    let (own, others) = (answers(evaluation.arms.candidate), answers(evaluation.arms.stable));
    let compared = format!(
        "{} answered {} to {}{}, {} to {}",
        evaluation.arms.candidate,
        text(class),
        number::share(own, samples),
        in_slots(test),
        evaluation.arms.stable,
        number::share(others, stable)
    );
    let (outcome, rest) = outcome(evaluation, test, samples, threshold, "");
    let sentence = match outcome {
        Outcome::Fail => format!("{compared}; {rest}; if that is meant, write ignore: [{}]", name(class)),
        Outcome::Pass | Outcome::NeedMoreData | Outcome::Inconclusive | Outcome::SourceError | Outcome::NotApplicable => {
            format!("{compared}; {rest}")
        }
    };
    let value = format!("{} {}", text(class), number::share(own, samples));
    Verdict {
        baseline: format!("{others}/{stable}"), ..evaluation.verdict(outcome, value, samples, format!("E ≥ {threshold}"), &sentence)
    }
}

/// `v2 answered 4xx`.
fn text(class: ResponseClass) -> &'static str {
    match class {
        ResponseClass::Redirect => "3xx",
        ResponseClass::Rejected => "4xx",
        ResponseClass::Empty => "without a body",
        ResponseClass::RejectedGrpc => "a gRPC error",
    }
}

/// As it is written in a manifest.
fn name(class: ResponseClass) -> &'static str {
    match class {
        ResponseClass::Redirect => "redirect",
        ResponseClass::Rejected => "rejected",
        ResponseClass::Empty => "empty",
        ResponseClass::RejectedGrpc => "rejectedGrpc",
    }
}
