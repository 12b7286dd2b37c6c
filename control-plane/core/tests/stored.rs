//! What earlier versions stored is read for ever: `tests/stored/<format>/` holds a state, a plan, journal entries and an incident of each
//! format, as that version wrote them.
//!
//! `UPDATE=1 cargo test -p shunt-core --test stored` adds the files of a new format. It changes none that is there: a file that can no longer be
//! read is a store that can no longer be opened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[path = "model/whole.rs"]
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shunt_core::State;
use shunt_core::journal::Entry;
use shunt_core::replay::Incident;
use shunt_core::state::{Retiring, Stage};
use shunt_core::stored::{FORMAT, Head, read, write};
use shunt_spec::Plan;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored")
}

/// The formats that have a folder, in order.
fn formats() -> Vec<u32> {
    let folders = std::fs::read_dir(folder()).expect("the folder").map(|entry| entry.unwrap().file_name());
    let mut formats: Vec<u32> = folders.map(|name| name.to_str().unwrap().parse().expect("a format's number")).collect();
    formats.sort_unstable();
    formats
}

fn text(format: u32, file: &str) -> String {
    let path = folder().join(format.to_string()).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a file as the store does. In the newest format nothing of it is lost when it is written again.
fn kept<T: Serialize + DeserializeOwned>(format: u32, file: &str) -> T {
    let text = text(format, file);
    let value: T = read(&text).unwrap_or_else(|error| panic!("{file} of format {format}: {error}"));
    if format == FORMAT {
        let (old, new): (Value, Value) = (serde_json::from_str(&text).unwrap(), serde_json::from_str(&write(&value).unwrap()).unwrap());
        let lost = lost("", &old, &new);
        assert!(lost.is_empty(), "{file} loses {lost:?}: a change that an older program would misread raises FORMAT in src/stored.rs");
    }
    value
}

/// What stands in `old` and not in `new`.
fn lost(at: &str, old: &Value, new: &Value) -> Vec<String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let each = old.iter().flat_map(|(key, value)| lost(&format!("{at}.{key}"), value, new.get(key).unwrap_or(&Value::Null)));
            each.collect()
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => old.iter().zip(new).flat_map(|(a, b)| lost(at, a, b)).collect(),
        (old, new) if old == new => Vec::new(),
        _ => vec![at.to_owned()],
    }
}

/// Adds the files of this format where they are missing.
fn add() {
    let plan = whole::plan("every-step.yaml");
    let state = whole::state(Stage::Holding { step: 1 }, Retiring::EndingRun);
    let entries = whole::entries(&plan);
    let incident = Incident::new(BTreeMap::from([(plan.digest.clone(), plan.clone())]), &entries, 3);
    let files = [
        ("state.json", write(&state).unwrap()),
        ("plan.json", write(&plan).unwrap()),
        ("entries.json", write(&entries).unwrap()),
        ("incident.json", serde_json::to_string(&incident).unwrap()),
    ];
    let folder = folder().join(FORMAT.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    for (file, text) in files.into_iter().filter(|(file, _)| !folder.join(file).exists()) {
        let value: Value = serde_json::from_str(&text).unwrap();
        std::fs::write(folder.join(file), format!("{value:#}\n")).unwrap();
    }
}

#[test]
fn what_earlier_versions_stored_is_read() {
    if std::env::var_os("UPDATE").is_some() {
        add();
    }
    let formats = formats();
    assert_eq!(formats, (1..=FORMAT).collect::<Vec<_>>(), "each format has a folder: UPDATE=1 adds that of a new one");
    for format in formats {
        let state: State = kept(format, "state.json");
        assert!(state.run.is_some() && state.retiring.is_some());
        let plan: Plan = kept(format, "plan.json");
        assert!(plan.steps.len() > 3);
        let entries: Vec<Entry> = kept(format, "entries.json");
        assert_eq!(entries.len(), whole::stages().len(), "one for each stage");
        let text = text(format, "incident.json");
        serde_json::from_str::<Head>(&text).unwrap().check().unwrap();
        let incident: Incident = serde_json::from_str(&text).unwrap();
        assert!(incident.first.is_some() && !incident.entries.is_empty());
    }
}

#[test]
fn what_a_newer_version_stored_is_refused_with_what_helps() {
    let state = write(&whole::state(Stage::Shifting, Retiring::Gone)).unwrap();
    let newer = state.replacen(&format!("\"format\":{FORMAT}"), "\"format\":4711", 1);
    let error = read::<State>(&newer).unwrap_err().to_string();
    for part in ["format 4711", &format!("up to {FORMAT}"), "a newer shunt"] {
        assert!(error.contains(part), "{error}");
    }
}
