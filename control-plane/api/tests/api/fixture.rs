//! A served API with the process's ends of its channels.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use shunt_api::{Access, App, ControlRequest, Memory, Metrics, Peer, Post, ProxyStatus, Rejection, RolloutNow, router};
use shunt_core::analysis::{Outcome, Verdict};
use shunt_core::merge::merge;
use shunt_core::observation::{Delivery, Misrouting, Observation, VersionSeen};
use shunt_core::ranges::reshape;
use shunt_core::state::{Installation, Run, Stage};
use shunt_core::status::view;
use shunt_core::{State, desired};
use shunt_filter_core::{RoutingPolicy, VersionName, Weight};
use shunt_spec::manifest::{ManifestError, parse};
use shunt_spec::{Context, Plan, Time};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

pub(crate) const NOW: Time = Time(1_795_255_215_000);

/// Reports that may wait.
pub(crate) const QUEUE: usize = 2;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) http: Client,
    pub(crate) rollouts: watch::Sender<Arc<Vec<Arc<RolloutNow>>>>,
    pub(crate) policy: watch::Sender<Arc<RoutingPolicy>>,
    pub(crate) problems: watch::Sender<Arc<Vec<ManifestError>>>,
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) notices: watch::Sender<Arc<Vec<shunt_api::Notice>>>,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) requests: mpsc::Receiver<ControlRequest>,
    pub(crate) reports: mpsc::Receiver<Post>,
}

impl Server {
    /// With `shop/checkout` (v2 gets 5 %) and `shop/cart` (at rest), one of them in the policy.
    pub(crate) async fn start() -> Self {
        Self::start_with(Access::open(), Peer::local()).await
    }

    /// With this access, for this peer.
    pub(crate) async fn start_with(access: Access, peer: Peer) -> Self {
        Self::start_within(Memory::default(), access, peer).await
    }

    /// With so much memory for reports.
    pub(crate) async fn start_within(memory: Memory, access: Access, peer: Peer) -> Self {
        let all = vec![Arc::new(cart()), Arc::new(checkout(1))];
        let wanted: Vec<_> = all.iter().map(|now| desired(&now.plan, &now.state)).collect();
        let (rollouts, see_rollouts) = watch::channel(Arc::new(all));
        let (policy, see_policy) = watch::channel(Arc::new(merge(41, None, wanted)));
        let (_, see_proxies) = watch::channel(Arc::new(proxies()));
        let (problems, see_problems) = watch::channel(Arc::default());
        let (ready, see_ready) = watch::channel(false);
        let (notices, see_notices) = watch::channel(Arc::default());
        let (stopping, see_stopping) = watch::channel(false);
        let (sender, requests) = mpsc::channel(4);
        let (report, reports) = mpsc::channel(QUEUE);
        let app = App {
            rollouts: see_rollouts,
            policy: see_policy,
            proxies: see_proxies,
            problems: see_problems,
            reads: sender.clone(),
            requests: sender,
            reports: report,
            freeze: watch::channel(shunt_core::observation::Freeze::Off).1,
            ready: see_ready,
            notices: see_notices,
            stopping: see_stopping,
            access,
            memory,
            metrics: Metrics::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(app).layer(axum::Extension(peer))).await });
        let http = Client::builder().no_proxy().build().unwrap();
        Self { address, http, rollouts, policy, problems, ready, notices, stopping, requests, reports }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = self.http.request(method, self.url(path));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }
}

/// The status and body of a problem; it must be one by its content type.
pub(crate) async fn problem(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let text = response.text().await.unwrap();
    assert_eq!(kind, "application/problem+json", "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["status"], status);
    (status, body)
}

fn plan(yaml: &str) -> Plan {
    let documents = parse("shop.yaml", yaml).unwrap();
    documents[0].compile(&Context::default()).unwrap()
}

pub(crate) fn observation(plan: &Plan) -> Observation {
    let seen = |total, failed, in_epoch| VersionSeen { open: 1, in_epoch, total, failed, ..VersionSeen::default() };
    let counts = [seen(950, 1, 95), seen(50, 5, 5)];
    Observation {
        now: NOW,
        policy: Delivery::Waiting { behind: vec!["edge-2".to_owned()] },
        everywhere: Delivery::Waiting { behind: vec!["edge-2".to_owned()] },
        routes: Delivery::Live { since: Time(NOW.0 - 60_000), proxies: 2 },
        misrouting: Misrouting::Quiet { since: Time(NOW.0 - 10_000) },
        misrouted: 3,
        versions: plan.versions.iter().map(|version| version.name.clone()).zip(counts).collect::<BTreeMap<_, _>>(),
        verdicts: vec![verdict()],
        ..Observation::unknown(NOW)
    }
}

fn verdict() -> Verdict {
    Verdict {
        metric: "errors".to_owned(),
        outcome: Outcome::NeedMoreData,
        value: "5/50 (10.0 %)".to_owned(),
        baseline: "1/950 (0.1 %)".to_owned(),
        samples: 50,
        threshold: "E >= 400".to_owned(),
        message: "50 of 100 samples".to_owned(),
    }
}

/// At rest: nothing to decide.
pub(crate) fn cart() -> RolloutNow {
    let plan = plan(CART);
    let state = served(&plan);
    let view = view(&plan, &state, &observation(&plan));
    RolloutNow { view, plan, state }
}

/// In its first step of a release: 5 % of the keys go to v2.
pub(crate) fn checkout(revision: u64) -> RolloutNow {
    let before = plan(CHECKOUT);
    let candidate: VersionName = "v2".parse().unwrap();
    let weight = Weight::percent(5.0).unwrap();
    let run = Run {
        candidate: candidate.clone(),
        started: NOW,
        ranges: reshape(&[], &[(candidate.clone(), weight)]),
        weight,
        stage: Stage::Holding { step: 0 },
        since: NOW,
        paused: None,
        passed: None,
        regardless: None,
        returning: false,
        warmed: shunt_core::state::Warmed::Cold,
        held: None,
        sizes: shunt_core::state::Sizes::default(),
        baseline: None,
        arms: std::collections::BTreeSet::new(),
        first_step: 0,
        forward_from: None,
    };
    let state = State { revision, attempt: 1, run: Some(run), ..served(&before) };
    let plan = Plan { release: candidate, ..before };
    let view = view(&plan, &state, &observation(&plan));
    RolloutNow { view, plan, state }
}

/// Everything in place.
fn served(plan: &Plan) -> State {
    let mut state = State::initial(plan);
    state.installed.values_mut().for_each(|installed| installed.stage = Installation::Serving);
    state
}

fn proxies() -> Vec<ProxyStatus> {
    let proxy = |node: &str, generation| ProxyStatus {
        node: node.to_owned(),
        connected: true,
        expected: true,
        generation: Some(generation),
        vms: 3,
        last_report: Some(NOW),
        ..ProxyStatus::default()
    };
    let refused = Rejection { kind: "extensions".to_owned(), error: "Unable to create Wasm plugin shunt".to_owned() };
    vec![proxy("edge-1", 41), ProxyStatus { rejected: vec![refused], ..proxy("edge-2", 40) }]
}

const CART: &str = r#"
apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: cart, namespace: shop}
spec:
  service: {hosts: [cart.test]}
  versions: [{name: v7, endpoints: ["127.0.0.1:9007"]}]
  release: v7
"#;

const CHECKOUT: &str = r#"
apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  versions:
    - {name: v1, endpoints: ["127.0.0.1:9001"]}
    - {name: v2, endpoints: ["127.0.0.1:9002"]}
  release: v1
  key: [{cookie: shunt-id, generate: {maxAge: 30d}}]
  strategy: {canary: {steps: [{setWeight: 5}, {pause: {duration: 10m}}]}}
"#;
