//! Refusals as programs read them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_core::command::CommandRefused;

use super::{InstanceRefused, RecoveryRefused, Refusal, TokenRefused};

/// Why the process did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RefusalCode {
    /// There is no such Rollout.
    UnknownRollout,
    /// The Rollout has no such version.
    UnknownVersion,
    /// There is no such proxy.
    UnknownProxy,
    /// There is no such token.
    UnknownToken,
    /// The author saw an older revision.
    Stale,
    /// Another Rollout has its host.
    Conflicted,
    /// The manifest was changed, and is not taken.
    ManifestRefused,
    /// The config folder is not as it should be.
    Folder,
    /// The manifest cannot be edited as it stands.
    NotEditable,
    /// The manifest cannot be written here.
    ReadOnly,
    /// The manifest is wrong.
    Invalid,
    /// There is no version to go back to.
    NoFormer,
    /// The store failed.
    Unavailable,
    /// The author of the command saw an older state.
    MovedOn,
    /// The manifest is gone.
    Leaving,
    /// The run ends at this moment.
    AboutToEnd,
    /// The run is on its way back.
    Ending,
    /// Nothing is being released.
    NoRun,
    /// A release is running.
    RunUnderWay,
    /// There is no way back any more.
    PastNoReturn,
    /// There is no such step.
    UnknownStep,
    /// No release was refused.
    NothingToRetry,
    /// A hook would be left out.
    HookSkipped,
    /// A step that holds requests would be left out.
    HoldSkipped,
    /// All releases are frozen.
    Frozen,
    /// The candidate is not installed yet.
    NotInstalled,
    /// The steps are over.
    BeingPromoted,
    /// The step is behind.
    StepPast,
    /// The step is ahead.
    StepAhead,
    /// The step takes instances away that may still be needed.
    TakesInstances,
    /// An A/B test does not speak for the promotion: `confirm` is missing.
    Unconfirmed,
    /// The run is at no step.
    NotInStep,
    /// Stable has fewer instances than before.
    InstancesGivenUp,
    /// Nothing waits for an operator.
    NothingWaits,
    /// What the step needs is not there.
    NotEquipped,
    /// The candidate's instances are not there.
    NoInstances,
    /// The proxies have not proved the step.
    NotProved,
    /// It is held.
    HeldAlready,
    /// It is not held.
    NotHeld,
    /// It is too late for a hold.
    LastStep,
    /// The name cannot name a token.
    TokenName,
    /// The token would have expired already.
    TokenExpired,
    /// The role needs a Rollout.
    TokenNeedsRollout,
    /// The role takes no Rollout.
    TokenTakesNoRollout,
    /// Another token has the name.
    TokenTaken,
    /// Without this token every process may do everything.
    LastToken,
    /// The instance asked to go.
    InstanceLeaving,
    /// The instance is gone.
    InstanceGone,
    /// The address is that of another version's instance.
    InstanceTaken,
    /// Instances of the version do not register themselves.
    NotRegistered,
    /// The instances are run elsewhere.
    NotRun,
    /// There is no log of the instance.
    NoLog,
    /// The store knows all that proxies run.
    NothingToRecover,
    /// An operator has to confirm each Rollout.
    RecoveryUnconfirmed,
    /// No proxy that was looked at has a policy.
    NoPolicy,
    /// What was found does not say where a Rollout is.
    RecoveryUnclear,
}

impl Refusal {
    /// The same without its numbers.
    pub fn code(&self) -> RefusalCode {
        match self {
            Refusal::UnknownRollout(_) => RefusalCode::UnknownRollout,
            Refusal::UnknownVersion { .. } => RefusalCode::UnknownVersion,
            Refusal::UnknownProxy(_) => RefusalCode::UnknownProxy,
            Refusal::UnknownToken { .. } => RefusalCode::UnknownToken,
            Refusal::Stale { .. } => RefusalCode::Stale,
            Refusal::Command(refused) => of_command(refused),
            Refusal::Conflicted { .. } => RefusalCode::Conflicted,
            Refusal::ManifestRefused { .. } => RefusalCode::ManifestRefused,
            Refusal::Folder(_) => RefusalCode::Folder,
            Refusal::NotEditable(_) => RefusalCode::NotEditable,
            Refusal::ReadOnly(_) => RefusalCode::ReadOnly,
            Refusal::Invalid(_) => RefusalCode::Invalid,
            Refusal::NoFormer { .. } => RefusalCode::NoFormer,
            Refusal::Token(refused) => of_token(refused),
            Refusal::Instance(refused) => of_instance(refused),
            Refusal::Recovery(refused) => of_recovery(refused),
            Refusal::Unavailable(_) => RefusalCode::Unavailable,
        }
    }
}

fn of_command(refused: &CommandRefused) -> RefusalCode {
    match refused {
        CommandRefused::MovedOn { .. } => RefusalCode::MovedOn,
        CommandRefused::Leaving => RefusalCode::Leaving,
        CommandRefused::AboutToEnd { .. } => RefusalCode::AboutToEnd,
        CommandRefused::Ending { .. } => RefusalCode::Ending,
        CommandRefused::NoRun => RefusalCode::NoRun,
        CommandRefused::RunUnderWay => RefusalCode::RunUnderWay,
        CommandRefused::PastNoReturn { .. } => RefusalCode::PastNoReturn,
        CommandRefused::UnknownStep { .. } => RefusalCode::UnknownStep,
        CommandRefused::NothingToRetry => RefusalCode::NothingToRetry,
        CommandRefused::HookSkipped { .. } => RefusalCode::HookSkipped,
        CommandRefused::HoldSkipped => RefusalCode::HoldSkipped,
        CommandRefused::Frozen(_) => RefusalCode::Frozen,
        CommandRefused::NotInstalled { .. } => RefusalCode::NotInstalled,
        CommandRefused::BeingPromoted => RefusalCode::BeingPromoted,
        CommandRefused::StepPast { .. } => RefusalCode::StepPast,
        CommandRefused::StepAhead { .. } => RefusalCode::StepAhead,
        CommandRefused::TakesInstances { .. } => RefusalCode::TakesInstances,
        CommandRefused::Unconfirmed(_) => RefusalCode::Unconfirmed,
        CommandRefused::NotInStep => RefusalCode::NotInStep,
        CommandRefused::InstancesGivenUp { .. } => RefusalCode::InstancesGivenUp,
        CommandRefused::NothingWaits => RefusalCode::NothingWaits,
        CommandRefused::NotEquipped(_) => RefusalCode::NotEquipped,
        CommandRefused::NoInstances => RefusalCode::NoInstances,
        CommandRefused::NotProved(_) => RefusalCode::NotProved,
        CommandRefused::HeldAlready(_) => RefusalCode::HeldAlready,
        CommandRefused::NotHeld => RefusalCode::NotHeld,
        CommandRefused::LastStep => RefusalCode::LastStep,
    }
}

fn of_token(refused: &TokenRefused) -> RefusalCode {
    match refused {
        TokenRefused::Name { .. } => RefusalCode::TokenName,
        TokenRefused::Expired => RefusalCode::TokenExpired,
        TokenRefused::NeedsRollout => RefusalCode::TokenNeedsRollout,
        TokenRefused::TakesNoRollout(_) => RefusalCode::TokenTakesNoRollout,
        TokenRefused::Taken(_) => RefusalCode::TokenTaken,
        TokenRefused::Last(_) => RefusalCode::LastToken,
    }
}

fn of_instance(refused: &InstanceRefused) -> RefusalCode {
    match refused {
        InstanceRefused::Leaving(_) => RefusalCode::InstanceLeaving,
        InstanceRefused::Gone => RefusalCode::InstanceGone,
        InstanceRefused::Taken { .. } => RefusalCode::InstanceTaken,
        InstanceRefused::NotRegistered(_) => RefusalCode::NotRegistered,
        InstanceRefused::NotRun(_) => RefusalCode::NotRun,
        InstanceRefused::NoLog { .. } => RefusalCode::NoLog,
    }
}

fn of_recovery(refused: &RecoveryRefused) -> RefusalCode {
    match refused {
        RecoveryRefused::Nothing => RefusalCode::NothingToRecover,
        RecoveryRefused::Unconfirmed(_) => RefusalCode::RecoveryUnconfirmed,
        RecoveryRefused::NoPolicy => RefusalCode::NoPolicy,
        RecoveryRefused::Unclear(_) => RefusalCode::RecoveryUnclear,
    }
}
