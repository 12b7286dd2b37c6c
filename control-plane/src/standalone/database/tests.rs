//! What must survive, and what must not happen twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shunt_core::advance::{Answer, Next};
use shunt_core::command::CommandRefused;
use shunt_core::journal::{Entry, Origin};
use shunt_core::observation::Observation;
use shunt_core::{State, Verb};
use shunt_spec::{Plan, Time};
use tempfile::TempDir;

use shunt_filter_core::RolloutId;

use super::*;
use crate::platform::{ContributionRecord, NewCommand, PolicyRecord, Stored, Urgency};
use crate::sample;

mod access;
mod full;
mod measurements;
mod release_log;

fn stored() -> Stored {
    let plan = sample::plan("");
    let state = State::initial(&plan);
    Stored { first_seen: Time(7), ..sample::stored(plan, state) }
}

fn next(stored: &Stored, answered: Vec<Answer>) -> Next {
    let state = State { revision: stored.state.revision + 1, epoch: stored.state.epoch + 1, ..stored.state.clone() };
    let observation = Observation::unknown(Time(8));
    let entry = Entry {
        rollout: stored.plan.id.clone(),
        revision: state.revision,
        at: Time(8),
        plan: stored.plan.digest.clone(),
        reason: format!("to {}", state.revision),
        command: None,
        observation,
        next: state.clone(),
        origin: Origin::Advance,
    };
    Next { state, entry: Some(entry), answered }
}

fn new_command(revision: u64) -> NewCommand {
    NewCommand { verb: Verb::Promote, revision, by: "ann".to_owned(), reason: "why not".to_owned(), confirm: false }
}

fn open() -> (TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    (dir, database)
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (dir, database) = open();
    let mut expected = stored();
    let id = expected.plan.id.clone();
    database.admit(expected.clone()).await.unwrap();
    let next = next(&expected, Vec::new());
    database.record(&id, 0, next.clone(), Vec::new(), Urgency::CanWait).await.unwrap();
    expected.commands.push(database.command(&id, new_command(1)).await.unwrap());
    expected.state = next.state.clone();
    let record = ContributionRecord { service: "s".to_owned(), generation: 3, routes: "r".to_owned(), proof: Some(4) };
    let policy = PolicyRecord { generation: 4, hash: "h".to_owned(), ceiling: 68 };
    let routes = shunt_core::desired(&expected.plan, &expected.state).routes;
    let accepted = vec![(id.clone(), routes.clone())];
    database.publishing(policy.clone(), vec![(id.clone(), record.clone())], accepted).await.unwrap();
    database.expect(vec!["edge".to_owned(), "other".to_owned()], Time(1)).await.unwrap();
    database.dismiss(vec!["other".to_owned()]).await.unwrap();
    let files = BTreeMap::from([("a.yaml".to_owned(), sample::manifest(""))]);
    database.keep_files(files.clone()).await.unwrap();
    database.close();

    let database = Database::open(dir.path()).unwrap();
    assert_eq!(database.rollouts().await.unwrap(), [expected]);
    assert_eq!(database.history(&id, 10).await.unwrap(), [next.entry.unwrap()]);
    assert_eq!(database.accepted().await.unwrap().remove(&id), routes);
    let recorded = BTreeMap::from([(id, record)]);
    let complete = PolicyRecord { ceiling: 4, ..policy.clone() };
    assert_eq!(database.policy().await.unwrap(), (complete, recorded.clone()), "nothing was published without a record");
    assert_eq!(database.expected().await.unwrap(), BTreeSet::from(["edge".to_owned()]));
    assert_eq!(database.files().await.unwrap(), files);

    database.close();
    std::fs::remove_file(dir.path().join(keeper::RESERVE)).unwrap();
    for start in ["the space kept free was used up, so more may have been published", "killed before that was published anew"] {
        let database = Database::open(dir.path()).unwrap();
        assert_eq!(database.policy().await.unwrap(), (policy.clone(), recorded.clone()), "{start}");
    }
    let database = Database::open(dir.path()).unwrap();
    let anew = PolicyRecord { generation: 69, hash: "h".to_owned(), ceiling: 133 };
    database.publishing(anew.clone(), Vec::new(), Vec::new()).await.unwrap();
    database.close();
    let database = Database::open(dir.path()).unwrap();
    let complete = PolicyRecord { ceiling: 69, ..anew };
    assert_eq!(database.policy().await.unwrap().0, complete, "it is recorded, and the space is kept free again");
}

#[tokio::test]
async fn a_transition_is_recorded_once_and_whole() {
    let (_dir, database) = open();
    let stored = stored();
    let id = stored.plan.id.clone();
    database.admit(stored.clone()).await.unwrap();
    let command = database.command(&id, new_command(0)).await.unwrap();
    let answered = vec![Answer { command: command.id, result: Ok("done".to_owned()) }];
    let next = next(&stored, answered);
    database.record(&id, 0, next.clone(), Vec::new(), Urgency::CanWait).await.unwrap();
    let after = database.rollouts().await.unwrap();
    assert_eq!((after[0].state.revision, after[0].commands.len()), (1, 0));

    let late = database.command(&id, new_command(1)).await.unwrap();
    let twice = Next { answered: vec![Answer { command: late.id, result: Ok("done".to_owned()) }], ..next };
    assert!(matches!(database.record(&id, 0, twice, Vec::new(), Urgency::CanWait).await, Err(StoreError::Conflict(_))));
    assert_eq!(database.history(&id, 10).await.unwrap().len(), 1, "no entry of a refused transition");
    assert_eq!(database.rollouts().await.unwrap()[0].commands, [late], "its command still waits");
}

#[tokio::test]
async fn commands_keep_their_order_and_never_share_an_id() {
    let (_dir, database) = open();
    let stored = stored();
    let id = stored.plan.id.clone();
    database.admit(stored.clone()).await.unwrap();
    let first = database.command(&id, new_command(0)).await.unwrap();
    let refused =
        Next { state: stored.state, entry: None, answered: vec![Answer { command: first.id, result: Err(CommandRefused::NoRun) }] };
    database.record(&id, 0, refused, Vec::new(), Urgency::CanWait).await.unwrap();
    let second = database.command(&id, new_command(0)).await.unwrap();
    let third = database.command(&id, new_command(0)).await.unwrap();
    assert!(first.id < second.id && second.id < third.id);
    assert_eq!(database.rollouts().await.unwrap()[0].commands, [second, third]);
}

#[tokio::test]
async fn a_forgotten_rollout_leaves_its_history() {
    let (_dir, database) = open();
    let stored = stored();
    let id = stored.plan.id.clone();
    database.admit(stored.clone()).await.unwrap();
    database.record(&id, 0, next(&stored, Vec::new()), Vec::new(), Urgency::CanWait).await.unwrap();
    database.command(&id, new_command(1)).await.unwrap();
    database.forget(&id).await.unwrap();
    assert_eq!(database.rollouts().await.unwrap(), []);
    assert_eq!(database.history(&id, 10).await.unwrap().len(), 1);
    database.admit(stored).await.unwrap();
    assert_eq!(database.rollouts().await.unwrap()[0].commands, [], "its commands went with it");
}

#[tokio::test]
async fn another_manifest_replaces_the_plan_and_keeps_the_state() {
    let (_dir, database) = open();
    let before = stored();
    database.admit(before.clone()).await.unwrap();
    let changed = Arc::new(sample::plan("keepOld: 1m"));
    database.replan(changed.clone()).await.unwrap();
    let gone = Arc::new(Plan { gone: true, ..Plan::clone(&changed) });
    assert_eq!(database.rollouts().await.unwrap(), [Stored { plan: changed, ..before.clone() }]);
    database.replan(gone.clone()).await.unwrap();
    assert_eq!(database.rollouts().await.unwrap(), [Stored { plan: gone, ..before }]);
}

#[tokio::test]
async fn history_gives_the_newest_oldest_first() {
    let (_dir, database) = open();
    let mut stored = stored();
    let id = stored.plan.id.clone();
    database.admit(stored.clone()).await.unwrap();
    for revision in 0..5 {
        let next = next(&stored, Vec::new());
        database.record(&id, revision, next.clone(), Vec::new(), Urgency::CanWait).await.unwrap();
        stored.state = next.state;
    }
    let revisions: Vec<u64> = database.history(&id, 3).await.unwrap().iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, [3, 4, 5]);
}

#[test]
fn two_processes_do_not_share_a_folder() {
    let (dir, database) = open();
    assert!(matches!(Database::open(dir.path()), Err(OpenError::InUse(_))));
    database.close();
    assert!(Database::open(dir.path()).is_ok());
}

#[test]
fn a_newer_store_is_refused() {
    let (dir, database) = open();
    database.close();
    let raw = Connection::open(dir.path().join(FILE)).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    assert!(matches!(Database::open(dir.path()), Err(OpenError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn a_store_without_content_is_no_new_one() {
    let (dir, database) = open();
    database.close();
    std::fs::write(dir.path().join(FILE), "").unwrap();
    let error = Database::open(dir.path()).unwrap_err();
    assert!(matches!(&error, OpenError::CutOff(path) if path.ends_with(FILE)), "{error}");
    assert!(error.to_string().contains("shunt recover"), "{error}");
    assert_eq!(std::fs::metadata(dir.path().join(FILE)).unwrap().len(), 0, "it is left alone");
}

#[tokio::test]
async fn a_store_that_was_begun_and_not_finished_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shunt.db.new"), "half of one").unwrap();
    let database = Database::open(dir.path()).unwrap();
    assert_eq!(database.policy().await.unwrap().0.generation, 0);
    assert!(!dir.path().join("shunt.db.new").exists());
}

#[tokio::test]
async fn a_store_keeps_its_name_and_whom_it_took_over() {
    let (dir, database) = open();
    let mut identity = database.identity("one".to_owned()).await.unwrap();
    assert_eq!((identity.name.as_str(), identity.settled), ("one", false));
    identity.settled = true;
    identity.adopted.insert("old".to_owned());
    database.set_identity(&identity).await.unwrap();
    database.close();
    assert_eq!(Database::open(dir.path()).unwrap().identity("another".to_owned()).await.unwrap(), identity);
}
