//! Waiting for a phase, and rolling back.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shunt_api::{Accepted, ControlRequest, RolloutNow};
use shunt_core::Phase;

use crate::fixture::{Server, cart, checkout, problem};

fn show(server: &Server, now: RolloutNow) {
    server.rollouts.send_replace(Arc::new(vec![Arc::new(cart()), Arc::new(now)]));
}

#[tokio::test]
async fn the_answer_comes_with_the_phase() {
    let server = Server::start().await;
    let url = server.url("/v1/rollouts/shop/checkout?wait=Healthy,Degraded&timeout=60s");
    let waiting = tokio::spawn(server.http.get(url).send());
    let mut held = checkout(2);
    held.view.phase = Phase::Paused;
    show(&server, held);
    // Healthy, but not with what its manifest asks for: the release has not begun yet.
    let mut before = checkout(3);
    (before.view.phase, before.view.stable) = (Phase::Healthy, "v1".parse().unwrap());
    show(&server, before);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    let mut after = checkout(4);
    (after.view.phase, after.view.stable) = (Phase::Healthy, "v2".parse().unwrap());
    show(&server, after);
    let view = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap().json::<Value>().await.unwrap();
    assert_eq!((&view["phase"], &view["revision"]), (&json!("Healthy"), &json!(4)));
}

#[tokio::test]
async fn what_does_not_come_is_said() {
    let server = Server::start().await;
    let (status, body) = problem(server.get("/v1/rollouts/shop/checkout?wait=Degraded&timeout=10ms").await).await;
    assert_eq!((status, &body["type"]), (504, &json!("urn:shunt:problem:not-yet")));
    assert!(body["detail"].as_str().unwrap().contains("Progressing"), "{body}");
    for (query, status) in [
        ("wait=Happy", 400),
        ("timeout=soon", 400),
        ("wiat=Healthy", 400),
        ("after=1&timeout=1ms", 504),
        ("after=0", 200),
        ("stable=v1", 200),
    ] {
        assert_eq!(server.get(&format!("/v1/rollouts/shop/checkout?{query}")).await.status(), status, "{query}");
    }
    assert_eq!(problem(server.get("/v1/rollouts/shop/nothing?wait=Healthy").await).await.0, 404);
}

#[tokio::test]
async fn rolling_back_names_the_version_before() {
    let mut server = Server::start().await;
    for (path, body, expected) in [
        ("/v1/rollouts/shop/checkout/rollback", json!({}), "v1"),
        ("/v1/rollouts/shop/checkout/rollback", json!({"to": "v2", "reason": "better"}), "v2"),
    ] {
        let (answer, ()) = tokio::join!(server.http.post(server.url(path)).json(&body).send(), async {
            let Some(ControlRequest::Release { version, reply, .. }) = server.requests.recv().await else { panic!("a release") };
            assert_eq!(version.as_str(), expected);
            drop(reply.send(Ok(Accepted { revision: 1, message: String::new() })));
        });
        assert_eq!(answer.unwrap().status(), 200);
    }
    let (status, body) = problem(server.send(Method::POST, "/v1/rollouts/shop/cart/rollback", Some(json!({}))).await).await;
    assert_eq!(status, 409, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("no version was stable before v7"), "{body}");
}

#[tokio::test]
async fn a_manifest_is_handed_over_as_it_is() {
    let mut server = Server::start().await;
    for kind in ["application/yaml", "application/json; charset=utf-8", "text/yaml"] {
        let request = server.http.put(server.url("/v1/rollouts/shop/new")).header("content-type", kind).body("kind: Rollout\n").send();
        let (answer, ()) = tokio::join!(request, async {
            let Some(ControlRequest::Put { rollout, text, by, reply }) = server.requests.recv().await else { panic!("a manifest") };
            assert_eq!((rollout.to_string().as_str(), text.as_str(), by.as_str()), ("shop/new", "kind: Rollout\n", "api"));
            let errors = shunt_spec::manifest::parse("shop.new.yaml", &text).unwrap_err();
            reply.send(Err(shunt_api::Refusal::Invalid(errors))).unwrap();
        });
        let (status, body) = problem(answer.unwrap()).await;
        assert_eq!((status, &body["errors"][0]["path"]), (422, &json!("apiVersion")));
    }
    let other = server.http.put(server.url("/v1/rollouts/shop/new")).header("content-type", "text/plain").body("kind: Rollout\n").send();
    assert_eq!(problem(other.await.unwrap()).await.0, 415);
    let long =
        server.http.put(server.url("/v1/rollouts/shop/new")).header("content-type", "text/yaml").body("#".repeat(2 * 1024 * 1024)).send();
    assert_eq!(problem(long.await.unwrap()).await.0, 413);
    let request = server.http.delete(server.url("/v1/rollouts/shop/checkout")).send();
    let (answer, ()) = tokio::join!(request, async {
        let Some(ControlRequest::Remove { rollout, reply, .. }) = server.requests.recv().await else { panic!("a removal") };
        assert_eq!(rollout.to_string(), "shop/checkout");
        drop(reply.send(Ok(Accepted { revision: 1, message: String::new() })));
    });
    assert_eq!(answer.unwrap().status(), 200);
}
