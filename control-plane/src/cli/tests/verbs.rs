//! Verbs against a served API.

use serde_json::Value;
use shunt_api::rollouts::History;
use shunt_api::{Accepted, ControlRequest, Refusal};
use shunt_core::command::CommandRefused;
use shunt_core::contest::ContestOutcome;
use shunt_core::status::RolloutStatus;
use shunt_core::{Phase, Verb};
use shunt_spec::plan::StepKind;

use super::server::{Screen, Server, entry, run, run_on};
use super::views::{degraded, healthy, progressing};
use crate::cli::exit::Exit;

fn error(result: anyhow::Result<Exit>) -> String {
    format!("{:#}", result.unwrap_err())
}

#[tokio::test]
async fn a_verb_carries_the_revision_that_was_seen() {
    let mut server = Server::start(vec![healthy(), progressing()]).await;
    let address = server.address.clone();
    let line = ["abort", "shop/checkout", "--reason", "looks bad"];
    let ((text, result), ()) = tokio::join!(run(&address, &line), async {
        let Some(ControlRequest::Command { rollout, verb, revision, reason, reply, .. }) = server.requests.recv().await else {
            panic!("a command")
        };
        assert_eq!((rollout.to_string().as_str(), verb, revision, reason.as_str()), ("shop/checkout", Verb::Abort, Some(12), "looks bad"));
        reply.send(Ok(Accepted { revision: 13, message: "aborted by ada: looks bad".to_owned() })).unwrap();
    });
    assert_eq!(result.unwrap(), Exit::Done);
    assert_eq!(text, "shop/checkout: aborted by ada: looks bad (revision 13)\n");
}

#[tokio::test]
async fn an_undecided_test_is_promoted_only_by_who_says_so() {
    let mut testing = progressing();
    testing.step.as_mut().unwrap().kind = StepKind::AbTest;
    testing.contest.outcome = ContestOutcome::NotEnoughData;
    testing.contest.message = "not enough data: v2 has met 40 of the 100 users needed".to_owned();
    let mut server = Server::start(vec![testing]).await;
    let address = server.address.clone();
    let words = error(run(&address, &["promote", "checkout"]).await.1);
    let doubt = "the A/B test is undecided: not enough data: v2 has met 40 of the 100 users needed";
    assert_eq!(words, format!("{doubt}\nNothing was promoted: `--yes` promotes all the same."));
    assert!(server.requests.try_recv().is_err(), "nothing was asked of the control plane");
    let ((_, result), ()) = tokio::join!(run(&address, &["promote", "checkout", "--yes"]), async {
        let Some(ControlRequest::Command { verb: Verb::Promote, confirm: true, reply, .. }) = server.requests.recv().await else {
            panic!("a promotion")
        };
        reply.send(Ok(Accepted { revision: 13, message: "promoted".to_owned() })).unwrap();
    });
    assert_eq!(result.unwrap(), Exit::Done);
}

#[tokio::test]
async fn refusals_reach_the_user() {
    let mut server = Server::start(vec![progressing()]).await;
    let address = server.address.clone();
    let ((text, result), ()) = tokio::join!(run(&address, &["resume", "checkout", "--revision", "9"]), async {
        let Some(ControlRequest::Command { revision: Some(9), reply, .. }) = server.requests.recv().await else {
            panic!("a command of revision 9")
        };
        reply.send(Err(Refusal::Command(CommandRefused::NotHeld))).unwrap();
    });
    assert_eq!((text.as_str(), error(result).as_str()), ("", "it is not held; `shunt promote` ends the wait of a step"));
}

#[tokio::test]
async fn a_release_is_handed_on() {
    let mut server = Server::start(vec![progressing()]).await;
    let address = server.address.clone();
    let ((text, result), ()) = tokio::join!(run(&address, &["release", "checkout", "v3", "-o", "json"]), async {
        let Some(ControlRequest::Release { version, reply, .. }) = server.requests.recv().await else { panic!("a release") };
        assert_eq!(version.as_str(), "v3");
        reply.send(Ok(Accepted { revision: 12, message: "shop.yaml:9 says v3".to_owned() })).unwrap();
    });
    result.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["message"], "shop.yaml:9 says v3");
}

#[tokio::test]
async fn names_without_a_namespace() {
    let server = Server::start(vec![healthy(), progressing(), degraded()]).await;
    let (text, _) = run(&server.address, &["status", "search"]).await;
    assert!(text.starts_with("shop/search Degraded"), "{text}");
    let (_, result) = run(&server.address, &["status", "checkout"]).await;
    let words = error(result);
    assert!(words.contains("blog/checkout") && words.contains("shop/checkout") && words.contains("several namespaces"), "{words}");
    for (name, guess) in [("chekcout", "; did you mean checkout?"), ("shop/chekcout", "")] {
        let (_, result) = run(&server.address, &["get", name]).await;
        let words = error(result);
        assert!(words.starts_with(&format!("there is no Rollout {name}{guess}\nKnown: blog/checkout, ")), "{words}");
    }
}

#[tokio::test]
async fn an_address_without_a_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let words = error(run(&address, &["get"]).await.1);
    assert!(words.starts_with(&format!("no control plane answers at http://{address} (")), "{words}");
    assert!(words.contains("shunt serve --config DIR") && words.contains("SHUNT_SERVER"), "{words}");
    let words = error(run("", &["get"]).await.1);
    assert!(words.contains("write for example http://127.0.0.1:18080"), "{words}");
}

#[tokio::test]
async fn another_server_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new()).await });
    let words = error(run(&address, &["get"]).await.1);
    assert!(words.contains("not Shunt's API"), "{words}");
}

#[tokio::test]
async fn one_with_its_history() {
    let mut server = Server::start(vec![progressing()]).await;
    let address = server.address.clone();
    let ((text, result), ()) = tokio::join!(run(&address, &["get", "checkout", "--why"]), async {
        let Some(ControlRequest::History { limit: 8, reply, .. }) = server.requests.recv().await else { panic!("a history") };
        let calls = progressing().calls;
        reply.send(Ok(History { entries: vec![entry(11, "setWeight 5 % is proved")], calls, releases: Vec::new() })).unwrap();
    });
    result.unwrap();
    assert!(text.starts_with("shop/checkout  Progressing  step 2/5 pause 10m for 3m12s\n"), "{text}");
    let journal = text.split_once("How it came here\n").unwrap().1;
    assert_eq!(
        journal,
        "2026-11-21 09:55:15      gate board: yes, by ann: looks good\n\
         2026-11-21 09:56:05      hook migrate: done, by /bin/migrate at try 2: 3 tables\n\
         2026-11-21 10:00:13      hook load after stepped: waiting, webhook load.test at try 3: status 503 Service Unavailable\n\
         2026-11-21 10:00:15  11  setWeight 5 % is proved\n"
    );
}

#[tokio::test]
async fn programs_get_what_the_api_says() {
    let server = Server::start(vec![progressing()]).await;
    let (json, _) = run(&server.address, &["get", "checkout", "-o", "json"]).await;
    assert_eq!(serde_json::from_str::<RolloutStatus>(&json).unwrap(), progressing());
    let (yaml, _) = run(&server.address, &["get", "checkout", "-o", "yaml"]).await;
    assert_eq!(serde_saphyr::from_str::<RolloutStatus>(&yaml).unwrap(), progressing());
}

#[tokio::test]
async fn a_proxy_is_forgotten() {
    let mut server = Server::start(Vec::new()).await;
    let address = server.address.clone();
    let ((text, result), ()) = tokio::join!(run(&address, &["forget", "a/b c%"]), async {
        let Some(ControlRequest::Forget { node, reply }) = server.requests.recv().await else { panic!("a proxy") };
        reply.send(if node == "a/b c%" { Ok(()) } else { Err(Refusal::UnknownProxy(node)) }).unwrap();
    });
    assert_eq!(result.unwrap(), Exit::Done);
    assert_eq!(text, "a/b c% is not waited for any more\n");
}

fn phase(phase: Phase) -> RolloutStatus {
    RolloutStatus { phase, ..progressing() }
}

/// What `release:` names is stable.
fn promoted() -> RolloutStatus {
    RolloutStatus { stable: "v2".parse().unwrap(), step: None, ..phase(Phase::Healthy) }
}

#[tokio::test]
async fn status_is_an_exit_code() {
    let cases = [
        (promoted(), Exit::Done),
        (phase(Phase::Degraded), Exit::Degraded),
        (phase(Phase::Rejected), Exit::Degraded),
        (phase(Phase::Paused), Exit::Paused),
        (phase(Phase::Progressing), Exit::Progressing),
        // `release:` was changed and the run has not begun.
        (phase(Phase::Healthy), Exit::Progressing),
    ];
    for (view, expected) in cases {
        let server = Server::start(vec![view.clone()]).await;
        assert_eq!(run(&server.address, &["status", "checkout"]).await.1.unwrap(), expected, "{:?}", view.phase);
    }
    let server = Server::start(vec![promoted()]).await;
    assert_eq!(run(&server.address, &["status", "checkout", "--release", "v3"]).await.1.unwrap(), Exit::Progressing);
}

#[tokio::test]
async fn status_waits_also_through_a_restart() {
    let server = Server::start(vec![phase(Phase::Healthy)]).await;
    let (screen, address) = (Screen::default(), server.address.clone());
    let restarts = async {
        screen.until("shop/checkout Healthy 2/5").await;
        server.show(vec![progressing()]);
        screen.until("shop/checkout Progressing 2/5").await;
        server.stop().await;
        Server::start_at(&address, vec![promoted()]).await
    };
    let line = ["status", "checkout", "--wait", "--timeout", "20s"];
    let (result, _again) = tokio::join!(run_on(&screen, &address, &line), restarts);
    assert_eq!(result.unwrap(), Exit::Done, "{}", screen.text());
    assert!(screen.text().lines().last().unwrap().starts_with("shop/checkout Healthy:"), "{}", screen.text());
}

/// A refusal is an end only when the proxies have proved that no key is left on the candidate.
#[tokio::test]
async fn a_refusal_is_waited_for_until_keys_are_back() {
    let server = Server::start(vec![progressing()]).await;
    let (screen, address) = (Screen::default(), server.address.clone());
    let reverting = RolloutStatus { message: "all keys back to v1: waiting for edge-2".to_owned(), step: None, ..phase(Phase::Degraded) };
    let (_, result) = run(&address, &["status", "checkout", "--wait", "--timeout", "1ms"]).await;
    assert_eq!(result.unwrap(), Exit::TimedOut);
    let changes = async {
        screen.until("Progressing").await;
        server.show(vec![reverting.clone()]);
        screen.until("shop/checkout Degraded: all keys back").await;
        let over = RolloutStatus { candidate: None, message: "v2 was refused: too slow; all on v1".to_owned(), ..reverting.clone() };
        server.show(vec![over]);
    };
    let (result, ()) = tokio::join!(run_on(&screen, &address, &["status", "checkout", "--wait", "--timeout", "20s"]), changes);
    assert_eq!(result.unwrap(), Exit::Degraded);
    assert!(screen.text().ends_with("shop/checkout Degraded: v2 was refused: too slow; all on v1\n"), "{}", screen.text());
}

#[tokio::test]
async fn watch_ends_with_the_release() {
    let server = Server::start(vec![progressing()]).await;
    let (screen, address) = (Screen::default(), server.address.clone());
    let changes = async {
        screen.until("Progressing").await;
        server.show(vec![RolloutStatus { revision: 13, ..phase(Phase::Degraded) }]);
        screen.until("Degraded").await;
        server.show(vec![RolloutStatus { revision: 14, candidate: None, ..phase(Phase::Degraded) }]);
    };
    let (result, ()) = tokio::join!(run_on(&screen, &address, &["watch", "checkout", "--until-done"]), changes);
    assert_eq!(result.unwrap(), Exit::Degraded);
    assert_eq!(screen.text().lines().count(), 3, "{}", screen.text());
    assert!(<crate::cli::Cli as clap::Parser>::try_parse_from(["shunt", "watch", "--until-done"]).is_err(), "of one Rollout");
}

#[tokio::test]
async fn waiting_ends_in_time_and_for_people() {
    let server = Server::start(vec![progressing()]).await;
    let (_, result) = run(&server.address, &["status", "checkout", "--wait", "--timeout", "50ms"]).await;
    assert_eq!(result.unwrap(), Exit::TimedOut);
    server.show(vec![phase(Phase::Paused)]);
    let (_, result) = run(&server.address, &["status", "checkout", "--wait"]).await;
    assert_eq!(result.unwrap(), Exit::Paused);
    let (_, result) = run(&server.address, &["status", "checkout", "--wait", "--through-pauses", "--timeout", "50ms"]).await;
    assert_eq!(result.unwrap(), Exit::TimedOut);
}

#[tokio::test]
async fn watch_follows_until_it_is_gone() {
    let server = Server::start(vec![progressing()]).await;
    let (screen, address) = (Screen::default(), server.address.clone());
    let changes = async {
        screen.until("\"revision\":12").await;
        server.show(vec![RolloutStatus { revision: 13, ..progressing() }]);
        screen.until("\"revision\":13").await;
        server.show(vec![degraded()]);
    };
    let (result, ()) = tokio::join!(run_on(&screen, &address, &["watch", "checkout", "-o", "json"]), changes);
    assert_eq!(result.unwrap(), Exit::Done);
    let text = screen.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "one line for each state: {text}");
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
}

/// Numbers change all the time; a log of them helps no reader.
#[tokio::test]
async fn watch_prints_transitions_without_a_terminal() {
    let server = Server::start(vec![healthy(), progressing()]).await;
    let (screen, address) = (Screen::default(), server.address.clone());
    let changes = async {
        screen.until("shop/checkout Progressing 2/5 pause 10m").await;
        server.show(vec![healthy(), RolloutStatus { message: "3m of the pause are left".to_owned(), ..progressing() }]);
        server.show(vec![healthy(), RolloutStatus { revision: 13, phase: Phase::Paused, ..progressing() }]);
        screen.until("Paused").await;
    };
    tokio::select! {
        result = run_on(&screen, &address, &["watch"]) => panic!("watch ended: {result:?}"),
        () = changes => {}
    }
    insta::assert_snapshot!(screen.text());
}
