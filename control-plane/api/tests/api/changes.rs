//! Commands, releases, forgetting: handed to the process as they are, answered as it says.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shunt_api::{Accepted, ControlRequest, Refusal};
use shunt_core::Verb;
use shunt_core::command::CommandRefused;

use crate::fixture::{Server, problem};

const COMMANDS: &str = "/v1/rollouts/shop/checkout/commands";

#[tokio::test]
async fn a_command_arrives_whole() {
    let mut server = Server::start().await;
    let body = json!({"verb": "abort", "revision": 9, "reason": "too\nmany \u{1b}[31merrors", "by": "ada"});
    let (answer, ()) = tokio::join!(server.http.post(server.url(COMMANDS)).json(&body).send(), async {
        let Some(ControlRequest::Command { rollout, verb, revision, by, reason, confirm: false, reply }) = server.requests.recv().await
        else {
            panic!("a command")
        };
        assert_eq!((rollout.to_string().as_str(), verb, revision), ("shop/checkout", Verb::Abort, Some(9)));
        assert_eq!((by.as_str(), reason.as_str()), ("ada", "too many [31merrors"));
        reply.send(Ok(Accepted { revision: 10, message: "aborted by ada".to_owned() })).unwrap();
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"revision": 10, "message": "aborted by ada"}));
}

#[tokio::test]
async fn refusals_say_why() {
    let mut server = Server::start().await;
    let cases = [
        (Refusal::Stale { seen: 9, now: 11 }, 409, "urn:shunt:problem:stale", "revision 9, but it is at 11"),
        (Refusal::Command(CommandRefused::NotHeld), 409, "urn:shunt:problem:not-now", "it is not held"),
        (Refusal::Unavailable("the disk is full".to_owned()), 503, "urn:shunt:problem:unavailable", "the disk is full"),
    ];
    for (refusal, expected, kind, words) in cases {
        let request = server.http.post(server.url(COMMANDS)).json(&json!({"verb": "resume"})).send();
        let (answer, ()) = tokio::join!(request, async {
            let Some(ControlRequest::Command { by, revision: None, reply, .. }) = server.requests.recv().await else { panic!("a command") };
            assert_eq!(by, "api", "the request gave no name");
            reply.send(Err(refusal.clone())).unwrap();
        });
        let (status, body) = problem(answer.unwrap()).await;
        assert_eq!((status, body["type"].as_str().unwrap()), (expected, kind));
        assert!(body["detail"].as_str().unwrap().contains(words), "{body}");
        assert_eq!(body["code"], serde_json::to_value(refusal.code()).unwrap(), "programs need not read the sentence");
    }
}

#[tokio::test]
async fn what_is_not_understood_never_reaches_the_process() {
    let mut server = Server::start().await;
    for body in [json!({"verb": "explode"}), json!({}), json!({"verb": "abort", "revison": 3}), json!([])] {
        let (status, _) = problem(server.send(Method::POST, COMMANDS, Some(body.clone())).await).await;
        assert_eq!(status, 400, "{body}");
    }
    let (status, _) = problem(server.send(Method::POST, "/v1/rollouts/shop/nothing/commands", Some(json!({"verb": "abort"}))).await).await;
    assert_eq!(status, 404);
    let long = json!({"verb": "abort", "reason": "x".repeat(100_000)});
    let (status, _) = problem(server.send(Method::POST, COMMANDS, Some(long)).await).await;
    assert_eq!(status, 413);
    assert!(server.requests.try_recv().is_err());
}

/// A page of another site can send a form, or JSON with its origin; neither changes anything.
#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let mut server = Server::start().await;
    let form = server.http.post(server.url(COMMANDS)).header("content-type", "text/plain").body(r#"{"verb":"abort"}"#).send().await;
    assert_eq!(problem(form.unwrap()).await.0, 415);
    let page = server.http.post(server.url(COMMANDS)).header("origin", "https://evil.test").json(&json!({"verb": "abort"})).send().await;
    let (status, body) = problem(page.unwrap()).await;
    assert_eq!((status, &body["type"]), (403, &json!("urn:shunt:problem:foreign-origin")));
    let gone = server.http.delete(server.url("/v1/proxies/edge-1")).header("origin", "https://evil.test").send().await;
    assert_eq!(problem(gone.unwrap()).await.0, 403);
    assert!(server.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_release_names_a_version() {
    let mut server = Server::start().await;
    let request = server
        .http
        .post(server.url("/v1/rollouts/shop/checkout/release"))
        .json(&json!({"version": "v3", "by": "ada", "reason": "ticket\n812"}))
        .send();
    let (answer, ()) = tokio::join!(request, async {
        let Some(ControlRequest::Release { rollout, version, by, reason, reply }) = server.requests.recv().await else {
            panic!("a release")
        };
        assert_eq!((by.as_str(), reason.as_str()), ("ada", "ticket 812"));
        let known = vec!["v1".parse().unwrap(), "v2".parse().unwrap()];
        reply.send(Err(Refusal::UnknownVersion { rollout, version, known })).unwrap();
    });
    let (status, body) = problem(answer.unwrap()).await;
    assert_eq!((status, &body["known"]), (404, &json!(["v1", "v2"])));
    assert_eq!(body["detail"], "shop/checkout has no version v3");
}

/// Node ids may hold anything that can be escaped.
#[tokio::test]
async fn a_proxy_is_forgotten_by_its_whole_id() {
    let mut server = Server::start().await;
    let request = server.http.delete(server.url("/v1/proxies/sidecar~10.0.0.1~a%2Fb%20c")).send();
    let (answer, ()) = tokio::join!(request, async {
        let Some(ControlRequest::Forget { node, reply }) = server.requests.recv().await else { panic!("a proxy") };
        assert_eq!(node, "sidecar~10.0.0.1~a/b c");
        reply.send(Ok(())).unwrap();
    });
    assert_eq!(answer.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_process_that_is_ending_is_said() {
    let mut server = Server::start().await;
    let request = server.http.post(server.url(COMMANDS)).json(&json!({"verb": "pause"})).send();
    let (answer, ()) = tokio::join!(request, async { drop(server.requests.recv().await) });
    assert_eq!(problem(answer.unwrap()).await.0, 503);
    server.requests.close();
    assert_eq!(problem(server.send(Method::POST, COMMANDS, Some(json!({"verb": "pause"}))).await).await.0, 503);
}
