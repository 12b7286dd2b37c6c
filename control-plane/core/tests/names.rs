//! One style of names in all that is stored: camelCase keys and words, whatever the state is. What the API shows is looked through by the
//! tests of the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[path = "names/walk.rs"]
mod walk;
#[path = "model/whole.rs"]
mod whole;

use std::path::Path;

use serde_json::{Value, json};
use walk::{is_camel_case, wrong_names};

/// The JSON files of a folder beside this crate.
fn files(folder: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: std::path::PathBuf| {
        (path.display().to_string(), serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).expect("JSON"))
    };
    paths.into_iter().map(read).collect()
}

fn check(what: &str, value: &Value) {
    let wrong = wrong_names(value);
    assert!(wrong.is_empty(), "{what} has names that are not camelCase; a type lacks `rename_all`:\n{}", wrong.join("\n"));
}

#[test]
fn states_and_journal_entries() {
    let plan = whole::plan("every-step.yaml");
    for entry in whole::entries(&plan) {
        check(&format!("the entry at {:?}", entry.next.run.as_ref().map(|run| &run.stage)), &serde_json::to_value(&entry).unwrap());
    }
}

#[test]
fn plans_and_incidents() {
    let all: Vec<(String, Value)> = files("spec/tests/manifest/good").into_iter().chain(files("core/tests/incidents")).collect();
    assert!(all.len() >= 10, "{} files", all.len());
    for (path, value) in all {
        check(&path, &value);
    }
}

#[test]
fn what_is_found() {
    let bad = json!({"max_exposed": 1, "stage": "Holding", "steps": [{"SetWeight": 5}], "guard": "no_worse", "phase": "Paused"});
    assert_eq!(wrong_names(&bad).len(), 4, "{:?}", wrong_names(&bad));
    let good = json!({"maxExposed": 1, "phase": "Healthy", "installed": {"v-2": {"stage": "serving"}}, "message": "Two words"});
    assert_eq!(wrong_names(&good), Vec::<String>::new());
    assert!(is_camel_case("p50") && !is_camel_case("P50") && !is_camel_case("a-b"));
}
