//! One Rollout as a tree: versions, analysis, delivery, proxies.

use jiff::tz::TimeZone;
use shunt_api::ProxyStatus;
use shunt_api::proxies::ProxyList;

use shunt_core::cause::example;
use shunt_core::instance::InstanceState;
use shunt_core::status::{DeliveryView, RolloutStatus, Verdict, VersionRole, VersionStatus};
use shunt_spec::{Span, Time};

use super::all::{frozen, share, window};
use super::{calls, contest, figures, proxies};
use crate::cli::paint::{Paint, tame};
use crate::cli::table::{Table, branches};
use crate::cli::text::{count, share_of, span, weight};

/// The whole tree.
pub(crate) fn tree(view: &RolloutStatus, all: &ProxyList, paint: Paint, now: Time, zone: &TimeZone) -> Vec<String> {
    let mut lines = head(view, paint, now, zone);
    if !view.versions.is_empty() {
        lines.push(paint.bold("Versions"));
        lines.extend(versions(view, paint, now));
    }
    section(&mut lines, paint.bold("Gates and hooks"), &calls::rows(&view.calls, paint, now));
    section(&mut lines, paint.bold("A/B test"), &contest::rows(&view.contest, &view.stable, paint));
    if !view.verdicts.is_empty() {
        section(&mut lines, paint.bold("Analysis"), &verdicts(&view.verdicts, paint));
    }
    let heading = if view.candidate.is_some() { "Steps so far" } else { "Last release, step by step" };
    section(&mut lines, paint.bold(heading), &figures::rows(&view.figures, paint));
    section(&mut lines, paint.bold("Delivery"), &delivery(view, paint, now));
    let concerned: Vec<&ProxyStatus> = all.proxies.iter().filter(|proxy| proxy.expected || proxy.connected).collect();
    let heading = format!("{} {}", paint.bold("Proxies"), paint.dim(&format!("policy generation {}", all.generation)));
    section(&mut lines, heading, &proxies::rows(&concerned, all.generation, paint, now));
    lines
}

/// What explains its decisions beyond the policy, for `--why`.
pub(crate) fn notes(view: &RolloutStatus, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    section(&mut lines, paint.bold("What failed, or was no usual answer"), &failures(view));
    section(&mut lines, paint.bold("Notes"), &view.notes.iter().map(|note| tame(note)).collect::<Vec<_>>());
    lines
}

/// A line per version with examples, the most frequent first.
fn failures(view: &RolloutStatus) -> Vec<String> {
    let told = view.versions.iter().filter(|version| !version.exemplars.is_empty());
    told.map(|version| {
        let examples: Vec<String> = version.exemplars.iter().map(|exemplar| tame(&example(exemplar))).collect();
        format!("{}: {}", version.name, examples.join(", "))
    })
    .collect()
}

fn section(lines: &mut Vec<String>, heading: String, leaves: &[String]) {
    if !leaves.is_empty() {
        lines.push(heading);
        lines.extend(branches(leaves));
    }
}

fn head(view: &RolloutStatus, paint: Paint, now: Time, zone: &TimeZone) -> Vec<String> {
    let mut title = format!("{}  {}", paint.bold(&view.id.to_string()), paint.phase(view.phase));
    if let Some(step) = &view.step {
        let since = span(now.since(step.since));
        title.push_str(&format!("  step {}/{} {} {}", step.number, step.of, paint.bold(&step.text), paint.dim(&format!("for {since}"))));
    }
    let mut facts = vec![format!("release {}", view.release), format!("stable {}", view.stable)];
    facts.extend(view.candidate.as_ref().map(|candidate| format!("candidate {candidate}")));
    facts.push(format!("attempt {}", view.attempt));
    facts.push(format!("revision {}", view.revision));
    let mut lines = vec![title, format!("  {}", tame(&view.message)), format!("  {}", paint.dim(&facts.join(" · ")))];
    lines.extend(frozen(std::slice::from_ref(view), paint).map(|line| format!("  {line}")));
    lines.extend(window(view, now, zone).map(|line| format!("  {line}")));
    // Before everything else: a low terminal shows the first lines only.
    lines.extend(view.warnings.iter().map(|warning| format!("{} {}", paint.attention("warning"), tame(warning))));
    lines
}

/// A line per version, and one per instance below it.
fn versions(view: &RolloutStatus, paint: Paint, now: Time) -> Vec<String> {
    let mut table = Table::bare(&[2, 3, 4, 6]);
    for version in &view.versions {
        table.row(version_row(version, paint));
    }
    let last = view.versions.len().saturating_sub(1);
    let rows = table.lines().into_iter().zip(&view.versions).enumerate();
    rows.flat_map(|(at, (line, version))| {
        let trunk = if at == last { "   " } else { "│  " };
        let mark = if at == last { "└─" } else { "├─" };
        let instances = branches(&instances(version, paint, now)).into_iter().map(move |leaf| format!("{trunk}{leaf}"));
        std::iter::once(format!("{mark} {line}")).chain(instances)
    })
    .collect()
}

fn instances(version: &VersionStatus, paint: Paint, now: Time) -> Vec<String> {
    let mut table = Table::bare(&[0]);
    for instance in &version.instances {
        let word = instance.state.to_string();
        let state = if instance.state == InstanceState::Ready { paint.good(&word) } else { paint.attention(&word) };
        let restarts = match instance.restarts {
            0 => String::new(),
            1 => "1 restart".to_owned(),
            many => format!("{} restarts", count(u64::from(many))),
        };
        // While it is not well, its trouble says so.
        let last = instance.last_exit.as_ref().filter(|_| instance.trouble.is_empty());
        let last = last.map(|exit| paint.dim(&format!("{} {} ago", tame(&exit.how), span(now.since(exit.at))))).unwrap_or_default();
        table.row([
            paint.dim(&instance.id.to_string()),
            instance.address.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{state} {}", paint.dim(&format!("for {}", span(now.since(instance.since))))),
            instance.pid.map(|pid| paint.dim(&format!("pid {pid}"))).unwrap_or_default(),
            [restarts, tame(&instance.trouble), last].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": "),
        ]);
    }
    table.lines()
}

fn version_row(version: &VersionStatus, paint: Paint) -> Vec<String> {
    let failed = format!("{} failed{}", count(version.failed), share_of(version.failed, version.requests));
    vec![
        version.name.to_string(),
        role(version.role, paint),
        format!("{} {}", weight(version.weight), paint.dim("asked")),
        format!("{} {}", share(version).unwrap_or_else(|| "nothing".to_owned()), paint.dim("measured")),
        format!("{} {}", count(version.requests), paint.dim(if version.requests == 1 { "request" } else { "requests" })),
        if version.failed > 0 { paint.attention(&failed) } else { failed },
        format!("{} {}", count(version.open), paint.dim("in flight")),
    ]
}

fn role(role: VersionRole, paint: Paint) -> String {
    let word = role.to_string();
    match role {
        VersionRole::Stable => paint.good(&word),
        VersionRole::Candidate => paint.busy(&word),
        VersionRole::Refused => paint.bad(&word),
        VersionRole::Previous | VersionRole::Leaving | VersionRole::Idle => paint.dim(&word),
    }
}

/// One line per metric: its sentence with all numbers, and its limit.
fn verdicts(verdicts: &[Verdict], paint: Paint) -> Vec<String> {
    let mut table = Table::bare(&[]);
    for verdict in verdicts {
        let name = format!("{}: ", verdict.metric);
        let sentence = verdict.message.strip_prefix(&name).unwrap_or(&verdict.message);
        let limit = if verdict.threshold.is_empty() { String::new() } else { paint.dim(&format!("(limit {})", verdict.threshold)) };
        table.row([verdict.metric.clone(), paint.outcome(verdict.outcome), format!("{} {limit}", tame(sentence))]);
    }
    table.lines()
}

fn delivery(view: &RolloutStatus, paint: Paint, now: Time) -> Vec<String> {
    let mut lines = vec![format!("policy  {}", come(&view.policy, paint, now)), format!("routes  {}", come(&view.routes, paint, now))];
    if view.misrouted > 0 {
        let text = format!("{} misrouted", count(view.misrouted));
        lines.push(format!("{}: requests that another version answered than was decided, or none", paint.attention(&text)));
    }
    lines
}

fn come(delivery: &DeliveryView, paint: Paint, now: Time) -> String {
    match delivery {
        DeliveryView::Live { since, proxies } => {
            let (number, noun) = (count(u64::from(*proxies)), if *proxies == 1 { "proxy" } else { "proxies" });
            format!("{} on {number} {noun} for {}", paint.good("live"), span(now.since(*since)))
        }
        DeliveryView::Waiting { behind } => format!("{} for {}", paint.busy("waiting"), nodes(behind)),
        DeliveryView::Rejected { node, error } => format!("{} by {}: {}", paint.bad("rejected"), tame(node), tame(error)),
        DeliveryView::Unknown { since } => {
            let age = Some(now.since(*since)).filter(|age| *age >= Span::seconds(1)).map(|age| format!(" for {}", span(age)));
            format!("{}{}: no proxy has reported, so nothing can be proved", paint.attention("unknown"), age.unwrap_or_default())
        }
        DeliveryView::External => format!("{}: not the control plane's", paint.dim("external")),
    }
}

/// The first few, and how many more.
fn nodes(nodes: &[String]) -> String {
    const SHOWN: usize = 5;
    let named = nodes.iter().take(SHOWN).map(|node| tame(node)).collect::<Vec<_>>().join(", ");
    match nodes.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{named} and {more} more"),
        _ => named,
    }
}
