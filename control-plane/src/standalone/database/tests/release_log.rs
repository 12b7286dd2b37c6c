//! Who asked for a release stays known, also when the Rollout is gone.

use shunt_core::journal::ReleaseAsked;
use shunt_spec::Time;

use super::super::Database;
use super::{open, stored};

#[tokio::test]
async fn reasons_outlive_a_restart_and_the_rollout() {
    let (dir, database) = open();
    database.admit(stored()).await.unwrap();
    let id = "shop/checkout".parse().unwrap();
    let asked = |at: u64, version: &str, reason: &str| ReleaseAsked {
        at: Time(at),
        version: version.parse().unwrap(),
        by: "ada".to_owned(),
        reason: reason.to_owned(),
    };
    let all = [asked(5, "v2", "ticket 812"), asked(9, "v1", "")];
    for one in &all {
        database.auxiliary().log_release(&id, one.clone()).await.unwrap();
    }
    database.auxiliary().log_release(&"shop/cart".parse().unwrap(), asked(7, "v2", "another")).await.unwrap();
    database.close();
    let database = Database::open(dir.path()).unwrap();
    database.forget(&id).await.unwrap();
    assert_eq!(database.auxiliary().releases_of(&id).await.unwrap(), all);
}
