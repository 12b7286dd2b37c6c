//! Proxies: one row each.

use shunt_api::ProxyStatus;
use shunt_api::proxies::ProxyList;
use shunt_spec::Time;

use crate::cli::paint::{Paint, tame};
use crate::cli::table::Table;
use crate::cli::text::span;

/// The table of `shunt proxies`.
pub(crate) fn table(list: &ProxyList, paint: Paint, now: Time) -> Vec<String> {
    if list.proxies.is_empty() {
        return vec!["No proxies: `shunt envoy-bootstrap --help` shows how to connect one.".to_owned()];
    }
    let mut table = Table::new(paint, &["PROXY", "GENERATION", "VMS", "REPORT", "STATE"], &[1, 2]);
    list.proxies.iter().for_each(|proxy| table.row(cells(proxy, list.generation, paint, now)));
    let mut lines = table.lines();
    lines.push(paint.dim(&format!("policy generation {}", list.generation)));
    lines
}

/// Rows without a heading.
pub(crate) fn rows(proxies: &[&ProxyStatus], published: u64, paint: Paint, now: Time) -> Vec<String> {
    let mut table = Table::bare(&[2]);
    for proxy in proxies {
        let [node, generation, vms, report, state] = cells(proxy, published, paint, now);
        table.row([
            node,
            paint.dim("generation"),
            generation,
            if vms == "1" { "1 VM".to_owned() } else { format!("{vms} VMs") },
            report,
            state,
        ]);
    }
    table.lines()
}

fn cells(proxy: &ProxyStatus, published: u64, paint: Paint, now: Time) -> [String; 5] {
    let generation = match proxy.generation {
        Some(generation) if generation >= published => paint.good(&generation.to_string()),
        Some(generation) => paint.attention(&generation.to_string()),
        None => "-".to_owned(),
    };
    let report = proxy.last_report.map_or_else(|| "never reported".to_owned(), |last| format!("{} ago", span(now.since(last))));
    [tame(&proxy.node), generation, proxy.vms.to_string(), report, state(proxy, paint)]
}

fn state(proxy: &ProxyStatus, paint: Paint) -> String {
    let mut parts = Vec::new();
    parts.push(if proxy.connected { paint.good("connected") } else { paint.attention("not connected") });
    if proxy.silent {
        parts.push(paint.attention("silent"));
    }
    match proxy.lost_vms {
        0 => {}
        1 => parts.push(paint.attention("1 VM lost")),
        many => parts.push(paint.attention(&format!("{many} VMs lost"))),
    }
    if !proxy.expected {
        parts.push(paint.dim("not expected"));
    }
    parts.extend(proxy.refused.as_deref().map(|why| format!("{}: {}", paint.bad("reports refused"), tame(why))));
    parts.extend(
        proxy.claimed.map(|claimed| format!("{}: claims generation {claimed}, which was never published", paint.bad("not believed"))),
    );
    parts.extend(proxy.rejected.iter().map(|rejection| format!("{} {}: {}", paint.bad("refused"), rejection.kind, tame(&rejection.error))));
    parts.join(", ")
}
