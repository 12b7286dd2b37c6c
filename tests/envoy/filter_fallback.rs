//! Fail to stable: whatever is wrong with the filter or its policy, requests are answered.

use anyhow::Result;
use hyper::Method;
use serde_json::{Value, json};
use shunt_testbed::until::until;
use shunt_testbed::{Load, LocalShop, Receiver, Scenario};

use crate::filter_rig::{Plan, Rig, SOON, counted, live, merge, policy, settled, sum, version};

fn half_to(version: &str) -> Value {
    json!({"salt": "s", "ranges": [{"from": 0, "to": 500_000, "version": version}]})
}

/// Two versions, an Envoy with reports, and a load that must not notice anything.
struct Stage {
    _v1: LocalShop,
    v2: LocalShop,
    receiver: Receiver,
    rig: Rig,
}

impl Stage {
    async fn new(change: impl FnOnce(&mut Plan)) -> Result<Self> {
        let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
        let receiver = Receiver::start().await?;
        let mut plan = Plan::new(&[("v1", v1.address()), ("v2", v2.address())])?;
        plan.receiver = Some(receiver.address());
        change(&mut plan);
        Ok(Self { rig: Rig::start(plan).await?, _v1: v1, v2, receiver })
    }

    fn load(&self) -> Load {
        Load::new(self.rig.address).users(200).rate(200.0)
    }

    /// Pushes and waits until every VM runs it.
    async fn live(&mut self, service: Value) -> Result<u64> {
        let generation = self.rig.push(&policy(Some(self.receiver.address()), service)).await?;
        live(&self.receiver, generation).await?;
        Ok(generation)
    }
}

#[tokio::test]
async fn without_a_policy_the_default_route_answers() -> Result<()> {
    let stage = Stage::new(|_| ()).await?;
    let tally = stage.load().run(300).await;
    assert_eq!((tally.failed(), tally.of_version("v1")), (0, tally.requests()), "{}", tally.summary());
    Ok(())
}

#[tokio::test]
async fn a_bad_policy_is_refused_and_the_old_one_stays() -> Result<()> {
    let story = Scenario::new("bad policies");
    let mut stage = Stage::new(|_| ()).await?;
    let good = stage.live(json!({"split": half_to("v2")})).await?;
    let load = stage.load().start();
    let mut unknown = serde_json::to_value(policy(None, json!({})))?;
    merge(&mut unknown, json!({"format": 999, "generation": 100}));
    let nowhere = json!({"format": 1, "generation": 101, "services": [{"name": "shop/checkout", "hosts": ["shop.test"], "stable": "v9", "versions": []}]});
    for (what, bytes) in [
        ("not JSON", "{".to_owned()),
        ("not a policy", "[]".to_owned()),
        ("an unknown format", unknown.to_string()),
        ("a stable version that it does not have", nowhere.to_string()),
    ] {
        let before = stage.rig.refused().await?;
        story.when(format!("{what} is pushed"));
        stage.rig.push_text(&bytes).await?;
        assert_eq!(stage.rig.refused().await?, before + 1, "{what}");
    }
    let mark = load.mark();
    until("200 more requests", SOON, || async { load.mark() >= mark + 200 }).await?;
    let after = load.tally_since(mark);
    let tally = load.stop().await;
    assert_eq!(tally.failed(), 0, "{}", tally.summary());
    assert_eq!(tally.flips(0), 0, "everybody kept their version");
    assert!(after.of_version("v2") > 50, "{}", after.summary());
    assert!(stage.receiver.latest().values().all(|report| report.generation == good), "{:?}", stage.receiver.latest());
    assert!(stage.rig.envoy.log().contains("the policy is refused, the old one stays"), "{}", stage.rig.envoy.log());
    story.then("the next good one is taken");
    stage.live(json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn an_empty_configuration_is_no_policy() -> Result<()> {
    let mut stage = Stage::new(|_| ()).await?;
    stage.live(json!({"split": {"salt": "s", "weights": {"v2": 100}}})).await?;
    let load = stage.load().start();
    until("v2 answers", SOON, || async { load.tally().of_version("v2") > 20 }).await?;
    stage.rig.push_text("").await?;
    until("only v1 answers", SOON, || async {
        let since = load.elapsed();
        let later = || load.tally().only(|shot| shot.at > since);
        let more = until("some more requests", SOON, || async { later().requests() >= 50 }).await;
        more.is_ok() && later().of_version("v2") == 0
    })
    .await?;
    let tally = load.stop().await;
    assert_eq!(tally.failed(), 0, "{}", tally.summary());
    Ok(())
}

#[tokio::test]
async fn a_version_that_is_not_serving_or_has_no_route_is_answered_by_stable() -> Result<()> {
    let story = Scenario::new("decided, but not there");
    let mut stage = Stage::new(|plan| plan.unrouted = vec!["v2"]).await?;
    story.given("half of the users get v2, which has no route");
    stage.live(json!({"split": half_to("v2")})).await?;
    let load = stage.load().start();
    until("misrouted grows", SOON, || async { sum(&stage.receiver, |part| part.misrouted) > 50 }).await?;
    story.when("v2 is marked as not serving");
    let mut absent = version("v2");
    merge(&mut absent, json!({"serving": false}));
    stage.live(json!({"split": half_to("v2"), "versions": [version("v1"), absent]})).await?;
    until("decisions say so", SOON, || async { sum(&stage.receiver, |part| part.not_serving) > 50 }).await?;
    let tally = load.stop().await;
    story.then("no user noticed");
    assert_eq!((tally.failed(), tally.of_version("v2"), stage.v2.counts().total), (0, 0, 0), "{}", tally.summary());
    settled(&stage.receiver, u64::try_from(tally.requests())?).await?;
    assert_eq!(
        counted(&stage.receiver, "v2").started,
        sum(&stage.receiver, |part| part.misrouted),
        "each request decided for v2 was answered by v1"
    );
    Ok(())
}

#[tokio::test]
async fn misrouted_requests_belong_to_neither_arm() -> Result<()> {
    let mut stage = Stage::new(|plan| plan.unrouted = vec!["v2"]).await?;
    stage.live(json!({"split": half_to("v2"), "analysis": true, "epoch": 1})).await?;
    let tally = stage.load().run(200).await;
    assert_eq!(tally.failed(), 0, "{}", tally.summary());
    let sent = u64::try_from(tally.requests())?;
    settled(&stage.receiver, sent).await?;
    let misrouted = sum(&stage.receiver, |part| part.misrouted);
    assert!(misrouted > 20, "{misrouted}");
    let arm = |name: &str| {
        let name = name.parse().expect("a name");
        let of = |part: &shunt_filter_core::report::ServiceReport| part.epoch.as_ref()?.versions.get(&name).cloned();
        crate::filter_rig::parts(&stage.receiver)
            .iter()
            .filter_map(of)
            .fold([0, 0, 0], |sum, one| [sum[0] + one.started, sum[1] + one.succeeded, sum[2] + one.uncounted])
    };
    assert_eq!(arm("v2"), [misrouted, 0, misrouted]);
    assert_eq!(arm("v1"), [sent - misrouted, sent - misrouted, 0]);
    Ok(())
}

#[tokio::test]
async fn oversized_and_odd_headers_are_no_reason_to_fail() -> Result<()> {
    let wide = json!({"max_request_headers_kb": 1024, "common_http_protocol_options": {"max_headers_count": 2000}});
    let mut stage = Stage::new(|plan| {
        plan.manager = wide.clone();
        plan.cluster = json!({"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }}});
    })
    .await?;
    let matches = json!([{"headers": {"x-large": {"suffix": "end"}}}, {"cookies": {"beta": {"exact": "1"}}}, {"query": {"q": {"contains": "needle"}}}]);
    stage.live(json!({"split": half_to("v2"), "rules": [{"name": "all-kinds", "match": matches, "split": half_to("v2")}]})).await?;
    // Smaller than what the sample shop takes (hyper: 16 KiB per HTTP/2 header list by default).
    let large = "x".repeat(12_000);
    let odd: [(&str, Vec<u8>); 6] = [
        ("x-large", format!("{large}end").into_bytes()),
        ("cookie", format!("shunt-id={large}").into_bytes()),
        ("cookie", b"shunt-id=\xff\xfe; beta".to_vec()),
        ("cookie", b"=;;; =; shunt-id".to_vec()),
        ("x-request-id", b"\x80\x81".to_vec()),
        ("user-agent", Vec::new()),
    ];
    for (name, value) in odd {
        let reply = stage.rig.client().request(Method::GET, "/?q=%zz&&=&q").header(name, &value).send().await?;
        assert_eq!(reply.status, 200, "{name}: {:?}", String::from_utf8_lossy(&value));
    }
    let mut many = stage.rig.client().request(Method::GET, "/");
    for number in 0..90 {
        many = many.header(&format!("x-many-{number}"), "1").header("cookie", format!("c{number}={number}"));
    }
    assert_eq!(many.send().await?.status, 200);
    settled(&stage.receiver, 7).await?;
    Ok(())
}

#[tokio::test]
async fn switching_the_filter_off_is_not_noticed() -> Result<()> {
    let story = Scenario::new("off and on");
    let mut stage = Stage::new(|_| ()).await?;
    stage.live(json!({"split": {"salt": "s", "weights": {"v2": 100}}})).await?;
    let load = stage.load().start();
    until("v2 answers", SOON, || async { load.tally().of_version("v2") > 50 }).await?;
    story.when("the filter is replaced by one that does nothing");
    stage.rig.switch_off().await?;
    let since = load.elapsed();
    let later = || load.tally().only(|shot| shot.at > since);
    // Workers take the change one after the other, milliseconds apart.
    until("v1 answers", SOON, || async { later().of_version("v1") > 100 }).await?;
    assert!(later().share("v1") > 80.0, "{}", later().summary());
    story.when("it comes back");
    stage.live(json!({"split": {"salt": "s", "weights": {"v2": 100}}})).await?;
    let since = load.elapsed();
    until("v2 answers again", SOON, || async { load.tally().only(|shot| shot.at > since).of_version("v2") > 50 }).await?;
    let tally = load.stop().await;
    assert_eq!(tally.failed(), 0, "{}", tally.summary());
    Ok(())
}

#[tokio::test]
async fn behind_an_aggregate_the_endpoint_says_who_answered() -> Result<()> {
    let story = Scenario::new("a candidate that falls back to stable in the proxy");
    story.given("v2's route leads to [v2, v1], whose endpoints carry their version");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let receiver = Receiver::start().await?;
    let mut plan = Plan::new(&[("v1", v1.address())])?;
    plan.receiver = Some(receiver.address());
    let member = |name: &str, address: Option<std::net::SocketAddr>| {
        let endpoint = address.map(|at| {
            let socket = json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}});
            json!({"endpoint": {"address": socket}, "metadata": {"filter_metadata": {"shunt": {"version": name}}}})
        });
        let endpoints: Vec<Value> = endpoint.into_iter().collect();
        let lb = json!({"healthy_panic_threshold": {"value": 0}});
        json!({"name": format!("member-{name}"), "type": "STATIC", "common_lb_config": lb,
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}})
    };
    let aggregate = |name: &str, members: [&str; 2]| {
        json!({"name": name, "lb_policy": "CLUSTER_PROVIDED", "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters": members}}})
    };
    plan.clusters = vec![
        member("v1", Some(v1.address())),
        member("v2", Some(v2.address())),
        member("empty", None),
        aggregate("alive", ["member-v2", "member-v1"]),
        aggregate("dead", ["member-empty", "member-v1"]),
    ];
    plan.routes = ["alive", "dead"].map(|name| json!({"match": {"path": format!("/{name}")}, "route": {"cluster": name}})).to_vec();
    let candidate = json!({"name": "v2", "clusters": ["alive", "dead"], "aggregate": true});
    let service = json!({"versions": [version("v1"), candidate], "split": {"salt": "s", "weights": {"v2": 100}}});
    let mut rig = Rig::start(plan).await?;
    let generation = rig.push(&policy(Some(receiver.address()), service)).await?;
    live(&receiver, generation).await?;
    let ask = |path: &str| rig.client().request(Method::GET, path).header("cookie", "shunt-id=a").send();
    assert_eq!(ask("/alive").await?.version().as_deref(), Some("v2"));
    settled(&receiver, 1).await?;
    assert_eq!(sum(&receiver, |part| part.misrouted), 0);
    story.when("v2 has no endpoint");
    assert_eq!(ask("/dead").await?.version().as_deref(), Some("v1"));
    settled(&receiver, 2).await?;
    story.then("v1's answer is misrouted");
    assert_eq!((sum(&receiver, |part| part.misrouted), sum(&receiver, |part| part.unrouted)), (1, 0));
    Ok(())
}
