//! What all manifests together say: plans, what is wrong, and which Rollouts are named at all. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::RolloutId;
use shunt_spec::manifest::{Document, Manifest, ManifestError, duplicates, parse, skipped};
use shunt_spec::mesh_policy::MeshPolicy;
use shunt_spec::rollout::analysis::Templates;
use shunt_spec::{Context, Plan};

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
    /// Documents of other tools, which are left alone.
    pub(crate) skipped: Vec<ManifestError>,
    /// The texts in force by file name: as they are, or, where that cannot be read or the file is missing, as they were.
    pub(crate) texts: BTreeMap<String, String>,
    /// Files in force that are not in the folder any more.
    pub(crate) missing: BTreeSet<String>,
    /// How many documents the files say that are there and can be read.
    pub(crate) present: usize,
}

/// Reads all files. Of one that cannot be read or is missing, the text in `before` stays in force; without one there, it says
/// nothing. How long a missing one stays in force, the caller decides by what it passes as `before`.
pub(crate) fn read(files: &Files, before: &BTreeMap<String, String>) -> Manifests {
    let mut manifests = Manifests::default();
    let mut documents = Vec::new();
    for (name, text) in &files.texts {
        let parsed = match text {
            Ok(text) => parse(name, text).map(|found| (text, found)),
            Err(error) => Err(vec![unreadable(name, error)]),
        };
        let in_force = match parsed {
            Ok((text, found)) => {
                manifests.present += found.len();
                manifests.skipped.extend(skipped(name, text));
                Some((text.clone(), found))
            }
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
    for (name, text) in before.iter().filter(|(name, _)| !files.texts.contains_key(*name)) {
        manifests.missing.insert(name.clone());
        manifests.texts.insert(name.clone(), text.clone());
        // What another file says by now (a renamed one) is no longer missing.
        let found: Vec<Document> = parse(name, text).unwrap_or_default();
        let unsaid = |one: &Document| !documents.iter().any(|other| same_object(one, other));
        let found: Vec<Document> = found.into_iter().filter(unsaid).collect();
        documents.extend(found);
    }
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
        match document.compile(&Context { mesh, templates }) {
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

/// Whether two documents are about one thing. Of MeshPolicies there is one at most, whatever its name.
fn same_object(one: &Document, other: &Document) -> bool {
    match (&one.manifest, &other.manifest) {
        (Manifest::Rollout(one), Manifest::Rollout(other)) => one.id == other.id,
        (Manifest::MeshPolicy(_), Manifest::MeshPolicy(_)) => true,
        (Manifest::AnalysisTemplate(one), Manifest::AnalysisTemplate(other)) => {
            (&one.namespace, &one.name) == (&other.namespace, &other.name)
        }
        (Manifest::Rollout(_) | Manifest::MeshPolicy(_) | Manifest::AnalysisTemplate(_), _) => false,
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
        Files { texts: texts.iter().map(|(name, text)| ((*name).to_owned(), own(text))).collect(), fault: None }
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
    fn a_missing_file_stays_in_force_while_it_is_among_those_before() {
        let before = BTreeMap::from([("a.yaml".to_owned(), ONE.to_owned())]);
        let held = read(&files(&[]), &before);
        assert_eq!((held.named[&id()].as_str(), held.present, held.problems.len()), ("a.yaml", 0, 0));
        assert_eq!((held.missing.first().map(String::as_str), &held.texts), (Some("a.yaml"), &before));
        let gone = read(&files(&[]), &BTreeMap::new());
        assert!(gone.named.is_empty() && gone.texts.is_empty() && gone.problems.is_empty());
    }

    #[test]
    fn a_renamed_file_is_not_its_own_rival() {
        let before = BTreeMap::from([("a.yaml".to_owned(), ONE.to_owned())]);
        let renamed = read(&files(&[("z.yaml", Ok(&ONE.replace("release: v1", "release: v2")))]), &before);
        assert_eq!((renamed.problems.len(), renamed.named[&id()].as_str()), (0, "z.yaml"));
        assert_eq!(renamed.plans[&id()].release.as_str(), "v2");
    }

    /// `shunt serve --config envoy/own-routes`, as its comment says: the bootstrap beside the Rollout is no error.
    #[test]
    fn files_of_other_tools_are_skipped() {
        let bootstrap = include_str!("../../../envoy/own-routes/envoy.yaml");
        let read = read(&files(&[("checkout.yaml", Ok(ONE)), ("envoy.yaml", Ok(bootstrap))]), &BTreeMap::new());
        assert_eq!(read.problems, []);
        assert_eq!(read.skipped.len(), 1);
        assert!(read.skipped[0].to_string().starts_with("envoy.yaml:"), "{}", read.skipped[0]);
        assert!(read.plans.contains_key(&id()));
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
