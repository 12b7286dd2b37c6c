//! Who watches one instance: for the end of its process, and for its answers to probes.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;
use shunt_core::instance::{Event, Instance, Kind, Process, Stage};
use shunt_spec::plan::Probe;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::probe::Prober;
use super::process::{self, Standing};

/// Something that happened, and which watch saw it.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) instance: u64,
    pub(super) tag: u64,
    pub(super) event: Event,
}

/// Where watches tell what they see.
#[derive(Debug)]
pub(super) struct Tellers {
    tell: mpsc::UnboundedSender<Happened>,
    told: mpsc::UnboundedReceiver<Happened>,
    bell: Arc<Notify>,
}

impl Default for Tellers {
    fn default() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self { tell, told, bell: Arc::default() }
    }
}

impl Tellers {
    pub(super) fn bell(&self) -> Arc<Notify> {
        self.bell.clone()
    }

    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Everything that was told since the last time.
    pub(super) fn heard(&mut self) -> Vec<Happened> {
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }

    fn teller(&self, instance: u64, tag: u64) -> impl Fn(Event) + Send + Sync + use<> {
        let (tell, bell) = (self.tell.clone(), self.bell.clone());
        move |event| {
            // No event is taken any more when the control plane ends.
            drop(tell.send(Happened { instance, tag, event }));
            bell.notify_one();
        }
    }
}

/// All that watches one instance; ends when dropped.
#[derive(Debug)]
pub(super) struct Tracker {
    /// No other watch has it: what an earlier process did does not count for a later one.
    pub(super) tag: u64,
    watch: Option<AbortHandle>,
    asking: Option<Asking>,
    signalled: Option<Signal>,
}

#[derive(Debug)]
struct Asking {
    task: AbortHandle,
    probe: Option<Probe>,
}

static TAGS: AtomicU64 = AtomicU64::new(1);

impl Tracker {
    pub(super) fn new() -> Self {
        Self { tag: TAGS.fetch_add(1, Ordering::Relaxed), watch: None, asking: None, signalled: None }
    }

    /// Tells the end of this process.
    pub(super) fn watch(&mut self, id: u64, process: &Process, child: Option<Child>, tellers: &Tellers) {
        let tell = tellers.teller(id, self.tag);
        let standing = process::standing(process);
        let task = async move {
            let how = match standing {
                Standing::Alive(handle) => process::ended(handle, child).await,
                Standing::Ended | Standing::OtherBoot => process::reaped(child),
            };
            tell(Event::Exited { how, words: String::new() });
        };
        self.watch = Some(tokio::spawn(task).abort_handle());
    }

    /// Asks as long as the answer matters, in the way that is wanted now.
    pub(super) fn probe(&mut self, one: &Instance, probe: Option<&Probe>, prober: &Prober, tellers: &Tellers) {
        let Some(address) = one.address.clone() else { return };
        let asks = match (one.stage, probe, &one.kind) {
            (Stage::Probing, _, _) | (Stage::Ready, Some(_), _) => true,
            // Once it accepts connections, only its end changes that.
            (Stage::Ready, None, _) => false,
            (Stage::Starting { .. } | Stage::Leaving | Stage::Draining | Stage::Terminating | Stage::Killing, _, _) => false,
        };
        if asks && self.asking.as_ref().is_some_and(|asking| asking.probe.as_ref() == probe) {
            return;
        }
        self.hush();
        if asks {
            let tell = tellers.teller(one.id, self.tag);
            let prober = prober.clone();
            let task = match (probe.cloned(), &one.kind) {
                (Some(probe), _) => tokio::spawn(prober.watch(address, probe, tell)),
                (None, Kind::Command { .. }) => tokio::spawn(prober.connect(address, tell)),
                // Registering says that it is ready.
                (None, Kind::Registered { .. }) => tokio::spawn(async move { tell(Event::Healthy) }),
            };
            self.asking = Some(Asking { task: task.abort_handle(), probe: probe.cloned() });
        }
    }

    /// SIGTERM or SIGKILL, as the stage asks; each once.
    pub(super) fn signal(&mut self, stage: Stage, process: &Process) {
        let signal = match stage {
            Stage::Terminating => Signal::TERM,
            Stage::Killing => Signal::KILL,
            Stage::Starting { .. } | Stage::Probing | Stage::Ready | Stage::Leaving | Stage::Draining => return,
        };
        if self.signalled.replace(signal) != Some(signal) {
            process::signal(process, signal);
        }
    }

    fn hush(&mut self) {
        if let Some(asking) = self.asking.take() {
            asking.task.abort();
        }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.hush();
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}
