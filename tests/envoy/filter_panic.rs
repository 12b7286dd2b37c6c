//! What a panic costs: a test build of the module panics on request.

use anyhow::Result;
use hyper::Method;
use serde_json::json;
use shunt_testbed::until::until;
use shunt_testbed::{Load, LocalShop, Scenario};

use crate::filter_rig::{Plan, Rig, SOON, panicking_module, policy};

#[tokio::test]
async fn a_panic_costs_what_is_in_flight_and_the_next_push_heals() -> Result<()> {
    let story = Scenario::new("a module that panics");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let mut plan = Plan::new(&[("v1", v1.address()), ("v2", v2.address())])?;
    plan.module = panicking_module()?;
    let mut rig = Rig::start(plan).await?;
    let everybody = policy(None, json!({"split": {"salt": "s", "weights": {"v2": 100}}}));
    rig.push(&everybody).await?;
    let ask = |panic: bool| {
        let ask = rig.client().request(Method::GET, "/").header("cookie", "shunt-id=a");
        if panic { ask.header("x-test-panic", "1") } else { ask }.send()
    };
    assert_eq!(ask(false).await?.version().as_deref(), Some("v2"));

    story.when("a request makes the module panic in every worker");
    let mut died = 0;
    until("no VM is left to panic", SOON, || async {
        let mut alive = false;
        // Several, because the kernel chooses the worker.
        for _ in 0..16 {
            alive |= ask(true).await.is_ok_and(|reply| reply.status == 503);
        }
        !alive
    })
    .await?;
    story.then("later requests reach stable by the default route");
    for _ in 0..50 {
        let reply = ask(false).await?;
        died += u32::from(reply.status != 200);
        assert_eq!((reply.status, reply.version().as_deref()), (200, Some("v1")));
    }
    assert_eq!(died, 0);
    assert!(rig.envoy.log().contains("asked for by x-test-panic"), "the log says why: {}", rig.envoy.log());

    story.when("the next policy is pushed, under load");
    let load = Load::new(rig.address).users(50).rate(300.0).start();
    rig.push(&everybody).await?;
    until("v2 answers again", SOON, || async { load.tally().of_version("v2") > 100 }).await?;
    let tally = load.stop().await;
    story.then(format!("it has healed: {}", tally.summary()));
    assert_eq!(tally.failed(), 0, "{}", tally.summary());
    Ok(())
}
