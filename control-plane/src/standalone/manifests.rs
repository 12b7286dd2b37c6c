//! What all manifests together say: plans, what is wrong, and which Rollouts are named at all. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use shunt_core::Plan;
use shunt_core::manifest::{Document, ManifestError, compile_with, duplicates, parse};
use shunt_core::mesh_policy::MeshPolicy;
use shunt_core::rollout::analysis::Templates;
use shunt_filter_core::RolloutId;

use super::files::Files;

/// All manifests at one moment, read.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// Rollouts whose manifests are right.
    pub(crate) plans: BTreeMap<RolloutId, Plan>,
    /// Rollouts that some manifest is about, right or wrong: these are not deleted. With the file, as far as it is known.
    pub(crate) named: BTreeMap<RolloutId, String>,
    /// What is wrong.
    pub(crate) problems: Vec<ManifestError>,
    /// The texts in force by file name: as they are, or, where that cannot be read, as they were.
    pub(crate) texts: BTreeMap<String, String>,
}

/// Reads all files. Of one that cannot be read, the text in `before` stays in force; without one there, it says nothing.
pub(crate) fn read(files: &Files, before: &BTreeMap<String, String>) -> Manifests {
    let mut manifests = Manifests::default();
    let mut documents = Vec::new();
    for (name, text) in &files.texts {
        let parsed = match text {
            Ok(text) => parse(name, text).map(|found| (text, found)),
            Err(error) => Err(vec![unreadable(name, error)]),
        };
        let in_force = match parsed {
            Ok((text, found)) => Some((text.clone(), found)),
            Err(errors) => {
                manifests.blame(errors);
                before.get(name).and_then(|text| Some((text.clone(), parse(name, text).ok()?)))
            }
        };
        if let Some((text, found)) = in_force {
            manifests.texts.insert(name.clone(), text);
            documents.extend(found);
        }
    }
    manifests.blame(duplicates(&documents));
    let mesh = documents.iter().find_map(Document::mesh_policy);
    let templates = Templates::of(&documents);
    let mut seen = BTreeSet::new();
    for document in &documents {
        if let Some(id) = document.id().filter(|id| seen.insert((*id).clone())) {
            manifests.take(id, document, mesh, &templates);
        }
    }
    manifests
}

impl Manifests {
    fn take(&mut self, id: &RolloutId, document: &Document, mesh: Option<&MeshPolicy>, templates: &Templates) {
        self.named.insert(id.clone(), document.origin.file().to_owned());
        match compile_with(document, mesh, templates) {
            Ok(plan) => drop(self.plans.insert(id.clone(), plan)),
            Err(errors) => self.blame(errors),
        }
    }

    fn blame(&mut self, errors: Vec<ManifestError>) {
        for error in errors {
            if let Some(id) = &error.rollout {
                self.named.entry(id.clone()).or_insert_with(|| error.file.clone());
            }
            self.problems.push(error);
        }
    }
}

fn unreadable(name: &str, error: &str) -> ManifestError {
    let message = format!("cannot be read: {error}; what it said before stays in force");
    ManifestError { file: name.to_owned(), line: 1, column: 1, path: String::new(), message, rollout: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const ONE: &str = "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  versions:
    - {name: v1, endpoints: ['127.0.0.1:9001']}
    - {name: v2, endpoints: ['127.0.0.1:9002']}
  release: v1
";

    fn files(texts: &[(&str, Result<&str, &str>)]) -> Files {
        let own = |text: &Result<&str, &str>| text.map(str::to_owned).map_err(str::to_owned);
        Files { texts: texts.iter().map(|(name, text)| ((*name).to_owned(), own(text))).collect() }
    }

    fn id() -> RolloutId {
        "shop/checkout".parse().unwrap()
    }

    #[test]
    fn a_right_manifest_gives_its_plan() {
        let read = read(&files(&[("a.yaml", Ok(ONE))]), &BTreeMap::new());
        assert_eq!(read.problems, []);
        assert_eq!(read.plans[&id()].release.as_str(), "v1");
        assert_eq!(read.named[&id()], "a.yaml");
    }

    #[test_case(Ok("kind: ["); "not YAML")]
    #[test_case(Err("permission denied"); "not readable")]
    fn the_last_good_text_stays_in_force(now: Result<&str, &str>) {
        let before = BTreeMap::from([("a.yaml".to_owned(), ONE.to_owned())]);
        let read = read(&files(&[("a.yaml", now)]), &before);
        assert_eq!(read.problems.len(), 1);
        assert_eq!(read.plans[&id()].release.as_str(), "v1");
        assert_eq!(read.texts, before);
    }

    #[test]
    fn a_wrong_field_keeps_the_rollout_named_with_its_line() {
        let wrong = ONE.replace("release: v1", "release: v9");
        let read = read(&files(&[("a.yaml", Ok(&wrong))]), &BTreeMap::new());
        assert!(read.plans.is_empty());
        assert_eq!(read.named[&id()], "a.yaml");
        assert_eq!((read.problems[0].line, read.problems[0].path.as_str()), (9, "spec.release"));
    }

    #[test]
    fn a_file_that_is_gone_names_nobody() {
        let before = BTreeMap::from([("a.yaml".to_owned(), ONE.to_owned())]);
        let read = read(&files(&[]), &before);
        assert!(read.named.is_empty() && read.texts.is_empty() && read.problems.is_empty());
    }

    #[test]
    fn of_a_rollout_written_twice_the_first_counts() {
        let second = ONE.replace("release: v1", "release: v2");
        let read = read(&files(&[("a.yaml", Ok(ONE)), ("b.yaml", Ok(&second))]), &BTreeMap::new());
        assert_eq!(read.plans[&id()].release.as_str(), "v1");
        assert_eq!(read.problems.len(), 1);
        assert_eq!(read.problems[0].file, "b.yaml");
    }
}
