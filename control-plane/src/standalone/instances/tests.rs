//! Real processes, and a control plane that dies between any two lines.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use shunt_api::logs::LogsWanted;
use shunt_api::{InstanceRefused, Refusal};
use shunt_core::instance::InstanceState;
use tempfile::TempDir;

use super::*;
use crate::platform::{PolicyRecord, Recorder};
use crate::policy_aggregator::PolicyAggregator;
use crate::standalone::{Database, Standalone};

const SLEEPS: &str = "[sleep, '1000']";

/// A folder with one manifest, and what a control plane has beside its instances.
struct Bed {
    dir: TempDir,
    mark: String,
    store: Database,
    rollouts: Rollouts,
    aggregator: PolicyAggregator,
    proxies: Proxies,
}

impl Bed {
    /// Version v1 is this command with these further fields, v2 registers itself.
    async fn new(command: &str, fields: &str) -> Self {
        static MARKS: AtomicU32 = AtomicU32::new(0);
        let mark = format!("bed-{}-{}", std::process::id(), MARKS.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("config")).unwrap();
        let text = format!(
            "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout, namespace: shop}}
spec:
  service: {{hosts: [shop.test]}}
  versions:
    - {{name: v1, command: {command}, env: {{SHUNT_TEST_MARK: {mark}}}{fields}}}
    - {{name: v2, register: {{ttl: 10s}}}}
    - {{name: v3, register: {{ttl: 10s}}}}
  release: v1
"
        );
        std::fs::write(dir.path().join("config/a.yaml"), text).unwrap();
        let (config, data) = (dir.path().join("config"), dir.path().join("data"));
        let (store, mut config) = Standalone::open(&config, &data, shunt_spec::Span::seconds(10)).await.unwrap();
        let mut rollouts = Rollouts::new(Vec::new(), Recorder::Standalone(store.clone()));
        let resources = config.resources(&store, &rollouts, now()).await.unwrap();
        rollouts.accept(resources, now());
        rollouts.settle(now()).await;
        assert_eq!(config.problems(), []);
        let aggregator = PolicyAggregator::new(PolicyRecord::default(), BTreeMap::new(), BTreeSet::new());
        Self { dir, mark, store, rollouts, aggregator, proxies: Proxies::new(BTreeSet::new(), shunt_api::Memory::default(), now()) }
    }

    fn world(&self) -> World<'_> {
        World { rollouts: &self.rollouts, aggregator: &self.aggregator, proxies: &self.proxies }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A control plane that starts. The one before is dropped, as `kill -9` does: it does nothing more.
    async fn start(&self) -> Instances {
        let shim = Launcher::with("sh", &["-c", "read -r word && exec \"$0\" \"$@\" </dev/null"]);
        Instances::open(&self.store, &self.data(), shim, now()).await.unwrap()
    }

    async fn pass(&self, all: &mut Instances, at: Time) {
        all.pass(&self.store, &self.world(), at).await.unwrap();
    }

    /// Passes until this holds, while time goes on.
    async fn until(&self, all: &mut Instances, mut holds: impl FnMut(&Instances) -> bool) {
        for turn in 0..1_000 {
            self.pass(all, Time(now().0 + turn * 10)).await;
            if holds(all) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not come to that: {:#?}", all.pools);
    }

    /// Up to where the next process is recorded as to be made.
    async fn intend(&self, all: &mut Instances) -> u64 {
        all.want(&self.rollouts);
        all.steer(&self.world(), now());
        all.record(&self.store).await.unwrap();
        all.pools[&key("v1")].instances[0].id
    }

    /// Marked processes that have become their program.
    fn running(&self) -> BTreeSet<u32> {
        marked(&self.mark).into_iter().filter(|pid| !is_shim(*pid)).collect()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for pid in marked(&self.mark) {
            if let Ok(process) = process::identify(pid) {
                process::signal(&process, rustix::process::Signal::KILL);
            }
        }
    }
}

fn now() -> Time {
    Time(1_000_000)
}

fn key(version: &str) -> Key {
    (RolloutId::new("shop", "checkout").unwrap(), version.parse().unwrap())
}

/// Living processes with this mark.
fn marked(mark: &str) -> BTreeSet<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let wanted = format!("SHUNT_TEST_MARK={mark}");
    let has = |pid: &u32| {
        let variables = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    pids.filter(has).collect()
}

fn is_shim(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with("sh\0-c\0read -r word"))
}

fn pid(all: &Instances) -> Option<u32> {
    all.pools[&key("v1")].instances.first()?.process().map(|process| process.pid)
}

#[tokio::test]
async fn a_process_that_was_made_and_not_recorded_never_runs() {
    let bed = Bed::new(SLEEPS, "").await;
    let mut all = bed.start().await;
    let id = bed.intend(&mut all).await;
    let (held, _) = all.hold(&key("v1"), id).unwrap();
    let lost = held.process.pid;
    assert_eq!(bed.running(), BTreeSet::new(), "it waits for its word");
    drop((held, all));

    let mut all = bed.start().await;
    bed.until(&mut all, |_| bed.running().len() == 1 && marked(&bed.mark).len() == 1).await;
    assert!(!bed.running().contains(&lost));
    assert_eq!(pid(&all), bed.running().first().copied());
}

#[tokio::test]
async fn a_process_that_was_recorded_and_got_no_word_is_made_again() {
    let bed = Bed::new(SLEEPS, "").await;
    let mut all = bed.start().await;
    let id = bed.intend(&mut all).await;
    let (held, port) = all.hold(&key("v1"), id).unwrap();
    let event = Event::Launched { process: held.process.clone(), address: format!("127.0.0.1:{port}") };
    all.happen(&key("v1"), id, event, now());
    all.record(&bed.store).await.unwrap();
    drop((held, all));

    let mut all = bed.start().await;
    bed.until(&mut all, |all| bed.running().len() == 1 && pid(all) == bed.running().first().copied()).await;
    assert_eq!(marked(&bed.mark).len(), 1);
}

#[tokio::test]
async fn running_processes_are_adopted_and_recorded_ends_are_gone_through_with() {
    let bed = Bed::new(SLEEPS, "").await;
    let mut all = bed.start().await;
    bed.until(&mut all, |_| bed.running().len() == 1).await;
    let before = bed.running();
    drop(all);
    let mut all = bed.start().await;
    bed.pass(&mut all, now()).await;
    assert_eq!((bed.running(), pid(&all)), (before.clone(), before.first().copied()));

    // Recorded as to be ended; the signal was never sent.
    let id = all.pools[&key("v1")].instances[0].id;
    all.pools.get_mut(&key("v1")).unwrap().instances[0].stage = Stage::Terminating;
    all.note(&key("v1"), id);
    all.record(&bed.store).await.unwrap();
    drop(all);
    let mut all = bed.start().await;
    bed.until(&mut all, |all| bed.running().is_disjoint(&before) && all.pools[&key("v1")].get(id).is_none()).await;
    bed.until(&mut all, |_| bed.running().len() == 1).await;
}

#[tokio::test]
async fn who_does_not_hear_sigterm_is_killed_after_its_grace() {
    let bed = Bed::new("[sh, -c, 'trap \"\" TERM; while :; do sleep 0.1; done']", ", terminationGrace: 2s").await;
    let mut all = bed.start().await;
    bed.until(&mut all, |_| bed.running().len() == 1).await;
    let id = all.pools[&key("v1")].instances[0].id;
    let one = &mut all.pools.get_mut(&key("v1")).unwrap().instances[0];
    (one.stage, one.since) = (Stage::Terminating, now());
    bed.pass(&mut all, Time(now().0 + 1_999)).await;
    assert_eq!(all.pools[&key("v1")].get(id).map(|one| one.stage), Some(Stage::Terminating));
    bed.pass(&mut all, Time(now().0 + 2_000)).await;
    assert_eq!(all.pools[&key("v1")].get(id).map(|one| one.stage), Some(Stage::Killing));
    bed.until(&mut all, |all| all.pools[&key("v1")].get(id).is_none()).await;
}

#[tokio::test]
async fn a_crash_is_told_with_its_code_and_its_last_words() {
    let bed = Bed::new("[sh, -c, 'echo no database >&2; exit 3']", "").await;
    let mut all = bed.start().await;
    bed.until(&mut all, |all| all.pools[&key("v1")].instances[0].restarts >= 2).await;
    assert_eq!(all.pools[&key("v1")].instances[0].trouble, "exit code 3: no database");
    let capacity = all.capacity(bed.rollouts.read(&key("v1").0).unwrap(), now());
    let Capacity::Instances { wanted: 1, ready: 0, trouble, .. } = &capacity[&key("v1").1] else { panic!("{capacity:?}") };
    assert!(trouble.starts_with("exit code 3: no database after "), "{trouble}");
    assert_eq!(capacity.len(), 3, "every version is known");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let bed = Bed::new(SLEEPS, ", workDir: /nowhere/at/all").await;
    let mut all = bed.start().await;
    bed.pass(&mut all, now()).await;
    assert_eq!(all.pools[&key("v1")].instances[0].trouble, "cannot be started: workDir /nowhere/at/all is not a folder");
}

#[tokio::test]
async fn registrations_are_recorded_renewed_and_end() {
    let bed = Bed::new(SLEEPS, "").await;
    let mut all = bed.start().await;
    bed.pass(&mut all, now()).await;
    let (address, at): (SocketAddr, _) = ("10.0.0.7:8080".parse().unwrap(), |seconds: u64| Time(now().0 + seconds * 1_000));
    let first = all.register(&bed.store, &bed.rollouts, &key("v2"), address, at(0)).await.unwrap();
    let again = all.register(&bed.store, &bed.rollouts, &key("v2"), address, at(8)).await.unwrap();
    assert_eq!(first.instance.id, again.instance.id, "the same one");
    assert_eq!((again.instance.state, first.news, again.news), (InstanceState::Ready, true, false), "renewing is no news");
    let taken = all.register(&bed.store, &bed.rollouts, &key("v3"), address, at(8)).await;
    assert!(matches!(&taken, Err(Refusal::Instance(InstanceRefused::Taken { version, .. })) if version.as_str() == "v2"), "{taken:?}");
    let wrong = all.register(&bed.store, &bed.rollouts, &key("v1"), "10.0.0.8:80".parse().unwrap(), at(8)).await;
    assert!(matches!(&wrong, Err(Refusal::Instance(InstanceRefused::NotRegistered(_)))), "{wrong:?}");
    let unknown = all.register(&bed.store, &bed.rollouts, &key("v9"), address, at(8)).await;
    assert!(matches!(unknown, Err(Refusal::UnknownVersion { .. })), "{unknown:?}");

    drop(all);
    let mut all = bed.start().await;
    bed.pass(&mut all, at(17)).await;
    assert_eq!(all.registration(&key("v2"), address).map(|one| one.state), Some(InstanceState::Ready), "it outlives a restart");
    bed.pass(&mut all, at(18)).await;
    assert_eq!(all.registration(&key("v2"), address).map(|one| one.state), Some(InstanceState::Leaving), "until its time is over");
    assert!(all.register(&bed.store, &bed.rollouts, &key("v2"), address, at(19)).await.unwrap().news, "it is back");
    bed.until(&mut all, |all| all.registration(&key("v2"), address).is_some_and(|one| one.state == InstanceState::Ready)).await;
    let left = all.deregister(&bed.store, &bed.rollouts, &key("v2"), address, at(20)).await.unwrap().unwrap();
    assert_eq!(left.state, InstanceState::Leaving);
    assert!(
        matches!(
            all.register(&bed.store, &bed.rollouts, &key("v2"), address, at(20)).await,
            Err(Refusal::Instance(InstanceRefused::Leaving(_)))
        ),
        "it asked to go"
    );
    assert_eq!(all.deregister(&bed.store, &bed.rollouts, &key("v2"), "10.9.9.9:1".parse().unwrap(), at(20)).await.unwrap(), None);
}

#[tokio::test]
async fn what_instances_write_can_be_read_also_of_those_that_ended() {
    let bed = Bed::new("[sh, -c, 'echo one; echo two; exit 3']", "").await;
    let mut all = bed.start().await;
    bed.until(&mut all, |all| all.pools[&key("v1")].instances[0].restarts > 0).await;
    let one = all.views(&key("v1").0, &key("v1").1).remove(0);
    assert_eq!(one.last_exit.map(|exit| exit.how), Some("exit code 3: two".to_owned()));
    let stored = bed.rollouts.read(&key("v1").0).unwrap().clone();
    let wanted = |instance: Option<u64>, tail: usize| LogsWanted { instance, tail, ..LogsWanted::default() };
    let read = |wanted: LogsWanted| all.logs(&stored, wanted).map(|reading| reading.read().logs);
    let logs = read(wanted(None, 1)).unwrap();
    assert_eq!(logs.iter().map(|log| (log.instance, log.text.as_str())).collect::<Vec<_>>(), [(one.id, "two\n")]);
    let since = LogsWanted { after: BTreeMap::from([(one.id, 4)]), ..wanted(Some(one.id), 0) };
    assert!(read(since).unwrap()[0].text.starts_with("two\n"), "what came after the first four bytes");
    let other = read(wanted(Some(99), 1));
    assert!(matches!(&other, Err(Refusal::Instance(InstanceRefused::NoLog { there, .. })) if there == &[one.id]), "{other:?}");
    let foreign = read(LogsWanted { version: Some("v2".parse().unwrap()), ..wanted(None, 1) });
    assert!(matches!(&foreign, Err(Refusal::Instance(InstanceRefused::NotRun(_)))), "{foreign:?}");
    let unknown = read(LogsWanted { version: Some("v9".parse().unwrap()), ..wanted(None, 1) });
    assert!(matches!(unknown, Err(Refusal::UnknownVersion { .. })), "{unknown:?}");
}
