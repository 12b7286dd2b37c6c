//! Copies under load on a real Envoy: a candidate that stalls, or is dead, costs users nothing.

use anyhow::Result;
use hyper::Method;
use shunt_filter_core::names::shadow_cluster;
use shunt_testbed::{Fault, Load, LocalShop, RunningLoad, Scenario, Tally, until};

use crate::control_rig::{ROLLOUT, RUN, Rig, STEP, live};

/// Everything is copied, bodies of the largest size that is copied too. What judges the copies never says no.
const SPEC: &str = "strategy: {shadow: {weight: 100, unsafeMethods: true, maxBody: 64KiB, duration: 1h, then: stop}}
  analysis: {metrics: [{name: copies, interval: 1s, web: {url: 'http://SOURCE/admin/counts', jsonPath: '$.total'}, min: 0}]}";
const BODY: usize = 64 * 1024;

/// Requests of each kind that are looked at in each state of the candidate.
const MANY: usize = 1_000;

/// Without and with a body.
struct Users([RunningLoad; 2]);

impl Users {
    /// A copy lives for 15 s at most: a user who waited for one that stalls would fail by the load's own limit, 10 s.
    fn start(rig: &Rig) -> Self {
        let load = || Load::new(rig.address).users(500);
        Self([load().rate(200.0).start(), load().rate(100.0).ask(Method::POST, "/").body(vec![b'.'; BODY]).start()])
    }

    /// Many more requests from now on, all of which v1 answered.
    async fn more(&self, story: &Scenario, what: &str) -> Result<()> {
        let marks = self.0.each_ref().map(|load| (load, load.mark(), load.elapsed()));
        let sent = || Tally::of_all(marks.map(|(load, mark, since)| load.tally_since(mark).only(|shot| shot.at > since)));
        until(format!("many requests while {what}"), RUN, || async { sent().requests() >= 2 * MANY }).await?;
        let sent = sent();
        story.then(format!("{what}: {}", sent.summary()));
        assert_eq!((sent.failed(), sent.of_version("v1"), sent.skipped()), (0, sent.requests(), 0), "{what}: {}", sent.summary());
        Ok(())
    }

    async fn stop(self) -> Tally {
        let [without, with] = self.0;
        Tally::of_all([without.stop().await, with.stop().await])
    }
}

/// One statistic of the cluster of copies.
async fn statistic(rig: &Rig, name: &str) -> Result<u64> {
    let cluster = shadow_cluster(&ROLLOUT.parse()?, &"v2".parse()?);
    rig.envoy.stat(&format!("cluster.{cluster}.{name}")).await
}

/// Copies arrive and are answered.
async fn answered(rig: &Rig) -> Result<()> {
    let before = statistic(rig, "upstream_rq_200").await.unwrap_or(0);
    until("copies are answered", RUN, || async { statistic(rig, "upstream_rq_200").await.is_ok_and(|now| now > before + 100) }).await
}

#[tokio::test]
async fn a_candidate_that_stalls_or_is_dead_costs_users_nothing() -> Result<()> {
    let story = Scenario::new("a bad shadow under load");
    let source = LocalShop::start("source").await?;
    let mut rig = Rig::start(2, &SPEC.replace("SOURCE", &source.address().to_string())).await?;
    let users = Users::start(&rig);
    rig.release("v2")?;
    rig.until("copies are asked for", STEP, |view| view["step"]["number"] == 2 && live(view)).await?;
    answered(&rig).await?;
    users.more(&story, "v2 answers copies").await?;

    rig.shops[1].fault(Fault { hang_percent: 100.0, ..Fault::default() });
    until("copies pile up", STEP, || async { statistic(&rig, "upstream_rq_pending_overflow").await.is_ok_and(|more| more > 0) }).await?;
    users.more(&story, "v2 answers nothing").await?;
    assert!(rig.shops[1].counts().open > 0, "{:?}", rig.shops[1].counts());

    rig.shops[1].fault(Fault::default());
    answered(&rig).await?;
    story.then("copies are answered again when v2 has recovered");

    rig.shops[1].stop().await;
    until("copies find no v2", STEP, || async { statistic(&rig, "upstream_cx_connect_fail").await.is_ok_and(|fails| fails > 0) }).await?;
    users.more(&story, "v2 is dead").await?;

    let all = users.stop().await;
    assert_eq!((all.failed(), all.of_version("v2")), (0, 0), "{}", all.summary());
    Ok(())
}
