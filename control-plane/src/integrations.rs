//! The systems outside that the control plane calls: gates, hooks, receivers of events, sources of metrics.

use anyhow::Result;
use shunt_api::Metrics;
use shunt_spec::Time;
use tokio::sync::mpsc;

use crate::calls::{CallLog, Calls, Chance, Messenger, Tried};
use crate::metrics::{Answered, AnsweredGoal, Sources};
use crate::outbox::{Outbox, Returned};
use crate::platform::{AuxiliaryStore, StoreError};
use crate::rollouts::Rollouts;

/// Completions that may wait to be recorded; further ones wait until there is room.
const COMPLETIONS: usize = 64;

/// What came of a try.
#[derive(Debug)]
pub(crate) enum Completion {
    /// Of a gate, or of a hook that a release waits for.
    Call(Tried),
    /// Of a message of the outbox.
    Delivery(Returned),
    /// Of a source of metrics.
    Measurement(Answered),
    /// Of a source of a goal of an A/B test.
    Goal(AnsweredGoal),
}

/// What calls them, and what keeps their answers.
#[derive(Debug)]
pub(crate) struct Integrations {
    pub(crate) calls: Calls,
    pub(crate) log: CallLog,
    pub(crate) outbox: Outbox,
    pub(crate) sources: Sources,
}

impl Integrations {
    /// With what is recorded; pass what comes back to [`Integrations::take`].
    pub(crate) async fn open(auxiliary: &AuxiliaryStore, chance: Chance, metrics: Metrics) -> Result<(Self, mpsc::Receiver<Completion>)> {
        let (sender, completions) = mpsc::channel(COMPLETIONS);
        let messenger = Messenger::new()?;
        let log = CallLog::open(auxiliary).await?;
        let calls = Calls::open(auxiliary, log.clone(), messenger.clone(), chance, sender.clone()).await?;
        let outbox = Outbox::open(auxiliary, log.clone(), messenger, chance, metrics, sender.clone()).await?;
        let sources = Sources::open(auxiliary, sender).await?;
        Ok((Self { calls, log, outbox, sources }, completions))
    }

    /// Begins the deliveries that are due.
    pub(crate) async fn pump(&mut self, auxiliary: &AuxiliaryStore, rollouts: &Rollouts, now: Time) -> Result<(), StoreError> {
        self.outbox.pump(auxiliary, |id| rollouts.read(id).map(|stored| &*stored.plan), now).await
    }

    /// Records what came of a try. When that cannot be recorded, the try is made again.
    pub(crate) async fn take(&mut self, auxiliary: &AuxiliaryStore, completion: Completion, now: Time) {
        let recorded = match completion {
            Completion::Call(tried) => self.calls.take(auxiliary, tried, now).await,
            Completion::Delivery(returned) => self.outbox.take(auxiliary, returned, now).await,
            Completion::Measurement(answered) => self.sources.take(auxiliary, answered).await,
            Completion::Goal(answered) => {
                self.sources.take_goal(answered);
                Ok(())
            }
        };
        if let Err(error) = recorded {
            tracing::error!("an answer could not be recorded, it is asked again: {error}");
        }
    }

    /// The process is about to end: what begins now would be cut off at once, and done again.
    pub(crate) fn quiesce(&mut self) {
        self.calls.quiesce();
        self.outbox.quiesce();
        self.sources.quiesce();
    }
}
