//! The counters as Envoy's own stats, for Prometheus and people. Requests cost them nothing: differences are added at each tick.

use std::collections::BTreeMap;

use shunt_filter_core::RolloutId;
use shunt_filter_core::metric::{Kind, Label, Metric};

use crate::host::Host;
use crate::tally::ServiceTally;

/// At most so many series; what comes later is only in the reports. Envoy never forgets one.
const SERIES_MAX: usize = 4_000;

/// The series defined so far in this VM.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    series: BTreeMap<Metric, Series>,
}

/// One series: Envoy's number for it, and how much it was told.
#[derive(Debug)]
struct Series {
    id: u32,
    told: u64,
}

impl Stats {
    /// Adds what a service counted since the last time.
    pub(crate) fn flush(&mut self, host: &dyn Host, service: &RolloutId, tally: &ServiceTally) {
        let service = (Label::Service, service.to_string());
        for (version, counters) in tally.versions() {
            let labels = [service.clone(), (Label::Version, version.to_string())];
            self.tell(host, Kind::Started, &labels, counters.started);
            for (class, count) in [
                ("succeeded", counters.succeeded),
                ("failed", counters.failed),
                ("abandoned", counters.abandoned),
                ("cancelled", counters.cancelled),
            ] {
                let [service, version] = labels.clone();
                self.tell(host, Kind::Ended, &[service, version, (Label::Class, class.to_owned())], count);
            }
        }
        tally.plain(|plain| {
            let alone = [service.clone()];
            self.tell(host, Kind::Keyless, &alone, plain.keyless);
            self.tell(host, Kind::Misrouted, &alone, plain.misrouted);
            self.tell(host, Kind::Unrouted, &alone, plain.unrouted);
            self.tell(host, Kind::NotServing, &alone, plain.not_serving);
            for (version, count) in &plain.mirrored {
                self.tell(host, Kind::Mirrored, &[service.clone(), (Label::Version, version.to_string())], *count);
            }
            for (rule, count) in &plain.rules {
                self.tell(host, Kind::Rule, &[service.clone(), (Label::Rule, rule.clone())], *count);
            }
        });
    }

    /// Brings one series to `count`. Series that are still zero are not made.
    fn tell(&mut self, host: &dyn Host, kind: Kind, labels: &[(Label, String)], count: u64) {
        if count == 0 {
            return;
        }
        let metric = Metric { kind, labels: labels.to_vec() };
        if !self.series.contains_key(&metric) {
            if self.series.len() >= SERIES_MAX {
                return;
            }
            let Some(id) = host.define_counter(&metric.to_string()) else { return };
            self.series.insert(metric.clone(), Series { id, told: 0 });
        }
        let Some(series) = self.series.get_mut(&metric) else { return };
        // A counter that was forgotten and came back starts from zero again.
        let more = if count >= series.told { count.saturating_sub(series.told) } else { count };
        if more > 0 && host.increment(series.id, more) {
            series.told = count;
        }
    }
}
