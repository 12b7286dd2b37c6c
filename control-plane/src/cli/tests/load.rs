//! `load` and `sample-server` against each other.

use serde_json::Value;

use super::server::{Screen, run, run_on};
use crate::cli::exit::Exit;

/// Nothing listens there.
const NOWHERE: &str = "127.0.0.1:1";

#[tokio::test]
async fn users_are_sent_to_a_sample() {
    let screen = Screen::default();
    let load = async {
        screen.until("answers at").await;
        let address = screen.text().trim().rsplit_once(' ').unwrap().1.to_owned();
        let line = ["load", &address, "--users", "5", "--rate", "500", "--requests", "40", "-o", "json"];
        let (json, result) = run(NOWHERE, &line).await;
        assert_eq!(result.unwrap(), Exit::Done);
        serde_json::from_str::<Value>(&json).unwrap()
    };
    let server = ["sample-server", "v2", "--listen", "127.0.0.1:0", "--fail", "100"];
    let summary = tokio::select! {
        result = run_on(&screen, NOWHERE, &server) => panic!("the sample ended: {result:?}"),
        summary = load => summary,
    };
    let version = &summary["versions"][0];
    assert_eq!((&version["version"], &version["users"], &version["requests"]), (&"v2".into(), &5.into(), &40.into()), "{summary}");
    assert_eq!(
        (&version["failed"], &version["statuses"]["500"], &summary["changedVersion"]),
        (&40.into(), &40.into(), &0.into()),
        "{summary}"
    );
}

#[tokio::test]
async fn nothing_that_answers_is_an_exit_code() {
    let (text, result) = run(NOWHERE, &["load", "http://127.0.0.1:1", "--requests", "3", "--rate", "500"]).await;
    assert_eq!(result.unwrap(), Exit::Wrong);
    assert!(text.contains("unknown") && text.contains("none: 3"), "{text}");
    let (_, result) = run(NOWHERE, &["load", "http://shop.example"]).await;
    assert!(result.unwrap_err().to_string().contains("--remote"));
}
