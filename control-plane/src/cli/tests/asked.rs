//! `promote --full`, `--to`, `retry --from`, `approve`, `rollback`, `freeze`: what goes over the wire.

use shunt_api::Accepted;
use shunt_api::Ask;
use shunt_core::observation::Freeze;
use shunt_core::plan::StepKind;
use shunt_core::status::StepStatus;
use shunt_core::{Time, Verb};
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
        let Some(Ask::Command { verb, reply, .. }) = server.asks.recv().await else { panic!("a command") };
        assert_eq!(verb, expected);
        reply.send(Ok(accepted())).unwrap();
    });
    result.unwrap();
    assert_eq!(text, "shop/checkout: done (revision 12)\n");
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
    view.step = Some(StepStatus { number: 1, of: 2, kind: StepKind::Gate, text: "gate change-board".to_owned(), since: Time(NOW.0 - 1_000) });
    server.show(vec![view]);
    let ((_, result), ()) = tokio::join!(run(&address, &["approve", "checkout", "--reason", "signed"]), async {
        let Some(Ask::Command { verb: Verb::Promote, reason, reply, .. }) = server.asks.recv().await else { panic!("a promotion") };
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
        let Some(Ask::Release { version, reply, .. }) = server.asks.recv().await else { panic!("a release") };
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
        let Some(Ask::Freeze { freeze: Freeze::On { by, reason, .. }, reply }) = server.asks.recv().await else { panic!("a freeze") };
        reply.send(Ok(Freeze::On { by: by.replace(|_| true, ""), reason, since: NOW })).unwrap();
    });
    result.unwrap();
    assert_eq!(text, "frozen by  since 2026-11-21 10:00:15: incident 4711\n");
    let ((text, result), ()) = tokio::join!(run(&address, &["unfreeze"]), async {
        let Some(Ask::Freeze { freeze: Freeze::Off, reply }) = server.asks.recv().await else { panic!("an end") };
        reply.send(Ok(Freeze::Off)).unwrap();
    });
    result.unwrap();
    assert_eq!(text, "nothing is frozen\n");
}
