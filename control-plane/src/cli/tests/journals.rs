//! `history -o json` and `replay`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use insta::assert_snapshot;
use serde_json::{Value, json};
use shunt_api::ControlRequest;
use shunt_core::analysis::Evidence;
use shunt_core::journal::{Entry, ReleaseAsked};
use shunt_core::observation::{Delivery, Misrouting, Observation};
use shunt_core::replay::Incident;
use shunt_core::{State, advance};
use shunt_spec::manifest::parse;
use shunt_spec::{Context, Plan, Time};
use tempfile::TempDir;

use super::server::{Server, run};
use super::views::progressing;
use crate::cli::exit::Exit;

/// Nothing listens there.
const NOWHERE: &str = "127.0.0.1:1";

fn plan(release: &str) -> Plan {
    let text = format!(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  \
         service: {{hosts: [shop.test]}}\n  release: {release}\n  \
         versions: [{{name: v1, endpoints: ['127.0.0.1:9001']}}, {{name: v2, endpoints: ['127.0.0.1:9002']}}]\n  \
         strategy: {{canary: {{steps: [{{setWeight: 5}}, {{pause: {{duration: 1m}}}}]}}}}\n"
    );
    parse("shop.yaml", &text).unwrap()[0].compile(&Context::default()).unwrap()
}

fn seen(now: Time) -> Observation {
    let live = Delivery::Live { since: Time(0), proxies: 2 };
    Observation {
        now,
        policy: live.clone(),
        everywhere: live.clone(),
        routes: live,
        misrouting: Misrouting::Quiet { since: Time(0) },
        misrouted: 0,
        versions: BTreeMap::new(),
        verdicts: Vec::new(),
        evidence: Evidence::default(),
        capacity: BTreeMap::new(),
        calls: BTreeMap::new(),
        contest: shunt_core::contest::Contest::default(),
        freeze: shunt_core::observation::Freeze::Off,
        latency_baseline: shunt_core::observation::LatencyBaseline::Unknown,
    }
}

/// What is installed, and the first steps of a release.
fn incident() -> Incident {
    let (first, second) = (plan("v1"), plan("v2"));
    let mut state = State::initial(&first);
    let mut entries: Vec<Entry> = Vec::new();
    for second_of_day in 0..120_u64 {
        let now = Time(1_795_255_200_000 + second_of_day * 1_000);
        let plan = if second_of_day < 10 { &first } else { &second };
        while let Some(entry) = advance(plan, &state, &seen(now), &[]).entry {
            state = entry.next.clone();
            entries.push(entry);
        }
    }
    let plans = [first, second].map(|plan| (plan.digest.clone(), plan));
    Incident::new(BTreeMap::from(plans), &entries, usize::MAX)
}

fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

async fn replay(name: &str, text: &str, more: &[&str]) -> (String, Exit) {
    let (_folder, path) = file(name, text);
    let (printed, result) = run(NOWHERE, &[&["replay", path.to_str().unwrap()], more].concat()).await;
    (printed, result.unwrap())
}

/// What `history` prints, `replay` runs.
#[tokio::test]
async fn an_exported_journal_runs_again() {
    for format in ["json", "yaml"] {
        let mut server = Server::start(vec![progressing()]).await;
        let address = server.address.clone();
        let line = ["history", "shop/checkout", "--limit", "7", "-o", format];
        let asked = ReleaseAsked { at: Time(1), version: "v2".parse().unwrap(), by: "ada".to_owned(), reason: "ticket 812".to_owned() };
        let ((text, result), ()) = tokio::join!(run(&address, &line), async {
            let Some(ControlRequest::Incident { limit: 7, reply, .. }) = server.requests.recv().await else {
                panic!("a journal with its plans")
            };
            reply.send(Ok(Incident { releases: vec![asked], ..incident() })).unwrap();
        });
        assert_eq!(result.unwrap(), Exit::Done);
        assert!(text.contains("releases") && text.contains("ticket 812"), "who asked, and why, as in the text: {text}");
        let (printed, exit) = replay(&format!("incident.{format}"), &text, &[]).await;
        assert_eq!(exit, Exit::Done, "{printed}");
        assert_snapshot!("a_replay", printed);
    }
}

#[tokio::test]
async fn the_first_difference_is_shown_with_both_sides() {
    let mut changed = serde_json::to_value(incident()).unwrap();
    changed["entries"][2]["next"]["run"]["weight"] = json!(10.0);
    changed["entries"][3]["reason"] = json!("something else");
    let (printed, exit) = replay("incident.json", &changed.to_string(), &[]).await;
    assert_eq!(exit, Exit::Wrong);
    assert_snapshot!(printed);
    let (printed, exit) = replay("incident.json", &changed.to_string(), &["-o", "json"]).await;
    let found: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&found["different"], &found["transitions"][0]["result"], exit), (&json!(2), &json!("same"), Exit::Wrong));
    assert_eq!(found["transitions"][2]["result"]["differs"]["path"], "next.run.weight");
}

#[tokio::test]
async fn what_cannot_be_run_is_another_exit_code() {
    let mut without = incident();
    without.plans.clear();
    let newer = serde_json::to_string(&Incident { format: 99, ..incident() }).unwrap();
    for text in [
        newer.as_str(),
        "{\"entries\": [], \"plans\": {}}",
        "nonsense: [",
        "{\"entries\": [{}]}",
        &serde_json::to_string(&without).unwrap(),
    ] {
        assert_eq!(replay("incident.json", text, &[]).await.1, Exit::Unreadable, "{text}");
    }
    let (_, result) = run(NOWHERE, &["replay", "/nowhere/incident.json"]).await;
    assert_eq!(result.unwrap(), Exit::Unreadable);
}
