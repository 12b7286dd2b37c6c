//! `shunt doctor`: what is wrong with this proxy, and what helps.

mod proxy;

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use shunt_api::ProxyStatus;
use shunt_api::proxies::ProxyList;
use shunt_api::rollouts::RolloutList;
use shunt_core::status::{DeliveryView, RolloutStatus};
use shunt_spec::{Span, Time};

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::paint::{Paint, tame};
use super::text::{requests, span};

/// A clock that differs by more than this makes ages and windows of time wrong.
const CLOCK: Span = Span::seconds(5);

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
#[serde(rename_all = "camelCase")]
struct Report {
    proxies: Vec<Patient>,
    /// About the control plane, or this machine.
    findings: Vec<Finding>,
}

/// One proxy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Patient {
    node: String,
    findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    let known = || match &list.proxies[..] {
        [] => "No proxy is known yet.".to_owned(),
        known => format!("Known: {}", known.iter().map(|proxy| tame(&proxy.node)).collect::<Vec<_>>().join(", ")),
    };
    if let Some(node) = args.node.as_ref().filter(|node| !list.proxies.iter().any(|proxy| proxy.node == **node)) {
        anyhow::bail!("no proxy {node} ever connected or reported\n{}\n`shunt lint --envoy BOOTSTRAP` checks its configuration.", known());
    }
    let meant = list.proxies.iter().filter(|proxy| args.node.as_ref().is_none_or(|node| proxy.node == *node));
    let patient = |proxy: &ProxyStatus| Patient { node: proxy.node.clone(), findings: proxy::findings(proxy, &list, now) };
    let report = Report { proxies: meant.map(patient).collect(), findings: around(&list, &rollouts.rollouts, now) };
    console.show(&report, |console| lines(&report, console.paint))?;
    let well = report.findings.is_empty() && report.proxies.iter().all(|patient| patient.findings.is_empty());
    Ok(if well { Exit::Done } else { Exit::Wrong })
}

/// Which Rollouts are meant, while proxies say that requests were misrouted lately.
fn misrouted(list: &ProxyList, rollouts: &[RolloutStatus], now: Time) -> Vec<Finding> {
    if !list.proxies.iter().any(|proxy| proxy::misrouted_lately(proxy, now)) {
        return Vec::new();
    }
    let misrouted = rollouts.iter().filter(|view| view.misrouted > 0);
    let say = |view: &RolloutStatus| {
        finding(
            format!("another version than decided, or none, answered {} of {}", requests(view.misrouted), view.id),
            format!("is each of its versions served? `shunt get {}`", view.id),
        )
    };
    misrouted.map(say).collect()
}

/// What concerns all.
fn around(list: &ProxyList, rollouts: &[RolloutStatus], now: Time) -> Vec<Finding> {
    let mut found = Vec::new();
    if list.proxies.is_empty() {
        found.push(finding("no proxy is known", "start one: `shunt envoy-bootstrap --help`"));
    }
    found.extend(rollouts.iter().filter_map(rejected));
    found.extend(stand_still(rollouts));
    found.extend(misrouted(list, rollouts, now));
    let newest = list.proxies.iter().filter_map(|proxy| proxy.last_report).max();
    if let Some(ahead) = newest.map(|newest| newest.since(now)).filter(|ahead| *ahead > CLOCK) {
        found.push(finding(
            format!("this machine's clock is {} behind the control plane's", span(ahead)),
            "ages shown here are wrong: set the clock (NTP)",
        ));
    }
    found
}

/// A Rollout whose own clusters or routes a proxy refuses; all others go on.
fn rejected(view: &RolloutStatus) -> Option<Finding> {
    let rejected = view.rejected.as_ref()?;
    let what = format!("{} is rejected: {} refuses its {}: {}", view.id, tame(&rejected.node), rejected.kind, tame(&rejected.error));
    Some(finding(
        what,
        "what was accepted before stays in force. Change its manifest, and it is tried again; so it is when that proxy connects anew",
    ))
}

/// A proxy that refuses the policy holds up all Rollouts: it is said once.
fn stand_still(rollouts: &[RolloutStatus]) -> Vec<Finding> {
    let mut refusals: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for view in rollouts {
        if let DeliveryView::Rejected { node, error } = &view.policy {
            *refusals.entry((node, error)).or_default() += 1;
        }
    }
    let say = |((node, error), number): ((&str, &str), usize)| {
        let who = if number == 1 { "1 Rollout stands still".to_owned() } else { format!("{number} Rollouts stand still") };
        finding(format!("{who}: {} refuses the policy: {}", tame(node), tame(error)), format!("`shunt doctor {}`", tame(node)))
    };
    refusals.into_iter().map(say).collect()
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
