//! Copies need a metric that looks at how they are answered: the proxies do not see it.

use shunt_filter_core::Weight;

use crate::plan::external_metrics::ExternalMetric;
use crate::plan::{Plan, Step};
use crate::problems::Problems;

/// Notes copies that nothing can judge: where a candidate that has only them is to be judged, and where it never has more.
/// `paths`: the field of each step.
pub(crate) fn judged(plan: &Plan, paths: &[String], problems: &mut Problems) {
    let looked = |step| plan.analysis.external_metrics.iter().any(|metric| decides(metric, step));
    let (mut now, mut ever) = (None, None);
    for (index, step) in plan.steps.iter().enumerate() {
        match step {
            Step::Mirror(mirror) if mirror.weight > Weight::ZERO => (now, ever) = (Some(index), Some(index)),
            Step::Mirror(_) => now = None,
            Step::Analysis(_) if now.is_some() && !looked(Some(index)) => return refuse(plan, now, paths, problems),
            // From here on it has users.
            Step::Rule(_) => return,
            step if step.weight_of(&plan.release).is_some_and(|weight| weight > Weight::ZERO) => return,
            _ => {}
        }
    }
    if !looked(None) {
        refuse(plan, ever, paths, problems);
    }
}

/// Whether it may decide in this step, or in any.
fn decides(metric: &ExternalMetric, step: Option<usize>) -> bool {
    let there = metric.steps.as_ref().is_none_or(|steps| step.is_none_or(|step| steps.contains(&step)));
    there && !metric.dry_run
}

fn refuse(plan: &Plan, mirror: Option<usize>, paths: &[String], problems: &mut Problems) {
    let Some(path) = mirror.and_then(|step| paths.get(step)) else { return };
    let remedy = match plan.analysis.external_metrics.iter().find(|metric| metric.dry_run) {
        Some(metric) => format!("remove dryRun of {}, or add another metric with prometheus or web", metric.name),
        None => "add a metric with prometheus or web to spec.analysis, for example templates: [{name: shadow-status, args: {prometheus: \"http://prometheus:9090\"}}]".to_owned(),
    };
    problems.add(
        path,
        format!("has nothing that judges the copies: the proxies do not see how they are answered, only a source outside does; {remedy}"),
    );
}
