//! What people and pipelines see of a Rollout.

mod delivery;
mod history;
mod step;
mod verdict;
mod version;

pub use delivery::DeliveryView;
pub use history::{CommandStatus, HistoryEntry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::plan::call::{Action, CallKind};
use shunt_spec::plan::{Plan, Step};
use shunt_spec::plural::counted;
use shunt_spec::schema::filter;
use shunt_spec::time::{Span, Time};
pub use step::StepStatus;
pub use verdict::Verdict;
pub use version::{VersionRole, VersionStatus};

use crate::advance::{astray, blocked, held_until, missing_instances, missing_pass, missing_prerequisites, missing_proof, opens};
use crate::call::CallView;
use crate::contest::Contest;
use crate::desired::is_held;
use crate::explain::notes;
use crate::figures::Figures;
use crate::isolation::Rejected;
use crate::observation::{Freeze, Observation};
use crate::state::{Phase, Run, Stage, State};

/// One Rollout, ready to be shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// Which.
    #[schemars(with = "filter::RolloutId")]
    pub id: RolloutId,
    /// At a glance.
    pub phase: Phase,
    /// One sentence: what it does or waits for, with numbers.
    pub message: String,
    /// The state's revision; commands name it.
    pub revision: u64,
    /// Number of the last attempt.
    pub attempt: u64,
    /// Gets all that nothing else claims.
    #[schemars(with = "filter::VersionName")]
    pub stable: VersionName,
    /// What the manifest asks for.
    #[schemars(with = "filter::VersionName")]
    pub release: VersionName,
    /// The version being released.
    #[schemars(with = "Option<filter::VersionName>")]
    pub candidate: Option<VersionName>,
    /// What came of the release that `release:` names, when it ended as planned without promotion: a shadow, an A/B test without a winner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concluded: Option<String>,
    /// What a proxy refuses of its clusters and routes; filled in by the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<RejectedView>,
    /// Where the run is among its steps.
    pub step: Option<StepStatus>,
    /// All versions, in the manifest's order, leaving ones last.
    pub versions: Vec<VersionStatus>,
    /// Gates and hooks of the last attempt, oldest first, with what came of each; filled in by the platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallView>,
    /// The analysis at its last evaluation.
    pub verdicts: Vec<Verdict>,
    /// What the steps of the last release ended with.
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub figures: Figures,
    /// How an A/B test stands, while one is on.
    #[serde(default, skip_serializing_if = "Contest::is_none")]
    pub contest: Contest,
    /// How far the policy has come.
    pub policy: DeliveryView,
    /// How far clusters and routes have come.
    pub routes: DeliveryView,
    /// Requests another version answered than was decided, or none.
    pub misrouted: u64,
    /// What the operator should know: conflicts, refused manifests, silent proxies.
    pub warnings: Vec<String>,
    /// What explains decisions beyond the policy: withheld rules, and where values came from that the Rollout does not set itself.
    pub notes: Vec<String>,
    /// Why nothing goes forward anywhere: all releases are frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// When the next window opens, while none is open and a release is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Time>,
    /// Since when requests are held: users are answered 503 until the new version is there, or the old one is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Time>,
    /// When the view was made.
    pub at: Time,
}

/// What a proxy refuses of one Rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedView {
    /// The proxy.
    pub node: String,
    /// For people: `clusters`.
    pub kind: String,
    /// The proxy's own words.
    pub error: String,
    /// Since when.
    pub since: Time,
}

impl RolloutStatus {
    /// A proxy refuses what it wants now.
    pub fn reject(&mut self, rejected: &Rejected) {
        let Rejected { node, kind, error, at, .. } = rejected;
        self.phase = Phase::Rejected;
        self.message = format!("{node} refuses its {kind}: {error}; what was accepted before stays in force until the manifest changes");
        self.rejected = Some(RejectedView { node: node.clone(), kind: kind.clone(), error: error.clone(), since: *at });
    }

    /// Whether its release is over: what `release:` names is stable, or it ended, and the proxies themselves have proved that no key is
    /// left on it.
    pub fn is_over(&self) -> bool {
        match self.phase {
            Phase::Healthy => self.concluded.is_some() || self.stable == self.release,
            Phase::Degraded => self.candidate.is_none(),
            // It goes on only with another manifest.
            Phase::Rejected => true,
            Phase::Progressing | Phase::Paused => false,
        }
    }
}

/// The view of one Rollout at one moment.
pub fn view(plan: &Plan, state: &State, seen: &Observation) -> RolloutStatus {
    RolloutStatus {
        id: plan.id.clone(),
        phase: state.phase(plan),
        message: message(plan, state, seen),
        revision: state.revision,
        attempt: state.attempt,
        stable: state.stable.clone(),
        release: plan.release.clone(),
        candidate: state.run.as_ref().map(|run| run.candidate.clone()),
        concluded: state
            .concluded
            .as_ref()
            .filter(|over| state.run.is_none() && over.version == plan.release)
            .map(|over| over.result.clone()),
        rejected: None,
        step: state.run.as_ref().and_then(|run| StepStatus::at(plan, run)),
        versions: version::versions(plan, state, seen),
        calls: Vec::new(),
        verdicts: seen.verdicts.iter().map(Verdict::from).collect(),
        figures: state.figures.clone(),
        contest: seen.contest.clone(),
        policy: DeliveryView::from(&seen.policy),
        routes: DeliveryView::of_routes(&plan.routing, &seen.routes),
        misrouted: seen.misrouted,
        warnings: Vec::new(),
        notes: notes(plan, state),
        frozen: frozen(seen),
        opens: state
            .run
            .as_ref()
            .filter(|run| blocked(plan, Some(run), seen).is_some())
            .and_then(|_| opens(plan, seen.now))
            .map(|next| next.at),
        held: state.run.as_ref().filter(|run| is_held(run)).and_then(|run| run.held),
        at: seen.now,
    }
}

fn frozen(seen: &Observation) -> Option<String> {
    match &seen.freeze {
        Freeze::Off => None,
        Freeze::On { by, reason, .. } if reason.is_empty() => Some(format!("by {by}")),
        Freeze::On { by, reason, .. } => Some(format!("by {by}: {reason}")),
    }
}

/// One sentence: what it does or waits for.
fn message(plan: &Plan, state: &State, seen: &Observation) -> String {
    if state.retiring.is_some() {
        return "its manifest is gone; it is on its way out".to_owned();
    }
    let Some(run) = &state.run else { return at_rest(plan, state, seen) };
    let what = match &run.paused {
        Some(paused) => format!("held: {}; {}, `shunt abort` goes back", paused.reason, way_on(plan, state, run, seen)),
        None => under_way(plan, state, run, seen),
    };
    match down(plan, state, run, seen) {
        Some(down) => format!("{down}; {what}"),
        None => what,
    }
}

/// That users get no answer now, and for how long at most.
fn down(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<String> {
    let held = run.held.filter(|_| is_held(run))?;
    let so_far = seen.now.since(held).text();
    Some(match held_until(plan, run) {
        Some((_, until)) => {
            let left = until.since(seen.now).text();
            format!("users have been getting 503 for {so_far}, for at most {left} more before {} comes back", state.stable)
        }
        None => format!("users have been getting 503 for {so_far}, until {} answers again", state.stable),
    })
}

/// What ends a hold. Where a pass is missing, the end of the hold alone would wait for it again.
fn way_on(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> &'static str {
    match run.stage {
        Stage::Holding { step } if missing_pass(plan, state, run, step, seen).is_some() => {
            "`shunt resume` waits again, `shunt promote` goes on without it"
        }
        _ => "`shunt resume` goes on",
    }
}

fn at_rest(plan: &Plan, state: &State, seen: &Observation) -> String {
    let missing: Vec<&str> = plan.versions.iter().filter(|v| !state.serving(&v.name)).map(|v| v.name.as_str()).collect();
    let installing = if missing.is_empty() { String::new() } else { format!("; {} not in place at every proxy yet", missing.join(", ")) };
    match (&state.refused, &state.previous) {
        (Some(refused), _) if refused.version == plan.release => {
            format!("{} was refused: {}; all on {}", refused.version, refused.reason, state.stable)
        }
        _ if state.concluded.as_ref().is_some_and(|concluded| concluded.version == plan.release) => {
            let result = state.concluded.as_ref().map(|concluded| concluded.result.as_str()).unwrap_or_default();
            format!("{result}; all on {}; release another version, or `shunt retry`", state.stable)
        }
        (_, Some(previous)) => match previous.until.since(seen.now) {
            left if left >= Span::seconds(1) => {
                format!("{} is stable; {} stays warm for {} more", state.stable, previous.version, left.text())
            }
            _ => format!("{} is stable; {} is let go", state.stable, previous.version),
        },
        _ => format!("{} is stable{installing}", state.stable),
    }
}

fn under_way(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> String {
    let proof = || missing_proof(plan, run, seen).unwrap_or_else(|| "proved".to_owned());
    let failed = state.refused.as_ref().map(|refused| format!("{}; ", refused.reason)).unwrap_or_default();
    match &run.stage {
        Stage::Preparing => match (missing_instances(plan, state, &run.candidate, seen), blocked(plan, Some(run), seen)) {
            _ if !state.serving(&run.candidate) => format!("{} is being installed: {}", run.candidate, proof()),
            (Some(missing), _) => missing,
            (None, Some(why)) => why,
            (None, None) => "goes on".to_owned(),
        },
        Stage::AwaitingPrerequisites { step } if waits_for_a_person(plan, *step) => {
            "waits for an operator: `shunt approve` says yes, `shunt abort` says no".to_owned()
        }
        Stage::AwaitingPrerequisites { step } => match missing_prerequisites(plan, state, run, *step, seen) {
            Some(missing) => missing,
            None => blocked(plan, Some(run), seen).unwrap_or_else(|| "goes on".to_owned()),
        },
        Stage::Applying { .. } => proof(),
        Stage::Holding { step } => match (held_step(plan, state, run, *step, seen), astray(plan, run, seen)) {
            (waits, Some(lost)) => format!("{waits}; {lost}"),
            (waits, None) => waits,
        },
        Stage::Shifting => format!("{failed}all keys to {}: {}", run.candidate, proof()),
        Stage::Switching => format!("{failed}the default route goes to {}: {}", run.candidate, proof()),
        Stage::Clearing(_) => missing_instances(plan, state, &run.candidate, seen).unwrap_or_else(|| format!("{} is gone", run.candidate)),
        Stage::Restoring(_) => {
            missing_instances(plan, state, &state.stable, seen).unwrap_or_else(|| format!("{} is whole again", state.stable))
        }
        Stage::Reverting(_) => format!("all keys back to {}: {}", state.stable, proof()),
        Stage::Draining(_) => {
            let open = seen.versions.get(&run.candidate).map_or(0, |version| version.open);
            format!("{} to {} still in flight", counted(open, "request"), run.candidate)
        }
    }
}

/// What a step waits for whose traffic is proved.
fn held_step(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> String {
    let left = |span: Span| run.since.after(span).since(seen.now);
    // What is not there yet is said while there is time to see to it.
    let then =
        || missing_pass(plan, state, run, step, seen).map(|missing| format!("; then a pass is needed: {missing}")).unwrap_or_default();
    match plan.steps.get(step) {
        Some(Step::Pause(None)) => "waits for `shunt promote`".to_owned(),
        Some(Step::Pause(Some(span))) if left(*span) > Span::default() => format!("{} left of the pause{}", left(*span).text(), then()),
        Some(Step::AbTest(_)) => seen.contest.message.clone(),
        Some(Step::Hold) => format!("requests are held; those in flight at {} end", state.stable),
        Some(Step::Analysis(span)) if left(*span) > Span::default() => format!("{} left of the analysis{}", left(*span).text(), then()),
        _ => match missing_pass(plan, state, run, step, seen) {
            Some(missing) => format!("waits for a pass: {missing}"),
            None => blocked(plan, Some(run), seen).unwrap_or_else(|| "goes on".to_owned()),
        },
    }
}

fn waits_for_a_person(plan: &Plan, step: usize) -> bool {
    matches!(plan.steps.get(step), Some(Step::Call(call)) if call.kind == CallKind::Gate && call.action == Action::Manual)
}
