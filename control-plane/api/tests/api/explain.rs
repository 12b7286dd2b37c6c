//! Where requests go: the filter's own code on the policy last published.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Server, problem};

async fn explain(server: &Server, question: Value) -> Value {
    let response = server.send(Method::POST, "/v1/explain", Some(question)).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

fn with_cookie(user: u32) -> Value {
    json!({"host": "SHOP.test:80", "path": "/cart", "headers": [["Cookie", format!("a=b; shunt-id=u{user}")]]})
}

#[tokio::test]
async fn the_share_of_users_is_the_weight() {
    let server = Server::start().await;
    let mut candidate = 0;
    for user in 0..400 {
        let answer = explain(&server, with_cookie(user)).await;
        assert_eq!((&answer["rollout"], &answer["generation"]), (&json!("shop/checkout"), &json!(41)));
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.contains("cookie shunt-id"), "{reason}");
        match answer["version"].as_str().unwrap() {
            "v2" => {
                candidate += 1;
                assert_eq!(answer["route"], "shop/checkout/v2");
            }
            version => assert_eq!((version, &answer["route"]), ("v1", &Value::Null), "the default route names v1"),
        }
        assert_eq!(answer, explain(&server, with_cookie(user)).await, "the same question has the same answer");
    }
    // 400 keys at 5 %: outside 5..=40 with a probability below 1e-4.
    assert!((5..=40).contains(&candidate), "{candidate} of 400");
}

#[tokio::test]
async fn without_a_key_it_is_chance_and_said_so() {
    let server = Server::start().await;
    let answer = explain(&server, json!({"host": "shop.test"})).await;
    assert_eq!(answer["version"], Value::Null);
    assert_eq!(answer["chances"], json!([{"version": "v1", "percent": 95.0}, {"version": "v2", "percent": 5.0}]));
    assert!(answer["setCookie"].as_str().unwrap().starts_with("shunt-id="), "{answer}");
}

#[tokio::test]
async fn proxies_that_are_behind_are_named() {
    let server = Server::start().await;
    let answer = explain(&server, with_cookie(1)).await;
    assert!(answer["notes"].to_string().contains("edge-2"), "{answer}");
}

#[tokio::test]
async fn headers_of_ours_never_count() {
    let server = Server::start().await;
    let plain = explain(&server, with_cookie(1)).await;
    let mut question = with_cookie(1);
    question["headers"].as_array_mut().unwrap().push(json!(["X-Shunt-Route", "shop/checkout/v2"]));
    let answer = explain(&server, question).await;
    assert_eq!((&answer["version"], &answer["reason"]), (&plain["version"], &plain["reason"]));
    assert!(answer["notes"].to_string().contains("x-shunt-route of a client never counts"), "{answer}");
}

#[tokio::test]
async fn hosts_outside_the_policy() {
    let server = Server::start().await;
    let rest = explain(&server, json!({"host": "cart.test"})).await;
    assert_eq!((&rest["rollout"], &rest["version"], &rest["route"]), (&json!("shop/cart"), &json!("v7"), &Value::Null));
    assert!(rest["reason"].as_str().unwrap().contains("nothing to decide"), "{rest}");
    let foreign = explain(&server, json!({"host": "other.test"})).await;
    assert_eq!((&foreign["rollout"], &foreign["version"]), (&Value::Null, &Value::Null));
    assert!(foreign["reason"].as_str().unwrap().contains("no Rollout has the host other.test"), "{foreign}");
}

#[tokio::test]
async fn a_question_without_a_host_is_refused() {
    let server = Server::start().await;
    let (status, body) = problem(server.send(Method::POST, "/v1/explain", Some(json!({"path": "/"}))).await).await;
    assert_eq!(status, 400);
    assert!(body["detail"].as_str().unwrap().contains("host"), "{body}");
}

#[tokio::test]
async fn a_policy_that_does_not_compile_is_said() {
    let server = Server::start().await;
    server.policy.send_modify(|policy| {
        let mut broken = shunt_filter_core::RoutingPolicy::clone(policy);
        broken.services[0].stable = "v9".parse().unwrap();
        *policy = std::sync::Arc::new(broken);
    });
    let (status, body) = problem(server.send(Method::POST, "/v1/explain", Some(json!({"host": "shop.test"}))).await).await;
    assert_eq!((status, &body["type"]), (500, &json!("urn:shunt:problem:policy")));
}
