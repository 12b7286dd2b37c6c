//! What the control plane counts itself, from its `/metrics`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::ControlPlane;

const PASS: &str = "shunt_pass_seconds";

/// Samples by name and labels.
#[derive(Debug, Clone)]
pub(super) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    pub(super) async fn of(control: &ControlPlane) -> Result<Self> {
        let reply = control.get("/metrics").await?;
        ensure!(reply.status == 200, "/metrics: {} {}", reply.status, reply.text());
        Ok(Self::parse(&reply.text()))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .filter_map(|line| line.rsplit_once(' '))
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    /// What came since another moment.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self(self.0.iter().map(|(name, value)| (name.clone(), value - before.number(name))).collect())
    }

    fn number(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Policies published.
    pub(super) fn published(&self) -> f64 {
        self.number("shunt_policies_published_total")
    }

    /// Reports taken.
    pub(super) fn reports(&self) -> f64 {
        self.number("shunt_reports_taken_total")
    }

    /// Passes.
    pub(super) fn passes(&self) -> f64 {
        self.number(&format!("{PASS}_count"))
    }

    /// The time that this share of passes took at most, seconds: linear within the bucket, as Prometheus' `histogram_quantile`.
    pub(super) fn pass(&self, share: f64) -> Result<f64> {
        let bound = |name: &str| name.strip_prefix(PASS)?.strip_prefix("_bucket{le=\"")?.strip_suffix("\"}")?.parse::<f64>().ok();
        let mut buckets: Vec<(f64, f64)> = self.0.iter().filter_map(|(name, count)| Some((bound(name)?, *count))).collect();
        buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
        let (_, all) = *buckets.last().filter(|(_, all)| *all > 0.0).with_context(|| format!("no pass is counted in {PASS}"))?;
        let rank = share * all;
        let at = buckets.iter().position(|(_, count)| *count >= rank).context("counts of a histogram go down")?;
        let below = at.checked_sub(1).map_or((0.0, 0.0), |below| buckets[below]);
        let (bound, count) = buckets[at];
        let within = if count > below.1 { (rank - below.1) / (count - below.1) } else { 1.0 };
        Ok(if bound.is_finite() { below.0 + (bound - below.0) * within } else { below.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_within_its_bucket() {
        let text = |counts: [u32; 4]| {
            let [a, b, c, all] = counts;
            format!(
                "# TYPE shunt_pass_seconds histogram\nshunt_pass_seconds_count {all}\nshunt_pass_seconds_bucket{{le=\"0.001\"}} {a}\nshunt_pass_seconds_bucket{{le=\"0.01\"}} \
                 {b}\nshunt_pass_seconds_bucket{{le=\"0.1\"}} {c}\nshunt_pass_seconds_bucket{{le=\"+Inf\"}} {all}\n"
            )
        };
        let new = Scrape::parse(&text([60, 110, 110, 110])).since(&Scrape::parse(&text([10, 10, 10, 10])));
        assert!((new.passes() - 100.0).abs() < 1e-9);
        assert!((new.pass(0.5).unwrap() - 0.001).abs() < 1e-9);
        assert!((new.pass(0.75).unwrap() - 0.0055).abs() < 1e-9);
        assert!(new.since(&new).pass(0.5).is_err());
    }
}
