//! What failed, in a few words: answers, methods and forms of paths at both versions, beside the numbers of a verdict.

use shunt_filter_core::VersionName;
use shunt_filter_core::exemplar::{Exemplar, ExemplarKind, Exemplars};
use shunt_spec::plan::Plan;
use shunt_spec::plan::metric::Guard;

use crate::analysis::Verdict;
use crate::compared::Compared;
use crate::observation::Observation;
use crate::state::State;

/// Most examples of one version in a sentence.
const SHOWN: usize = 3;

/// A failed verdict with examples of what its metric counts: `...; v2: 500 on GET /cart (7), 503 on POST /pay/* (2); v1: none`.
pub(crate) fn sentence(plan: &Plan, state: &State, verdict: &Verdict, seen: &Observation) -> String {
    let message = verdict.message.clone();
    let metric = plan.analysis.metrics.iter().find(|metric| metric.name == verdict.metric);
    let (Some(metric), Some(compared)) = (metric, Compared::of(state)) else { return message };
    let kinds = kinds(&metric.guard);
    let nothing = Exemplars::default();
    let of = |version: &VersionName| {
        let exemplars = seen.versions.get(version).map_or(&nothing, |seen| &seen.exemplars);
        let wanted: Vec<&Exemplar> = exemplars.iter().filter(|exemplar| kinds.contains(&exemplar.kind)).collect();
        wanted
    };
    let (candidate, stable) = (compared.candidate(), compared.stable());
    let worse = of(candidate);
    if worse.is_empty() {
        return message;
    }
    format!("{message}; {candidate}: {}; {stable}: {}", listed(&worse), listed(&of(stable)))
}

/// What a metric's verdict is about.
fn kinds(guard: &Guard) -> &'static [ExemplarKind] {
    match guard {
        Guard::ErrorsNoWorseThanStable | Guard::ErrorsWithin(_) | Guard::SuccessRateMin(_) => &[ExemplarKind::Failed],
        // What is slow is no example of anything but its time.
        Guard::LatencyMax { .. } | Guard::LatencyNoWorseThanStable(_) => &[],
        Guard::ResponsesNoWorseThanStable(_) => {
            &[ExemplarKind::Redirect, ExemplarKind::Rejected, ExemplarKind::Empty, ExemplarKind::RejectedGrpc]
        }
        Guard::HangingNoWorseThanStable => &[ExemplarKind::Abandoned, ExemplarKind::Hanging],
    }
}

fn listed(exemplars: &[&Exemplar]) -> String {
    if exemplars.is_empty() {
        return "none".to_owned();
    }
    exemplars.iter().take(SHOWN).map(|exemplar| example(exemplar)).collect::<Vec<_>>().join(", ")
}

/// `500 on GET /cart (7)`, `abandoned on POST /pay/* (2)`, `200 without a body on GET / (3)`.
pub fn example(exemplar: &Exemplar) -> String {
    let what = match (exemplar.kind, exemplar.answer) {
        (ExemplarKind::Empty, Some(answer)) => format!("{answer} without a body"),
        (_, Some(answer)) => answer.to_string(),
        (kind, None) => kind.as_str().to_owned(),
    };
    format!("{what} on {} {} ({})", exemplar.method.as_str(), exemplar.path, exemplar.count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_filter_core::exemplar::Answer;
    use shunt_filter_core::method::Method;
    use test_case::test_case;

    #[test_case(ExemplarKind::Failed, Some(Answer::Status(500)), "500 on GET /cart/* (1)")]
    #[test_case(ExemplarKind::Failed, Some(Answer::GrpcStatus(13)), "gRPC 13 on GET /cart/* (1)")]
    #[test_case(ExemplarKind::Failed, Some(Answer::Reset), "reset on GET /cart/* (1)")]
    #[test_case(ExemplarKind::Empty, Some(Answer::Status(200)), "200 without a body on GET /cart/* (1)")]
    #[test_case(ExemplarKind::Abandoned, None, "abandoned on GET /cart/* (1)")]
    #[test_case(ExemplarKind::Hanging, None, "hanging on GET /cart/* (1)")]
    fn examples(kind: ExemplarKind, answer: Option<Answer>, expected: &str) {
        assert_eq!(example(&Exemplar::new(kind, answer, Method::Get, "/cart/*".to_owned())), expected);
    }
}
