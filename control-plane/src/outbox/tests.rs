//! Order, waits, and what is given up.

use std::sync::Arc;

use shunt_core::call::CallState;
use shunt_core::observation::Observation;
use shunt_core::{State, advance, event::outbox_messages};

use super::*;
use crate::platform::{Stored, Urgency};
use crate::sample::{self, Answer, Server, Store, plan};

struct Rig {
    store: Store,
    outbox: Outbox,
    answers: mpsc::Receiver<Completion>,
    stored: Stored,
}

impl Rig {
    async fn start(rest: &str) -> Self {
        let plan = plan(rest);
        let mut state = State::initial(&plan);
        for version in state.installed.values_mut() {
            version.stage = shunt_core::state::Installation::Serving;
        }
        let stored = sample::stored(plan, state);
        Self::open(Store::with(&stored).await, stored).await
    }

    async fn open(store: Store, stored: Stored) -> Self {
        let (completions, answers) = mpsc::channel(8);
        let log = CallLog::open(&store.auxiliary).await.unwrap();
        let outbox = Outbox::open(&store.auxiliary, log, Messenger::new().unwrap(), || 0.5, Metrics::default(), completions).await.unwrap();
        Self { store, outbox, answers, stored }
    }

    /// A release begins: one event; and the same again as often as asked, for want of other transitions.
    async fn tell(&mut self, times: usize, at: u64) {
        for _ in 0..times {
            let before = State { run: None, ..self.stored.state.clone() };
            let released = Plan { release: "v2".parse().unwrap(), ..Plan::clone(&self.stored.plan) };
            let next = advance(&released, &before, &Observation::unknown(Time(at)), &[]);
            assert!(next.state.run.is_some(), "{next:?}");
            let messages = outbox_messages(&released, &before, next.entry.as_ref().unwrap());
            let posted = self.store.database.record(&released.id, before.revision, next.clone(), messages, Urgency::CanWait).await.unwrap();
            self.stored.state = next.state;
            self.outbox.add(posted);
        }
    }

    async fn pump(&mut self, now: u64) {
        self.outbox.pump(&self.store.auxiliary, |_| Some(&*self.stored.plan), Time(now)).await.unwrap();
    }

    async fn back(&mut self, now: u64) {
        let Some(Completion::Delivery(returned)) = self.answers.recv().await else { panic!("nothing came back") };
        self.outbox.take(&self.store.auxiliary, returned, Time(now)).await.unwrap();
    }

    fn waiting(&self) -> usize {
        self.outbox.lanes.values().map(|lane| lane.waiting.len()).sum()
    }

    /// kill -9, and started again.
    async fn crash(self) -> Self {
        let Self { store, outbox, answers, stored } = self;
        drop((outbox, answers));
        Self::open(store.crash(), stored).await
    }
}

fn notify(server: &Server, more: &str) -> String {
    format!("notifications: [{{name: bus, webhook: {{url: '{}'}}, events: [started]{more}}}]", server.url())
}

#[tokio::test]
async fn what_is_recorded_is_delivered_after_a_crash_in_order_and_once() {
    let server = Server::start(vec![Answer::says(200, "")]).await;
    let mut rig = Rig::start(&notify(&server, "")).await;
    rig.tell(3, 5_000).await;
    let mut rig = rig.crash().await;
    assert_eq!(rig.waiting(), 3);
    for _ in 0..3 {
        rig.pump(6_000).await;
        rig.pump(6_000).await;
        rig.back(6_000).await;
    }
    let requests = server.requests();
    let ids: Vec<String> = requests.iter().map(|request| request.json()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, ["5000-1-0", "5000-2-0", "5000-3-0"]);
    assert_eq!(requests[0].header("content-type"), "application/cloudevents+json; charset=utf-8");
    let event = requests[0].json();
    assert_eq!((&event["specversion"], &event["type"]), (&"1.0".into(), &"dev.shunt.rollout.started".into()));
    assert_eq!(
        (&event["source"], &event["subject"], &event["time"]),
        (&"/shunt/shop/checkout".into(), &"v2".into(), &"1970-01-01T00:00:05Z".into())
    );
    let rig = rig.crash().await;
    assert_eq!(rig.waiting(), 0, "what arrived is gone");
}

#[tokio::test]
async fn a_crash_during_delivery_delivers_again_with_the_same_id() {
    let server = Server::start(vec![Answer::Silence, Answer::says(200, "")]).await;
    let mut rig = Rig::start(&notify(&server, "")).await;
    rig.tell(1, 5_000).await;
    rig.pump(5_000).await;
    server.until(1).await;
    let mut rig = rig.crash().await;
    rig.pump(6_000).await;
    rig.back(6_000).await;
    let ids: Vec<serde_json::Value> = server.requests().iter().map(|request| request.json()["id"].clone()).collect();
    assert_eq!(ids, ["5000-1-0", "5000-1-0"]);
    assert_eq!(rig.waiting(), 0);
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_with_growing_waits_and_given_up_in_the_end() {
    let server =
        Server::start(vec![Answer::says(500, "out of order"), Answer::says(404, ""), Answer::says(403, ""), Answer::says(200, "")]).await;
    let mut rig = Rig::start(&notify(&server, ", retryFor: 2s")).await;
    rig.tell(2, 5_000).await;
    rig.pump(5_000).await;
    rig.back(5_000).await;
    rig.pump(5_999).await;
    assert_eq!(server.requests().len(), 1, "not before a second is over");
    let mut rig = rig.crash().await;
    rig.pump(6_000).await;
    rig.back(6_000).await;
    rig.pump(7_999).await;
    assert_eq!(server.requests().len(), 2, "then two seconds; a crash forgets neither");
    rig.pump(8_000).await;
    rig.back(8_000).await;
    let id = rig.stored.plan.id.clone();
    let warnings = rig.outbox.warnings(&id);
    assert!(warnings.len() == 1 && warnings[0].starts_with("notification bus: 1 given up"), "{warnings:?}");
    assert_eq!((rig.outbox.metrics.outbox_messages_given_up.get(), rig.waiting()), (1, 1));

    let mut rig = rig.crash().await;
    assert_eq!(rig.outbox.warnings(&id), warnings, "still shown");
    rig.pump(8_001).await;
    rig.back(8_001).await;
    assert_eq!(rig.outbox.warnings(&id), [""; 0], "the next one arrived");
    let rig = rig.crash().await;
    assert_eq!(rig.outbox.warnings(&id), [""; 0]);
}

#[tokio::test]
async fn one_that_does_not_answer_keeps_no_other_receiver_waiting() {
    let (dead, alive) = (Server::start(vec![Answer::Silence]).await, Server::start(vec![Answer::says(200, "")]).await);
    let both = format!(
        "notifications: [{{name: dead, webhook: {{url: '{}'}}}}, {{name: alive, webhook: {{url: '{}'}}, format: text}}]",
        dead.url(),
        alive.url()
    );
    let mut rig = Rig::start(&both).await;
    rig.tell(2, 5_000).await;
    for _ in 0..2 {
        rig.pump(5_000).await;
        rig.back(5_000).await;
    }
    assert_eq!((alive.requests().len(), dead.requests().len(), rig.waiting()), (2, 1, 2));
    let text = alive.requests()[0].json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("shop/checkout: started v2: release of v2 begins"), "{text}");
}

#[tokio::test]
async fn a_wrong_address_that_is_put_right_helps_what_waits() {
    let (wrong, right) = (Server::start(vec![Answer::says(404, "")]).await, Server::start(vec![Answer::says(200, "")]).await);
    let mut rig = Rig::start(&notify(&wrong, "")).await;
    rig.tell(1, 5_000).await;
    rig.pump(5_000).await;
    rig.back(5_000).await;
    rig.stored.plan = Arc::new(plan(&notify(&right, ", format: cloudEventsBinary")));
    rig.pump(6_000).await;
    rig.back(6_000).await;
    let request = right.requests().remove(0);
    assert_eq!((request.header("ce-type"), request.header("ce-id")), ("dev.shunt.rollout.started", "5000-1-0"));
    assert_eq!((&request.json()["event"], &request.json()["candidate"]), (&"started".into(), &"v2".into()));
    assert_eq!(rig.waiting(), 0);
}

#[tokio::test]
async fn a_hook_has_its_own_retries() {
    let server = Server::start(vec![Answer::says(500, "")]).await;
    let mut rig = Rig::start("").await;
    rig.stored.plan = Arc::new(plan(&format!("hooks: {{onStep: {{webhook: {{url: '{}'}}, retries: 1}}}}", server.url())));
    let hook = rig.stored.plan.hooks[0].clone();
    let state = rig.stored.state.clone();
    let call = shunt_core::call::Call { id: "5000-1-0/onStep".to_owned(), spec: hook.call.clone(), about: "hook onStep".to_owned() };
    let event = Some("stepped".to_owned());
    let body = Box::new(shunt_core::call::Body { event, ..shunt_core::call::Body::new(&rig.stored.plan, &state, None, &call) });
    let next = advance(&Plan { release: "v2".parse().unwrap(), ..plan("") }, &state, &Observation::unknown(Time(5_000)), &[]);
    let posted =
        rig.store.database.record(&rig.stored.plan.id, 0, next, vec![OutboxMessage::Hook { hook, body }], Urgency::CanWait).await.unwrap();
    rig.outbox.add(posted);
    let mut shown = Vec::new();
    for now in [5_000, 6_000] {
        shown.extend(rig.outbox.log.views(&rig.stored, &state).pop().map(|view| (view.state, view.tries, view.next)));
        rig.pump(now).await;
        rig.back(now).await;
    }
    assert_eq!(shown, [(CallState::Waiting, 0, None), (CallState::Waiting, 1, Some(Time(6_000)))]);
    let recorded = rig.store.auxiliary.calls_of(&rig.stored.plan.id).await.unwrap();
    assert_eq!(recorded.iter().map(|view| (view.state, view.tries)).collect::<Vec<_>>(), [(CallState::Failed, 2)]);
    assert_eq!(rig.waiting(), 0);
    assert_eq!(rig.outbox.warnings(&rig.stored.plan.id).len(), 1);
    let tries: Vec<u64> = server.requests().iter().map(|request| request.json()["try"].as_u64().unwrap()).collect();
    assert_eq!(tries, [1, 2]);
}

#[tokio::test]
async fn a_receiver_that_is_down_for_good_does_not_fill_the_store() {
    let server = Server::start(vec![Answer::Silence]).await;
    let mut rig = Rig::start(&notify(&server, "")).await;
    rig.tell(WAITING_MAX + 3, 5_000).await;
    rig.pump(5_000).await;
    assert_eq!((rig.waiting(), rig.outbox.metrics.outbox_messages_given_up.get()), (WAITING_MAX, 3));
}
