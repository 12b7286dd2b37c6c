//! The reconciler on a second platform, in memory, whose store misbehaves for one Rollout: all others go on as before.

use std::cell::Cell;
use std::collections::BTreeSet;

use shunt_api::memory::Room;
use shunt_api::{Accepted, Refusal, Sender};
use shunt_core::state::Ending;
use shunt_core::{Phase, Verb};
use shunt_filter_core::VersionName;
use shunt_filter_core::report::Report;
use test_case::test_case;
use tokio::sync::oneshot;

use super::*;
use crate::hold::EmptyState;
use crate::keyring::Keyring;
use crate::platform::memory::{Behaviour, Memory, NODE};
use crate::platform::{Identity, PolicyRecord, Recorder};
use crate::policy_aggregator::PolicyAggregator;
use crate::sample::{self, Store};

/// Rollouts beside the one that the store misbehaves for.
const OTHERS: usize = 49;

/// How often the proxy reports and the reconciler settles.
const TURN: Span = Span::millis(250);

thread_local! {
    static NOW: Cell<Time> = const { Cell::new(Time(1_000_000)) };
}

fn clock() -> Time {
    NOW.get()
}

fn id(number: usize) -> RolloutId {
    RolloutId::new("shop", &format!("service-{number}")).unwrap()
}

/// A Rollout whose release is this version; its candidate gets all keys in two steps.
fn plan(number: usize, release: &str) -> shunt_spec::Plan {
    let text = format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: service-{number}, namespace: shop}}
spec:
  service: {{hosts: [service-{number}.test]}}
  versions: [{{name: v1, endpoints: ['127.0.0.1:9001']}}, {{name: v2, endpoints: ['127.0.0.1:9002']}}]
  release: {release}
  keepOld: 0s
  strategy: {{blueGreen: {{}}}}
"
    );
    sample::plan_of(&text)
}

/// A control plane, and the proxy that reports to it.
struct Bed {
    memory: Memory,
    reconciler: Reconciler,
    sequence: u64,
    _store: Store,
    _shown: crate::show::Shown,
}

impl Bed {
    async fn new() -> Self {
        let (memory, store) = (Memory::default(), Store::new());
        for number in 0..=OTHERS {
            memory.want(plan(number, "v1"));
        }
        let (auxiliary, metrics) = (store.auxiliary.clone(), Metrics::default());
        let (integrations, _) = Integrations::open(&auxiliary, || 0.5, metrics.clone()).await.unwrap();
        let keyring = Keyring::open(&auxiliary, clock()).await.unwrap();
        let aggregator = PolicyAggregator::new(PolicyRecord::default(), BTreeMap::new(), BTreeSet::new());
        let identity = Identity { name: "test".to_owned(), settled: true, adopted: BTreeSet::new() };
        let (show, shown) = Show::new();
        let reconciler = Reconciler::new(Parts {
            clock,
            on: Platform::Memory(Box::new(memory.clone())),
            rollouts: Rollouts::new(Vec::new(), Recorder::Memory(memory.clone())),
            auxiliary,
            integrations,
            proxies: Proxies::new(BTreeSet::new(), shunt_api::Memory::default(), clock()),
            publisher: PolicyPublisher::new(aggregator, BTreeMap::new(), metrics.clone(), keyring),
            show,
            metrics,
            hold: Hold::new(identity, EmptyState::Doubted),
            freeze: Freeze::Off,
        });
        let mut bed = Self { memory, reconciler, sequence: 0, _store: store, _shown: shown };
        for _ in 0..20 {
            bed.turn().await;
        }
        assert_eq!(bed.stable("v1"), OTHERS + 1, "all are admitted");
        bed
    }

    /// The proxy reports what it runs, and the control plane does what follows.
    async fn turn(&mut self) {
        NOW.set(NOW.get().after(TURN));
        self.sequence += 1;
        let generation = self.reconciler.publisher.aggregator().generation();
        let (node, vm, sequence) = (NODE.to_owned(), "vm".to_owned(), self.sequence);
        let report = Report { node, vm, sequence, generation, last: false, module: String::new(), services: BTreeMap::new() };
        self.reconciler.take(&mut vec![Post { report, sender: Sender::Certified, room: Room::default() }]);
        self.reconciler.settle().await;
    }

    fn release(&mut self, version: &str) {
        for number in 0..=OTHERS {
            self.memory.want(plan(number, version));
        }
        self.reconciler.resources_changed();
    }

    /// How many Rollouts have this version as stable, as recorded.
    fn stable(&self, version: &str) -> usize {
        let version: VersionName = version.parse().unwrap();
        self.memory.recorded().iter().filter(|stored| stored.state.run.is_none() && stored.state.stable == version).count()
    }

    /// Turns until this many Rollouts are at rest on this version.
    async fn until_stable(&mut self, version: &str, number: usize) -> usize {
        for turn in 1..400 {
            self.turn().await;
            if self.stable(version) >= number {
                return turn;
            }
        }
        panic!("{} of {number} are at rest on {version}", self.stable(version));
    }

    async fn abort(&mut self, number: usize) -> oneshot::Receiver<Result<Accepted, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let (by, reason) = ("ann".to_owned(), "it is bad".to_owned());
        let (rollout, verb) = (id(number), Verb::Abort);
        self.reconciler
            .handle(shunt_api::ControlRequest::Command { rollout, verb, revision: None, by, reason, confirm: false, reply })
            .await;
        answer
    }
}

/// Turns that 49 releases and an abort take, while the store behaves so for the 50th Rollout.
async fn turns(behaviour: Behaviour) -> (usize, usize) {
    let mut bed = Bed::new().await;
    bed.memory.behave(&id(0), behaviour);
    bed.release("v2");
    let released = bed.until_stable("v2", OTHERS).await;
    bed.release("v1");
    for _ in 0..3 {
        bed.turn().await;
    }
    let mut answer = bed.abort(1).await;
    let mut turns = 0;
    while !matches!(answer.try_recv(), Ok(Ok(_))) {
        turns += 1;
        assert!(turns < 20, "the abort is not answered");
        bed.turn().await;
    }
    let aborted = bed.memory.recorded().into_iter().find(|stored| stored.plan.id == id(1)).unwrap();
    let ends = aborted.state.run.as_ref().is_none_or(|run| matches!(run.stage.ending(), Some(Ending::Refused { .. })));
    assert!(ends, "{:?}", aborted.state);
    bed.until_stable("v1", OTHERS - 1).await;
    if behaviour != Behaviour::Records {
        let own = bed.memory.recorded().into_iter().find(|stored| stored.plan.id == id(0)).unwrap();
        assert_eq!((own.state.stable.as_str(), own.state.run.is_none()), ("v1", true), "nothing of it is recorded");
    }
    (released, turns)
}

#[test_case(Behaviour::Hangs; "hangs")]
#[test_case(Behaviour::Refuses; "refuses")]
#[test_case(Behaviour::Conflicts; "conflicts")]
#[tokio::test(start_paused = true)]
async fn a_store_that_misbehaves_for_one_rollout_holds_up_that_one_only(behaviour: Behaviour) {
    assert_eq!(turns(behaviour).await, turns(Behaviour::Records).await, "the other {OTHERS} release and abort as fast as before");
}

/// What was refused goes on when that is over, and says what was in its way until then.
#[tokio::test(start_paused = true)]
async fn one_that_was_refused_says_so_and_goes_on_when_the_store_does() {
    let mut bed = Bed::new().await;
    bed.memory.behave(&id(0), Behaviour::Refuses);
    bed.release("v2");
    bed.until_stable("v2", OTHERS).await;
    let failure = bed.reconciler.rollouts.failure(&id(0)).unwrap();
    assert!(failure.contains("you may not write this") && failure.contains("tried again"), "{failure}");
    bed.memory.behave(&id(0), Behaviour::Records);
    bed.until_stable("v2", OTHERS + 1).await;
    assert_eq!(bed.reconciler.rollouts.failure(&id(0)), None);
    assert!(bed._shown.rollouts.borrow().iter().all(|now| now.view.phase == Phase::Healthy));
}
