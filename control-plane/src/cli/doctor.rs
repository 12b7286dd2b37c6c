//! `shunt doctor`: what is wrong with this proxy, and what helps.

use clap::Args;
use serde::Serialize;
use shunt_api::ProxyView;
use shunt_api::proxies::ProxyList;
use shunt_api::rollouts::RolloutList;
use shunt_core::observation::Delivery;
use shunt_core::status::RolloutView;
use shunt_core::{Span, Time};

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::paint::{Paint, tame};
use super::text::{count, span};

/// A clock that differs by more than this makes ages and windows of time wrong.
const CLOCK: Span = Span::seconds(5);

/// A proxy that is behind for longer is not just slow.
const SLOW: Span = Span::seconds(10);

const EXAMPLES: &str = "Exit code 0: nothing is wrong; 1: something is (each finding says what helps).

Examples:
  shunt doctor                all proxies
  shunt doctor edge-1
  shunt doctor -o json | jq '.proxies[] | select(.findings != [])'";

/// Which proxy.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Its node id, as `shunt proxies` shows it [default: all]
    #[arg(value_name = "NODE")]
    node: Option<String>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    proxies: Vec<Patient>,
    /// About the control plane, or this machine.
    findings: Vec<Finding>,
}

/// One proxy.
#[derive(Debug, Serialize)]
struct Patient {
    node: String,
    findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What is seen.
    what: String,
    /// What helps.
    remedy: String,
}

fn finding(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { what: what.into(), remedy: remedy.into() }
}

/// `shunt doctor`
pub(crate) async fn run(args: &DoctorArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let list: ProxyList = client.get(&["proxies"]).await?;
    let rollouts: RolloutList = client.get(&["rollouts"]).await?;
    let now = console.now();
    let known = || list.proxies.iter().map(|proxy| tame(&proxy.node)).collect::<Vec<_>>().join(", ");
    if let Some(node) = args.node.as_ref().filter(|node| !list.proxies.iter().any(|proxy| proxy.node == **node)) {
        anyhow::bail!(
            "no proxy {node} ever connected or reported\nKnown: {}\n`shunt lint --envoy BOOTSTRAP` checks its configuration.",
            known()
        );
    }
    let meant = list.proxies.iter().filter(|proxy| args.node.as_ref().is_none_or(|node| proxy.node == *node));
    let patient = |proxy: &ProxyView| Patient { node: proxy.node.clone(), findings: look(proxy, list.generation, now) };
    let report = Report { proxies: meant.map(patient).collect(), findings: around(&list, &rollouts.rollouts, now) };
    console.show(&report, |console| lines(&report, console.paint))?;
    let well = report.findings.is_empty() && report.proxies.iter().all(|patient| patient.findings.is_empty());
    Ok(if well { Exit::Done } else { Exit::Wrong })
}

/// What is wrong with one proxy, the cause before its consequences.
fn look(proxy: &ProxyView, published: u64, now: Time) -> Vec<Finding> {
    let mut found = Vec::new();
    if !proxy.connected {
        found.push(finding(
            "it has no connection for configuration (xDS)",
            "is Envoy up, and does its cluster shunt-xds reach the control plane? While it is gone it keeps what it has. Gone for good: `shunt forget NODE`",
        ));
    }
    for rejection in &proxy.rejected {
        found.push(finding(
            format!("it refused {}: {}", rejection.kind, tame(&rejection.error)),
            match rejection.kind.as_str() {
                "extensions" => "it keeps its last policy. \"Unable to create Wasm plugin\" means that the module did not start: is its file (`--module`) that of this control plane? Envoy's own log has the reason",
                _ => "it keeps what it had. Envoy's own log says more; two listeners at one address, or a feature that this Envoy lacks, are the usual causes",
            },
        ));
    }
    found.extend(reporting(proxy, published, now));
    found
}

/// What its reports say, or that there are none.
fn reporting(proxy: &ProxyView, published: u64, now: Time) -> Option<Finding> {
    let since = proxy.last_report.map(|last| now.since(last));
    match (since, proxy.generation) {
        (None, _) if published == 0 => None,
        (None, _) | (_, None) => Some(finding(
            "it never reported, so nothing is proved with it",
            "is the filter in its listener, and does its cluster shunt-api reach the control plane's API? `shunt lint --envoy BOOTSTRAP` says",
        )),
        (Some(age), _) if proxy.silent => Some(finding(
            format!("its last report is {} old", span(age)),
            if proxy.connected {
                "configuration still reaches it, reports do not come back: look at its cluster shunt-api, and at the logs for wasm"
            } else {
                "it is down, or cut off from the control plane"
            },
        )),
        (Some(_), Some(generation)) if proxy.vms == 0 => Some(finding(
            format!("no filter VM lives (generation {generation})"),
            "its listener has no Shunt filter any more, or Envoy is stopping",
        )),
        (Some(age), Some(generation)) if generation < published && age < SLOW && proxy.rejected.is_empty() && proxy.connected => {
            Some(finding(
                format!("its slowest worker runs generation {generation}, published is {published}"),
                "just pushed: look again in a few seconds. If it stays: a worker is blocked or its VM is dead; the control plane pushes once more by itself to replace it, else restart this Envoy",
            ))
        }
        (Some(_), Some(_)) => None,
    }
}

/// Requests that another version answered than was decided; reports do not say at which proxy.
fn astray(rollouts: &[RolloutView]) -> Vec<Finding> {
    let astray = rollouts.iter().filter(|view| view.misrouted > 0);
    let say = |view: &RolloutView| {
        finding(
            format!("{} requests of {} were answered by another version than decided, or by none", count(view.misrouted), view.id),
            "a route without x-shunt-route wins, a version has no route or no healthy endpoint: `shunt lint --envoy BOOTSTRAP`, `shunt get NAME`",
        )
    };
    astray.map(say).collect()
}

/// What concerns all.
fn around(list: &ProxyList, rollouts: &[RolloutView], now: Time) -> Vec<Finding> {
    let mut found = Vec::new();
    if list.proxies.is_empty() {
        found.push(finding("no proxy is known", "start one: `shunt envoy-bootstrap --help`"));
    }
    let waits = rollouts.iter().filter_map(|view| match &view.policy {
        Delivery::Rejected { node, error } => Some((view, node, error)),
        Delivery::Live { .. } | Delivery::Waiting { .. } | Delivery::Unknown { .. } => None,
    });
    found.extend(waits.map(|(view, node, error)| {
        finding(format!("{} stands still: {} refuses it: {}", view.id, tame(node), tame(error)), format!("`shunt doctor {}`", tame(node)))
    }));
    found.extend(astray(rollouts));
    let newest = list.proxies.iter().filter_map(|proxy| proxy.last_report).max();
    if let Some(ahead) = newest.map(|newest| newest.since(now)).filter(|ahead| *ahead > CLOCK) {
        found.push(finding(
            format!("this machine's clock is {} behind the control plane's", span(ahead)),
            "ages shown here are wrong: set the clock (NTP)",
        ));
    }
    found
}

fn lines(report: &Report, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for patient in &report.proxies {
        let node = paint.bold(&tame(&patient.node));
        if patient.findings.is_empty() {
            lines.push(format!("{node} {}", paint.good("well")));
            continue;
        }
        lines.push(node);
        lines.extend(patient.findings.iter().flat_map(|finding| told(finding, paint)));
    }
    if !report.findings.is_empty() {
        lines.push(paint.bold("everywhere"));
        lines.extend(report.findings.iter().flat_map(|finding| told(finding, paint)));
    }
    lines
}

fn told(finding: &Finding, paint: Paint) -> [String; 2] {
    [format!("  {} {}", paint.bad("✗"), finding.what), format!("    {}", paint.dim(&finding.remedy))]
}
