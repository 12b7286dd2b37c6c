//! What a Rollout will do: its specification with defaults filled in and everything checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shunt_filter_core::matching::Match;
use shunt_filter_core::policy::{FlagValue, Goal, KeySource, Keyless};
use shunt_filter_core::{RolloutId, VersionName, Weight};

use crate::analysis::Metric;
use crate::analysis::measured::Measured;
use crate::call::{Action, CallKind, CallSpec};
use crate::event::EventKind;
use crate::time::Span;

/// A compiled Rollout: cannot contradict itself, defaults are filled in. Made by [`crate::manifest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Which Rollout.
    pub id: RolloutId,
    /// SHA-256 of the specification and the mesh policy it was compiled with, hex, first 16 characters.
    pub digest: String,
    /// Hosts, lower case, wildcards as `*.suffix`.
    pub hosts: Vec<String>,
    /// Port in the authority; none: any.
    pub port: Option<u16>,
    /// Whether the routes are ours.
    pub routing: Routing,
    /// All versions; never empty.
    pub versions: Vec<Version>,
    /// The version that should be stable; one of `versions`.
    pub release: VersionName,
    /// Key chain.
    pub key: Vec<KeySource>,
    /// What happens without a key.
    pub keyless: Keyless,
    /// Long-lived rules: the mesh policy's overrides first, then the Rollout's own.
    pub rules: Vec<PlannedRule>,
    /// Which strategy the steps came from.
    #[serde(default)]
    pub strategy: Strategy,
    /// What a release goes through before it is promoted.
    pub steps: Vec<Step>,
    /// What guards a release.
    pub analysis: AnalysisPlan,
    /// Largest share of keys on the candidate before the analysis has passed once.
    pub max_exposed: Weight,
    /// How long the old version stays warm after a promotion.
    pub keep_old: Span,
    /// How long a wait (proof, pass, readiness) may take before the run is paused with the reason.
    pub progress_deadline: Span,
    /// How long requests in flight may take to end before a version goes away.
    pub drain_deadline: Span,
    /// How long the proxies may answer the candidate's requests from stable (no healthy endpoint) before the release aborts.
    pub fallback_deadline: Span,
    /// How long an abort may keep requests on the candidate that stable cannot carry yet.
    #[serde(default)]
    pub abort_over: Span,
    /// Going back to a version that was stable at most this long ago needs no steps.
    #[serde(default)]
    pub rollback_window: Span,
    /// When a release may go forward; empty: always. Aborts and rollbacks always may.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// Asked all the while a run goes on; its yes ends the run.
    #[serde(default)]
    pub rollback_call: Option<CallSpec>,
    /// What is done after something happened; a release does not wait for it.
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// Who is told what happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<Notification>,
    /// Active health checks of endpoints, when wanted.
    pub health: Option<HealthCheck>,
    /// Longest time a request may take; none: Envoy's default of 15 s.
    pub timeout: Option<Span>,
    /// What upstreams speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// True when the manifest is gone: the Rollout is on its way out. Set by the platform, not by compiling.
    pub gone: bool,
    /// Where values came from that the Rollout does not set itself, for `explain`: field path -> source.
    pub sources: BTreeMap<String, String>,
}

impl Plan {
    /// The version of that name.
    pub fn version(&self, name: &VersionName) -> Option<&Version> {
        self.versions.iter().find(|v| v.name == *name)
    }
}

/// A strategy by its name; all of them are lists of steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// Old down, new up; requests are held meanwhile.
    Recreate,
    /// Batches of instances.
    RollingUpdate,
    /// All at once, the old one kept warm.
    BlueGreen,
    /// Steps as written, or the default ones.
    #[default]
    Canary,
    /// Arms compared by goals.
    AbTest,
    /// Copies, whose answers nobody sees.
    Shadow,
}

/// A time of the week in which a release may go forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Days, Monday = 1 to Sunday = 7; never empty.
    pub days: Vec<u8>,
    /// First minute of the day, 0 to 1439.
    pub from_minute: u16,
    /// One past the last minute, at most 1440; after `from_minute`.
    pub to_minute: u16,
    /// IANA time zone, for example `Europe/Vienna`.
    pub time_zone: String,
}

/// Something that is done after something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// When.
    pub on: HookPoint,
    /// What.
    pub call: CallSpec,
}

/// Somebody who is told what happens, at least once and in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// For people, unique in the Rollout.
    pub name: String,
    /// Who.
    pub to: Action,
    /// Of what; never empty.
    pub events: Vec<EventKind>,
    /// In which words.
    pub format: Format,
    /// How long one try may take.
    pub timeout: Span,
    /// Tried for so long after the event before it is given up.
    pub retry_for: Span,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// CloudEvents 1.0, structured: `application/cloudevents+json`.
    #[default]
    CloudEvents,
    /// CloudEvents 1.0, binary: attributes in headers `ce-...`, the data in the body.
    CloudEventsBinary,
    /// `{"text": "one sentence"}`, as Slack, Mattermost, Teams and Google Chat take it.
    Text,
}

/// After what a hook is called. (`beforeDeploy` and `beforeTraffic` are steps of their own: the release waits for them.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookPoint {
    /// The candidate is stable.
    AfterPromote,
    /// A run ended without promotion: aborted, failed, or rolled back.
    OnRollback,
    /// A release replaced a refused one, or one that could no longer go back.
    OnRollForward,
    /// A step was entered: for load tests.
    OnStep,
}

/// What upstreams speak. Callers may use HTTP/1.1 or HTTP/2 either way; gRPC needs HTTP/2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge, in clear text.
    Http2,
}

/// Whether routes, clusters and endpoints are ours to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    /// The control plane owns them.
    Managed,
    /// The user's own Envoy configuration; its default route names this version, always.
    External {
        /// `service.defaultRoute`.
        default_route: VersionName,
    },
    /// The versions are values of this feature flag, handed on in a header: there is nothing to route.
    Flag {
        /// Its key in `x-shunt-flags`.
        name: String,
        /// The version whose value an absent flag means, as those who read it have it built in: it never changes by a release.
        default: VersionName,
    },
}

/// One version and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its name.
    pub name: VersionName,
    /// Where its instances are.
    pub backend: Backend,
}

/// Where a version's instances are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// `host:port` each; an IP address, or a DNS name.
    Endpoints(Vec<String>),
    /// A cluster of the user's own Envoy (external routing).
    Cluster(String),
    /// Instances that Shunt starts and stops.
    Command(Box<CommandBackend>),
    /// Instances that register themselves.
    Registered(RegisteredBackend),
    /// A value of a feature flag.
    Value(FlagValue),
}

/// Instances that Shunt starts and stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandBackend {
    /// Program and arguments, no shell; never empty.
    pub command: Vec<String>,
    /// How many at full size; at least 1.
    pub instances: u32,
    /// Environment variable that carries the port the instance must listen on.
    pub port_env: String,
    /// Further environment variables.
    pub env: BTreeMap<String, String>,
    /// Working directory; none: the control plane's.
    pub work_dir: Option<String>,
    /// How the platform asks an instance whether it is ready; none: it accepts connections.
    pub probe: Option<Probe>,
    /// How long an instance must be ready before it counts.
    pub min_ready: Span,
    /// Between SIGTERM and SIGKILL.
    pub termination_grace: Span,
}

/// Instances that register themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredBackend {
    /// How many there must be before the version counts as ready; at least 1.
    pub instances: u32,
    /// A registration that is not renewed for this long ends.
    pub ttl: Span,
    /// How the platform asks an instance whether it is ready; none: registering says so.
    pub probe: Option<Probe>,
    /// How long an instance must be ready before it counts.
    pub min_ready: Span,
}

/// Readiness by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// HTTP path; 200 to 399 is ready.
    pub path: String,
    /// Headers to send.
    pub headers: BTreeMap<String, String>,
    /// Time between two probes.
    pub interval: Span,
    /// Time-out of one.
    pub timeout: Span,
    /// Successes in a row until ready.
    pub healthy_threshold: u32,
    /// Failures in a row until not ready.
    pub unhealthy_threshold: u32,
}

/// A rule with its version resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRule {
    /// Its name.
    pub name: String,
    /// Any of these; empty: every request.
    pub matches: Vec<Match>,
    /// Who answers; none: whoever has `role` (rules of steps, overrides of the mesh policy).
    pub version: Option<VersionName>,
    /// Who answers when `version` is none.
    #[serde(default)]
    pub role: Role,
    /// Share of the matching keys.
    pub weight: Weight,
}

/// A version by what it is at the moment, for rules that do not name one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The version being released; without a run the rule falls through.
    #[default]
    Candidate,
    /// Stable, whatever the split says.
    Stable,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Candidate => "candidate",
            Role::Stable => "stable",
        })
    }
}

/// One step of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// The candidate's share of keys.
    SetWeight(Weight),
    /// Wait; none: until somebody promotes.
    Pause(Option<Span>),
    /// A cohort gets the candidate until the run ends.
    Rule(PlannedRule),
    /// Copies go to the candidate until another mirror step or the end of the run; zero ends it.
    Mirror(MirrorStep),
    /// Wait this long and for a pass of the analysis.
    Analysis(Span),
    /// Another number of instances; done when they are ready, or gone.
    Scale(Scale),
    /// Requests are held by a direct response until the promotion; done when nothing is in flight.
    Hold,
    /// Several versions compared by goals.
    AbTest(Box<AbTestStep>),
    /// A fresh baseline and the candidate, of equal size and weight, compared with each other.
    Experiment(ExperimentStep),
    /// Ask or do something outside; done when it says so.
    Call(Box<CallSpec>),
    /// From here on there is no way back, only forward.
    PointOfNoReturn,
    /// The run ends here, without promotion and without fault.
    Conclude,
}

impl Step {
    /// Whether only a person ends it.
    pub fn waits_for_somebody(&self) -> bool {
        match self {
            Step::Pause(None) => true,
            Step::Call(call) => call.kind == CallKind::Gate && call.action == Action::Manual,
            Step::Pause(Some(_))
            | Step::SetWeight(_)
            | Step::Rule(_)
            | Step::Mirror(_)
            | Step::Analysis(_)
            | Step::Scale(_)
            | Step::Hold
            | Step::AbTest(_)
            | Step::Experiment(_)
            | Step::PointOfNoReturn
            | Step::Conclude => false,
        }
    }

    /// Whether it may send somebody to the candidate, or copies.
    pub fn exposes(&self) -> bool {
        match self {
            Step::SetWeight(weight) => *weight > Weight::ZERO,
            Step::Rule(_) | Step::Mirror(_) | Step::AbTest(_) | Step::Experiment(_) => true,
            Step::Pause(_) | Step::Analysis(_) | Step::Scale(_) | Step::Hold | Step::Call(_) | Step::PointOfNoReturn | Step::Conclude => {
                false
            }
        }
    }
}

/// How many instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// Whose.
    pub role: Role,
    /// Share of the version's full size; more than zero means at least one instance.
    pub share: Weight,
}

/// Several versions compared by goals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbTestStep {
    /// The candidate and any others; what they leave over is stable's, the control.
    pub arms: Vec<Arm>,
    /// Who takes part; empty: everybody.
    pub matches: Vec<Match>,
    /// What counts as success; the first decides, the others must not get worse. Never empty.
    pub goals: Vec<Goal>,
    /// At most this long; none: until there is a winner.
    pub duration: Option<Span>,
    /// True: a winner ends it before the duration is over.
    pub until_significant: bool,
    /// What happens with a winner.
    pub on_winner: OnWinner,
    /// Differences of fewer percentage points than this do not count, in parts per million of users.
    pub negligible: Weight,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// Who.
    pub version: VersionName,
    /// Share of the keys that take part.
    pub weight: Weight,
}

/// What happens with a winner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnWinner {
    /// Somebody promotes, or aborts.
    #[default]
    Ask,
    /// It goes on to the next step, when the winner is the release.
    Promote,
}

/// A fresh baseline and the candidate beside stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentStep {
    /// Share of keys of each of the two.
    pub weight: Weight,
    /// How long.
    pub duration: Span,
    /// Instances of each.
    pub instances: u32,
}

/// What a mirror step asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MirrorStep {
    /// Share of requests copied.
    pub weight: Weight,
    /// Any of these; empty: every request.
    pub matches: Vec<Match>,
    /// Also methods other than GET, HEAD, OPTIONS.
    pub unsafe_methods: bool,
    /// Longest body copied, bytes.
    pub max_body_bytes: u64,
}

/// What guards a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisPlan {
    /// What the proxies report themselves. Without `analysis:` errors are compared with stable; empty where only sources outside judge.
    pub metrics: Vec<Metric>,
    /// Metrics with a source outside; their verdicts follow those of `metrics`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Measured>,
}

/// Active health checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// HTTP path that answers 200 when healthy.
    pub path: String,
    /// Time between checks.
    pub interval: Span,
    /// Time-out of one check.
    pub timeout: Span,
    /// Failures until unhealthy.
    pub unhealthy_threshold: u32,
    /// Successes until healthy.
    pub healthy_threshold: u32,
}

/// As written in the manifest, on one line.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::SetWeight(weight) => write!(f, "setWeight {}", weight.as_percent()),
            Step::Pause(Some(span)) => write!(f, "pause {span}"),
            Step::Pause(None) => f.write_str("pause"),
            Step::Rule(rule) if rule.weight == Weight::ALL => write!(f, "rule {}", rule.name),
            Step::Rule(rule) => write!(f, "rule {} {}", rule.name, rule.weight.as_percent()),
            Step::Mirror(mirror) => write!(f, "mirror {}", mirror.weight.as_percent()),
            Step::Analysis(span) => write!(f, "analysis {span}"),
            Step::Scale(Scale { role, share }) => write!(f, "scale {role} to {share}"),
            Step::Hold => f.write_str("hold"),
            Step::AbTest(test) => write!(f, "abTest of {} arms", test.arms.len().saturating_add(1)),
            Step::Experiment(experiment) => write!(f, "experiment {} each", experiment.weight),
            Step::Call(call) => write!(f, "{} {}", call.kind, call.name),
            Step::PointOfNoReturn => f.write_str("pointOfNoReturn"),
            Step::Conclude => f.write_str("conclude"),
        }
    }
}
