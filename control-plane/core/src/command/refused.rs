//! Why a command was not obeyed.

use shunt_filter_core::VersionName;
use thiserror::Error;

/// Why a command was not obeyed; its sentence says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandRefused {
    /// Its author saw an older state.
    #[error("the rollout moved on: it is at revision {now}, this was meant for {seen}; look again and repeat it if it still fits")]
    MovedOn {
        /// What the author saw.
        seen: u64,
        /// What it is.
        now: u64,
    },
    /// The manifest is gone.
    #[error("its manifest is gone and it is on its way out; put the manifest back first")]
    Leaving,
    /// The run ends at this moment.
    #[error("the run of {candidate} is about to end: {ending}")]
    AboutToEnd {
        /// The version being released.
        candidate: VersionName,
        /// Why, for people.
        ending: String,
    },
    /// The run is on its way back.
    #[error("the run of {candidate} is already ending; wait for it, then retry or release another version")]
    Ending {
        /// The version being released.
        candidate: VersionName,
    },
    /// There is no run.
    #[error("nothing is being released; set release: to another version first")]
    NoRun,
    /// There is a run.
    #[error("a release is running; abort it before you retry")]
    RunUnderWay,
    /// There is no way back.
    #[error("the point of no return is passed, {stable} cannot carry the traffic any more: release a version that is right instead")]
    PastNoReturn {
        /// The version that would have to carry it.
        stable: VersionName,
    },
    /// There is no such step.
    #[error("there is no step {step}: {}", steps(*.last))]
    UnknownStep {
        /// Counted from 1.
        step: usize,
        /// How many there are.
        last: usize,
    },
    /// No release was refused.
    #[error("no release was refused; there is nothing to retry")]
    NothingToRetry,
    /// A hook would be left out.
    #[error("step {step} is {what}, which must not be left out: go to step {step} first")]
    HookSkipped {
        /// Counted from 1.
        step: usize,
        /// As written.
        what: String,
    },
    /// A step that holds requests would be left out.
    #[error("requests are held in a step between: it cannot be left out")]
    HoldSkipped,
    /// All releases are frozen.
    #[error("{0}")]
    Frozen(String),
    /// The candidate is not installed yet.
    #[error("{candidate} is not installed yet: wait for it")]
    NotInstalled {
        /// The version being released.
        candidate: VersionName,
    },
    /// The steps are over.
    #[error("it is being promoted already")]
    BeingPromoted,
    /// The step is behind.
    #[error("step {step} is past: `shunt retry --from` goes back")]
    StepPast {
        /// Counted from 1.
        step: usize,
    },
    /// The step is ahead.
    #[error("step {step} is ahead: `shunt promote --to` goes there")]
    StepAhead {
        /// Counted from 1.
        step: usize,
    },
    /// The step takes instances away that may still be needed.
    #[error("step {step} takes instances away from {stable}: go to the step before it")]
    TakesInstances {
        /// Counted from 1.
        step: usize,
        /// Whose.
        stable: VersionName,
    },
    /// An A/B test does not speak for the promotion.
    #[error("{0}")]
    Unconfirmed(String),
    /// The run is at no step.
    #[error("it is not in a step now")]
    NotInStep,
    /// Stable has fewer instances than before.
    #[error("{stable} has given up instances: abort instead, and retry")]
    InstancesGivenUp {
        /// Whose.
        stable: VersionName,
    },
    /// Nothing waits for an operator.
    #[error("nothing waits for a promotion here")]
    NothingWaits,
    /// What the step needs is not there.
    #[error("this step cannot be skipped: {0}")]
    NotEquipped(String),
    /// The candidate's instances are not there.
    #[error("its instances are missing, and no user is sent to what is not there: wait for them, or abort")]
    NoInstances,
    /// The proxies have not proved the step.
    #[error("this step is not proved yet and a proof cannot be skipped: {0}")]
    NotProved(String),
    /// It is held.
    #[error("it is held already: {0}")]
    HeldAlready(String),
    /// It is not held.
    #[error("it is not held; `shunt promote` ends the wait of a step")]
    NotHeld,
    /// Too late for a hold.
    #[error("the promotion is at its last step; wait for it, or abort")]
    LastStep,
}

fn steps(last: usize) -> String {
    match last {
        0 => "the release has none".to_owned(),
        1 => "the release has one step".to_owned(),
        _ => format!("steps are 1 to {last}"),
    }
}
