//! A policy for thousands of services: taken while requests run, and as quick to decide as a small one.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use shunt_testbed::{Load, LocalShop, Receiver, Scenario};

use crate::filter_rig::{Plan, Rig, live, policy, settled, sum};

const SERVICES: usize = 5_000;

#[tokio::test]
async fn five_thousand_services() -> Result<()> {
    let story = Scenario::new("a large policy");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let receiver = Receiver::start().await?;
    let mut plan = Plan::new(&[("v1", v1.address()), ("v2", v2.address())])?;
    plan.receiver = Some(receiver.address());
    let mut rig = Rig::start(plan).await?;
    let split = json!({"salt": "s", "ranges": [{"from": 0, "to": 500_000, "version": "v2"}]});
    let mut large = policy(Some(receiver.address()), json!({"split": split}));
    let pattern = large.services.first().cloned().expect("one");
    large.services.extend((1..SERVICES).map(|number| {
        let mut service = pattern.clone();
        service.name = format!("shop/service-{number}").parse().expect("a name");
        service.hosts = vec![format!("service-{number}.test"), format!("*.service-{number}.test")];
        service
    }));
    story.given(format!("{SERVICES} services, {} bytes", serde_json::to_string(&large)?.len()));
    let generation = rig.push(&large).await?;
    live(&receiver, generation).await?;
    story.when("it is pushed again and again under load");
    let load = Load::new(rig.address).users(200).rate(150.0).start();
    for _ in 0..5 {
        let start = Instant::now();
        let generation = rig.push(&large).await?;
        live(&receiver, generation).await?;
        story.then(format!("all VMs run it after {:?}", start.elapsed()));
    }
    let tally = load.stop().await;
    assert_eq!((tally.failed(), tally.flips(0)), (0, 0), "{}", tally.summary());
    settled(&receiver, u64::try_from(tally.requests())?).await?;
    assert_eq!(sum(&receiver, |part| part.misrouted), 0);
    story.then("a report names only the services that were called");
    assert!(receiver.latest().values().all(|report| report.services.len() <= 1), "{:?}", receiver.latest());
    Ok(())
}
