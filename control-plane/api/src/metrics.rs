//! What the process counts itself, for `/metrics`.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the buckets for the time of a pass, seconds: fine enough to tell a percentile between 1 ms and 1 s.
const PASS_SECONDS: [f64; 19] =
    [0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0];

/// Counters that the process raises; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Time of one pass over all Rollouts, seconds.
    pub pass_seconds: Histogram,
    /// Time of one reconcile of one Rollout, seconds.
    pub reconcile_seconds: Histogram,
    /// Reconciles that failed (the store, a proxy's refusal is none).
    pub reconcile_failures: Counter,
    /// Transitions that led back to where a Rollout was, and were not recorded; each is a defect.
    pub transitions_prevented: Counter,
    /// Policies published.
    pub policies_published: Counter,
    /// Reports of filters taken.
    pub reports_taken: Counter,
    /// Reports turned away because too many waited.
    pub reports_refused: Counter,
    /// Reports that named a generation that was never published.
    pub reports_unpublished: Counter,
    /// Outbox messages (events, and hooks that follow them) that arrived.
    pub outbox_messages_delivered: Counter,
    /// Outbox messages that were given up.
    pub outbox_messages_given_up: Counter,
    /// Outbox messages on their way.
    pub outbox_messages_waiting: Gauge,
    registry: Arc<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            pass_seconds: Histogram::new(PASS_SECONDS),
            reconcile_seconds: Histogram::new([0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
            reconcile_failures: Counter::default(),
            transitions_prevented: Counter::default(),
            policies_published: Counter::default(),
            reports_taken: Counter::default(),
            reports_refused: Counter::default(),
            reports_unpublished: Counter::default(),
            outbox_messages_delivered: Counter::default(),
            outbox_messages_given_up: Counter::default(),
            outbox_messages_waiting: Gauge::default(),
            registry: Arc::default(),
        };
        let mut registry = Registry::with_prefix("shunt");
        registry.register("pass_seconds", "Time of one pass over all Rollouts", metrics.pass_seconds.clone());
        registry.register("reconcile_seconds", "Time of one reconcile of one Rollout", metrics.reconcile_seconds.clone());
        registry.register("reconcile_failures", "Reconciles that failed", metrics.reconcile_failures.clone());
        registry.register(
            "transitions_prevented",
            "Transitions that led back to where a Rollout was, and were not recorded",
            metrics.transitions_prevented.clone(),
        );
        registry.register("policies_published", "Policies published", metrics.policies_published.clone());
        registry.register("reports_taken", "Reports of filters taken", metrics.reports_taken.clone());
        registry.register("reports_refused", "Reports of filters turned away because too many waited", metrics.reports_refused.clone());
        registry.register(
            "reports_unpublished",
            "Reports of filters that named a generation that was never published: not believed",
            metrics.reports_unpublished.clone(),
        );
        registry.register("outbox_messages_delivered", "Events and hooks that arrived", metrics.outbox_messages_delivered.clone());
        registry.register(
            "outbox_messages_given_up",
            "Events and hooks whose receiver never took them",
            metrics.outbox_messages_given_up.clone(),
        );
        registry.register("outbox_messages_waiting", "Events and hooks on their way", metrics.outbox_messages_waiting.clone());
        metrics.registry = Arc::new(registry);
        metrics
    }
}

impl Metrics {
    /// For encoding.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}
