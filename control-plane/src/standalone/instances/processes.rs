//! Processes of instances: made, recorded before they run anything, taken over after a restart, watched.

use shunt_core::instance::{Event, Process};
use shunt_spec::Time;

use super::process::{self, Standing};
use super::tracker::Tracker;
use super::{Instances, Key, launch, port};
use crate::platform::StoreError;
use crate::standalone::Store;

impl Instances {
    /// Makes the processes that are due. Each is recorded before it runs anything of the user's.
    pub(super) async fn launch(&mut self, store: &Store, now: Time) -> Result<(), StoreError> {
        let due: Vec<(Key, u64)> = self.pools.iter().flat_map(|(key, pool)| pool.to_launch(now).map(|id| (key.clone(), id))).collect();
        for (key, id) in due {
            match self.hold(&key, id) {
                Ok((held, port)) => {
                    let event = Event::Launched { process: held.process.clone(), address: format!("127.0.0.1:{port}") };
                    self.happen(&key, id, event, now);
                    if let Err(error) = self.record(store).await {
                        // It gets no word, so it ends and leaves no trace.
                        self.happen(&key, id, Event::Exited { how: "could not be recorded".to_owned(), words: String::new() }, now);
                        return Err(error);
                    }
                    let process = held.process.clone();
                    self.watch(id, &process, Some(held.release()));
                }
                Err(error) => {
                    self.happen(&key, id, Event::NotLaunched { why: format!("cannot be started: {error}") }, now);
                    self.record(store).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn hold(&mut self, key: &Key, id: u64) -> std::io::Result<(launch::Held, u16)> {
        let Some(backend) = self.pools.get(key).and_then(|pool| pool.backend.as_ref()?.command()) else {
            return Err(std::io::Error::other("its version is no command any more"));
        };
        let free = port::free(self.seed, self.next).ok_or_else(|| std::io::Error::other("no port is free"))?;
        self.next = free.1;
        let (rollout, version) = key;
        let log = self.logs.open(rollout, version, id)?;
        let about = [("SHUNT_ROLLOUT", rollout.to_string()), ("SHUNT_VERSION", version.to_string()), ("SHUNT_INSTANCE", id.to_string())];
        Ok((self.launcher.hold(backend, free.0, &about, log)?, free.0))
    }

    /// Takes over a recorded process, if it still runs; otherwise what became of it.
    pub(super) fn adopt(&mut self, key: &Key, id: u64) -> Option<Event> {
        let process = self.pools.get(key)?.get(id)?.process()?.clone();
        match process::standing(&process) {
            Standing::Alive(_) => self.watch(id, &process, None),
            Standing::Ended => return Some(Event::Exited { how: "ended while no control plane watched".to_owned(), words: String::new() }),
            Standing::OtherBoot => return Some(Event::Vanished),
        }
        None
    }

    fn watch(&mut self, id: u64, process: &Process, child: Option<std::process::Child>) {
        let mut tracker = Tracker::new();
        tracker.watch(id, process, child, &self.tellers);
        self.trackers.insert(id, tracker);
    }
}
