//! Reads maps and lists of a report with a bound on each, while they are read: a few bytes of a report must not become many in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::footprint::Footprint;
use crate::limits;
use crate::names::RolloutId;
use crate::report::ServiceReport;

/// Versions that one map of a report may name: those of the policy, and as many that left it with requests open.
pub(crate) const VERSIONS: usize = 2 * limits::VERSIONS;
/// Rules, likewise.
pub(crate) const RULES: usize = 2 * limits::RULES;
/// Goals, likewise.
pub(crate) const GOALS: usize = 2 * limits::GOALS;
/// Latency buckets: a newer filter may have more than this one.
pub(crate) const BUCKETS: usize = 64;
/// Services and flags, likewise.
const SERVICES: usize = 4 * limits::SERVICES;

/// A map of at most `MAX` entries.
pub(crate) fn map<'de, D, K, V, const MAX: usize>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    struct Map<K, V, const MAX: usize>(PhantomData<(K, V)>);

    impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, const MAX: usize> Visitor<'de> for Map<K, V, MAX> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a map of at most {MAX} entries")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(key) = entries.next_key()? {
                if map.len() >= MAX {
                    return Err(A::Error::invalid_length(MAX.saturating_add(1), &self));
                }
                map.insert(key, entries.next_value()?);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Map::<K, V, MAX>(PhantomData))
}

/// A list of at most `MAX` items.
pub(crate) fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() >= MAX {
                    return Err(A::Error::invalid_length(MAX.saturating_add(1), &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}

/// The services of a report: so many, and together no more memory than [`limits::REPORT_FOOTPRINT`].
pub(crate) fn services<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<RolloutId, ServiceReport>, D::Error> {
    struct Services;

    impl<'de> Visitor<'de> for Services {
        type Value = BTreeMap<RolloutId, ServiceReport>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {SERVICES} services that take no more than {} MiB", limits::REPORT_FOOTPRINT >> 20)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let (mut map, mut taken) = (BTreeMap::new(), 0_usize);
            while let Some((id, service)) = entries.next_entry::<RolloutId, ServiceReport>()? {
                taken = taken.saturating_add(service.footprint());
                if map.len() >= SERVICES || taken > limits::REPORT_FOOTPRINT {
                    return Err(A::Error::invalid_length(map.len().saturating_add(1), &self));
                }
                map.insert(id, service);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Services)
}

#[cfg(test)]
mod tests {
    use crate::footprint::Footprint;
    use crate::limits;
    use crate::report::{Cells, Report};
    use serde_json::{Value, json};
    use test_case::test_case;

    fn report(service: &Value) -> Result<Report, String> {
        let whole = json!({"node": "a", "vm": "b", "sequence": 1, "generation": 1, "services": {"shop/checkout": service}});
        serde_json::from_str(&whole.to_string()).map_err(|error| error.to_string())
    }

    fn map(entries: usize, value: &Value) -> Value {
        (0..entries).map(|n| (format!("n{n}"), value.clone())).collect::<serde_json::Map<_, _>>().into()
    }

    fn epoch(field: &str, value: &Value) -> Value {
        let mut epoch = json!({"epoch": 1, "versions": {}, "seen": "l", "failed": "l"});
        epoch[field] = value.clone();
        json!({ "epoch": epoch })
    }

    fn counters() -> Value {
        json!({"started": 1, "succeeded": 1, "failed": 0, "cancelled": 0})
    }

    #[test_case(|n| json!({"versions": map(n, &counters())}), 2 * limits::VERSIONS; "versions")]
    #[test_case(|n| json!({"mirrored": map(n, &json!(1))}), 2 * limits::VERSIONS; "mirrored")]
    #[test_case(|n| json!({"rules": map(n, &json!(1))}), 2 * limits::RULES; "rules")]
    #[test_case(|n| epoch("versions", &map(n, &counters())), 2 * limits::VERSIONS; "versions of the epoch")]
    #[test_case(|n| epoch("goals", &map(n, &json!("l00001"))), 2 * limits::GOALS; "goals")]
    fn each_map_is_bounded(service: fn(usize) -> Value, most: usize) {
        assert!(report(&service(most)).is_ok());
        let error = report(&service(most.saturating_add(1))).unwrap_err();
        assert!(error.contains(&format!("at most {most} entries")), "{error}");
    }

    #[test]
    fn buckets_are_bounded() {
        let latency =
            |buckets| json!({"versions": {"v1": {"started": 1, "succeeded": 1, "failed": 0, "cancelled": 0, "latency": vec![1; buckets]}}});
        assert!(report(&latency(super::BUCKETS)).is_ok());
        assert!(report(&latency(super::BUCKETS + 1)).unwrap_err().contains("at most 64 items"));
    }

    /// A set takes what its largest number asks for, never more.
    #[test]
    fn a_set_takes_no_more_memory_than_its_numbers_ask_for() {
        for (text, most) in [("l", 0), ("l00000", 8), ("l00063", 16), ("b01", 8), ("l1869f", 12_504)] {
            let set: Cells = text.parse().unwrap();
            assert!(set.held() <= most, "{text}: {}", set.held());
        }
    }

    #[test]
    fn what_all_services_take_together_is_bounded() {
        let goals: String = (0..32).map(|n| format!(r#""g{n}":"l1869f","#)).collect();
        let service = |n: usize| {
            format!(
                r#""shop/s{n}":{{"epoch":{{"epoch":1,"versions":{{}},"seen":"l","failed":"l","goals":{{{}}}}}}}"#,
                goals.trim_end_matches(',')
            )
        };
        let whole = |services: usize| {
            let services: Vec<String> = (0..services).map(service).collect();
            format!(r#"{{"node":"a","vm":"b","sequence":1,"generation":1,"services":{{{}}}}}"#, services.join(","))
        };
        let fits: Report = serde_json::from_str(&whole(100)).unwrap();
        let one = fits.footprint() / 100;
        assert!(one > 32 * 12_500 && one < 64 * 12_500, "{one}");
        assert!(serde_json::from_str::<Report>(&whole(limits::REPORT_FOOTPRINT / one + 2)).unwrap_err().to_string().contains("64 MiB"));
    }
}
