//! Manifests as users write them: bad ones with the exact text of their errors, good ones with their plans, odd ones with their
//! warnings. Adding a case is adding a file; `UPDATE=1` writes what is expected anew, to be read in the diff.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use shunt_spec::manifest::{API_VERSION, Document, Manifest, ManifestError, conflicts, duplicates, parse};
use shunt_spec::rollout::analysis::Templates;
use shunt_spec::time::Time;
use shunt_spec::{Context, Plan};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifest").join(name)
}

/// Every `*.yaml` of a folder: (path, name, text).
fn cases(name: &str) -> Vec<(PathBuf, String, String)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        (path, name, text)
    };
    paths.into_iter().map(read).collect()
}

/// All documents of a file compiled under the mesh policy that stands among them, if any.
fn plans(documents: &[Document]) -> Result<Vec<(&Document, Plan)>, Vec<ManifestError>> {
    let twice = duplicates(documents);
    if !twice.is_empty() {
        return Err(twice);
    }
    let mesh = documents.iter().find_map(Document::mesh_policy);
    let templates = Templates::of(documents);
    let mut plans = Vec::new();
    let mut errors = Vec::new();
    for document in documents.iter().filter(|document| document.rollout().is_some()) {
        match document.compile(&Context { mesh, templates: &templates }) {
            Ok(plan) => plans.push((document, plan)),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(plans) } else { Err(errors) }
}

fn lint(document: &Document, plan: &Plan) -> Vec<ManifestError> {
    document.locate(shunt_spec::lint::lint(document.rollout().unwrap(), plan))
}

fn lines(errors: &[ManifestError]) -> String {
    errors.iter().map(|error| format!("{error}\n")).collect()
}

/// Differences to the golden file beside the case; with UPDATE=1 the file is written instead.
fn compare(case: &Path, extension: &str, found: &str, differences: &mut Vec<String>) {
    let golden = case.with_extension(extension);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&golden, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    if expected != found {
        differences.push(format!("{}\n--- expected\n{expected}--- found\n{found}", case.display()));
    }
}

#[test]
fn bad_manifests_say_what_is_wrong_where_and_what_would_be_right() {
    let cases = cases("bad");
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut differences = Vec::new();
    for (path, name, text) in cases {
        let errors = match parse(&name, &text) {
            Err(errors) => errors,
            Ok(documents) => match plans(&documents) {
                Err(errors) => errors,
                Ok(plans) => {
                    let seen: Vec<(&Plan, Time)> = plans.iter().enumerate().map(|(age, (_, plan))| (plan, Time(age as u64))).collect();
                    let conflicts = conflicts(&seen);
                    if conflicts.is_empty() {
                        differences.push(format!("{name} is not bad"));
                    }
                    let of =
                        |document: &Document| conflicts.get(document.id()?).map(|why| document.origin.error("spec.service.hosts", why));
                    plans.iter().filter_map(|(document, _)| of(document)).collect()
                }
            },
        };
        compare(&path, "txt", &lines(&errors), &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn good_manifests_become_plans_without_warnings() {
    let mut differences = Vec::new();
    for (path, name, text) in cases("good") {
        let documents = parse(&name, &text).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        let plans = plans(&documents).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        let warnings: Vec<ManifestError> = plans.iter().flat_map(|(document, plan)| lint(document, plan)).collect();
        assert!(warnings.is_empty(), "{}", lines(&warnings));
        let plans: Vec<&Plan> = plans.iter().map(|(_, plan)| plan).collect();
        let text = serde_json::to_string_pretty(&plans).unwrap() + "\n";
        let back: Vec<Plan> = serde_json::from_str(&text).unwrap();
        assert_eq!(back.iter().collect::<Vec<_>>(), plans, "{name}: a plan reads back as it was written");
        compare(&path, "json", &text, &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_specification_written_out_reads_back_the_same() {
    for (_, name, text) in cases("good") {
        for document in parse(&name, &text).unwrap() {
            let (kind, id, spec) = match &document.manifest {
                Manifest::Rollout(rollout) => ("Rollout", rollout.id.name(), serde_json::to_value(&rollout.spec).unwrap()),
                Manifest::MeshPolicy(policy) => ("MeshPolicy", policy.name.as_str(), serde_json::to_value(&policy.spec).unwrap()),
                // It has no namespace, which is not the same as the default one.
                Manifest::AnalysisTemplate(_) => continue,
            };
            let metadata = serde_json::json!({"name": id, "namespace": document.id().map_or("default", |id| id.namespace())});
            let json = serde_json::json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec});
            let back = parse(&name, &json.to_string()).unwrap_or_else(|errors| panic!("{json}\n{}", lines(&errors)));
            match (&back[0].manifest, &document.manifest) {
                // Which fields were written is another matter: what is written out names defaults, too.
                (Manifest::Rollout(back), Manifest::Rollout(rollout)) => {
                    assert_eq!((&back.id, &back.spec), (&rollout.id, &rollout.spec), "{name}");
                }
                (back, other) => assert_eq!(back, other, "{name}"),
            }
        }
    }
}

#[test]
fn odd_manifests_compile_with_warnings() {
    let mut differences = Vec::new();
    for (path, name, text) in cases("lint") {
        let documents = parse(&name, &text).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        let plans = plans(&documents).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        let warnings: Vec<ManifestError> = plans.iter().flat_map(|(document, plan)| lint(document, plan)).collect();
        assert!(!warnings.is_empty(), "{name} has no warning");
        compare(&path, "txt", &lines(&warnings), &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Everything between ```yaml and ``` of the reference.
fn examples() -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_example_of_the_reference_compiles_without_warnings() {
    let documents: Vec<Document> =
        examples().iter().flat_map(|text| parse("README.md", text).unwrap_or_else(|errors| panic!("{}", lines(&errors)))).collect();
    let mesh = documents.iter().find_map(Document::mesh_policy);
    let templates = Templates::of(&documents);
    assert!(mesh.is_some() && documents.len() >= 3);
    for document in documents.iter().filter(|document| document.rollout().is_some()) {
        let plan = document.compile(&Context { mesh: None, templates: &templates }).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        assert!(lint(document, &plan).is_empty(), "{}", lines(&lint(document, &plan)));
        match document.compile(&Context { mesh, templates: &templates }) {
            Ok(plan) => assert!(lint(document, &plan).is_empty(), "{}", lines(&lint(document, &plan))),
            // What a strategy is for may be what the mesh policy forbids.
            Err(errors) => {
                let forbidden = |error: &ManifestError| error.message.contains("MeshPolicy") || error.message.contains("maxExposed");
                assert!(errors.iter().all(forbidden), "{}", lines(&errors));
            }
        }
    }
    let first = documents.first().unwrap();
    assert!(first.compile(&Context { mesh, templates: &templates }).is_ok(), "the whole example under the mesh policy");
}

/// The names that a reader of that path knows, from its own message about one that it does not.
fn known(kind: &str, path: &[&str]) -> Vec<String> {
    let open: String = path.iter().map(|field| format!("{field}: {{")).collect();
    let text =
        format!("{{apiVersion: shunt.dev/v1alpha1, kind: {kind}, metadata: {{name: a}}, {open}zzzzzz: 1{}}}", "}".repeat(path.len()));
    let errors = parse("known.yaml", &text).unwrap_err();
    let message = errors.iter().find_map(|error| error.message.split_once("known here: ")).unwrap().1.to_owned();
    message.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_reference_shows_every_field() {
    let examples = examples().concat();
    let rollout: [&[&str]; 4] = [&["spec"], &["spec", "service"], &["spec", "health"], &["spec", "analysis"]];
    let policy: [&[&str]; 3] = [&["spec"], &["spec", "defaults"], &["spec", "limits"]];
    let fields = rollout.iter().flat_map(|path| known("Rollout", path)).chain(policy.iter().flat_map(|path| known("MeshPolicy", path)));
    for field in fields {
        assert!(examples.contains(&format!("{field}: ")) || examples.contains(&format!("{field}:\n")), "{field} is in no example");
    }
}
