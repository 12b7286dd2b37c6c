//! `logs`.

use std::collections::BTreeMap;

use shunt_api::ControlRequest;
use shunt_api::logs::{Log, Logs, LogsWanted};

use super::server::{Screen, Server, run, run_on};
use super::views::progressing;

fn page(text: &str, next: u64) -> Logs {
    let version = "v2".parse().unwrap();
    Logs { logs: vec![Log { version, instance: 7, text: text.to_owned(), unfinished: "half".to_owned(), next, more: false }] }
}

/// What the next question asks for, answered with this.
async fn asked(server: &mut Server, answer: Logs) -> LogsWanted {
    let Some(ControlRequest::Logs { wanted, reply, .. }) = server.requests.recv().await else { panic!("a question for logs") };
    reply.send(Ok(answer)).unwrap();
    wanted
}

#[tokio::test]
async fn the_end_of_a_log_also_what_is_being_written() {
    let mut server = Server::start(vec![progressing()]).await;
    let address = server.address.clone();
    let line = ["logs", "checkout", "v2", "--instance", "7", "--tail", "2"];
    let ((text, result), wanted) = tokio::join!(run(&address, &line), asked(&mut server, page("one\ntwo\n", 8)));
    result.unwrap();
    assert_eq!(text, "one\ntwo\nhalf\n");
    assert_eq!(wanted, LogsWanted { version: Some("v2".parse().unwrap()), instance: Some(7), tail: 2, after: BTreeMap::new() });
}

#[tokio::test]
async fn followed_each_line_comes_once_and_whole() {
    let mut server = Server::start(vec![progressing()]).await;
    let (address, screen) = (server.address.clone(), Screen::default());
    let answers = async {
        asked(&mut server, page("one\n", 4)).await;
        let second = asked(&mut server, page("half done\n", 14)).await;
        assert_eq!(second.after, BTreeMap::from([(7, 4)]), "what came since");
        screen.until("half done").await;
    };
    tokio::select! {
        ended = run_on(&screen, &address, &["logs", "checkout", "--follow"]) => panic!("it ended: {ended:?}"),
        () = answers => {}
    }
    assert_eq!(screen.text(), "one\nhalf done\n");
}
