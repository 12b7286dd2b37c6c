//! Bad candidates, each in its own way, judged by what is compared without `analysis:`.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use hyper::Method;
use indicatif::ProgressBar;

use super::table::{End, Row};
use super::trace::until_applied;
use super::{LONGEST, USERS};
use crate::demo::stage::{FILE, HOST, ROLLOUT, Stage};
use crate::demo::strategy::version;
use crate::tally::Shot;
use crate::{ControlPlane, Load, Tally, until};

/// Requests per second, over both proxies.
pub(super) const RATE: f64 = 80.0;
/// Latency is not judged before.
const WARM_UP: Duration = Duration::from_secs(10);
/// Stable is known by then: how long its requests take.
const BEFORE: usize = 400;

/// A version to be refused, or to be kept.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: &'static str,
    /// How its process differs from stable's.
    fault: &'static [&'static str],
    clients: Clients,
    /// How a bad answer of it is told from a good one.
    bad: Bad,
    pub(super) goal: Goal,
}

/// What clients send, and how long they wait.
#[derive(Debug, Clone, Copy)]
enum Clients {
    /// GET, for ten seconds.
    Usual,
    /// Three in ten are POST.
    Posting,
    /// gRPC.
    Grpc,
    /// GET, for so many seconds.
    Waiting(u64),
}

/// How a bad answer is told from a good one.
#[derive(Debug, Clone, Copy)]
enum Bad {
    /// The shop marks it.
    Marked,
    /// Every answer of the candidate is.
    All,
    /// There is none: only the candidate does not answer.
    Missing,
}

/// What must come out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// Refused.
    Refused,
    /// Refused so many seconds after the first request to it.
    Within(f64),
    /// Refused with at most so many bad answers after the warm-up.
    Slow(usize),
    /// Promoted.
    Kept,
}

const fn refused(name: &'static str, fault: &'static [&'static str], clients: Clients) -> Candidate {
    Candidate { name, fault, clients, bad: Bad::Marked, goal: Goal::Refused }
}

/// All of them.
pub(super) const CANDIDATES: [Candidate; 13] = [
    Candidate { name: "slow", fault: &["--delay-ms", "80"], clients: Clients::Usual, bad: Bad::All, goal: Goal::Slow(25) },
    refused("404", &["--error-percent", "100", "--error-status", "404"], Clients::Usual),
    refused("401", &["--error-percent", "100", "--error-status", "401"], Clients::Usual),
    refused("302", &["--error-percent", "100", "--error-status", "302"], Clients::Usual),
    refused("empty", &["--empty-percent", "100"], Clients::Usual),
    refused("grpc-not-found", &["--error-percent", "100", "--error-grpc", "5"], Clients::Grpc),
    refused("grpc-internal", &["--error-percent", "100", "--error-grpc", "13"], Clients::Grpc),
    refused("post-only", &["--error-percent", "100", "--error-method", "POST"], Clients::Posting),
    refused("one-group", &["--error-percent", "100", "--error-cookie", "7"], Clients::Usual),
    refused("leak", &["--error-percent", "20", "--error-ramp-seconds", "180"], Clients::Usual),
    hanging("hang-3s", Clients::Waiting(3)),
    hanging("hang-30s", Clients::Waiting(30)),
    Candidate { name: "equal-default", fault: &[], clients: Clients::Usual, bad: Bad::Marked, goal: Goal::Kept },
];

const fn hanging(name: &'static str, clients: Clients) -> Candidate {
    Candidate { name, fault: &["--hang-percent", "100"], clients, bad: Bad::Missing, goal: Goal::Within(5.0) }
}

impl Clients {
    fn load(self, load: Load) -> Load {
        let load = load.zipf();
        match self {
            Clients::Usual => load,
            Clients::Posting => load.mixed_with(Method::POST, 0.3),
            Clients::Grpc => {
                let grpc = load.ask(Method::POST, "/shop.Checkout/Get").header("content-type", "application/grpc");
                grpc.header("te", "trailers").body(vec![0; 5])
            }
            Clients::Waiting(seconds) => load.timeout(Duration::from_secs(seconds)),
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Clients::Grpc => "http2",
            Clients::Usual | Clients::Posting | Clients::Waiting(_) => "http1",
        }
    }
}

impl Candidate {
    fn manifest(&self) -> Result<String> {
        let versions = [version("v1", 1, &[])?, version("v2", 1, self.fault)?].concat();
        let protocol = self.clients.protocol();
        let steps = match self.goal {
            Goal::Kept => "{setWeight: 5}, {pause: {duration: 30s}}, {setWeight: 25}, {pause: {duration: 30s}}",
            Goal::Refused | Goal::Within(_) | Goal::Slow(_) => "{setWeight: 5}, {pause: {duration: 10m}}",
        };
        Ok(format!(
            "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  \
             service: {{hosts: [{HOST}], protocol: {protocol}}}\n  versions:\n{versions}  release: v1\n  key: [{{cookie: shunt-id}}]\n  \
             strategy: {{canary: {{steps: [{steps}]}}}}\n"
        ))
    }

    fn is_bad(&self, shot: &Shot) -> bool {
        let own = shot.version.as_deref() == Some("v2");
        match self.bad {
            Bad::Marked => own && shot.injected,
            Bad::All => own,
            Bad::Missing => shot.version.is_none(),
        }
    }
}

/// One release of it, from no user on it to no user on it.
pub(super) async fn release(candidate: &'static Candidate) -> Result<Row> {
    let bar = ProgressBar::new_spinner().with_message(candidate.name);
    bar.enable_steady_tick(Duration::from_millis(200));
    let control = ControlPlane::start_logging(&[(FILE, &candidate.manifest()?)], "info,shunt=debug").await?;
    let mut stage = Stage::before(control).await?.crowd(USERS);
    let began = SystemTime::now();
    stage.start_load_as(RATE, |load| candidate.clients.load(load));
    let start = stage.mark();
    until("stable to have answered a while", LONGEST, || async { stage.tally_since(&start).requests() >= BEFORE }).await?;
    let revision = stage.view().await?["revision"].as_u64().unwrap_or_default();
    stage.control.cli_ok(&["release", ROLLOUT, "v2"]).await?;
    let over = |view: &serde_json::Value| {
        let ended = view["phase"] == "Degraded" || (view["phase"] == "Healthy" && view["stable"] == "v2");
        view["revision"].as_u64() > Some(revision) && ended
    };
    let view = stage.control.until_rollout("the release is over", ROLLOUT, LONGEST * 2, over).await?;
    let end =
        if view["phase"] == "Degraded" { End::Refused { at: until_applied(&stage, revision).await?.recorded } } else { End::Promoted };
    let all = stage.stop_load().await;
    bar.finish_and_clear();
    if !matches!(candidate.bad, Bad::Missing) {
        ensure!(all.failed() == 0, "requests failed that were not failed on purpose: {}", all.summary());
    }
    Ok(row(candidate, end, began, &all, view["message"].as_str().unwrap_or_default()))
}

fn row(candidate: &Candidate, end: End, began: SystemTime, all: &Tally, message: &str) -> Row {
    let bad = all.only(|shot| candidate.is_bad(shot));
    let met = all.only(|shot| candidate.is_bad(shot) || shot.version.as_deref() == Some("v2"));
    let first = met.shots().first().map(|shot| shot.at).unwrap_or_default();
    let seconds = match end {
        End::Refused { at } => at.duration_since(began + first).unwrap_or_default(),
        End::Promoted => met.span(),
    };
    Row {
        name: candidate.name,
        goal: candidate.goal,
        refused: matches!(end, End::Refused { .. }),
        seconds: seconds.as_secs_f64(),
        bad: bad.requests(),
        later: bad.only(|shot| shot.at >= first + WARM_UP).requests(),
        message: message.to_owned(),
    }
}
