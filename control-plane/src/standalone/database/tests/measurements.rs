//! Limits of metrics from outside survive a restart.

use shunt_core::analysis::external_metrics::{History, Measurement, Scope};
use shunt_spec::Time;
use shunt_spec::plan::external_metrics::Reading;

use super::super::Database;
use super::{open, stored};
use crate::platform::MeasurementKey;

fn key(attempt: u64, step: Option<usize>) -> MeasurementKey {
    MeasurementKey {
        rollout: "shop/checkout".parse().unwrap(),
        scope: Scope { attempt, step },
        metric: "errors".to_owned(),
        digest: "0123".to_owned(),
    }
}

fn history(readings: &[Reading]) -> History {
    let mut history = History::new(Time(5));
    for reading in readings {
        let value = "0.5".to_owned();
        history.take(Measurement { at: Time(9), epoch: 3, reading: reading.clone(), value, baseline: String::new() });
    }
    history
}

#[tokio::test]
async fn measurements_survive_until_another_attempt() {
    let (dir, database) = open();
    database.admit(stored()).await.unwrap();
    let bad = history(&[Reading::Success, Reading::Failure, Reading::Error("no answer".to_owned())]);
    database.auxiliary().keep_measurements(key(1, None), history(&[])).await.unwrap();
    database.auxiliary().keep_measurements(key(1, None), bad.clone()).await.unwrap();
    database.auxiliary().keep_measurements(key(1, Some(2)), history(&[Reading::NoData])).await.unwrap();
    database.auxiliary().keep_measurements(key(2, None), history(&[])).await.unwrap();
    database.close();
    let database = Database::open(dir.path()).unwrap();
    let kept = database.auxiliary().measurements().await.unwrap();
    assert_eq!(kept.len(), 3);
    assert!(kept.contains(&(key(1, None), bad)), "{kept:?}");
    assert!(kept.contains(&(key(1, Some(2)), history(&[Reading::NoData]))), "{kept:?}");
    database.auxiliary().forget_measurements(&key(2, None).rollout, 2).await.unwrap();
    assert_eq!(database.auxiliary().measurements().await.unwrap(), [(key(2, None), history(&[]))]);
    database.forget(&key(2, None).rollout).await.unwrap();
    assert_eq!(database.auxiliary().measurements().await.unwrap(), [], "they go with their Rollout");
}
