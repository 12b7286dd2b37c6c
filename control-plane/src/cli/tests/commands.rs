//! `promote --full`, `--to`, `retry --from`, `approve`, `rollback`, `freeze`: what goes over the wire.

use shunt_api::Accepted;
use shunt_api::{ControlRequest, Refusal};
use shunt_core::Verb;
use shunt_core::observation::Freeze;
use shunt_core::status::StepStatus;
use shunt_spec::Time;
use shunt_spec::plan::StepKind;
use test_case::test_case;

use super::server::{Server, run};
use super::views::{NOW, progressing};

fn accepted() -> Accepted {
    Accepted { revision: 12, message: "done".to_owned() }
}

#[test_case(&["promote", "checkout"], Verb::Promote)]
#[test_case(&["promote", "checkout", "--full"], Verb::PromoteFull)]
#[test_case(&["promote", "checkout", "--to", "3"], Verb::PromoteTo { step: 3 })]
#[test_case(&["retry", "checkout"], Verb::Retry)]
#[test_case(&["retry", "checkout", "--from", "2"], Verb::RestartFrom { step: 2 })]
#[tokio::test]
async fn each_has_its_verb(line: &[&str], expected: Verb) {
    let mut server = Server::start(vec![progressing()]).await;
    let address = server.address.clone();
    let ((text, result), ()) = tokio::join!(run(&address, line), async {
        let Some(ControlRequest::Command { verb, reply, .. }) = server.requests.recv().await else { panic!("a command") };
        assert_eq!(verb, expected);
        reply.send(Ok(accepted())).unwrap();
    });
    result.unwrap();
    assert_eq!(text, "shop/checkout: done (revision 12)\n");
}

/// What is recorded between the look and the command matters only where it changes what was decided about.
#[test_case(&["retry", "checkout"], false, true; "the same place at a later revision")]
#[test_case(&["retry", "checkout"], true, false; "another step")]
#[test_case(&["retry", "checkout", "--revision", "7"], false, false; "only at this revision")]
#[tokio::test]
async fn a_stale_command_is_sent_again_where_nothing_to_decide_has_changed(line: &[&str], moves: bool, done: bool) {
    let mut view = progressing();
    let mut server = Server::start(vec![view.clone()]).await;
    let address = server.address.clone();
    let ((_, result), ()) = tokio::join!(run(&address, line), async {
        let Some(ControlRequest::Command { revision, reply, .. }) = server.requests.recv().await else { panic!("a command") };
        let seen = revision.unwrap();
        view.revision += 1;
        if moves {
            view.step.as_mut().unwrap().number += 1;
        }
        server.show(vec![view.clone()]);
        reply.send(Err(Refusal::Stale { seen, now: view.revision })).unwrap();
        if done {
            let Some(ControlRequest::Command { revision, reply, .. }) = server.requests.recv().await else { panic!("a command") };
            assert_eq!(revision, Some(view.revision));
            reply.send(Ok(accepted())).unwrap();
        }
    });
    assert_eq!(result.is_ok(), done, "{result:?}");
}

#[test_case(&["promote", "checkout", "--full", "--to", "2"])]
#[test_case(&["promote", "checkout", "--to", "0"])]
#[test_case(&["retry", "checkout", "--from", "one"])]
fn refused(line: &[&str]) {
    use clap::Parser;
    let words = ["shunt"].iter().chain(line);
    assert!(crate::cli::Cli::try_parse_from(words).is_err());
}

/// An approval ends the wait at a gate, and no other one.
#[tokio::test]
async fn only_a_gate_is_approved() {
    let mut view = progressing();
    let mut server = Server::start(vec![view.clone()]).await;
    let address = server.address.clone();
    let (_, result) = run(&address, &["approve", "checkout"]).await;
    let words = result.unwrap_err().to_string();
    assert!(words.starts_with("shop/checkout does not wait at a gate: ") && words.contains("`shunt promote shop/checkout`"), "{words}");
    view.step =
        Some(StepStatus { number: 1, of: 2, kind: StepKind::Gate, text: "gate change-board".to_owned(), since: Time(NOW.0 - 1_000) });
    server.show(vec![view]);
    let ((_, result), ()) = tokio::join!(run(&address, &["approve", "checkout", "--reason", "signed"]), async {
        let Some(ControlRequest::Command { verb: Verb::Promote, reason, reply, .. }) = server.requests.recv().await else {
            panic!("a promotion")
        };
        assert_eq!(reason, "signed");
        reply.send(Ok(accepted())).unwrap();
    });
    result.unwrap();
}

#[tokio::test]
async fn a_rollback_writes_the_release() {
    let mut server = Server::start(vec![progressing()]).await;
    let address = server.address.clone();
    let ((text, result), ()) = tokio::join!(run(&address, &["rollback", "checkout", "--to", "v0"]), async {
        let Some(ControlRequest::Release { version, reply, .. }) = server.requests.recv().await else { panic!("a release") };
        assert_eq!(version.as_str(), "v0");
        reply.send(Ok(accepted())).unwrap();
    });
    result.unwrap();
    assert_eq!(text, "shop/checkout: done (revision 12)\n");
}

#[tokio::test]
async fn a_freeze_says_who_and_why() {
    let mut server = Server::start(vec![progressing()]).await;
    let address = server.address.clone();
    let (text, result) = run(&address, &["freeze"]).await;
    result.unwrap();
    assert_eq!(text, "nothing is frozen\n");
    let ((text, result), ()) = tokio::join!(run(&address, &["freeze", "--reason", "incident 4711"]), async {
        let Some(ControlRequest::Freeze { freeze: Freeze::On { by, reason, .. }, reply }) = server.requests.recv().await else {
            panic!("a freeze")
        };
        reply.send(Ok(Freeze::On { by: by.replace(|_| true, ""), reason, since: NOW })).unwrap();
    });
    result.unwrap();
    assert_eq!(text, "frozen by  since 2026-11-21 10:00:15: incident 4711\n");
    let ((text, result), ()) = tokio::join!(run(&address, &["unfreeze"]), async {
        let Some(ControlRequest::Freeze { freeze: Freeze::Off, reply }) = server.requests.recv().await else { panic!("an end") };
        reply.send(Ok(Freeze::Off)).unwrap();
    });
    result.unwrap();
    assert_eq!(text, "nothing is frozen\n");
}
