//! What the steps of a release ended with: a row per step in `get`, a line below the transition in `history`.

use shunt_core::analysis::Outcome;
use shunt_core::cause::example;
use shunt_core::figures::{Counted, Figures, Judged, StepFigures};
use shunt_filter_core::VersionName;
use shunt_filter_core::exemplar::Exemplars;

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;
use crate::cli::text::{count, share_of, span};

/// Examples of one version in a line.
const EXAMPLES: usize = 3;

/// A row per step, oldest first.
pub(super) fn rows(figures: &Figures, paint: Paint) -> Vec<String> {
    let mut table = Table::bare(&[0, 2, 3]);
    for step in &figures.steps {
        let number = step.number.map(|number| number.to_string()).unwrap_or_default();
        let lasted = span(step.ended.since(step.began));
        table.row([number, step.text.clone(), lasted, step.weight.to_string(), versions(step, paint), verdicts(step, paint)]);
    }
    let earlier = match figures.earlier {
        0 => None,
        1 => Some("1 step before these: `shunt history` has its figures".to_owned()),
        many => Some(format!("{} steps before these: `shunt history` has their figures", count(many))),
    };
    earlier.map(|text| paint.dim(&text)).into_iter().chain(table.lines()).collect()
}

/// One line; none: nothing was counted, and nothing judged.
pub(super) fn line(step: &StepFigures, paint: Paint) -> Option<String> {
    let parts = [versions(step, paint), verdicts(step, paint), examples(step)];
    let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (!said.is_empty()).then(|| format!("{}: {}", paint.dim(&format!("{} ended with", step.text)), said.join("; ")))
}

fn versions(step: &StepFigures, paint: Paint) -> String {
    let one = |(version, counted): (&VersionName, &Counted)| {
        let Counted { requests, failed } = *counted;
        let text = format!("{version} {} of {} failed{}", count(failed), count(requests), share_of(failed, requests));
        if failed > 0 { paint.attention(&text) } else { text }
    };
    step.versions.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The most frequent of each version.
fn examples(step: &StepFigures) -> String {
    let of = |(version, exemplars): (&VersionName, &Exemplars)| {
        let shown: Vec<String> = exemplars.iter().take(EXAMPLES).map(|exemplar| tame(&example(exemplar))).collect();
        format!("{version}: {}", shown.join(", "))
    };
    step.exemplars.iter().map(of).collect::<Vec<_>>().join("; ")
}

/// With its value where it says something.
fn verdicts(step: &StepFigures, paint: Paint) -> String {
    let judged = step.verdicts.iter().filter(|judged| judged.outcome != Outcome::NotApplicable);
    let one = |judged: &Judged| {
        let against = if judged.baseline.is_empty() { String::new() } else { format!(" against {}", tame(&judged.baseline)) };
        let value = if judged.value.is_empty() { String::new() } else { paint.dim(&format!(" {}{against}", tame(&judged.value))) };
        format!("{} {}{value}", judged.metric, paint.outcome(judged.outcome))
    };
    judged.map(one).collect::<Vec<_>>().join(", ")
}
