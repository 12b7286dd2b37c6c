//! Manifests that come, change, conflict, break and go, as the folder shows them.

mod full;
mod removal;

use shunt_core::Verb;
use shunt_core::advance::Next;
use shunt_filter_core::VersionName;
use tempfile::TempDir;

use super::super::put::{Put, PutError};
use super::super::release::{ReleaseError, Written};
use super::*;
use crate::platform::{NewCommand, Recorder, Stored};
use crate::rollouts::Happened;
use crate::standalone::{Database, Standalone};

/// A process on the folder: what it read and what it recorded.
#[derive(Debug)]
struct On {
    store: Database,
    config: ConfigFolder,
    rollouts: Rollouts,
}

impl On {
    /// Reads the folder, and waits until that is recorded.
    async fn refresh(&mut self, now: Time) -> Result<(), StoreError> {
        let resources = self.config.resources(&self.store, &self.rollouts, now).await?;
        self.rollouts.accept(resources, now);
        self.rollouts.settle(now).await;
        Ok(())
    }

    fn read(&self, id: &RolloutId) -> Option<&Stored> {
        self.rollouts.read(id)
    }

    /// Records a transition. True when it counts.
    async fn advance(&mut self, id: &RolloutId, next: Next, now: Time) -> bool {
        self.rollouts.advance(id, next, now);
        self.rollouts.settle(now).await.iter().any(|happened| matches!(happened, Happened::Advanced { .. }))
    }

    async fn forget(&mut self, id: &RolloutId, now: Time) {
        self.rollouts.forget(id);
        self.rollouts.settle(now).await;
    }

    fn put(&mut self, id: &RolloutId, text: &str) -> Result<Put, PutError> {
        self.config.put(id, text, &self.rollouts)
    }

    fn remove(&mut self, id: &RolloutId, now: Time) -> Result<Option<String>, PutError> {
        self.config.remove(id, &self.rollouts, now)
    }

    fn close(self) {
        self.store.close();
    }
}

struct Bed {
    dir: TempDir,
}

impl Bed {
    fn new() -> Self {
        let bed = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(bed.config()).unwrap();
        bed
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.config().join(file), text).unwrap();
    }

    /// A process that starts, with the manifests as they are now.
    async fn open(&self) -> anyhow::Result<On> {
        let (store, config) = Standalone::open(&self.config(), &self.dir.path().join("data"), Span::seconds(10)).await?;
        let rollouts = Rollouts::new(store.rollouts().await?, Recorder::Standalone(store.clone()));
        let mut on = On { store, config, rollouts };
        on.refresh(Time(1)).await?;
        Ok(on)
    }
}

fn manifest(name: &str, host: &str, release: &str) -> String {
    format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: {name}, namespace: shop}}
spec:
  service: {{hosts: [{host}]}}
  versions: [{{name: v1, endpoints: ['127.0.0.1:9001']}}, {{name: v2, endpoints: ['127.0.0.1:9002']}}]
  release: {release}
"
    )
}

fn id(name: &str) -> RolloutId {
    RolloutId::new("shop", name).unwrap()
}

fn release(on: &On, name: &str) -> Option<String> {
    on.read(&id(name)).map(|stored| stored.plan.release.to_string())
}

#[tokio::test]
async fn a_changed_manifest_changes_the_plan_and_not_the_state() {
    let bed = Bed::new();
    bed.write("a.yaml", &manifest("a", "a.test", "v1"));
    bed.open().await.unwrap().close();
    bed.write("a.yaml", &manifest("a", "a.test", "v2"));
    let on = bed.open().await.unwrap();
    let stored = on.read(&id("a")).unwrap();
    assert_eq!((stored.plan.release.as_str(), stored.state.stable.as_str()), ("v2", "v1"));
    assert_eq!((stored.state.revision, stored.plan.gone), (0, false));
}

#[tokio::test]
async fn a_deleted_manifest_is_gone_and_may_come_back() {
    let bed = Bed::new();
    bed.write("a.yaml", &manifest("a", "a.test", "v1"));
    bed.write("b.yaml", &manifest("b", "b.test", "v1"));
    bed.open().await.unwrap().close();
    std::fs::remove_file(bed.config().join("a.yaml")).unwrap();
    let mut on = bed.open().await.unwrap();
    on.refresh(Time(10_001)).await.unwrap();
    on.close();
    let on = bed.open().await.unwrap();
    assert!(on.read(&id("a")).unwrap().plan.gone, "also after another restart");
    assert!(!on.read(&id("b")).unwrap().plan.gone);
    on.close();
    bed.write("a.yaml", &manifest("a", "a.test", "v1"));
    assert!(!bed.open().await.unwrap().read(&id("a")).unwrap().plan.gone);
}

#[tokio::test]
async fn a_broken_manifest_is_no_deleted_one() {
    let bed = Bed::new();
    bed.write("a.yaml", &manifest("a", "a.test", "v2"));
    bed.open().await.unwrap().close();
    for broken in ["kind: [".to_owned(), manifest("a", "a.test", "v9"), manifest("a", "a.test", "v1").replace("service", "sevrice")] {
        bed.write("a.yaml", &broken);
        let on = bed.open().await.unwrap();
        assert_eq!(release(&on, "a").as_deref(), Some("v2"), "{broken}");
        assert!(!on.read(&id("a")).unwrap().plan.gone && !on.config.problems().is_empty());
        on.close();
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_error_where_nothing_is_recorded() {
    let bed = Bed::new();
    std::fs::remove_dir(bed.config()).unwrap();
    let error = bed.open().await.unwrap_err().to_string();
    assert!(error.contains("config folder") && error.contains("--config"), "{error}");
    assert!(!bed.dir.path().join("data").exists(), "nothing is made for it");
}

#[tokio::test]
async fn a_host_stays_with_the_rollout_that_has_it() {
    let bed = Bed::new();
    bed.write("z.yaml", &manifest("z", "shop.test", "v1"));
    bed.open().await.unwrap().close();
    bed.write("a.yaml", &manifest("a", "shop.test", "v1"));
    bed.write("b.yaml", &manifest("b", "b.test", "v1"));
    let mut on = bed.open().await.unwrap();
    assert_eq!(release(&on, "a"), None);
    assert!(on.rollouts.conflicted()[&id("a")].reason.contains("shop/z"));
    on.forget(&id("z"), Time(2)).await;
    on.close();

    std::fs::remove_file(bed.config().join("z.yaml")).unwrap();
    let on = bed.open().await.unwrap();
    assert!(on.rollouts.conflicted().is_empty() && release(&on, "a").is_some(), "its turn");
    on.close();

    bed.write("b.yaml", &manifest("b", "shop.test", "v2"));
    let on = bed.open().await.unwrap();
    assert_eq!(release(&on, "b").as_deref(), Some("v1"), "what it had stays in force");
    assert!(on.rollouts.conflicted()[&id("b")].reason.contains("shop/a"));
}

#[tokio::test]
async fn release_names_the_file_it_changed() {
    let bed = Bed::new();
    bed.write("a.yaml", &manifest("a", "a.test", "v1"));
    let on = bed.open().await.unwrap();
    let version: VersionName = "v2".parse().unwrap();
    assert_eq!(on.config.release(&id("a"), &version).unwrap(), Written::Changed { file: "a.yaml".to_owned(), line: 7 });
    assert!(matches!(on.config.release(&id("x"), &version), Err(ReleaseError::NoManifest(_))));
}

/// What comes through the API: checked with all others, written whole, in force like any other manifest.
#[tokio::test]
async fn manifests_come_through_the_api() {
    let bed = Bed::new();
    bed.write("a.yaml", &manifest("one", "one.test", "v1"));
    let mut on = bed.open().await.unwrap();
    let wrong = on.put(&id("two"), &manifest("two", "two.test", "v9")).unwrap_err();
    assert!(matches!(&wrong, PutError::Invalid(errors) if errors[0].path == "spec.release"), "{wrong:?}");
    let taken = on.put(&id("two"), &manifest("two", "one.test", "v1")).unwrap_err();
    assert!(matches!(&taken, PutError::Conflicted(_)), "{taken:?}");
    let other = on.put(&id("two"), &manifest("three", "three.test", "v1")).unwrap_err();
    assert!(matches!(&other, PutError::Invalid(errors) if errors[0].path == "metadata.name"), "{other:?}");
    let both = format!("{}---\n{}", manifest("two", "two.test", "v1"), manifest("three", "three.test", "v1"));
    assert!(matches!(on.put(&id("two"), &both).unwrap_err(), PutError::Invalid(_)));
    assert_eq!(std::fs::read_dir(bed.config()).unwrap().count(), 1, "nothing was written so far");

    for (host, new) in [("two.test", true), ("other.test", false)] {
        let put = on.put(&id("two"), &manifest("two", host, "v1")).unwrap();
        assert_eq!((put.file.as_str(), put.new), ("shop.two.yaml", new));
        seen(&mut on).await;
        assert_eq!(on.read(&id("two")).unwrap().plan.digest, put.digest);
    }
    assert_eq!(on.remove(&id("two"), Time(2)).unwrap().as_deref(), Some("shop.two.yaml"));
    seen(&mut on).await;
    assert!(on.read(&id("two")).unwrap().plan.gone && !bed.config().join("shop.two.yaml").exists());
    assert!(matches!(on.remove(&id("two"), Time(2)).unwrap_err(), PutError::Unknown(_)));
}

async fn seen(on: &mut On) {
    let mut files = on.config.files();
    tokio::time::timeout(std::time::Duration::from_secs(20), files.changed()).await.unwrap().unwrap();
    on.refresh(Time(2)).await.unwrap();
}
