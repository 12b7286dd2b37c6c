//! Posts of the filters.

use reqwest::Response;
use serde_json::json;

use crate::fixture::{QUEUE, Server, problem};

async fn post(server: &Server, body: impl Into<reqwest::Body>) -> Response {
    server.http.post(server.url("/v1/reports")).body(body).send().await.unwrap()
}

fn report(sequence: u64) -> String {
    json!({
        "node": "edge-1", "vm": "a1", "sequence": sequence, "generation": 41,
        "services": {"shop/checkout": {"versions": {"v1": {"started": 9, "succeeded": 8, "failed": 0, "cancelled": 0}}}},
    })
    .to_string()
}

#[tokio::test]
async fn reports_are_taken_in_order_whatever_their_content_type() {
    let mut server = Server::start().await;
    for sequence in [1, 2] {
        assert_eq!(post(&server, report(sequence)).await.status(), 204);
    }
    assert_eq!(server.reports.recv().await.unwrap().report.sequence, 1);
    let second = server.reports.recv().await.unwrap().report;
    assert_eq!(second.services.values().next().unwrap().versions.values().next().unwrap().started, 9);
}

#[tokio::test]
async fn fields_of_a_newer_filter_are_ignored() {
    let mut server = Server::start().await;
    let newer = json!({"node": "edge-1", "vm": "a1", "sequence": 1, "generation": 41, "weather": "fine"}).to_string();
    assert_eq!(post(&server, newer).await.status(), 204);
    assert_eq!(server.reports.recv().await.unwrap().report.generation, 41);
}

#[tokio::test]
async fn a_full_queue_turns_reports_away_until_it_is_worked_on() {
    let mut server = Server::start().await;
    for sequence in 0..QUEUE as u64 {
        assert_eq!(post(&server, report(sequence)).await.status(), 204);
    }
    let (status, body) = problem(post(&server, report(9)).await).await;
    assert_eq!((status, &body["type"]), (503, &json!("urn:shunt:problem:busy")));
    server.reports.recv().await.unwrap();
    assert_eq!(post(&server, report(9)).await.status(), 204);
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("\nshunt_reports_taken_total 3\n") && metrics.contains("\nshunt_reports_refused_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let mut server = Server::start().await;
    let control = json!({"node": "a\u{7}", "vm": "x", "sequence": 1, "generation": 1}).to_string();
    let empty = json!({"node": "", "vm": "x", "sequence": 1, "generation": 1}).to_string();
    for body in ["", "{}", "null", "\u{0}\u{1}", "[1,2]", &control, &empty] {
        assert_eq!(problem(post(&server, body.to_owned()).await).await.0, 400, "{body:?}");
    }
    assert_eq!(problem(post(&server, vec![b' '; 9 * 1024 * 1024]).await).await.0, 413);
    assert!(server.reports.try_recv().is_err());
}

/// 5,000 services with counters are a report that is read.
#[tokio::test]
async fn a_large_mesh_fits() {
    let mut server = Server::start().await;
    let counters =
        json!({"versions": {"v1": {"started": 123_456, "succeeded": 123_456, "failed": 0, "cancelled": 0, "latency": vec![99_999; 17]}}});
    let services: serde_json::Map<String, serde_json::Value> =
        (0..5_000).map(|n| (format!("shop/service-{n}"), counters.clone())).collect();
    let body = json!({"node": "edge-1", "vm": "a1", "sequence": 1, "generation": 41, "services": services}).to_string();
    assert_eq!(post(&server, body).await.status(), 204);
    assert_eq!(server.reports.recv().await.unwrap().report.services.len(), 5_000);
}
