//! What is missing is not deleted: empty folders and files, removals that last, deletions that are asked for, Rollouts that return.

use shunt_core::advance;
use shunt_core::observation::{Delivery, Observation};
use shunt_core::state::Retiring;
use test_case::test_case;

use super::*;

const ONE_SECOND: u64 = 1_000;

/// The folder as it is at this second.
async fn scan(on: &mut On, second: u64) {
    let now = files::Folder::new(on.config.folder.clone()).scan(&on.config.files.borrow());
    on.config.files = watch::channel(now).1;
    on.refresh(Time(second * ONE_SECOND)).await.unwrap();
}

fn gone(on: &On, name: &str) -> bool {
    on.read(&id(name)).is_none_or(|stored| stored.plan.gone)
}

async fn two() -> (Bed, On) {
    let bed = Bed::new();
    bed.write("a.yaml", &manifest("a", "a.test", "v1"));
    bed.write("b.yaml", &manifest("b", "b.test", "v1"));
    let on = bed.open().await.unwrap();
    (bed, on)
}

#[tokio::test]
async fn a_removed_manifest_is_gone_when_that_lasts() {
    let (bed, mut on) = two().await;
    std::fs::remove_file(bed.config().join("a.yaml")).unwrap();
    scan(&mut on, 100).await;
    assert!(!gone(&on, "a"));
    assert_eq!(on.config.missing(&id("a")).unwrap(), "its manifest is missing: the Rollout ends when that has lasted 10s");
    assert!(!on.config.is_due(Time(109 * ONE_SECOND)));
    scan(&mut on, 110).await;
    assert!(gone(&on, "a") && !gone(&on, "b"));
    assert_eq!((on.config.missing(&id("a")), on.config.notice()), (None, None));
}

#[tokio::test]
async fn a_manifest_that_comes_back_in_time_was_never_gone() {
    let (bed, mut on) = two().await;
    let text = std::fs::read_to_string(bed.config().join("a.yaml")).unwrap();
    std::fs::remove_file(bed.config().join("a.yaml")).unwrap();
    scan(&mut on, 100).await;
    bed.write("a.yaml", &text);
    scan(&mut on, 105).await;
    assert!(!gone(&on, "a") && on.config.missing(&id("a")).is_none() && !on.config.is_due(Time(200 * ONE_SECOND)));
}

#[derive(Debug, Clone, Copy)]
enum Lost {
    Folder,
    Files,
    Texts,
    ABlankLine,
}

/// A bind mount over the folder, `rm` of all files, `: > file.yaml`.
#[test_case(Lost::Folder; "the folder itself")]
#[test_case(Lost::Files; "all files")]
#[test_case(Lost::Texts; "all texts")]
#[test_case(Lost::ABlankLine; "all but a blank line")]
#[tokio::test]
async fn a_folder_that_says_nothing_deletes_nothing(lost: Lost) {
    let (bed, mut on) = two().await;
    let aside = bed.dir.path().join("aside");
    match lost {
        Lost::Folder => std::fs::rename(bed.config(), &aside).unwrap(),
        Lost::Files => ["a.yaml", "b.yaml"].iter().for_each(|file| std::fs::remove_file(bed.config().join(file)).unwrap()),
        Lost::Texts => ["a.yaml", "b.yaml"].iter().for_each(|file| bed.write(file, "")),
        Lost::ABlankLine => ["a.yaml", "b.yaml"].iter().for_each(|file| bed.write(file, "\n")),
    }
    for second in [100, 110, 1_000] {
        scan(&mut on, second).await;
        assert!(!gone(&on, "a") && !gone(&on, "b"), "{lost:?} at {second}");
    }
    match lost {
        Lost::Folder | Lost::Files => assert!(on.config.notice().unwrap().contains("stays in force"), "{:?}", on.config.notice()),
        Lost::Texts | Lost::ABlankLine => assert!(on.config.problems()[0].message.contains("it is empty"), "{:?}", on.config.problems()),
    }
    let digest = on.read(&id("a")).unwrap().plan.digest.clone();
    on.close();

    // The same for a process that starts in that folder.
    let mut on = bed.open().await.unwrap();
    scan(&mut on, 2_000).await;
    assert!(!gone(&on, "a") && !gone(&on, "b"), "{lost:?}");
    if let Lost::Folder = lost {
        std::fs::rename(&aside, bed.config()).unwrap();
    }
    bed.write("a.yaml", &manifest("a", "a.test", "v1"));
    bed.write("b.yaml", &manifest("b", "b.test", "v1"));
    scan(&mut on, 2_100).await;
    assert_eq!((on.config.notice(), on.config.problems().len()), (None, 0));
    assert_eq!(on.read(&id("a")).unwrap().plan.digest, digest);
}

#[tokio::test]
async fn one_empty_file_among_others_is_unreadable() {
    let (bed, mut on) = two().await;
    bed.write("a.yaml", "");
    scan(&mut on, 100).await;
    scan(&mut on, 200).await;
    assert!(!gone(&on, "a") && on.config.missing(&id("a")).is_none());
    assert_eq!(on.config.problems()[0].to_string(), "a.yaml:1:1: cannot be read: it is empty; what it said before stays in force");
}

#[tokio::test]
async fn the_mesh_policy_of_a_missing_file_stays_in_force_as_long() {
    let (bed, mut on) = two().await;
    bed.write("mesh.yaml", "apiVersion: shunt.dev/v1alpha1\nkind: MeshPolicy\nmetadata: {name: mesh}\nspec: {limits: {minKeepOld: 5m}}\n");
    scan(&mut on, 100).await;
    assert_eq!(on.config.problems(), []);
    let limited = on.read(&id("a")).unwrap().plan.digest.clone();
    std::fs::remove_file(bed.config().join("mesh.yaml")).unwrap();
    scan(&mut on, 200).await;
    assert_eq!(on.read(&id("a")).unwrap().plan.digest, limited);
    scan(&mut on, 210).await;
    assert_ne!(on.read(&id("a")).unwrap().plan.digest, limited);
}

#[tokio::test]
async fn a_deletion_that_is_asked_for_is_done_at_once_also_of_the_last_one() {
    let (bed, mut on) = two().await;
    assert_eq!(on.remove(&id("a"), Time(100 * ONE_SECOND)).unwrap().as_deref(), Some("a.yaml"));
    scan(&mut on, 101).await;
    assert!(gone(&on, "a") && !gone(&on, "b"));
    assert_eq!(on.remove(&id("b"), Time(102 * ONE_SECOND)).unwrap().as_deref(), Some("b.yaml"));
    scan(&mut on, 103).await;
    assert!(gone(&on, "b"));
    on.refresh(Time(104 * ONE_SECOND)).await.unwrap();
    assert!(gone(&on, "a") && gone(&on, "b"), "a text of before brings nothing back");
    assert_eq!(on.config.notice(), None);
    assert_eq!(std::fs::read_dir(bed.config()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_rollout_whose_folder_is_lost_can_be_deleted_and_nothing_is_written_there() {
    let (bed, mut on) = two().await;
    std::fs::rename(bed.config(), bed.dir.path().join("aside")).unwrap();
    std::fs::create_dir(bed.config()).unwrap();
    scan(&mut on, 100).await;
    let refused = on.put(&id("a"), &manifest("a", "a.test", "v2")).unwrap_err();
    assert!(matches!(&refused, PutError::Folder(notice) if notice.contains("shop/a, shop/b")), "{refused}");
    assert_eq!(on.remove(&id("a"), Time(101 * ONE_SECOND)).unwrap(), None);
    on.refresh(Time(102 * ONE_SECOND)).await.unwrap();
    assert!(gone(&on, "a") && !gone(&on, "b"));
    on.forget(&id("a"), Time(102 * ONE_SECOND)).await;
    on.refresh(Time(103 * ONE_SECOND)).await.unwrap();
    assert!(on.read(&id("a")).is_none(), "what the file said before does not bring it back");
}

/// Takes a Rollout that is gone through to its end, as the reconciler would.
async fn retire(on: &mut On, name: &str) {
    let mut seen = Observation::unknown(Time(500 * ONE_SECOND));
    let everywhere = Delivery::Live { since: Time(1), proxies: 1 };
    (seen.policy, seen.everywhere, seen.routes) = (everywhere.clone(), everywhere.clone(), everywhere);
    for _ in 0..10 {
        let stored = on.read(&id(name)).unwrap().clone();
        let next = advance(&stored.plan, &stored.state, &seen, &[]);
        let gone = next.state.retiring == Some(Retiring::Gone);
        on.advance(&id(name), next, seen.now).await;
        if gone {
            return on.forget(&id(name), seen.now).await;
        }
    }
    panic!("it is not gone: {:?}", on.read(&id(name)).unwrap().state);
}

#[tokio::test]
async fn a_rollout_that_returns_goes_on_from_the_version_that_was_stable() {
    let (bed, mut on) = two().await;
    on.remove(&id("a"), Time(100 * ONE_SECOND)).unwrap();
    scan(&mut on, 101).await;
    retire(&mut on, "a").await;

    bed.write("a.yaml", &manifest("a", "a.test", "v2"));
    scan(&mut on, 1_000).await;
    let stored = on.read(&id("a")).unwrap();
    assert_eq!((stored.state.stable.as_str(), stored.plan.release.as_str()), ("v1", "v2"));
    let seen = Observation::unknown(Time(1_000 * ONE_SECOND));
    let back = advance(&stored.plan, &stored.state, &seen, &[]);
    assert_eq!(back.entry.unwrap().reason, "the manifest is back");
    assert!(back.state.installed.values().all(|installed| installed.stage == shunt_core::state::Installation::Installing));
}

#[tokio::test]
async fn a_rollout_that_returns_without_the_version_that_was_stable_begins_anew() {
    let (bed, mut on) = two().await;
    on.remove(&id("a"), Time(100 * ONE_SECOND)).unwrap();
    scan(&mut on, 101).await;
    retire(&mut on, "a").await;

    bed.write("a.yaml", &manifest("a", "a.test", "v2").replace("{name: v1, endpoints: ['127.0.0.1:9001']}, ", ""));
    scan(&mut on, 1_000).await;
    let stored = on.read(&id("a")).unwrap();
    assert_eq!((stored.state.stable.as_str(), stored.state.retiring.clone(), stored.state.revision), ("v2", None, 0));
}
