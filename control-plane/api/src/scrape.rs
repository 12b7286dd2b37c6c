//! `/metrics` in Prometheus' text format: what the process counted, and what the shared values say at this moment.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use shunt_core::Phase;
use shunt_core::analysis::Outcome;
use shunt_core::instance::InstanceView;
use shunt_core::status::{RolloutStatus, VersionStatus};
use std::sync::atomic::AtomicU64;

use crate::app::{App, ProxyStatus};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PHASES: [Phase; 5] = [Phase::Healthy, Phase::Progressing, Phase::Paused, Phase::Degraded, Phase::Rejected];
const OUTCOMES: [Outcome; 6] =
    [Outcome::Pass, Outcome::Fail, Outcome::NeedMoreData, Outcome::Inconclusive, Outcome::SourceError, Outcome::NotApplicable];

type Ratio = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRollout {
    rollout: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPhase {
    rollout: String,
    phase: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfVersion {
    rollout: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfInstances {
    rollout: String,
    version: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfVerdict {
    rollout: String,
    metric: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProxies {
    state: String,
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let mut text = String::new();
    let now = now(&app);
    // Writing into a String cannot fail; an encoder that refuses would leave the text short of its end mark, which scrapers notice.
    let written = encode_registry(&mut text, app.metrics.registry()).and_then(|()| encode_registry(&mut text, &now));
    if written.and_then(|()| encode_eof(&mut text)).is_err() {
        tracing::error!("metrics could not be encoded");
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

fn now(app: &App) -> Registry {
    let mut registry = Registry::with_prefix("shunt");
    let generation = app.policy.borrow().generation;
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    gauge(&mut registry, "policy_generation", "Generation of the policy last published", generation);
    gauge(&mut registry, "policy_services", "Services in the policy last published", app.policy.borrow().services.len() as u64);
    gauge(&mut registry, "manifest_problems", "What is wrong with the manifests as they are now", app.problems.borrow().len() as u64);
    proxies(&mut registry, &app.proxies.borrow(), generation);
    let rollouts = RolloutSeries::register(&mut registry);
    let versions = VersionSeries::register(&mut registry);
    for now in app.rollouts.borrow().iter() {
        rollouts.fill(&now.view);
        for version in &now.view.versions {
            versions.fill(&now.view, version);
        }
    }
    registry
}

fn proxies(registry: &mut Registry, proxies: &[ProxyStatus], generation: u64) {
    let family = Family::<OfProxies, Gauge>::default();
    let count = |state: &str, is: &dyn Fn(&ProxyStatus) -> bool| {
        let number = proxies.iter().filter(|proxy| is(proxy)).count();
        family.get_or_create(&OfProxies { state: state.to_owned() }).set(i64::try_from(number).unwrap_or(i64::MAX));
    };
    count("connected", &|proxy| proxy.connected);
    count("expected", &|proxy| proxy.expected);
    count("silent", &|proxy| proxy.silent);
    count("behind", &|proxy| proxy.expected && proxy.generation.is_none_or(|reported| reported < generation));
    count("rejecting", &|proxy| !proxy.rejected.is_empty());
    registry.register("proxies", "Proxies by state; one may be in several", family);
}

struct RolloutSeries {
    phase: Family<OfPhase, Gauge>,
    revision: Family<OfRollout, Gauge>,
    step: Family<OfRollout, Gauge>,
    steps: Family<OfRollout, Gauge>,
    misrouted: Family<OfRollout, Counter>,
    verdict: Family<OfVerdict, Gauge>,
}

impl RolloutSeries {
    fn register(registry: &mut Registry) -> Self {
        let series = Self {
            phase: Family::default(),
            revision: Family::default(),
            step: Family::default(),
            steps: Family::default(),
            misrouted: Family::default(),
            verdict: Family::default(),
        };
        registry.register("rollout_phase", "1 for the phase that the Rollout is in", series.phase.clone());
        registry.register("rollout_revision", "Transitions recorded so far", series.revision.clone());
        registry.register("rollout_step", "Step that the run is at, from 1; 0 without a run", series.step.clone());
        registry.register("rollout_steps", "Steps of the run; 0 without a run", series.steps.clone());
        registry.register("rollout_misrouted", "Requests another version answered than was decided, or none", series.misrouted.clone());
        registry.register("verdict", "1 for the outcome of the metric at its last evaluation", series.verdict.clone());
        series
    }

    fn fill(&self, view: &RolloutStatus) {
        let rollout = view.id.to_string();
        let of = OfRollout { rollout: rollout.clone() };
        for phase in PHASES {
            let label = OfPhase { rollout: rollout.clone(), phase: format!("{phase:?}") };
            self.phase.get_or_create(&label).set(i64::from(view.phase == phase));
        }
        self.revision.get_or_create(&of).set(i64::try_from(view.revision).unwrap_or(i64::MAX));
        let (step, steps) = view.step.as_ref().map_or((0, 0), |step| (step.number, step.of));
        self.step.get_or_create(&of).set(i64::try_from(step).unwrap_or(i64::MAX));
        self.steps.get_or_create(&of).set(i64::try_from(steps).unwrap_or(i64::MAX));
        self.misrouted.get_or_create(&of).inc_by(view.misrouted);
        for verdict in &view.verdicts {
            for outcome in OUTCOMES {
                let metric = verdict.metric.clone();
                let label = OfVerdict { rollout: rollout.clone(), metric, outcome: outcome.as_str().to_owned() };
                self.verdict.get_or_create(&label).set(i64::from(verdict.outcome == outcome));
            }
        }
    }
}

struct VersionSeries {
    weight: Family<OfVersion, Ratio>,
    share: Family<OfVersion, Ratio>,
    requests: Family<OfVersion, Counter>,
    failures: Family<OfVersion, Counter>,
    open: Family<OfVersion, Gauge>,
    instances: Family<OfInstances, Gauge>,
    restarts: Family<OfVersion, Gauge>,
}

impl VersionSeries {
    fn register(registry: &mut Registry) -> Self {
        let series = Self {
            weight: Family::default(),
            share: Family::default(),
            requests: Family::default(),
            failures: Family::default(),
            open: Family::default(),
            instances: Family::default(),
            restarts: Family::default(),
        };
        registry.register("version_weight_ratio", "Share of keys that the version is given, 0 to 1", series.weight.clone());
        registry.register("version_share_ratio", "Measured share of requests in this epoch, 0 to 1", series.share.clone());
        registry.register("version_requests", "Ended requests, as far as the proxies reported", series.requests.clone());
        registry.register("version_failures", "Failed requests, as far as the proxies reported", series.failures.clone());
        registry.register("version_requests_open", "Requests in flight", series.open.clone());
        registry.register("version_instances", "Instances by state, where Shunt knows them", series.instances.clone());
        registry.register("version_instance_restarts", "Restarts of the instances that are there", series.restarts.clone());
        series
    }

    fn fill(&self, view: &RolloutStatus, version: &VersionStatus) {
        let of = OfVersion { rollout: view.id.to_string(), version: version.name.to_string() };
        self.weight.get_or_create(&of).set(f64::from(version.weight.points()) / f64::from(shunt_filter_core::weight::POINTS));
        if let Some(share) = version.share {
            self.share.get_or_create(&of).set(share / 100.0);
        }
        self.requests.get_or_create(&of).inc_by(version.requests);
        self.failures.get_or_create(&of).inc_by(version.failed);
        self.open.get_or_create(&of).set(i64::try_from(version.open).unwrap_or(i64::MAX));
        self.instances(&of, &version.instances);
    }

    /// Nothing for a version without instances of ours.
    fn instances(&self, of: &OfVersion, instances: &[InstanceView]) {
        if instances.is_empty() {
            return;
        }
        for one in instances {
            let label = OfInstances { rollout: of.rollout.clone(), version: of.version.clone(), state: one.state.to_string() };
            self.instances.get_or_create(&label).inc();
        }
        let restarts: i64 = instances.iter().map(|one| i64::from(one.restarts)).sum();
        self.restarts.get_or_create(of).set(restarts);
    }
}
