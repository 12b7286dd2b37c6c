//! Gates and hooks of a whole release among its steps.

use crate::plan::call::CallSpec;
use crate::plan::{Role, Scale, Step};
use shunt_filter_core::Weight;

/// What goes among the steps; where each stands is said at its field.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Places {
    /// Before everything.
    pub(crate) confirm_rollout: Option<CallSpec>,
    /// Before each step that sends users to the candidate.
    pub(crate) confirm_step: Option<CallSpec>,
    /// Before the promotion.
    pub(crate) confirm_promotion: Option<CallSpec>,
    /// Before the candidate's instances start.
    pub(crate) before_deploy: Option<CallSpec>,
    /// Before the first step that sends users to the candidate.
    pub(crate) before_traffic: Option<CallSpec>,
}

/// Who starts the candidate's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// We do, so they can wait.
    Ours,
    /// Another system does.
    Theirs,
}

/// The steps with everything at its place.
pub(crate) fn insert_gates(steps: Vec<Step>, places: &Places, instances: Whose) -> Vec<Step> {
    let call = |spec: &Option<CallSpec>| spec.clone().map(|spec| Step::Call(Box::new(spec)));
    let mut woven: Vec<Step> = call(&places.confirm_rollout).into_iter().chain(call(&places.before_deploy)).collect();
    let promotes = !steps.contains(&Step::Conclude);
    // Without a step that says so, instances start with the run: before any gate or hook is asked.
    if !woven.is_empty() && instances == Whose::Ours && !scales_first(&steps) {
        woven.push(Step::Scale(Scale { role: Role::Candidate, share: Weight::ALL }));
    }
    let mut unseen = true;
    for step in steps {
        if step.exposes() {
            woven.extend(call(&places.confirm_step));
            woven.extend(call(&places.before_traffic).filter(|_| unseen));
            unseen = false;
        }
        woven.push(step);
    }
    if promotes {
        woven.extend(call(&places.before_traffic).filter(|_| unseen));
        woven.extend(call(&places.confirm_promotion));
    }
    woven
}

/// Whether a step says how many instances there are before any user sees them.
fn scales_first(steps: &[Step]) -> bool {
    let before = steps.iter().take_while(|step| !step.exposes());
    before.into_iter().any(|step| matches!(step, Step::Scale(Scale { role: Role::Candidate, .. })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::call::{Action, CallKind};
    use crate::time::Span;
    use test_case::test_case;

    fn all() -> Places {
        let call = |name: &str, kind| {
            Some(CallSpec { name: name.to_owned(), kind, action: Action::Manual, timeout: Span::seconds(1), retries: 0 })
        };
        Places {
            confirm_rollout: call("confirmRollout", CallKind::Gate),
            confirm_step: call("confirmStep", CallKind::Gate),
            confirm_promotion: call("confirmPromotion", CallKind::Gate),
            before_deploy: call("beforeDeploy", CallKind::Hook),
            before_traffic: call("beforeTraffic", CallKind::Hook),
        }
    }

    fn woven(steps: &[Step], instances: Whose) -> String {
        let steps: Vec<String> = insert_gates(steps.to_vec(), &all(), instances).iter().map(ToString::to_string).collect();
        steps.join(", ").replace("gate ", "").replace("hook ", "")
    }

    fn weight(ppm: u32) -> Step {
        Step::SetWeight(Weight::ppm(ppm))
    }

    #[test_case(&[weight(50_000), Step::Pause(None), weight(500_000)], Whose::Theirs,
        "confirmRollout, beforeDeploy, confirmStep, beforeTraffic, setWeight 5, pause, confirmStep, setWeight 50, confirmPromotion"; "a canary")]
    #[test_case(&[Step::Pause(None), weight(50_000)], Whose::Ours,
        "confirmRollout, beforeDeploy, scale candidate to 100 %, pause, confirmStep, beforeTraffic, setWeight 5, confirmPromotion"; "instances of ours wait")]
    #[test_case(&[Step::Scale(Scale { role: Role::Candidate, share: Weight::ppm(250_000) }), weight(250_000)], Whose::Ours,
        "confirmRollout, beforeDeploy, scale candidate to 25 %, confirmStep, beforeTraffic, setWeight 25, confirmPromotion"; "batches say it themselves")]
    #[test_case(&[Step::Analysis(Span::seconds(1))], Whose::Theirs,
        "confirmRollout, beforeDeploy, analysis 1s, beforeTraffic, confirmPromotion"; "a switch at once")]
    #[test_case(&[weight(0), Step::Conclude], Whose::Theirs,
        "confirmRollout, beforeDeploy, setWeight 0, conclude"; "no user is sent, nothing promoted")]
    fn at_their_places(steps: &[Step], instances: Whose, expected: &str) {
        assert_eq!(woven(steps, instances), expected);
    }

    #[test]
    fn nothing_asked_nothing_changed() {
        let steps = vec![weight(50_000), Step::Pause(None)];
        assert_eq!(insert_gates(steps.clone(), &Places::default(), Whose::Ours), steps);
    }
}
