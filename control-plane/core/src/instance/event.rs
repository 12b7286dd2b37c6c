//! What may happen to an instance, and what it makes of it.

use shunt_spec::time::Time;

use super::backoff::{STEADY, backoff};
use super::{CRASH_LOOP, Instance, Kind, LastExit, Process, Stage};
use crate::capacity::Exit;

/// Something that happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its process was made, and listens at this address as soon as it can.
    Launched {
        /// Which.
        process: Process,
        /// `ip:port`.
        address: String,
    },
    /// Its process could not be made.
    NotLaunched {
        /// Why.
        why: String,
    },
    /// Its process ended by itself, or because we asked.
    Exited {
        /// How: `exit code 3`.
        how: String,
        /// The last line of its output; empty: it wrote none.
        words: String,
    },
    /// The machine was started anew: its process went with everything else, for which no version is to blame.
    Vanished,
    /// It answers its probe, often enough.
    Healthy,
    /// It does not answer its probe, often enough.
    Unhealthy {
        /// What it answers instead.
        why: String,
    },
    /// Its registration was renewed.
    Renewed {
        /// Until then.
        expires: Time,
    },
    /// It asked to go, or its time is over.
    Deregistered,
}

/// Whether its registration was not renewed in time.
pub(super) fn expired(instance: &Instance, now: Time) -> bool {
    match instance.kind {
        Kind::Registered { expires } => now >= expires,
        Kind::Command { .. } => false,
    }
}

impl Instance {
    /// The instance after this happened; none: nothing of it is left. What cannot happen in its stage (a late answer to a probe)
    /// changes nothing.
    #[must_use]
    pub fn after(&self, event: Event, now: Time) -> Option<Self> {
        Some(match (event, self.stage) {
            (Event::Launched { process, address }, Stage::Starting { .. }) => {
                Self { address: Some(address), ..self.with_process(Some(process)).at(Stage::Probing, now) }
            }
            (Event::NotLaunched { why }, Stage::Starting { .. }) => self.again(Exit { how: why, words: String::new() }, now),
            (Event::Exited { how, words }, Stage::Probing | Stage::Ready) => {
                let exit = Exit { how, words };
                Self { last_exit: Some(LastExit { at: now, how: exit.to_string() }), ..self.again(exit, now) }
            }
            (Event::Vanished, Stage::Probing | Stage::Ready) => {
                Self { address: None, ..self.with_process(None).at(Stage::Starting { not_before: now }, now) }
            }
            (Event::Exited { .. } | Event::Vanished, Stage::Leaving | Stage::Draining | Stage::Terminating | Stage::Killing) => {
                return None;
            }
            (Event::Healthy, Stage::Probing) => Self { trouble: String::new(), ..self.at(Stage::Ready, now) },
            (Event::Unhealthy { why }, Stage::Ready) => Self { trouble: why, ..self.at(Stage::Probing, now) },
            (Event::Unhealthy { why }, Stage::Probing) => Self { trouble: why, ..self.clone() },
            (Event::Renewed { expires }, Stage::Probing | Stage::Ready) => Self { kind: Kind::Registered { expires }, ..self.clone() },
            // It was late; the control plane did not ask it to go.
            (Event::Renewed { expires }, Stage::Leaving | Stage::Draining) if expired(self, now) => {
                let kind = Kind::Registered { expires };
                Self { kind, trouble: String::new(), ..self.at(Stage::Probing, now) }
            }
            (Event::Deregistered, Stage::Probing | Stage::Ready) => self.at(Stage::Leaving, now),
            (
                Event::Launched { .. }
                | Event::NotLaunched { .. }
                | Event::Exited { .. }
                | Event::Vanished
                | Event::Healthy
                | Event::Unhealthy { .. }
                | Event::Renewed { .. }
                | Event::Deregistered,
                _,
            ) => self.clone(),
        })
    }

    /// Started again, later each time, until it was ready for a while.
    fn again(&self, exit: Exit, now: Time) -> Self {
        let steady = self.stage == Stage::Ready && now.since(self.since) >= STEADY;
        let failures = if steady { 1 } else { self.failures.saturating_add(1) };
        let trouble = exit.to_string();
        let mut exits = if steady { Vec::new() } else { self.exits.clone() };
        exits.push(exit);
        exits.drain(..exits.len().saturating_sub(CRASH_LOOP));
        Self {
            address: None,
            restarts: self.restarts.saturating_add(1),
            failures,
            trouble,
            exits,
            ..self.with_process(None).at(Stage::Starting { not_before: now.after(backoff(failures)) }, now)
        }
    }

    fn with_process(&self, process: Option<Process>) -> Self {
        let kind = match &self.kind {
            Kind::Command { template, .. } => Kind::Command { template: template.clone(), process },
            registered @ Kind::Registered { .. } => registered.clone(),
        };
        Self { kind, ..self.clone() }
    }
}
