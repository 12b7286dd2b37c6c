//! What must not happen twice, and what must not be forgotten.

use std::collections::BTreeMap;

use shunt_core::call::CallState;
use shunt_core::desired::calls;
use shunt_core::state::Stage;
use shunt_core::{Command, Verb, advance, observation::Observation};
use shunt_spec::Span;
use shunt_spec::plan::call::{Address, Webhook};

use super::signature::{SIGNATURE, TIMESTAMP, sign};
use super::*;
use crate::sample::{self, Answer, Server, Store};

const RUN: Time = Time(1_000);

/// A store with a Rollout whose run is at its first step: a gate or hook written like this.
struct Rig {
    store: Store,
    calls: Calls,
    answers: mpsc::Receiver<Completion>,
    stored: Stored,
}

fn stored(step: &str) -> Stored {
    let plan = sample::plan(&format!("strategy: {{canary: {{steps: [{step}, {{setWeight: 5}}]}}}}"));
    let mut released = plan.clone();
    released.release = "v2".parse().unwrap();
    let begun = advance(&released, &State::initial(&plan), &Observation::unknown(RUN), &[]);
    // Installing comes first; the run is what matters here.
    let mut state = begun.state;
    for _ in 0..5 {
        if state.run.is_some() {
            break;
        }
        for version in state.installed.values_mut() {
            version.stage = shunt_core::state::Installation::Serving;
        }
        state = advance(&released, &state, &Observation::unknown(RUN), &[]).state;
    }
    state.run.as_mut().unwrap().stage = Stage::AwaitingPrerequisites { step: 0 };
    sample::stored(released, state)
}

impl Rig {
    async fn start(step: &str) -> Self {
        let stored = stored(step);
        Self::open(Store::with(&stored).await, stored).await
    }

    async fn open(store: Store, stored: Stored) -> Self {
        let (completions, answers) = mpsc::channel(8);
        let log = CallLog::open(&store.auxiliary).await.unwrap();
        let calls = Calls::open(&store.auxiliary, log, Messenger::new().unwrap(), || 0.5, completions).await.unwrap();
        Self { store, calls, answers, stored }
    }

    async fn attend(&mut self, now: u64) -> Option<CallSeen> {
        let seen =
            self.calls.attend(&self.store.auxiliary, &self.stored, &calls(&self.stored.plan, &self.stored.state), Time(now)).await.unwrap();
        seen.into_values().next()
    }

    /// Gates and hooks as people see them.
    fn views(&self) -> Vec<CallView> {
        self.calls.log.views(&self.stored, &self.stored.state)
    }

    fn shown(&self) -> CallView {
        self.views().pop().expect("something to see")
    }

    async fn answer(&mut self, now: u64) {
        let Some(Completion::Call(tried)) = self.answers.recv().await else { panic!("no call came back") };
        self.calls.take(&self.store.auxiliary, tried, Time(now)).await.unwrap();
    }

    /// kill -9, and started again.
    async fn crash(self) -> Self {
        let Self { store, calls, answers, stored } = self;
        drop((calls, answers));
        Self::open(store.crash(), stored).await
    }
}

fn webhook(server: &Server) -> Webhook {
    let address = Address::Url(server.url());
    Webhook { address, secret_file: None, headers: BTreeMap::new(), metadata: BTreeMap::new(), interval: Span::seconds(10) }
}

async fn post(webhook: Webhook, timeout: Span) -> Reply {
    let spec = CallSpec { name: "x".to_owned(), kind: CallKind::Gate, action: Action::Webhook(webhook), timeout, retries: 0 };
    let stored = stored("{gate: {name: x}}");
    let call = Call { id: "1/1/x".to_owned(), spec: spec.clone(), about: "x".to_owned() };
    let body = Body::new(&stored.plan, &stored.state, stored.state.run.as_ref(), &call);
    Messenger::new().unwrap().deliver(&Message::of_call(&spec, &body, Time(1_700_000_000_500))).await
}

#[tokio::test]
async fn statuses_are_answers() {
    let long = Span::seconds(20);
    let server = Server::start(vec![
        Answer::says(200, " fine,\n really "),
        Answer::says(403, "not today"),
        Answer::says(404, ""),
        Answer::says(503, "busy"),
        Answer::says(429, ""),
        Answer::redirects("/elsewhere"),
        Answer::says(200, &"x".repeat(1_000_000)),
    ])
    .await;
    let by = "127.0.0.1".to_owned();
    assert_eq!(post(webhook(&server), long).await, Reply::Yes { by: by.clone(), note: "fine, really".to_owned() });
    assert_eq!(post(webhook(&server), long).await, Reply::No { by, note: "not today".to_owned() });
    assert_eq!(post(webhook(&server), long).await, Reply::Neither { note: "status 404 Not Found".to_owned() });
    assert_eq!(post(webhook(&server), long).await, Reply::Nothing { note: "status 503 Service Unavailable: busy".to_owned() });
    assert_eq!(post(webhook(&server), long).await, Reply::Nothing { note: "status 429 Too Many Requests".to_owned() });
    assert!(matches!(post(webhook(&server), long).await, Reply::Neither { note } if note.contains("307")), "not followed");
    assert!(matches!(post(webhook(&server), long).await, Reply::Yes { note, .. } if note.len() == 300), "not more than a line");
    assert_eq!(server.requests().len(), 7);
}

#[tokio::test]
async fn no_answer_is_no_answer() {
    let server = Server::start(vec![Answer::Silence]).await;
    assert_eq!(post(webhook(&server), Span::millis(100)).await, Reply::Nothing { note: "no answer within 100ms".to_owned() });
    let closed = Webhook { address: Address::Url("http://127.0.0.1:1/".to_owned()), ..webhook(&server) };
    let reply = post(closed, Span::seconds(20)).await;
    assert!(matches!(&reply, Reply::Nothing { note } if note.contains("refused")), "{reply:?}");
    let nowhere = Webhook { address: Address::File("/nowhere/url".to_owned()), ..webhook(&server) };
    let reply = post(nowhere, Span::seconds(20)).await;
    assert!(matches!(&reply, Reply::Nothing { note } if note.contains("/nowhere/url")), "{reply:?}");
}

#[tokio::test]
async fn a_signed_body_can_be_verified() {
    let server = Server::start(vec![Answer::says(200, "")]).await;
    let folder = tempfile::tempdir().unwrap();
    let (key, url) = (folder.path().join("key"), folder.path().join("url"));
    std::fs::write(&key, "secret\n").unwrap();
    std::fs::write(&url, format!("{}\n", server.url())).unwrap();
    let signed = Webhook {
        address: Address::File(url.display().to_string()),
        secret_file: Some(key.display().to_string()),
        headers: BTreeMap::from([("authorization".to_owned(), "Bearer x".to_owned())]),
        metadata: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
        ..webhook(&server)
    };
    assert!(matches!(post(signed, Span::seconds(20)).await, Reply::Yes { .. }));
    let request = server.requests().remove(0);
    assert_eq!(request.header(TIMESTAMP), "1700000000");
    assert_eq!(request.header(SIGNATURE), sign(b"secret", 1_700_000_000, &request.body));
    assert_ne!(request.header(SIGNATURE), sign(b"secret", 1_700_000_001, &request.body), "the time is signed too");
    assert_eq!((request.header("authorization"), request.header("x-shunt-call")), ("Bearer x", "1/1/x"));
    let body = request.json();
    let expected =
        [("name", "checkout"), ("namespace", "shop"), ("candidate", "v2"), ("stable", "v1"), ("kind", "gate"), ("phase", "Paused")];
    for (field, value) in expected {
        assert_eq!(body[field], value, "{field} of {body:#}");
    }
    assert_eq!((&body["metadata"]["team"], &body["step"]["number"]), (&"shop".into(), &1.into()));
}

#[tokio::test]
async fn a_gate_is_asked_until_it_answers_and_never_again() {
    let server = Server::start(vec![Answer::says(404, "not yet"), Answer::says(200, "go")]).await;
    let mut rig = Rig::start(&format!("{{gate: {{name: board, webhook: {{url: '{}'}}}}}}", server.url())).await;
    assert!(matches!(rig.attend(2_000).await, Some(CallSeen::Waiting { tries: 1, .. })));
    assert!(matches!(rig.attend(2_001).await, Some(CallSeen::Waiting { tries: 1, .. })), "one question at a time");
    rig.answer(2_100).await;
    assert!(matches!(rig.attend(12_099).await, Some(CallSeen::Waiting { tries: 1, note, .. }) if note.contains("not yet")));
    assert!(matches!(rig.attend(12_100).await, Some(CallSeen::Waiting { tries: 2, .. })));
    rig.answer(12_200).await;
    let yes = Some(CallSeen::Yes { by: "127.0.0.1".to_owned(), note: "go".to_owned() });
    assert_eq!(rig.attend(12_201).await, yes);
    let mut rig = rig.crash().await;
    assert_eq!(rig.attend(99_000).await, yes, "an answer survives");
    assert_eq!(server.requests().len(), 2, "no receiver is asked again once it has answered");
    let shown = rig.shown();
    assert_eq!((shown.state, shown.tries, shown.by.as_deref(), shown.note.as_str()), (CallState::Yes, 2, Some("127.0.0.1"), "go"));
    assert_eq!((shown.since, shown.at, shown.next), (Time(2_000), Time(12_200), None), "also after a crash");
}

#[tokio::test]
async fn a_hook_that_was_cut_off_is_done_again_and_its_tries_count() {
    let server = Server::start(vec![Answer::Silence, Answer::says(200, "")]).await;
    let mut rig = Rig::start(&format!("{{hook: {{name: warm, webhook: {{url: '{}'}}, retries: 1}}}}", server.url())).await;
    assert!(matches!(rig.attend(2_000).await, Some(CallSeen::Waiting { tries: 1, .. })));
    server.until(1).await;
    let mut rig = rig.crash().await;
    assert!(matches!(rig.attend(3_000).await, Some(CallSeen::Waiting { tries: 2, since: Time(2_000), .. })));
    rig.answer(3_100).await;
    assert!(matches!(rig.attend(3_101).await, Some(CallSeen::Yes { .. })));
    let ids: Vec<String> =
        server.requests().iter().map(|request| format!("{} {}", request.header("x-shunt-call"), request.header("x-shunt-try"))).collect();
    assert_eq!(ids, ["1000/1/warm 1", "1000/1/warm 2"], "a receiver can tell that it is the same");
    assert!(server.requests().iter().all(|request| request.header("idempotency-key") == "1000/1/warm"));
}

#[tokio::test]
async fn a_hook_fails_after_its_retries() {
    let server = Server::start(vec![Answer::says(500, ""), Answer::says(502, "broken")]).await;
    let mut rig = Rig::start(&format!("{{hook: {{name: warm, webhook: {{url: '{}'}}, retries: 1}}}}", server.url())).await;
    rig.attend(2_000).await;
    rig.answer(2_000).await;
    assert!(matches!(rig.attend(2_999).await, Some(CallSeen::Waiting { tries: 1, .. })), "after a second");
    let shown = rig.shown();
    assert_eq!((shown.state, shown.tries, shown.next), (CallState::Waiting, 1, Some(Time(3_000))));
    assert!(shown.note.contains("500"), "{shown:?}");
    rig.attend(3_000).await;
    rig.answer(3_000).await;
    assert_eq!(rig.attend(99_000).await, Some(CallSeen::Failed { note: "status 502 Bad Gateway: broken".to_owned() }));
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_cut_off_and_asked_anew_when_it_is_wanted_again() {
    let server = Server::start(vec![Answer::Silence]).await;
    let mut rig = Rig::start(&format!("{{hook: {{name: warm, webhook: {{url: '{}'}}}}}}", server.url())).await;
    rig.attend(2_000).await;
    server.until(1).await;
    rig.stored.state.run.as_mut().unwrap().stage = Stage::Shifting;
    assert_eq!(rig.attend(2_001).await, None);
    assert_eq!((rig.shown().state, rig.shown().at), (CallState::Ended, Time(2_001)));
    server.until_closed(1).await;
    assert_eq!(rig.store.auxiliary.calls().await.unwrap(), []);
    rig.stored.state.run.as_mut().unwrap().stage = Stage::AwaitingPrerequisites { step: 0 };
    assert!(matches!(rig.attend(2_002).await, Some(CallSeen::Waiting { tries: 1, since: Time(2_002), .. })), "back at the step");
    server.until(2).await;
}

#[tokio::test]
async fn a_person_is_not_called() {
    let mut rig = Rig::start("{gate: {name: board}}").await;
    assert_eq!(rig.attend(2_000).await, None);
    assert_eq!(rig.store.auxiliary.calls().await.unwrap(), []);
    assert_eq!((rig.shown().state, rig.shown().asks.as_str()), (CallState::Waiting, "an operator"));
    let mut rig = rig.crash().await;
    rig.attend(3_000).await;
    assert_eq!(rig.views().len(), 1, "it waits since it began to");
    let command = Command {
        id: 1,
        verb: Verb::Promote,
        revision: rig.stored.state.revision,
        by: "ann".to_owned(),
        reason: "fine".to_owned(),
        confirm: false,
    };
    let next = advance(&rig.stored.plan, &rig.stored.state, &Observation::unknown(Time(4_000)), &[command]);
    rig.calls.log.transition(&rig.store.auxiliary, &rig.stored.plan, next.entry.as_ref().unwrap()).await.unwrap();
    let shown = rig.shown();
    assert_eq!((shown.state, shown.by.as_deref(), shown.note.as_str()), (CallState::Yes, Some("ann"), "fine"), "who, and why");
}
