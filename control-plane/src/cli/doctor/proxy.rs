//! What is wrong with one proxy.

use shunt_api::ProxyStatus;
use shunt_api::proxies::ProxyList;
use shunt_spec::{Span, Time};

use super::{Finding, finding};
use crate::cli::paint::tame;
use crate::cli::text::{count, requests, span};

/// Misrouted requests of longer ago are history.
const MISROUTED_LATELY: Span = Span::seconds(3_600);

/// What is wrong with one proxy, the cause before its consequences.
pub(super) fn findings(proxy: &ProxyStatus, list: &ProxyList, now: Time) -> Vec<Finding> {
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
    found.extend(claims(proxy, list.generation));
    found.extend(proxy.refused.as_deref().map(refused));
    found.extend(reporting(proxy, list.generation, now));
    found.extend(workers(proxy, now));
    found.extend(module(proxy, &list.version));
    found.extend(misrouted(proxy, now));
    found
}

/// Whether it runs what this control plane never published.
fn claims(proxy: &ProxyStatus, published: u64) -> Option<Finding> {
    proxy.claimed.map(|claimed| {
        finding(
            format!("it says that it runs generation {claimed}, and the newest that this control plane ever published is {published}: its reports are not believed"),
            "if other proxies say so too, the state was lost or restored from an older backup: `shunt recover` goes on above what they run. If only this one does, its policy comes from another control plane, or its certificate is in wrong hands",
        )
    })
}

/// Why its reports are turned away.
fn refused(why: &str) -> Finding {
    finding(
        format!("its reports are refused: {}", tame(why)),
        "nothing is proved with it meanwhile. A filter of Shunt's writes nothing of the kind while there is room: fewer services or workers per proxy take less; if it is no filter that posts, its certificate is in wrong hands",
    )
}

/// What its reports say, or that there are none.
fn reporting(proxy: &ProxyStatus, published: u64, now: Time) -> Option<Finding> {
    let since = proxy.last_report.map(|last| now.since(last));
    match (since, proxy.generation) {
        (None, _) if published == 0 || proxy.claimed.is_some() => None,
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
        (Some(_), Some(generation)) if generation < published && proxy.rejected.is_empty() && proxy.connected => Some(finding(
            format!(
                "its slowest worker runs generation {generation}, {} behind the published {published}",
                count(published.saturating_sub(generation))
            ),
            "just pushed: look again in a few seconds. If it stays: a worker is blocked or its VM is dead; the control plane pushes once more by itself to replace it, else restart this Envoy",
        )),
        (Some(_), Some(_)) => None,
    }
}

/// Filter VMs, one for each worker and one more: which of them do not report any more.
fn workers(proxy: &ProxyStatus, now: Time) -> Option<Finding> {
    let (lost, dead) = (u64::from(proxy.lost_vms), u64::from(proxy.dead_vms));
    if proxy.silent || (lost == 0 && dead == 0) {
        return None;
    }
    let vms = |number: u64| if number == 1 { "1 filter VM".to_owned() } else { format!("{} filter VMs", count(number)) };
    let panicked = "its VM panicked: then what was in flight in that worker got 503, and later requests take the default route until a push replaces it";
    Some(if lost > 0 {
        finding(
            format!("{} went silent without a last word while others report", vms(lost)),
            format!(
                "a worker is blocked, or {panicked}. The control plane pushes by itself for that, at once and then less and less often; if this stays, look for wasm and watchdog in Envoy's log, and restart it"
            ),
        )
    } else {
        let last = proxy.last_report.map_or_else(String::new, |last| format!(", last report {} ago", span(now.since(last))));
        finding(
            format!("{} died in the last minutes and was replaced{last}", vms(dead)),
            format!("nothing to do now. Probably {panicked}. That is a defect of the filter: Envoy's log has its words"),
        )
    })
}

/// A module on the proxy's disk is not replaced with the control plane.
fn module(proxy: &ProxyStatus, version: &str) -> Option<Finding> {
    let others: Vec<String> = proxy.modules.iter().filter(|module| *module != version).map(|module| tame(module)).collect();
    (!others.is_empty() && !version.is_empty()).then(|| {
        finding(
            format!("its filter is version {}, the control plane is {version}", others.join(", ")),
            "the module in `--module` (or in your own Envoy's configuration) is of another release: put shunt_filter.wasm of the control plane's release there. A filter that does not know the policy's format keeps its old policy",
        )
    })
}

/// Whether another version answered than was decided, or none, not long ago.
pub(super) fn misrouted_lately(proxy: &ProxyStatus, now: Time) -> bool {
    proxy.last_misrouted.is_some_and(|at| now.since(at) < MISROUTED_LATELY)
}

fn misrouted(proxy: &ProxyStatus, now: Time) -> Vec<Finding> {
    let Some(at) = proxy.last_misrouted.filter(|_| misrouted_lately(proxy, now)) else { return Vec::new() };
    let mut found = Vec::new();
    let since = format!("since it started, the last {} ago", span(now.since(at)));
    if proxy.misrouted > 0 {
        found.push(finding(
            format!("{} misrouted (another version answered than was decided) {since}", requests(proxy.misrouted)),
            "a route without x-shunt-route wins over Shunt's, or an endpoint belongs to two versions: `shunt lint --envoy BOOTSTRAP`",
        ));
    }
    if proxy.unrouted > 0 {
        found.push(finding(
            format!("{} unrouted (no cluster was chosen) {since}", requests(proxy.unrouted)),
            "a direct response or redirect answers at this host, or a route names a cluster that is not there: `shunt lint --envoy BOOTSTRAP`",
        ));
    }
    found
}
