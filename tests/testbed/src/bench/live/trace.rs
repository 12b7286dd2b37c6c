//! The way of one abort through the control plane, read from its log.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::demo::stage::Stage;
use crate::until;

/// As many as the stage has.
const PROXIES: usize = 2;

/// When what happened, by the control plane's clock, which is this machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    /// The last report of each proxy that the decision could know; the first is that of `edge-1`.
    pub(super) reports: [SystemTime; PROXIES],
    /// The abort was recorded.
    pub(super) recorded: SystemTime,
    /// The policy without the bad version went out.
    pub(super) published: SystemTime,
    /// The last VM reported that it decides by it.
    pub(super) applied: SystemTime,
}

/// A line of the log: its time, and what follows it.
#[derive(Debug, Clone, Copy)]
struct Line<'l> {
    at: SystemTime,
    text: &'l str,
}

impl Trace {
    /// Of the abort after this revision. The error says which part of the way the log does not have (yet).
    pub(super) fn read(log: &str, revision: u64) -> Result<Self> {
        let lines: Vec<Line<'_>> = log.lines().filter_map(Line::parse).collect();
        let abort = |line: &Line<'_>| line.text.contains("; all keys back to ") && line.number("revision") > Some(revision);
        let at = lines.iter().position(abort).context("no abort in the log")?;
        let (before, after) = lines.split_at(at);
        let mut reports = [SystemTime::UNIX_EPOCH; PROXIES];
        for line in before.iter().filter(|line| line.is_report()) {
            let place = line.proxy().and_then(|proxy| reports.get_mut(proxy)).context("a report of a proxy that is not ours")?;
            *place = line.at;
        }
        let push = after.iter().find(|line| line.text.contains("published: ")).context("nothing published after the abort")?;
        let generation = push.number("generation").context("a publication without a generation")?;
        Ok(Self { reports, recorded: lines[at].at, published: push.at, applied: applied(before, after, generation)? })
    }
}

/// When the last of the VMs that reported before the abort reported this generation.
fn applied(before: &[Line<'_>], after: &[Line<'_>], generation: u64) -> Result<SystemTime> {
    let mut open: BTreeMap<(&str, &str), Option<SystemTime>> = BTreeMap::new();
    for line in before.iter().filter(|line| line.is_report()) {
        open.extend(line.vm().map(|vm| (vm, None)));
    }
    for line in after.iter().filter(|line| line.is_report() && line.number("generation") >= Some(generation)) {
        if let Some(first @ None) = line.vm().and_then(|vm| open.get_mut(&vm)) {
            *first = Some(line.at);
        }
    }
    let mut last = None;
    for ((node, vm), first) in &open {
        match first {
            Some(at) => last = last.max(Some(*at)),
            None => bail!("VM {vm} of {node} does not report generation {generation}"),
        }
    }
    last.context("no VM ever reported")
}

impl<'l> Line<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let (at, text) = line.split_once(' ')?;
        Some(Self { at: at.parse::<jiff::Timestamp>().ok()?.into(), text })
    }

    fn is_report(&self) -> bool {
        self.text.trim_start().starts_with("DEBUG a report ")
    }

    /// The value of a field; fields stand behind the message.
    fn field(&self, name: &str) -> Option<&'l str> {
        let (_, value) = self.text.rsplit_once(&format!(" {name}="))?;
        value.split(' ').next().map(|value| value.trim_matches('"'))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    fn vm(&self) -> Option<(&'l str, &'l str)> {
        self.field("node").zip(self.field("vm"))
    }

    fn proxy(&self) -> Option<usize> {
        self.field("node")?.strip_prefix("edge-")?.parse::<usize>().ok()?.checked_sub(1)
    }
}

/// Waits until the log has the whole way from the decision to the last VM.
pub(super) async fn until_applied(stage: &Stage, revision: u64) -> Result<Trace> {
    let read = || Trace::read(&stage.control.log(), revision);
    until("every VM to have the policy without the bad version", Duration::from_secs(30), || async { read().is_ok() }).await.or_else(
        |waited| match read() {
            Ok(_) => Ok(()),
            Err(missing) => Err(waited.context(missing)),
        },
    )?;
    read()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"2026-01-01T00:00:00.000000Z  INFO published: the policy changed generation=6 sequence=3
2026-01-01T00:00:01.000000Z DEBUG a report node="edge-1" vm="a" generation=6 sequence=4
2026-01-01T00:00:01.100000Z DEBUG a report node="edge-2" vm="b" generation=6 sequence=9
2026-01-01T00:00:01.101000Z  INFO errors: E = 300; all keys back to v1 rollout=shop/checkout revision=9
2026-01-01T00:00:01.103000Z  INFO published: the policy changed generation=7 sequence=4
2026-01-01T00:00:01.110000Z DEBUG a report node="edge-1" vm="a" generation=7 sequence=5
"#;

    fn time(text: &str) -> SystemTime {
        text.parse::<jiff::Timestamp>().expect("a time").into()
    }

    #[test]
    fn the_way_of_an_abort() {
        let whole = format!("{LOG}2026-01-01T00:00:01.120000Z DEBUG a report node=\"edge-2\" vm=\"b\" generation=7 sequence=10\n");
        let trace = Trace::read(&whole, 8).expect("a trace");
        let expected = Trace {
            reports: [time("2026-01-01T00:00:01Z"), time("2026-01-01T00:00:01.1Z")],
            recorded: time("2026-01-01T00:00:01.101Z"),
            published: time("2026-01-01T00:00:01.103Z"),
            applied: time("2026-01-01T00:00:01.12Z"),
        };
        assert_eq!(trace, expected);
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = |revision| Trace::read(LOG, revision).map_err(|error| error.to_string());
        assert_eq!(missing(8), Err("VM b of edge-2 does not report generation 7".to_owned()));
        assert_eq!(missing(9), Err("no abort in the log".to_owned()));
    }
}
