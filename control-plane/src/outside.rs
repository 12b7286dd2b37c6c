//! Everybody outside who is asked, or told: gates, hooks, receivers of events, sources of metrics.

use anyhow::Result;
use shunt_api::Metrics;
use shunt_core::Time;
use tokio::sync::mpsc;

use crate::calls::{CallLog, Calls, Chance, Messenger, Tried};
use crate::metrics::{Answered, AnsweredGoal, Sources};
use crate::outbox::{Outbox, Returned};
use crate::standalone::{Database, Standalone, StoreError};

/// Answers that may wait to be recorded; those that ask wait meanwhile.
const ANSWERS: usize = 64;

/// What came of a try.
#[derive(Debug)]
pub(crate) enum Back {
    /// Of a gate, or of a hook that a release waits for.
    Call(Tried),
    /// Of a letter.
    Letter(Returned),
    /// Of a source of metrics.
    Measured(Answered),
    /// Of a source of a goal of an A/B test.
    Goal(AnsweredGoal),
}

/// Those who ask, and those who tell.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) calls: Calls,
    pub(crate) log: CallLog,
    pub(crate) outbox: Outbox,
    pub(crate) sources: Sources,
}

impl Outside {
    /// With what is recorded; pass what comes back to [`Outside::take`].
    pub(crate) async fn open(database: &Database, chance: Chance, metrics: Metrics) -> Result<(Self, mpsc::Receiver<Back>)> {
        let (back, answers) = mpsc::channel(ANSWERS);
        let messenger = Messenger::new()?;
        let log = CallLog::open(database).await?;
        let calls = Calls::open(database, log.clone(), messenger.clone(), chance, back.clone()).await?;
        let outbox = Outbox::open(database, log.clone(), messenger, chance, metrics, back.clone()).await?;
        let sources = Sources::open(database, back).await?;
        Ok((Self { calls, log, outbox, sources }, answers))
    }

    /// Begins the letters that are due.
    pub(crate) async fn pump(&mut self, on: &Standalone, now: Time) -> Result<(), StoreError> {
        self.outbox.pump(on.database(), |id| on.read(id).map(|stored| &*stored.plan), now).await
    }

    /// Records what came of a try. When that cannot be recorded, the try is made again.
    pub(crate) async fn take(&mut self, database: &Database, back: Back, now: Time) {
        let recorded = match back {
            Back::Call(tried) => self.calls.take(database, tried, now).await,
            Back::Letter(returned) => self.outbox.take(database, returned, now).await,
            Back::Measured(answered) => self.sources.take(database, answered).await,
            Back::Goal(answered) => {
                self.sources.take_goal(answered);
                Ok(())
            }
        };
        if let Err(error) = recorded {
            tracing::error!("an answer could not be recorded, it is asked again: {error}");
        }
    }

    /// The process is about to end: what begins now would be cut off at once, and done again.
    pub(crate) fn rest(&mut self) {
        self.calls.rest();
        self.outbox.rest();
        self.sources.rest();
    }
}
